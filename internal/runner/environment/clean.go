package environment

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// KeepUnused is how long an environment that no job used is kept.
const KeepUnused = 30 * 24 * time.Hour

// Clean removes environments, and notes about others, that nobody used since a time. It
// returns how many environments went. One that a job builds or takes just now stays.
func Clean(ctx context.Context, dir string, before time.Time) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	gone := 0
	var errs []error
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case ctx.Err() != nil:
			return gone, ctx.Err()
		case e.IsDir():
			removed, err := cleanOne(path, before)
			errs = append(errs, err)
			if removed {
				gone++
			}
		case strings.HasSuffix(e.Name(), ".json"), strings.HasSuffix(e.Name(), ".txt"):
			// What a note says is asked again, or made again of what is there.
			if fi, err := e.Info(); err == nil && fi.ModTime().Before(before) {
				errs = append(errs, os.Remove(path))
			}
		}
	}
	return gone, errors.Join(errs...)
}

// cleanOne removes an environment under the lock that builds it. The lock's file stays:
// somebody may wait for it.
func cleanOne(path string, before time.Time) (bool, error) {
	used := lastUse(path)
	if used.IsZero() || !used.Before(before) {
		return false, nil
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || !lastUse(path).Equal(used) {
		return false, nil // it is wanted after all
	}
	// Without its mark it is not taken any more, however far its removal comes.
	if err := os.Remove(filepath.Join(path, markFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, os.RemoveAll(path)
}

// lastUse is when a job last took an environment, or when its build began; zero: it is not
// known.
func lastUse(path string) time.Time {
	for _, p := range []string{filepath.Join(path, markFile), path} {
		if fi, err := os.Stat(p); err == nil {
			return fi.ModTime()
		}
	}
	return time.Time{}
}
