package build

import (
	"context"

	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
)

// Executor builds a Dockerfile in containers.
type Executor interface{ Name() string }

// Executors are those that are usual, in the order in which they are tried.
func Executors() []Executor { return []Executor{} }

func (j *job) execute(ctx context.Context, plan *dockerfile.Plan, platform string, needs []dockerfile.Need, cause error) (*assembled, error) {
	if cause != nil {
		return nil, cause
	}
	return nil, j.file.NeedsError(needs)
}
