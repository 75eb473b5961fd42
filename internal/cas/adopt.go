package cas

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// Adopt takes a file of the same file system into the store, without reading it: its
// caller has hashed it while it was written. The file is gone from its place when
// the blob is on disk; after an error it may be.
func (s *Store) Adopt(ctx context.Context, path string, b cairn.Blob) error {
	if err := check(ctx, b.Digest); err != nil {
		return err
	}
	there, err := s.keep(b.Digest, b.Size)
	if err != nil {
		return err
	}
	if there {
		return ioError("store a file", os.Remove(path))
	}
	fan := fanOf(b.Digest)
	err = s.fanout[fan].rename(func() error { return adopt(path, s.path(b.Digest), b.Size, s.now()) })
	if errors.Is(err, syscall.EXDEV) {
		return s.adoptCopy(ctx, path, b)
	}
	if err != nil {
		return ioError("store a file", err)
	}
	return s.fanout[fan].settle(s.fanDir(fan))
}

func adopt(path, to string, size int64, now time.Time) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.Size() != size {
		return cairn.Errorf(cairn.CodeInternal, "a file of %d bytes was to be stored as one of %d", fi.Size(), size)
	}
	// Its age counts from now, as that of every blob.
	if err := errors.Join(f.Chmod(0o444), os.Chtimes(path, now, now), f.Sync()); err != nil {
		return err
	}
	return os.Rename(path, to)
}

// adoptCopy is for a file of another file system.
func (s *Store) adoptCopy(ctx context.Context, path string, b cairn.Blob) error {
	f, err := os.Open(path)
	if err != nil {
		return ioError("store a file", err)
	}
	defer f.Close()
	if _, _, err := s.Put(ctx, f, b.Digest); err != nil {
		return err
	}
	return ioError("store a file", os.Remove(path))
}
