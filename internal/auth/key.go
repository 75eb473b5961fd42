package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/cairn-ml/cairn"
)

// Key is the home's own secret: it seals secrets at rest and signs the tokens
// of jobs.
type Key struct {
	id  *age.X25519Identity
	mac []byte
}

// OpenKey reads the key file, or makes it where there is none.
func OpenKey(path string) (*Key, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path)
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "cannot read the key of the home: %w", err)
	}
	if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
		return nil, cairn.Errorf(cairn.CodeForbidden, "others may read %s (mode %o)", path, fi.Mode().Perm()).
			WithHint("chmod 600 %s, and set the secrets anew if others could have read it", path)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a key", path).
			WithHint("put back the key file of this home; without it the stored secrets cannot be read")
	}
	return makeKey(id), nil
}

func newKey(path string) (*Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	// Written aside and renamed: a key that is cut short would lose every secret.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "cannot write the key of the home: %w", err)
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.WriteString(id.String() + "\n"); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "cannot write the key of the home: %w", err)
	}
	return makeKey(id), nil
}

func makeKey(id *age.X25519Identity) *Key {
	m := hmac.New(sha256.New, []byte(id.String()))
	m.Write([]byte("cairn job tokens 1"))
	return &Key{id: id, mac: m.Sum(nil)}
}

// sealed is what is encrypted: scope and name are inside, so that a row copied
// over another one is found out.
type sealed struct {
	Scope cairn.Scope `json:"scope"`
	Name  string      `json:"name"`
	Value string      `json:"value"`
}

// Seal encrypts a secret for its scope and name.
func (k *Key) Seal(scope cairn.Scope, name, value string) ([]byte, error) {
	b, err := json.Marshal(sealed{scope, name, value})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.id.Recipient())
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Open decrypts a secret.
func (k *Key) Open(s cairn.Secret) (string, error) {
	damaged := func(err error) error {
		return cairn.Errorf(cairn.CodeFailed, "the secret %s of %s cannot be read: %w", s.Name, s.Scope, err).
			WithHint("the key file of the home has changed; put it back, or set the secret anew")
	}
	r, err := age.Decrypt(bytes.NewReader(s.Sealed), k.id)
	if err != nil {
		return "", damaged(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", damaged(err)
	}
	var x sealed
	if err := json.Unmarshal(b, &x); err != nil {
		return "", damaged(errors.New("not a secret"))
	}
	if x.Scope != s.Scope || x.Name != s.Name {
		return "", damaged(fmt.Errorf("it was sealed as %s of %s", x.Name, x.Scope))
	}
	return x.Value, nil
}

// Derive makes a secret of the key for one purpose; two purposes tell nothing of each other.
func (k *Key) Derive(purpose string) []byte {
	m := hmac.New(sha256.New, []byte(k.id.String()))
	m.Write([]byte("cairn derived 1\n" + purpose))
	return m.Sum(nil)
}
