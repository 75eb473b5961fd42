package local

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// Ask asks the process of a stage at its control socket, without a target: for
// those who look while no server runs. It is nil where none runs.
func Ask(ctx context.Context, socket string) (*cairn.StageStatus, error) {
	return newControl(socket).status(ctx)
}
