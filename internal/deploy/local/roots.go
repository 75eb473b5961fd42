package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
)

// What is unpacked is a folder roots/<12 hex digits> with files in fs and, once all
// of them are on the disk, its whole key in the file ok. An image is one such
// folder or several that are laid over each other: what Cairn packed above a base
// (packages, code, model) is unpacked layer by layer, so that a change of the code
// costs the code alone. Only such layers hold no whiteouts for sure.

func (t *Target) rootsDir() string { return filepath.Join(t.o.Home, "roots") }

// maxStack bounds how many folders are laid over each other.
const maxStack = 16

// groups are the layers of an image as they are unpacked, the lowest first.
func (i *image) groups() [][]cairn.ImageLayer {
	n := len(i.layers)
	for n > 0 && i.layers[n-1].Role != "" && i.layers[n-1].Role != cairn.LayerBase {
		n--
	}
	if len(i.layers)-n >= maxStack {
		n = len(i.layers)
	}
	var out [][]cairn.ImageLayer
	if n > 0 {
		out = append(out, i.layers[:n])
	}
	for ; n < len(i.layers); n++ {
		out = append(out, i.layers[n:n+1])
	}
	return out
}

// unpacked makes sure that an image is unpacked and returns its folders, the
// topmost first.
func (t *Target) unpacked(ctx context.Context, img *image) (enter.Stack, error) {
	var out enter.Stack
	for _, g := range img.groups() {
		dir, err := t.group(ctx, img, g)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// group unpacks some layers, once for all images that have them.
func (t *Target) group(ctx context.Context, img *image, layers []cairn.ImageLayer) (string, error) {
	var names []string
	for _, l := range layers {
		names = append(names, string(l.Digest))
	}
	key := cairn.SumBytes([]byte(strings.Join(names, "\n")))
	t.mu.Lock()
	mu := t.roots[short(key)]
	if mu == nil {
		mu = &sync.Mutex{}
		t.roots[short(key)] = mu
	}
	t.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	dir := filepath.Join(t.rootsDir(), short(key))
	ok := filepath.Join(dir, "ok")
	if b, err := os.ReadFile(ok); err == nil && string(b) == string(key) {
		now := time.Now()
		_ = os.Chtimes(ok, now, now) // only decides when it is cleaned up
		return filepath.Join(dir, "fs"), nil
	}
	if err := enter.RemoveAll(dir); err != nil {
		return "", diskError(t.o.Home, err)
	}
	return filepath.Join(dir, "fs"), t.unpack(ctx, img, layers, dir, key)
}

// unpack puts layers into dir/fs. A crash leaves no dir, or one that is whole.
func (t *Target) unpack(ctx context.Context, img *image, layers []cairn.ImageLayer, dir string, key cairn.Digest) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return diskError(t.o.Home, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), unfinished)
	if err != nil {
		return diskError(t.o.Home, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, enter.RemoveAll(tmp))
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
	if err := writeFile(filepath.Join(tmp, "ok"), []byte(key)); err != nil {
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
	if err := enter.RemoveAll(dir); err != nil {
		t.o.Log.Warn("a folder of serving is left", "dir", dir, "error", err)
	}
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
