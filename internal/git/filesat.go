package git

import (
	"context"
	"path"

	"github.com/cairn-ml/cairn"
)

// FilesAt reads the files of one folder of a commit of somebody's repository, by
// name; at most limit bytes each.
func (g *Git) FilesAt(ctx context.Context, dir, rev, folder string, limit int64) (map[string][]byte, error) {
	c, err := g.Rev(ctx, dir, rev)
	if err != nil {
		return nil, err
	}
	folder, err = checkPath(folder)
	if err != nil {
		return nil, err
	}
	out, err := g.run(ctx, call{dir: dir, args: []string{"ls-tree", "-z", "-l", "--full-tree", "--end-of-options", c.Tree + ":" + folder}})
	if exitCode(err) == 128 {
		return nil, nil // there is no such folder
	}
	if err != nil {
		return nil, err
	}
	es, err := lsTree(out)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range es {
		if e.Mode != GitFile && e.Mode != GitExec {
			continue
		}
		if e.Size > limit {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes; at most %d are read", path.Join(folder, e.Name), e.Size, limit)
		}
		if files[e.Name], err = g.run(ctx, call{dir: dir, args: []string{"cat-file", "blob", e.ID}}); err != nil {
			return nil, err
		}
	}
	return files, nil
}
