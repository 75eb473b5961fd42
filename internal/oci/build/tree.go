package build

import (
	"archive/tar"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// node is one path that a build adds to what lies below.
type node struct {
	typ      byte // tar.TypeReg, TypeDir, TypeSymlink
	mode     int64
	uid, gid int
	link     string
	size     int64
	open     func() (io.ReadCloser, error)
	// digest and sum (as a git blob) are filled in once, before layers are written.
	digest cairn.Digest
	sum    string
	// made says that the build itself made the folder, so it is in a layer even
	// when it is empty; else a folder stands only above something.
	made bool
}

// tree is the file system of a stage: what the build put there, over what is
// known of the image below. Paths have no slash in front.
type tree struct {
	low    *facts // nil: nothing below
	nodes  map[string]*node
	bytes  int64 // of all nodes
	limits Limits
}

func newTree(low *facts, l Limits) *tree {
	return &tree{low: low, nodes: map[string]*node{}, limits: l}
}

// clone is for a stage that stands on another.
func (t *tree) clone() *tree {
	return &tree{low: t.low, nodes: maps.Clone(t.nodes), bytes: t.bytes, limits: t.limits}
}

func rel(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// at says what lies at a path whose parents are real: a node, or what the image
// below has there. Of files below only those that matter are known.
func (t *tree) at(p string) *node {
	if p == "" {
		return &node{typ: tar.TypeDir, mode: 0o755}
	}
	if n, ok := t.nodes[p]; ok {
		return n
	}
	if t.low == nil {
		return nil
	}
	if d, ok := t.low.Dirs[p]; ok {
		return &node{typ: tar.TypeDir, mode: d.Mode, uid: d.UID, gid: d.GID}
	}
	if l, ok := t.low.Links[p]; ok {
		return &node{typ: tar.TypeSymlink, link: l}
	}
	return nil
}

// resolve follows the links on the way to p, and that at its end where last is
// true. What is not there is taken as it is written.
func (t *tree) resolve(p string, last bool) (string, error) { return follow(t.at, p, last) }

func follow(lookup func(string) *node, p string, last bool) (string, error) {
	todo := strings.Split(rel(p), "/")
	at := ""
	links := 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = rel(path.Dir("/" + at))
			continue
		}
		next := path.Join(at, part)
		n := lookup(next)
		if n == nil || n.typ != tar.TypeSymlink || (len(todo) == 0 && !last) {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", cairn.Errorf(cairn.CodeInvalid, "the links at /%s in the image go round in a circle", clip(rel(p)))
		}
		if path.IsAbs(n.link) {
			at = ""
		}
		todo = append(strings.Split(n.link, "/"), todo...)
		if len(todo) > 4096 {
			return "", cairn.Errorf(cairn.CodeInvalid, "the links at /%s in the image lead nowhere", clip(rel(p)))
		}
	}
	return at, nil
}

// isDir reports whether a path is a folder, through links.
func (t *tree) isDir(p string) bool {
	at, err := t.resolve(p, true)
	if err != nil {
		return false
	}
	n := t.at(at)
	return n != nil && n.typ == tar.TypeDir
}

// mkdir makes a folder and those above it where they are not there, and returns
// where it really is.
func (t *tree) mkdir(p string, mode int64, uid, gid int) (string, error) {
	at, err := t.resolve(p, true)
	if err != nil {
		return "", err
	}
	if at == "" {
		return "", nil
	}
	parts := strings.Split(at, "/")
	for i := range parts {
		dir := strings.Join(parts[:i+1], "/")
		n := t.at(dir)
		if n == nil {
			if err := t.put(dir, &node{typ: tar.TypeDir, mode: mode, uid: uid, gid: gid, made: true}); err != nil {
				return "", err
			}
			continue
		}
		if n.typ != tar.TypeDir {
			return "", cairn.Errorf(cairn.CodeInvalid, "/%s is a file in the image, and a folder would lie over it", clip(dir)).
				WithHint("copy to another place, or leave out the line that puts the file there")
		}
	}
	return at, nil
}

// place puts a file or link at a path; the folders above are made, and belong to
// uid and gid.
func (t *tree) place(p string, n *node, uid, gid int) error {
	dir, base := path.Split(rel(p))
	at, err := t.mkdir(dir, 0o755, uid, gid)
	if err != nil {
		return err
	}
	p = path.Join(at, base)
	if old := t.at(p); old != nil && old.typ == tar.TypeDir {
		return cairn.Errorf(cairn.CodeInvalid, "/%s is a folder in the image, and a file would take its place", clip(p)).
			WithHint("rename the file, or copy it to another place")
	}
	return t.put(p, n)
}

func (t *tree) put(p string, n *node) error {
	if strings.HasPrefix(path.Base(p), ".wh.") {
		return cairn.Errorf(cairn.CodeInvalid, "/%s cannot be in an image: a name that begins with .wh. removes another", clip(p)).
			WithHint("rename it, or leave it out with .dockerignore")
	}
	if old, ok := t.nodes[p]; ok {
		t.bytes -= old.size
	}
	t.nodes[p] = n
	if t.bytes += n.size; t.bytes > t.limits.Bytes {
		return cairn.Errorf(cairn.CodeTooLarge, "the files of the image have more than %s", remote.SizeText(t.limits.Bytes)).
			WithHint("a .dockerignore leaves out what the image does not need")
	}
	if len(t.nodes) > t.limits.Files {
		return cairn.Errorf(cairn.CodeTooLarge, "the build copies more than %d files", t.limits.Files).
			WithHint("a .dockerignore leaves out what the image does not need, as .git, .venv and data")
	}
	return nil
}

// paths are all that the build put there, sorted.
func (t *tree) paths() []string { return slices.Sorted(maps.Keys(t.nodes)) }

// files are layer entries for some paths, with the folders above them as they are
// in the image: a layer that named them otherwise would change them.
func (t *tree) files(paths []string) []layer.File {
	seen := map[string]bool{}
	var out []layer.File
	var add func(p string)
	add = func(p string) {
		if p == "" || seen[p] {
			return
		}
		seen[p] = true
		dir, _ := path.Split(p)
		add(strings.TrimSuffix(dir, "/"))
		n := t.at(p)
		if n == nil {
			n = &node{typ: tar.TypeDir, mode: 0o755}
		}
		out = append(out, layer.File{Path: p, Mode: n.mode, Type: n.typ, Link: n.link, Size: n.size, UID: n.uid, GID: n.gid, Open: n.open, Digest: n.digest})
	}
	for _, p := range paths {
		add(p)
	}
	return out
}
