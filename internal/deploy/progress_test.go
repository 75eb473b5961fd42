package deploy_test

import (
	"testing"

	"github.com/cairn-ml/cairn"
)

// Whoever asks for old deployments, one before the other, makes nothing grow.
func TestEventsKeptAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for id := cairn.DeploymentID(500); id > 0; id-- {
		r.s.Look(id)
	}
	if n := r.s.Followed(); n > 100 {
		t.Errorf("the events of %d deployments are kept", n)
	}
}
