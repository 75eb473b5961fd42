package server

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/host"
)

// originals tells supervisors which built-in actions the configuration does not want.
type originals struct {
	*host.Backend
	names []string
}

// Start hands a job to a supervisor.
func (b *originals) Start(ctx context.Context, spec cairn.JobSpec, secrets cairn.JobSecrets) (int, int64, error) {
	spec.Originals = b.names
	return b.Backend.Start(ctx, spec, secrets)
}
