package layer

import (
	"archive/tar"
	"slices"
	"strings"
	"time"
)

// folder is what is set on a folder at the end, so that a read-only one can be
// filled.
type folder struct {
	uid, gid int
	mode     int64
	modTime  time.Time
}

// folders remembers what folders are to become. A folder that is removed is
// forgotten with those below it, and only these are looked at: layers may have a
// million folders and remove each.
type folders struct {
	known map[string]folder
	below map[string][]string // paths by the folder that they lie in
	seen  map[string]bool     // paths that below has
}

func newFolders() *folders {
	return &folders{known: map[string]folder{}, below: map[string][]string{}, seen: map[string]bool{}}
}

func (f *folders) set(p string, h *tar.Header) {
	f.known[p] = folder{uid: h.Uid, gid: h.Gid, mode: h.Mode, modTime: h.ModTime}
	for ; p != "" && !f.seen[p]; p = parent(p) {
		f.seen[p] = true
		f.below[parent(p)] = append(f.below[parent(p)], p)
	}
}

// forget drops a folder and all below it.
func (f *folders) forget(p string) {
	todo := []string{p}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], f.below[p]...)
		delete(f.below, p)
		delete(f.known, p)
		delete(f.seen, p)
	}
}

// paths are those of all folders, the inner ones first.
func (f *folders) paths() []string {
	out := make([]string, 0, len(f.known))
	for p := range f.known {
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y string) int { return strings.Compare(y, x) })
	return out
}
