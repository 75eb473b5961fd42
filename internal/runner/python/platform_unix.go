//go:build unix

package python

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// lockFile takes an exclusive lock on a file that is made when it does not
// exist; it ends with the process at the latest.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no lock: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, cairn.Errorf(cairn.CodeFailed, "no lock on %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// sameFilesystem reports whether hard links between the two folders can work.
func sameFilesystem(a, b string) bool {
	da, ok1 := device(a)
	db, ok2 := device(b)
	return ok1 && ok2 && da == db
}

func device(p string) (uint64, bool) {
	fi, err := os.Stat(p)
	if err != nil {
		return 0, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Dev), true
}
