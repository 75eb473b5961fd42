package diff

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// ReadTree reads one directory of a stored tree.
type ReadTree func(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)

// Bounds of comparing two trees.
const (
	treeReads    = 20_000 // directories
	treeDepth    = 128
	examplesKept = 12
)

// Trees counts the files that differ between two trees. Folders that are equal
// are not looked into, so it costs what the difference costs.
func Trees(ctx context.Context, read ReadTree, a, b cairn.Digest, d *cairn.DataDiff) error {
	w := &treeWalk{ctx: ctx, read: read, d: d, left: treeReads}
	return w.dirs(a, b, "", 0)
}

type treeWalk struct {
	ctx  context.Context
	read ReadTree
	d    *cairn.DataDiff
	left int
}

func (w *treeWalk) example(sign, path string) {
	if len(w.d.Examples) < examplesKept {
		w.d.Examples = append(w.d.Examples, sign+" "+path)
	}
}

func (w *treeWalk) dirs(a, b cairn.Digest, at string, depth int) error {
	if a == b {
		return nil
	}
	if w.left -= 2; w.left < 0 || depth > treeDepth {
		w.d.AtLeast = true
		return nil
	}
	x, err := w.read(w.ctx, a)
	if err != nil {
		return err
	}
	y, err := w.read(w.ctx, b)
	if err != nil {
		return err
	}
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].Name < y[0].Name:
			w.only(&w.d.Removed, "-", at, x[0])
			x = x[1:]
		case len(x) == 0 || y[0].Name < x[0].Name:
			w.only(&w.d.Added, "+", at, y[0])
			y = y[1:]
		default:
			if err := w.both(x[0], y[0], at, depth); err != nil {
				return err
			}
			x, y = x[1:], y[1:]
		}
	}
	return nil
}

// only counts what one side alone has. A folder says how many files it holds.
func (w *treeWalk) only(count *int64, sign, at string, e cairn.TreeEntry) {
	if e.Mode == cairn.ModeDir {
		*count += e.Files
		w.example(sign, at+e.Name+"/")
		return
	}
	*count++
	w.example(sign, at+e.Name)
}

func (w *treeWalk) both(x, y cairn.TreeEntry, at string, depth int) error {
	dirX, dirY := x.Mode == cairn.ModeDir, y.Mode == cairn.ModeDir
	switch {
	case dirX && dirY:
		return w.dirs(x.Digest, y.Digest, at+x.Name+"/", depth+1)
	case dirX != dirY:
		w.only(&w.d.Removed, "-", at, x)
		w.only(&w.d.Added, "+", at, y)
	case x.Digest != y.Digest || x.Mode != y.Mode:
		w.d.Changed++
		w.example("~", at+x.Name)
	}
	return nil
}
