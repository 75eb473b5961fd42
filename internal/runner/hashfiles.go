package runner

import (
	"os"

	"github.com/cairn-ml/cairn/internal/expr"
)

// hashFiles is the function of that name over the workspace.
func (x *executor) hashFiles(args []expr.Value) (expr.Value, error) {
	root := x.Machine.Dirs().Workspace
	return expr.HashFiles(os.DirFS(root), root, args)
}
