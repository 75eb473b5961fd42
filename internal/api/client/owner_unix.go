//go:build unix

package client

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// detached gives a started owner a session of its own: Ctrl-C in the terminal
// does not reach it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// LockFile takes an exclusive lock on a file, waiting for it; the lock ends with
// the process at the latest.
func LockFile(ctx context.Context, path string) (unlock func(), err error) {
	for try := 0; ; try++ {
		unlock, ok, err := TryLockFile(path)
		if err != nil || ok {
			return unlock, err
		}
		if err := pause(ctx, min(backoff(try), 20*time.Millisecond)); err != nil {
			return nil, cairn.Errorf(cairn.CodeCanceled, "interrupted while waiting for %s: %w", path, err)
		}
	}
}

// TryLockFile takes the lock if nobody has it.
func TryLockFile(path string) (unlock func(), ok bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, false, cairn.Errorf(cairn.CodeUnavailable, "cannot lock %s: %w", path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return func() {
			// A process that is just being started may hold the descriptor too, for a
			// moment: closing alone would leave the lock to it.
			_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
			f.Close()
		}, true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, false, nil
	}
	f.Close()
	return nil, false, cairn.Errorf(cairn.CodeUnavailable, "cannot lock %s: %w", path, err)
}
