package repo

import (
	"context"
	"maps"
	"path"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// WorkflowsAt reads the workflow files of a commit, and the commit.
func WorkflowsAt(ctx context.Context, k *kit.Kit, root, rev string) ([]*File, cairn.Commit, error) {
	g := git.New(git.Options{Env: k.Environ, Now: k.Now})
	c, err := g.Rev(ctx, root, rev)
	if err != nil {
		return nil, c, err
	}
	files, err := g.FilesAt(ctx, root, c.SHA, Folder, maxWorkflow)
	var out []*File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if ext := path.Ext(name); ext != ".yml" && ext != ".yaml" {
			continue
		}
		f := &File{Path: Folder + "/" + name, Source: files[name]}
		if f.Workflow, f.Problems = workflow.Parse(f.Path, f.Source); cairn.HasErrors(f.Problems) {
			f.Workflow = nil
		}
		out = append(out, f)
	}
	return out, c, err
}
