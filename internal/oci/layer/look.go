package layer

import (
	"archive/tar"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// lookup finds the node of a path; a link at its end is followed on demand.
func (f *FS) lookup(p string, followLast bool) (*node, error) {
	clean := strings.TrimPrefix(path.Clean("/"+p), "/")
	for range maxLinks {
		if clean == "" {
			return f.root, nil
		}
		above, base := "", clean
		if i := strings.LastIndexByte(clean, '/'); i >= 0 {
			above, base = clean[:i], clean[i+1:]
		}
		dir, err := f.find(above)
		if err != nil {
			return nil, f.lookupError(p, err)
		}
		n := dir.children[base]
		if n == nil {
			return nil, f.lookupError(p, errNone)
		}
		if n.info.Type != tar.TypeSymlink || !followLast {
			return n, nil
		}
		if clean = n.info.Link; !path.IsAbs(clean) {
			// Never cleaned: a/../b is not b where a is a link.
			clean = dir.info.Path + "/" + clean
		}
		clean = strings.Trim(clean, "/")
		if b := path.Base(clean); b == "." || b == ".." {
			n, err := f.find(clean)
			if err != nil {
				return nil, f.lookupError(p, err)
			}
			return n, nil
		}
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "the links at %s in the image go round in a circle", clip(p))
}

func (f *FS) lookupError(p string, err error) error {
	if errors.Is(err, errNone) {
		return cairn.Errorf(cairn.CodeNotFound, "%s is not in the image", clip(p))
	}
	return err
}

// Stat says what lies at a path; links are followed, never out of the image.
func (f *FS) Stat(p string) (Info, error) { return f.stat(p, true) }

// Lstat is Stat, but of a link itself where the path is one.
func (f *FS) Lstat(p string) (Info, error) { return f.stat(p, false) }

func (f *FS) stat(p string, follow bool) (Info, error) {
	n, err := f.lookup(p, follow)
	if err != nil {
		return Info{}, err
	}
	return n.info, nil
}

// ReadDir lists a folder, sorted by name.
func (f *FS) ReadDir(p string) ([]Info, error) {
	n, err := f.lookup(p, true)
	if err != nil {
		return nil, err
	}
	if !n.info.IsDir() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s in the image is no folder", clip(p))
	}
	out := make([]Info, 0, len(n.children))
	for _, c := range n.children {
		out = append(out, c.info)
	}
	slices.SortFunc(out, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Walk visits everything below a path and the path itself, folders before what
// is in them, sorted by name; links are not followed.
func (f *FS) Walk(p string, visit func(Info) error) error {
	n, err := f.lookup(p, true)
	if err != nil {
		return err
	}
	return walkNode(n, visit)
}

func walkNode(n *node, visit func(Info) error) error {
	if err := visit(n.info); err != nil {
		return err
	}
	names := make([]string, 0, len(n.children))
	for b := range n.children {
		names = append(names, b)
	}
	slices.Sort(names)
	for _, b := range names {
		if err := walkNode(n.children[b], visit); err != nil {
			return err
		}
	}
	return nil
}

// Glob returns the paths that match a pattern of path.Match, part by part,
// sorted. Links to folders are followed on the way; the paths are spelled as asked.
func (f *FS) Glob(pattern string) ([]string, error) {
	parts := strings.Split(strings.Trim(path.Clean("/"+pattern), "/"), "/")
	found := []string{""}
	for i, part := range parts {
		var next []string
		for _, d := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				p := join(d, part)
				if _, err := f.lookup(p, i < len(parts)-1); err == nil {
					next = append(next, p)
				}
				continue
			}
			n, err := f.lookup(d, true)
			if err != nil || !n.info.IsDir() {
				continue
			}
			for base := range n.children {
				ok, err := path.Match(part, base)
				if err != nil {
					return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a pattern: %w", clip(pattern), err)
				}
				if ok {
					next = append(next, join(d, base))
				}
			}
		}
		found = next
	}
	slices.Sort(found)
	return found, nil
}
