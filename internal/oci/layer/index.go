package layer

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Info is one path of an image, as its layers say it.
type Info struct {
	Path string // without a slash in front; "" is the root
	Mode int64  // permission bits with setuid, setgid, sticky
	// Type is tar.TypeReg, TypeDir, TypeSymlink, or that of a device node; a hard
	// link is the file that it points to.
	Type     byte
	Link     string // of a symbolic link
	Size     int64
	UID, GID int
	Layer    int // which layer it comes from; -1 for a folder that none lists
}

// IsDir reports whether it is a folder.
func (i Info) IsDir() bool { return i.Type == tar.TypeDir }

// IndexOptions say what an index keeps.
type IndexOptions struct {
	Limits Limits
	// Keep chooses files whose content stays in memory, so that reading them costs
	// no second pass over a compressed layer; up to 64 MiB in all. nil: none.
	Keep func(path string, size int64) bool
}

const (
	keepTotal = 64 << 20
	// maxNodes bounds the index of all layers together.
	maxNodes    = 4_000_000
	maxAllNames = 512 << 20
)

// FS is the merged view of an image's layers, without unpacking them. It may be
// read by several goroutines.
type FS struct {
	root   *node
	layers []Source
	nodes  int
	names  int64 // bytes of all paths and link targets
	limits Limits
}

type node struct {
	info     Info
	children map[string]*node
	offset   int64  // of the content in the uncompressed archive
	content  []byte // kept, where kept is true
	kept     bool
	sparse   bool // the archive does not hold the content as it is
	layer    int  // of the entry itself: what a whiteout of the same layer spares
}

// Index reads the headers of all layers, the lowest first.
func Index(ctx context.Context, layers []Source) (*FS, error) {
	return IndexWith(ctx, layers, IndexOptions{})
}

// IndexWith is Index with options.
func IndexWith(ctx context.Context, layers []Source, o IndexOptions) (*FS, error) {
	f := &FS{layers: slices.Clone(layers), limits: o.Limits}
	f.root = &node{info: Info{Type: tar.TypeDir, Mode: 0o755, Layer: -1}, layer: -1}
	left := int64(keepTotal)
	for i := range layers {
		err := layers[i].read(ctx, o.Limits, func(h *tar.Header, r io.Reader, offset int64) error {
			n, err := f.add(i, h, offset)
			if err != nil || n == nil || o.Keep == nil || n.info.Type != tar.TypeReg || h.Typeflag == tar.TypeLink {
				return err
			}
			if h.Size > left || !o.Keep(n.info.Path, h.Size) {
				return nil
			}
			left -= h.Size
			n.content, err = io.ReadAll(r)
			n.kept = err == nil
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// add puts one entry over what is there, by the rules of Apply.
func (f *FS) add(layer int, h *tar.Header, offset int64) (*node, error) {
	name, err := entryPath(h.Name)
	if err != nil {
		return nil, err
	}
	info := Info{Path: name, Mode: h.Mode & 0o7777, Type: h.Typeflag, Size: h.Size, UID: h.Uid, GID: h.Gid, Layer: layer}
	if name == "" {
		if h.Typeflag == tar.TypeDir {
			f.root.info = info
			f.root.info.Size = 0
		}
		return nil, nil
	}
	base := path.Base(name)
	if strings.HasPrefix(base, whiteoutPrefix) {
		return nil, f.whiteout(layer, parent(name), base)
	}
	dir, err := f.walk(parent(name), layer)
	if err != nil {
		return nil, err
	}
	// The path is where it really lies, not how the layer spelled it.
	info.Path = join(dir.info.Path, base)
	n := &node{layer: layer, offset: offset, sparse: sparse(h)}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil, nil
	case tar.TypeDir:
		info.Size = 0
		if old := dir.children[base]; old != nil && old.info.IsDir() {
			old.info, old.layer = info, layer
			return old, nil
		}
	case tar.TypeSymlink:
		info.Link, info.Size = h.Linkname, 0
	case tar.TypeLink:
		target, err := entryPath(h.Linkname)
		if err != nil {
			return nil, err
		}
		if dir.children[base] != nil { // it makes room before it looks, as unpacking does
			delete(dir.children, base)
			f.nodes--
		}
		tdir, err := f.find(parent(target))
		if err != nil {
			return nil, badLayer("%q is a hard link to %q, which is no file", clip(name), clip(h.Linkname))
		}
		t := tdir.children[path.Base(target)]
		if t == nil || t.info.IsDir() {
			return nil, badLayer("%q is a hard link to %q, which is no file", clip(name), clip(h.Linkname))
		}
		p := info.Path
		info = t.info
		info.Path = p
		n.offset, n.sparse, n.content, n.kept = t.offset, t.sparse, t.content, t.kept
	}
	n.info = info
	return n, f.put(dir, base, n)
}

func (f *FS) put(dir *node, base string, n *node) error {
	if dir.children == nil {
		dir.children = map[string]*node{}
	}
	if dir.children[base] == nil {
		if f.nodes++; f.nodes > maxNodes {
			return cairn.Errorf(cairn.CodeTooLarge, "the image has more than %d files", maxNodes)
		}
	}
	if f.names += int64(len(n.info.Path) + len(n.info.Link)); f.names > maxAllNames {
		return cairn.Errorf(cairn.CodeTooLarge, "the names in the image have more than %d bytes", maxAllNames)
	}
	dir.children[base] = n
	return nil
}

// walk finds a folder and makes what is not there, as unpacking does.
func (f *FS) walk(dir string, layer int) (*node, error) {
	return f.follow(dir, func(at *node, part string) (*node, error) {
		n := &node{layer: layer, info: Info{Path: join(at.info.Path, part), Type: tar.TypeDir, Mode: 0o755, Layer: -1}}
		return n, f.put(at, part, n)
	})
}

// find finds a folder.
func (f *FS) find(dir string) (*node, error) {
	return f.follow(dir, func(*node, string) (*node, error) { return nil, errNone })
}

var errNone = errors.New("not there")

// follow goes to a folder through links, as a process inside the image does.
// missing says what stands where no folder is.
func (f *FS) follow(dir string, missing func(at *node, part string) (*node, error)) (*node, error) {
	way := []*node{f.root}
	if dir == "" {
		return f.root, nil
	}
	todo := strings.Split(dir, "/")
	links := 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		at := way[len(way)-1]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(way) > 1 {
				way = way[:len(way)-1]
			}
			continue
		}
		n := at.children[part]
		switch {
		case n != nil && n.info.IsDir():
			way = append(way, n)
		case n != nil && n.info.Type == tar.TypeSymlink:
			if links++; links > maxLinks {
				return nil, badLayer("the links on the way to %q go round in a circle", clip(dir))
			}
			if path.IsAbs(n.info.Link) {
				way = way[:1]
			}
			todo = append(strings.Split(n.info.Link, "/"), todo...)
			if len(todo) > maxPath {
				return nil, badLayer("the links on the way to %q lead nowhere", clip(dir))
			}
		default:
			n, err := missing(at, part)
			if err != nil {
				return nil, err
			}
			way = append(way, n)
		}
	}
	return way[len(way)-1], nil
}

func (f *FS) whiteout(layer int, dir, base string) error {
	opaque := base == whiteoutOpaque
	if strings.HasPrefix(base, whiteoutMetaPrefix) && !opaque {
		return nil
	}
	at, err := f.find(dir)
	if errors.Is(err, errNone) {
		return nil
	}
	if err != nil {
		return err
	}
	if opaque {
		f.removeLower(at, layer)
		return nil
	}
	target := strings.TrimPrefix(base, whiteoutPrefix)
	if target == "" || target == "." || target == ".." {
		return badLayer("%q removes nothing that has a name", clip(join(dir, base)))
	}
	if n := at.children[target]; n != nil && f.removeNode(n, layer) {
		delete(at.children, target)
		f.nodes--
	}
	return nil
}

// removeNode reports whether the whole of it goes: what this layer made stays,
// with the folders above it.
func (f *FS) removeNode(n *node, layer int) bool {
	f.removeLower(n, layer)
	return n.layer < layer && len(n.children) == 0
}

func (f *FS) removeLower(n *node, layer int) {
	for base, c := range n.children {
		if f.removeNode(c, layer) {
			delete(n.children, base)
			f.nodes--
		}
	}
}
