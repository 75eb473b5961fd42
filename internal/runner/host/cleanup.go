package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
)

// sweep kills what a supervisor left that died without a result.
func (b *Backend) sweep(l layout, s *supervised, id *identity) {
	if l.finished() || !id.ThisBoot() {
		return // after a start of the machine its numbers are those of other processes
	}
	s.sweep.Do(func() {
		if n := killOrphans(id); n > 0 {
			b.o.Logger.Warn("killed processes of a supervisor that died", "job", filepath.Base(string(l)), "processes", n)
		}
	})
}

// Cleanup removes the workspace and other scratch folders of a completed job.
// Logs and reports stay.
func (b *Backend) Cleanup(_ context.Context, job cairn.Job) error {
	l := jobLayout(b.o.Home, job.ID, job.Epoch)
	id, err := l.readIdentity()
	if err != nil {
		return err
	}
	if id != nil && b.supervises(l, id) {
		// It is about to end, and removes its folders itself; what it leaves goes then.
		// One without a result was given up: it may not have heard of that, such as
		// one that took so long to start that its job was over. To one that has written
		// its last report this changes nothing.
		if !l.finishes() {
			if err := writeFile(l.cancel(), []byte("force\n")); err != nil {
				return diskError(err)
			}
			if err := b.terminate(l, id); err != nil {
				return err
			}
		}
		s := b.supervised(l)
		b.mu.Lock()
		s.clean = true
		b.mu.Unlock()
		b.follow(l, s, id)
		return nil
	}
	if id != nil && !l.finished() {
		b.sweep(l, b.supervised(l), id)
	}
	return b.remove(l)
}

// remove forgets a job and removes its scratch folders.
func (b *Backend) remove(l layout) error {
	b.watch.remove(l)
	b.mu.Lock()
	delete(b.known, l)
	b.mu.Unlock()
	if b.o.Keep {
		return nil
	}
	return l.drop()
}

func removeScratch(dirs []string) error {
	var errs []error
	for _, d := range dirs {
		if err := removeAll(d); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// removeAll removes a tree in which a step may have made folders read-only.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
