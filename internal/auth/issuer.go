package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// How long things of the issuer last.
const (
	tokenLife = 10 * time.Minute
	// tokenSkew is how far in the past a token begins to count, as GitHub's do: the
	// clocks of those who check it differ.
	tokenSkew = 5 * time.Minute
	// keyLife is after how long another key signs, keyShown how long the one before
	// is still shown: longer than anything that it signed, and than those who check
	// keep what they have read.
	keyLife  = 90 * 24 * time.Hour
	keyShown = 24 * time.Hour
)

const (
	keyBits    = 2048
	scopeOwner = cairn.Scope("home:oidc") // what signing keys are sealed as
	maxAud     = 1000
)

// KeyStore keeps the keys of identity tokens; *store.Store satisfies it.
type KeyStore interface {
	SigningKeys(ctx context.Context) ([]cairn.SigningKey, error)
	PutSigningKey(ctx context.Context, k cairn.SigningKey, ch cairn.Change) error
}

// Issuer makes the identity tokens of jobs (OpenID Connect). Its private keys are
// sealed with the home's key; one is made when the first token is asked for.
type Issuer struct {
	store KeyStore
	key   *Key
	url   func() string
	now   func() time.Time

	mu     sync.Mutex // one key is made at a time
	id     string     // of the key that is held opened
	opened *rsa.PrivateKey
}

// NewIssuer makes an Issuer; url is what it calls itself, now may be nil.
func NewIssuer(s KeyStore, k *Key, url func() string, now func() time.Time) *Issuer {
	if now == nil {
		now = time.Now
	}
	return &Issuer{store: s, key: k, url: url, now: now}
}

// URL is the issuer's name: what stands in iss.
func (i *Issuer) URL() string { return strings.TrimSuffix(i.url(), "/") }

// Discovery is the document that clients find the rest by.
func (i *Issuer) Discovery() map[string]any {
	return map[string]any{
		"issuer": i.URL(), "jwks_uri": i.URL() + "/.well-known/jwks",
		"subject_types_supported":               []string{"public", "pairwise"},
		"response_types_supported":              []string{"id_token"},
		"claims_supported":                      claimNames(),
		"id_token_signing_alg_values_supported": []string{string(jose.RS256)},
		"scopes_supported":                      []string{"openid"},
	}
}

// Keys are the public halves of the keys that count: the one that signs, and those
// that it took the place of not long ago.
func (i *Issuer) Keys(ctx context.Context) (*jose.JSONWebKeySet, error) {
	all, err := i.store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	set := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range all {
		if !k.RetiredAt.IsZero() && i.now().Sub(k.RetiredAt) > keyShown {
			continue
		}
		private, err := i.open(k)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: k.ID, Algorithm: string(jose.RS256), Use: "sig"})
	}
	return set, nil
}

// Info is what people ask.
func (i *Issuer) Info(ctx context.Context) (*cairn.IDTokenIssuer, error) {
	all, err := i.store.SigningKeys(ctx)
	if all == nil {
		all = []cairn.SigningKey{}
	}
	return &cairn.IDTokenIssuer{Issuer: i.URL(), Discovery: i.URL() + "/.well-known/openid-configuration", Keys: all}, err
}

// Rotate makes another key, which signs from now on.
func (i *Issuer) Rotate(ctx context.Context) (*cairn.SigningKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.make(ctx, Actor(ctx).Name)
}

// Token makes a token for a job. Whether it may have one is for the caller to ask.
func (i *Issuer) Token(ctx context.Context, c IDClaims, audience string) (string, error) {
	if len(audience) > maxAud || strings.ContainsFunc(audience, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", cairn.Errorf(cairn.CodeInvalid, "that cannot be the audience of a token").WithHint("at most %d characters, on one line", maxAud)
	}
	private, id, err := i.current(ctx)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := i.now().UTC()
	c.Issuer, c.Audience, c.ID = i.URL(), audience, strings.ToLower(rand.Text())
	if audience == "" {
		c.Audience = i.URL() + "/" + c.Owner
	}
	c.IssuedAt, c.NotBefore, c.Expires = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(-tokenSkew)), jwt.NewNumericDate(now.Add(tokenLife))
	return jwt.Signed(signer).Claims(c).Serialize()
}

// current is the key that signs; it is made where there is none, or where it is old.
func (i *Issuer) current(ctx context.Context) (*rsa.PrivateKey, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	all, err := i.store.SigningKeys(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, k := range all {
		if !k.RetiredAt.IsZero() || i.now().Sub(k.CreatedAt) > keyLife {
			continue
		}
		if k.ID != i.id {
			private, err := i.open(k)
			if err != nil {
				return nil, "", err
			}
			i.id, i.opened = k.ID, private
		}
		return i.opened, i.id, nil
	}
	if _, err := i.make(ctx, "cairn"); err != nil {
		return nil, "", err
	}
	return i.opened, i.id, nil
}

// make makes a key; mu is held.
func (i *Issuer) make(ctx context.Context, by string) (*cairn.SigningKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	k := cairn.SigningKey{ID: strings.ToLower(rand.Text())[:16], CreatedAt: i.now().UTC()}
	if k.Sealed, err = i.key.Seal(scopeOwner, k.ID, base64.StdEncoding.EncodeToString(der)); err != nil {
		return nil, err
	}
	ch := recorded(cairn.Principal{Name: by}, "signing-key.created", cairn.NewRef("signing-key", k.ID), k)
	if err := i.store.PutSigningKey(ctx, k, ch); err != nil {
		return nil, err
	}
	i.id, i.opened = k.ID, private
	return &k, nil
}

func (i *Issuer) open(k cairn.SigningKey) (*rsa.PrivateKey, error) {
	text, err := i.key.Open(cairn.Secret{Scope: scopeOwner, Name: k.ID, Sealed: k.Sealed})
	if err != nil {
		return nil, err
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "the signing key %s is damaged: %w", k.ID, err)
	}
	any, err := x509.ParsePKCS8PrivateKey(der)
	if private, ok := any.(*rsa.PrivateKey); ok && err == nil {
		return private, nil
	}
	return nil, cairn.Errorf(cairn.CodeInternal, "the signing key %s is damaged", k.ID)
}
