package run_test

import (
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

// A job that waits for a run that its step asked for does not keep it from starting.
func TestSlotIsLent(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{
		Slots:  []cairn.Slot{{Name: "only", Labels: []string{"ubuntu-latest"}, Count: 1}},
		Script: func(s cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: s.Path == "asks"} },
	}))
	above := x.submit(planOf(node("asks")))
	asks := jobOf(x.until(above.ID, "it runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "asks").PID != 0 }), "asks")
	other := x.submit(planOf(node("other")))
	below := x.submit(planOf(node("first"), node("second", "first")), func(r *run.Request) {
		r.Submitted = &cairn.Submitted{Name: "calm_owl", Type: "pipeline", Parent: asks.ID}
	})
	if s := x.ended(below.ID); s.Run.Conclusion != cairn.Success {
		t.Errorf("%s %s", s.Run.Conclusion, s.Run.Reason)
	}
	x.backend.Finish("asks", fake.Outcome{})
	x.ended(above.ID)
	x.ended(other.ID)
}
