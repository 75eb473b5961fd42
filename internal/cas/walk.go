package cas

import (
	"bytes"
	"context"
	"io"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// PutTree stores one directory. What it names must be stored already, and its
// folders must say what they hold, so that no acknowledged tree has holes.
func (s *Store) PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error) {
	ds, err := s.PutTrees(ctx, [][]cairn.TreeEntry{entries})
	if err != nil {
		return "", err
	}
	return ds[0], nil
}

// PutTrees stores directories that do not hold each other, with one durable
// point for all.
func (s *Store) PutTrees(ctx context.Context, dirs [][]cairn.TreeEntry) ([]cairn.Digest, error) {
	texts := make([][]byte, len(dirs))
	for i, entries := range dirs {
		var err error
		if texts[i], err = EncodeTree(entries); err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := s.checkChild(ctx, e); err != nil {
				return nil, err
			}
		}
	}
	blobs, err := s.PutMany(ctx, len(texts), func(i int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(texts[i])), nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]cairn.Digest, len(blobs))
	for i, b := range blobs {
		out[i] = b.Digest
	}
	return out, nil
}

// PutTreeText stores one directory from its canonical text: what a client sends.
func (s *Store) PutTreeText(ctx context.Context, text []byte) (cairn.Digest, error) {
	entries, err := DecodeTree(text)
	if err != nil {
		return "", err
	}
	return s.PutTree(ctx, entries)
}

func (s *Store) checkChild(ctx context.Context, e cairn.TreeEntry) error {
	there, err := s.keep(e.Digest, -1)
	if err != nil {
		return err
	}
	if !there {
		return cairn.Errorf(cairn.CodeConflict, "%q is %s, which is not stored", e.Name, e.Digest).
			WithHint("store what a folder holds before the folder")
	}
	if e.Mode != cairn.ModeDir {
		size, err := s.Stat(ctx, e.Digest)
		if err == nil && size != e.Size {
			return badTree("%q is said to have %d bytes; it has %d", e.Name, e.Size, size)
		}
		return err
	}
	kids, err := s.ReadTree(ctx, e.Digest)
	if err != nil {
		return err
	}
	size, files, err := treeSum(kids)
	if err == nil && (size != e.Size || files != e.Files) {
		return badTree("%q is said to hold %d files of %d bytes; it holds %d of %d", e.Name, e.Files, e.Size, files, size)
	}
	return err
}

// ReadTree returns what one directory holds, sorted by name.
func (s *Store) ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error) {
	b, err := s.ReadBlob(ctx, d, MaxTreeBytes)
	if err != nil {
		return nil, err
	}
	entries, err := DecodeTree(b)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a folder: %w", d, err)
	}
	return entries, nil
}

// Sum returns size and number of the files below a root.
func (s *Store) Sum(ctx context.Context, root cairn.Digest) (Result, error) {
	entries, err := s.ReadTree(ctx, root)
	if err != nil {
		return Result{}, err
	}
	size, files, err := treeSum(entries)
	return Result{root, size, files}, err
}

// WalkTree visits everything below a root, folders before what they hold, in
// the order of names. path is slash-separated and relative to the root.
func (s *Store) WalkTree(ctx context.Context, root cairn.Digest, fn func(path string, e cairn.TreeEntry) error) error {
	return walkTree(ctx, s.ReadTree, root, fn)
}

type readTree func(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)

func walkTree(ctx context.Context, read readTree, root cairn.Digest, fn func(string, cairn.TreeEntry) error) error {
	w := &treeWalk{ctx: ctx, read: read, fn: fn, left: MaxTreeWalk}
	return w.walk(root, "", 0)
}

type treeWalk struct {
	ctx  context.Context
	read readTree
	fn   func(string, cairn.TreeEntry) error
	left int
}

func (w *treeWalk) walk(d cairn.Digest, at string, depth int) error {
	if depth > MaxTreeDepth {
		return badTree("it is deeper than %d folders", MaxTreeDepth)
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := w.read(w.ctx, d)
	if err != nil {
		return err
	}
	if w.left -= len(entries); w.left < 0 {
		return cairn.Errorf(cairn.CodeTooLarge, "the tree holds more than %d files and folders", MaxTreeWalk)
	}
	for _, e := range entries {
		p := join(at, e.Name)
		if err := w.fn(p, e); err != nil {
			return err
		}
		if e.Mode == cairn.ModeDir {
			if err := w.walk(e.Digest, p, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lookup finds the entry at a slash-separated path below a root. The root
// itself ("" or ".") is answered as a folder without a name.
func (s *Store) Lookup(ctx context.Context, root cairn.Digest, p string) (cairn.TreeEntry, error) {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		r, err := s.Sum(ctx, root)
		return cairn.TreeEntry{Mode: cairn.ModeDir, Digest: root, Size: r.Size, Files: r.Files}, err
	}
	at := cairn.TreeEntry{Mode: cairn.ModeDir, Digest: root}
	for part := range strings.SplitSeq(p, "/") {
		if at.Mode != cairn.ModeDir {
			return cairn.TreeEntry{}, cairn.Errorf(cairn.CodeNotFound, "%s: %q is not a folder", p, at.Name)
		}
		entries, err := s.ReadTree(ctx, at.Digest)
		if err != nil {
			return cairn.TreeEntry{}, err
		}
		found, names := false, make([]string, 0, len(entries))
		for _, e := range entries {
			if names = append(names, e.Name); e.Name == part {
				at, found = e, true
				break
			}
		}
		if !found {
			err := cairn.Errorf(cairn.CodeNotFound, "there is no %s in %s", p, root)
			if near := cairn.Nearest(part, names); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return cairn.TreeEntry{}, err
		}
	}
	return at, nil
}
