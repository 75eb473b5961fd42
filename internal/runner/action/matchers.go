package action

import (
	"context"
	_ "embed"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// What the languages' tools print of problems, as the originals of setup-python and
// setup-node make annotations of it.
var (
	//go:embed matchers/python.json
	pythonMatchers []byte
	//go:embed matchers/node.json
	nodeMatchers []byte
)

// addMatchers makes problem matchers known to the job, in the way of a script.
func addMatchers(ctx context.Context, c *runner.StepContext, name string, matchers []byte) error {
	if c.Command == nil {
		return nil
	}
	path := filepath.Join(c.Dirs.Temp, "_cairn", name)
	if err := writeOnce(c, path, matchers); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "problem matchers cannot be written: %w", err)
	}
	status, err := c.Command(ctx, runner.Process{Args: []string{"sh", "-c", `echo "##[add-matcher]$0"`, path}})
	if err == nil && status != 0 {
		c.Warn("problem matchers of %s are not used: sh ended with code %d", name, status)
	}
	return err
}
