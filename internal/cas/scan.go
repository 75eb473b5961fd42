package cas

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/cairn-ml/cairn"
)

// ScanOptions say what of a directory is taken.
type ScanOptions struct {
	// Paths limits it to these files and folders: slash-separated, relative to
	// the directory. Each of them must exist.
	Paths []string
	// Include and Exclude are patterns (**, *, ?, [a-z], {a,b}) over relative
	// paths. With Include only files that match one are taken, and no empty
	// folders; Exclude leaves out files, and folders with all that is in them.
	Include, Exclude []string
	// Workers bounds what Scan reads and hashes at once; 0: by processors.
	Workers int
}

// node is one entry found in a directory.
type node struct {
	path  string // below the scanned directory; "" for itself
	entry cairn.TreeEntry
	link  string // target of a symbolic link
	kids  []*node
}

// walker reads names and types, no content.
type walker struct {
	ctx   context.Context
	root  *os.Root
	o     ScanOptions
	want  map[string]bool // Paths; true once it was found
	above map[string]bool // folders on the way to them
	files []*node
	count int
}

// openDir opens dir so that nothing outside it can be reached through it.
func openDir(dir string) (*os.Root, error) {
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s does not exist", dir)
	case err == nil && !fi.IsDir():
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a folder", dir)
	case err != nil:
		return nil, ioError("read "+dir, err)
	}
	root, err := os.OpenRoot(dir)
	return root, ioError("read "+dir, err)
}

// walk returns the tree of what o takes, sorted, and its files and links.
func walk(ctx context.Context, root *os.Root, o ScanOptions) (*node, []*node, error) {
	for _, p := range slices.Concat(o.Include, o.Exclude) {
		if !doublestar.ValidatePattern(p) {
			return nil, nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a valid pattern", p).
				WithHint("known are *, **, ?, [a-z] and {a,b}; a backslash takes the next character as it is")
		}
	}
	w := &walker{ctx: ctx, root: root, o: o}
	if len(o.Paths) > 0 {
		w.want, w.above = map[string]bool{}, map[string]bool{}
		for _, p := range o.Paths {
			p = path.Clean(filepath.ToSlash(p))
			if !fs.ValidPath(p) {
				return nil, nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a path inside %s", p, root.Name())
			}
			w.want[p] = false
			for d := path.Dir(p); ; d = path.Dir(d) {
				w.above[d] = true
				if d == "." {
					break
				}
			}
		}
	}
	all := w.want == nil
	if _, whole := w.want["."]; whole {
		all, w.want["."] = true, true
	}
	top, err := w.dir("", 0, all)
	if err != nil {
		return nil, nil, err
	}
	for p, found := range w.want {
		if !found && !all {
			return nil, nil, cairn.Errorf(cairn.CodeNotFound, "%s does not exist in %s", p, root.Name())
		}
	}
	return top, w.files, nil
}

func (w *walker) dir(rel string, depth int, all bool) (*node, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if depth > MaxTreeDepth {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s lies deeper than %d folders", w.name(rel), MaxTreeDepth)
	}
	entries, err := w.list(rel)
	if err != nil {
		return nil, ioError("read "+w.name(rel), err)
	}
	d := &node{path: rel, entry: cairn.TreeEntry{Mode: cairn.ModeDir}}
	for _, e := range entries {
		n, err := w.one(join(rel, e.Name()), e, depth, all)
		if err != nil {
			return nil, err
		}
		if n != nil {
			n.entry.Name = e.Name()
			d.kids = append(d.kids, n)
		}
	}
	return d, nil
}

// list reads a folder's names, sorted as tree objects are.
func (w *walker) list(rel string) ([]fs.DirEntry, error) {
	if rel == "" {
		rel = "."
	}
	f, err := w.root.Open(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// one looks at one entry; nil means that it is left out.
func (w *walker) one(p string, e fs.DirEntry, depth int, all bool) (*node, error) {
	below := all
	if !all {
		if _, asked := w.want[p]; asked {
			below, w.want[p] = true, true
		} else if !w.above[p] {
			return nil, nil
		}
	}
	if w.excluded(p) {
		return nil, nil
	}
	if e.IsDir() {
		d, err := w.dir(p, depth+1, below)
		if d != nil && len(d.kids) == 0 && (len(w.o.Include) > 0 || !below) {
			return nil, err
		}
		return d, err
	}
	if !below || !w.included(p) {
		return nil, nil
	}
	if w.count++; w.count > 50*MaxTreeEntries {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s holds more than %d files", w.root.Name(), 50*MaxTreeEntries)
	}
	n := &node{path: p}
	switch t := e.Type(); {
	case t.IsRegular():
		n.entry.Mode = cairn.ModeFile
	case t&fs.ModeSymlink != 0:
		target, err := w.root.Readlink(p)
		if err != nil {
			return nil, ioError("read the link "+w.name(p), err)
		}
		if err := CheckLink(target, depth); err != nil {
			return nil, linkError(w.name(p), err)
		}
		n.entry.Mode, n.link = cairn.ModeSymlink, target
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is %s; only files, folders and symbolic links are kept", w.name(p), special(t)).
			WithHint("leave it out with an exclude pattern")
	}
	w.files = append(w.files, n)
	return n, nil
}

func (w *walker) included(p string) bool {
	return len(w.o.Include) == 0 || matchAny(w.o.Include, p)
}

func (w *walker) excluded(p string) bool { return matchAny(w.o.Exclude, p) }

func matchAny(patterns []string, p string) bool {
	for _, pat := range patterns {
		if ok, _ := doublestar.Match(strings.TrimSuffix(pat, "/"), p); ok {
			return true
		}
	}
	return false
}

func (w *walker) name(rel string) string {
	return filepath.Join(w.root.Name(), filepath.FromSlash(rel))
}

func linkError(name string, err error) error {
	e := cairn.AsError(err)
	c := cairn.Errorf(cairn.CodeInvalid, "the symbolic link %s is not kept: %s", name, strings.TrimPrefix(e.Message, "not a valid tree: "))
	c.Hint = e.Hint
	return c
}

func special(t fs.FileMode) string {
	switch {
	case t&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case t&fs.ModeSocket != 0:
		return "a socket"
	case t&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// encode fills in the digests of directories, inner ones first, and hands each
// text to put. Files and links have theirs already.
func (n *node) encode(put func(d cairn.Digest, text []byte) error) error {
	entries := make([]cairn.TreeEntry, 0, len(n.kids))
	for _, k := range n.kids {
		if k.entry.Mode == cairn.ModeDir {
			if err := k.encode(put); err != nil {
				return err
			}
		}
		entries = append(entries, k.entry)
	}
	text, err := EncodeTree(entries)
	if err != nil {
		return err
	}
	if n.entry.Size, n.entry.Files, err = treeSum(entries); err != nil {
		return err
	}
	n.entry.Digest = cairn.SumBytes(text)
	return put(n.entry.Digest, text)
}
