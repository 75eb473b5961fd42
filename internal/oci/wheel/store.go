package wheel

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
)

// LockStore keeps locks by the digest of what they were made from.
type LockStore interface {
	// Get returns nil for a lock that is not there.
	Get(ctx context.Context, key cairn.Digest) ([]byte, error)
	Put(ctx context.Context, key cairn.Digest, lock []byte) error
}

// DirLocks keeps locks as files of a folder, which is made when it is needed.
type DirLocks string

const maxLock = 16 << 20

// Get implements LockStore.
func (d DirLocks) Get(_ context.Context, key cairn.Digest) ([]byte, error) {
	path := d.path(key)
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && fi.Size() > maxLock {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "the stored lock %s has %d bytes", path, fi.Size())
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the stored lock cannot be read: %w", err)
	}
	return b, nil
}

// Put implements LockStore.
func (d DirLocks) Put(_ context.Context, key cairn.Digest, lock []byte) error {
	return writeAtomic(d.path(key), lock)
}

func (d DirLocks) path(key cairn.Digest) string {
	return filepath.Join(string(d), key.Hex()+".pylock.toml")
}

// noLocks remembers nothing.
type noLocks struct{}

func (noLocks) Get(context.Context, cairn.Digest) ([]byte, error) { return nil, nil }
func (noLocks) Put(context.Context, cairn.Digest, []byte) error   { return nil }

// writeAtomic replaces a file by rename after its bytes are on disk.
func writeAtomic(path string, data []byte) error {
	fail := func(err error) error {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", filepath.Base(path), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
