package task

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// runBatches runs a script over mini-batches of an input.
func runBatches(context.Context, *runner.StepContext, map[string]string, *taskLog) (int, error) {
	return 0, cairn.Errorf(cairn.CodeUnsupported, "parallel jobs are not run by this Cairn").WithHint("a command job over the whole input does the same work")
}
