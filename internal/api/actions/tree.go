package actions

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// tree gathers files by the folder that they lie in; "." is the root.
type tree struct{ dirs map[string][]cairn.TreeEntry }

func newTree() *tree { return &tree{dirs: map[string][]cairn.TreeEntry{".": nil}} }

// folder makes sure that a folder is there, and those above it.
func (t *tree) folder(name string) {
	for ; name != "."; name = path.Dir(name) {
		if _, ok := t.dirs[name]; ok {
			return
		}
		t.dirs[name] = nil
	}
}

func (t *tree) file(dir string, e cairn.TreeEntry) {
	t.folder(dir)
	t.dirs[dir] = append(t.dirs[dir], e)
}

// put stores the folders, the deepest first, those of a depth with one durable
// point, and answers the root.
func (t *tree) put(ctx context.Context, blobs Blobs) (cairn.Digest, error) {
	levels := map[int][]string{}
	deepest := 0
	for name := range t.dirs {
		d := 0
		if name != "." {
			d = 1 + strings.Count(name, "/")
		}
		levels[d] = append(levels[d], name)
		deepest = max(deepest, d)
	}
	for d := deepest; d >= 0; d-- {
		names := levels[d]
		slices.Sort(names)
		all := make([][]cairn.TreeEntry, len(names))
		for i, n := range names {
			all[i] = t.dirs[n]
		}
		ds, err := blobs.PutTrees(ctx, all)
		if err != nil {
			return "", err
		}
		if d == 0 {
			return ds[0], nil
		}
		for i, n := range names {
			e := cairn.TreeEntry{Name: path.Base(n), Mode: cairn.ModeDir, Digest: ds[i]}
			for _, x := range all[i] {
				e.Size += x.Size
				if x.Mode == cairn.ModeDir {
					e.Files += x.Files
				} else {
					e.Files++
				}
			}
			up := path.Dir(n)
			t.dirs[up] = append(t.dirs[up], e)
		}
	}
	return "", cairn.Errorf(cairn.CodeInternal, "a tree without a root")
}
