package build

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// source opens what a COPY takes from.
func (j *job) source(ctx context.Context, c *dockerfile.Copy) (source, error) {
	switch {
	case c.Stage != nil:
		st, err := j.stage(ctx, c.Stage)
		if err != nil {
			return nil, err
		}
		fs, err := j.stageIndex(ctx, st)
		if err != nil {
			return nil, err
		}
		return &imageSource{ctx: ctx, j: j, tree: st.tree, fs: fs}, nil
	case c.Image != nil:
		b := c.Image.Handle.(*base)
		fs, err := j.index(ctx, b)
		if err != nil {
			return nil, err
		}
		return &imageSource{ctx: ctx, j: j, tree: newTree(nil, j.o.Limits), fs: fs}, nil
	}
	return contextSource{j.ctx}, nil
}

// imageSource is the file system of a stage or an image: what a build put there
// over the layers below.
type imageSource struct {
	ctx  context.Context // of the build: the methods of source have none
	j    *job
	tree *tree
	fs   *layer.FS // nil: nothing below
}

// lower is what the layers have at a path whose parents are real.
func (s *imageSource) lower(p string) *node {
	if s.fs == nil {
		return nil
	}
	i, err := s.fs.Lstat(p)
	if err != nil {
		return nil
	}
	return s.node(i)
}

func (s *imageSource) node(i layer.Info) *node {
	n := &node{typ: i.Type, mode: i.Mode, uid: i.UID, gid: i.GID, link: i.Link, size: i.Size}
	if i.Type == tar.TypeReg {
		n.open = func() (io.ReadCloser, error) {
			var out io.ReadCloser
			err := s.fs.ReadFiles(s.ctx, []string{i.Path}, func(_ string, _ layer.Info, r io.Reader) error {
				sp, err := s.j.spool()
				if err != nil {
					return err
				}
				out, err = sp.add(r)
				return err
			})
			return out, err
		}
	}
	return n
}

func (s *imageSource) at(p string) *node {
	if n, ok := s.tree.nodes[p]; ok {
		return n
	}
	if p == "" {
		return &node{typ: tar.TypeDir, mode: 0o755}
	}
	return s.lower(p)
}

func (s *imageSource) stat(p string) (string, *node, error) {
	at, err := follow(s.at, p, true)
	if err != nil {
		return "", nil, err
	}
	n := s.at(at)
	if n == nil {
		return at, nil, errNone
	}
	return at, n, nil
}

func (s *imageSource) list(dir string, visit func(string, *node) error) error {
	all := map[string]*node{}
	if n := s.lower(dir); dir == "" || n != nil && n.typ == tar.TypeDir {
		if s.fs != nil {
			if err := s.fs.Walk(dir, func(i layer.Info) error {
				all[i.Path] = s.node(i)
				return nil
			}); err != nil {
				return err
			}
		}
	}
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	for p, n := range s.tree.nodes {
		if p == dir || strings.HasPrefix(p, prefix) {
			all[p] = n
		}
	}
	if err := s.fetch(all); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(all)) {
		switch n := all[p]; n.typ {
		case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
			if err := visit(p, n); err != nil {
				return err
			}
		default:
			s.j.warn("/%s is a device and is left out", clip(p))
		}
	}
	return nil
}

// fetch reads all files of lower layers with one pass per layer.
func (s *imageSource) fetch(all map[string]*node) error {
	var paths []string
	total := int64(0)
	for p, n := range all {
		if _, built := s.tree.nodes[p]; !built && n.typ == tar.TypeReg {
			paths = append(paths, p)
			total += n.size
		}
	}
	if total > s.j.o.Limits.Bytes || len(paths) > s.j.o.Limits.Files {
		return cairn.Errorf(cairn.CodeTooLarge, "COPY --from takes %d files of %s", len(paths), remote.SizeText(total)).
			WithHint("at most %d files of %s are copied", s.j.o.Limits.Files, remote.SizeText(s.j.o.Limits.Bytes))
	}
	if len(paths) == 0 {
		return nil
	}
	sp, err := s.j.spool()
	if err != nil {
		return err
	}
	return s.fs.ReadFiles(s.ctx, paths, func(p string, _ layer.Info, r io.Reader) error {
		open, err := sp.keep(r)
		if err != nil {
			return err
		}
		all[p].open = open
		return nil
	})
}

func (s *imageSource) glob(pattern string) ([]string, error) {
	parts := strings.Split(strings.Trim(path.Clean("/"+pattern), "/"), "/")
	found := []string{""}
	for _, part := range parts {
		var next []string
		for _, dir := range found {
			if !hasWildcard(part) {
				if at, _, err := s.stat(path.Join(dir, unescape(part))); err == nil {
					next = append(next, at)
				}
				continue
			}
			for _, name := range s.names(dir) {
				ok, err := path.Match(part, name)
				if err != nil {
					return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a pattern: %w", clip(pattern), err)
				}
				if ok {
					next = append(next, path.Join(dir, name))
				}
			}
		}
		found = next
	}
	return found, nil
}

// names lists a folder.
func (s *imageSource) names(dir string) []string {
	set := map[string]bool{}
	if s.fs != nil {
		if infos, err := s.fs.ReadDir(dir); err == nil {
			for _, i := range infos {
				set[path.Base(i.Path)] = true
			}
		}
	}
	for p := range s.tree.nodes {
		if d, b := path.Split(p); strings.TrimSuffix(d, "/") == dir {
			set[b] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// spool is a temporary file that holds many contents one behind the other.
type spool struct {
	name string
	f    *os.File
	at   int64
}

// spool returns the spool of the build; it goes with its temporary folder.
func (j *job) spool() (*spool, error) {
	if j.spooled == nil {
		name := filepath.Join(j.tmp, "spool")
		f, err := os.Create(name)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeFailed, "no place for files of the build: %w", err)
		}
		j.spooled = &spool{name: name, f: f}
	}
	return j.spooled, nil
}

// keep takes a content in and returns how to read it again.
func (s *spool) keep(r io.Reader) (func() (io.ReadCloser, error), error) {
	start := s.at
	n, err := io.Copy(s.f, r)
	s.at += n
	var we *fs.PathError
	if errors.As(err, &we) && we.Op == "write" {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "no place for files of the build: %w", err).
			WithHint("they are kept in %s: free some space there, or set TMPDIR to a folder on another disk", filepath.Dir(filepath.Dir(s.name)))
	}
	if err != nil {
		return nil, err
	}
	return func() (io.ReadCloser, error) {
		f, err := os.Open(s.name)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(f, start, n), f}, nil
	}, nil
}

func (s *spool) add(r io.Reader) (io.ReadCloser, error) {
	open, err := s.keep(r)
	if err != nil {
		return nil, err
	}
	return open()
}

// readNode reads a file whole.
func readNode(n *node, limit int64, name string) ([]byte, error) {
	if n.typ != tar.TypeReg {
		return nil, cairn.Errorf(cairn.CodeInvalid, "/%s in the image is no file", clip(name))
	}
	if n.size > limit {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "/%s in the image has %d bytes; at most %d are read", clip(name), n.size, limit)
	}
	if n.open == nil {
		return nil, nil
	}
	r, err := n.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, limit))
}
