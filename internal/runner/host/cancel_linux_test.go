package host

import (
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

func TestDefaultGraceIsGitHubs(t *testing.T) {
	t.Parallel()
	if g := DefaultGrace(); g.Interrupt != 7500*time.Millisecond || g.Terminate != 2500*time.Millisecond || g.Cancel != 5*time.Minute {
		t.Errorf("%+v", g)
	}
}

// TestCancelTimeoutMinutes: what runs after a cancel has as long as the workflow says,
// whatever the machine would give it; then even always() ends, and nothing is left.
func TestCancelTimeoutMinutes(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, func(o *Options) { o.Grace.Cancel = time.Hour })
	spec := runnertest.Spec(1, "sleep 300", "sleep 300 & sleep 300", "echo never")
	spec.CancelTimeoutMinutes = 0.01
	for i := range spec.Steps[1:] {
		spec.Steps[i+1].If = "always()"
	}
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
	runnertest.Running(t, b, job, 2)
	if err := b.Cancel(t.Context(), job, false); err != nil {
		t.Fatal(err)
	}
	rs := runnertest.Wait(t, b, job, nil)
	rows := runnertest.Steps(rs)
	if runnertest.Last(t, rs).Conclusion != cairn.Cancelled || rows[3].Conclusion != cairn.Cancelled || rows[4].Conclusion != cairn.Skipped {
		t.Errorf("%+v", rows)
	}
}
