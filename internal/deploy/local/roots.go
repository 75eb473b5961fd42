package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// An unpacked image is a folder roots/<12 hex digits> with the file system in fs
// and, once all of it is on the disk, its digest in the file ok.

func (t *Target) rootsDir() string { return filepath.Join(t.o.Home, "roots") }

// root unpacks an image, once for all its deployments, and returns the folder of
// its file system.
func (t *Target) root(ctx context.Context, img *image) (string, error) {
	t.mu.Lock()
	mu := t.roots[img.key()]
	if mu == nil {
		mu = &sync.Mutex{}
		t.roots[img.key()] = mu
	}
	t.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	dir := filepath.Join(t.rootsDir(), img.key())
	ok := filepath.Join(dir, "ok")
	if b, err := os.ReadFile(ok); err == nil && string(b) == string(img.digest) {
		now := time.Now()
		_ = os.Chtimes(ok, now, now) // only decides when it is cleaned up
		return filepath.Join(dir, "fs"), nil
	}
	if err := removeAll(dir); err != nil {
		return "", diskError(t.o.Home, err)
	}
	return filepath.Join(dir, "fs"), t.unpack(ctx, img, img.layers, dir)
}

// unpack puts layers into dir/fs. A crash leaves no dir, or one that is whole.
func (t *Target) unpack(ctx context.Context, img *image, layers []cairn.ImageLayer, dir string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return diskError(t.o.Home, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), unfinished)
	if err != nil {
		return diskError(t.o.Home, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(tmp))
		}
	}()
	root := filepath.Join(tmp, "fs")
	if err := os.Mkdir(root, 0o755); err != nil {
		return diskError(t.o.Home, err)
	}
	if err := t.o.Unpack.Unpack(ctx, layers, root); err != nil {
		e := *cairn.AsError(diskError(t.o.Home, err))
		e.Message = "the image " + img.name + " cannot be unpacked: " + e.Message
		return &e
	}
	if err := syncTree(root); err != nil {
		return diskError(t.o.Home, err)
	}
	if err := writeFile(filepath.Join(tmp, "ok"), []byte(img.digest)); err != nil {
		return diskError(t.o.Home, err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return diskError(t.o.Home, err)
	}
	return syncDir(filepath.Dir(dir))
}

// unfinished begins the names of folders that are being unpacked.
const unfinished = "tmp-"

// keepUnused is how long an unpacked image is kept that no stage needs: a
// rollback to it is then a matter of starting it.
const keepUnused = 24 * time.Hour

// cleanRoots removes unpacked images that nobody used for long; used are those
// that some stage needs. At the start also what an owner left unfinished.
func (t *Target) cleanRoots(used map[string]bool, start bool) {
	es, err := os.ReadDir(t.rootsDir())
	if err != nil {
		return // none yet
	}
	for _, e := range es {
		dir := filepath.Join(t.rootsDir(), e.Name())
		if strings.HasPrefix(e.Name(), unfinished) {
			if start {
				t.remove(dir)
			}
			continue
		}
		fi, err := os.Stat(filepath.Join(dir, "ok"))
		if used[dir] || err == nil && time.Since(fi.ModTime()) < keepUnused {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		t.mu.Lock()
		mu := t.roots[e.Name()]
		t.mu.Unlock()
		if mu != nil && !mu.TryLock() {
			continue // it is being unpacked
		}
		t.remove(dir)
		if mu != nil {
			mu.Unlock()
		}
	}
}

func (t *Target) remove(dir string) {
	if err := removeAll(dir); err != nil {
		t.o.Log.Warn("a folder of serving is left", "dir", dir, "error", err)
	}
}

// removeAll removes a tree in which a program may have made folders read-only.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// writeFile writes a file that is either whole or not there.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// diskError names the usual reason for which nothing can be written.
func diskError(home string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &cairn.Error{Code: cairn.CodeUnavailable, Err: err, Message: "no space left on the disk that holds " + home,
			Hint: "free some space and deploy again"}
	}
	return err
}
