package git

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// FileSums answers which of sums (object ids of files) are files of a tree or
// commit. A repository or tree that is not there has none.
func (h *Host) FileSums(ctx context.Context, repo, tree string, sums []string) (map[string]bool, error) {
	dir, _, err := h.inTree(repo, tree, "")
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out, err := h.g.run(ctx, hosted(dir, "ls-tree", "-r", "-z", "--full-tree", "--format=%(objectname)", "--end-of-options", tree))
	if exitCode(err) == 128 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ask := make(map[string]bool, len(sums))
	for _, s := range sums {
		ask[s] = true
	}
	there := map[string]bool{}
	for id := range strings.SplitSeq(string(out), "\x00") {
		if ask[id] {
			there[id] = true
		}
	}
	return there, nil
}

// TrackedSums answers which of sums (object ids of files) git tracks in the work
// tree that dir lies in: what is committed or staged. A folder that is in no work
// tree has none.
func (g *Git) TrackedSums(ctx context.Context, dir string, sums []string) (map[string]bool, error) {
	if _, err := g.locate(ctx, dir); err != nil {
		return nil, ctx.Err()
	}
	out, err := g.run(ctx, call{dir: dir, args: []string{"ls-files", "-z", "--full-name", "--stage", "--", ":/"}})
	if err != nil {
		return nil, err
	}
	ask := make(map[string]bool, len(sums))
	for _, s := range sums {
		ask[s] = true
	}
	there := map[string]bool{}
	for line := range strings.SplitSeq(string(out), "\x00") {
		// Mode, id, stage and a tab before the name.
		if f := strings.Fields(line); len(f) > 2 && ask[f[1]] {
			there[f[1]] = true
		}
	}
	return there, nil
}
