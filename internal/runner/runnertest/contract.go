// Package runnertest proves that a backend of jobs keeps its contract. Every
// backend runs the same tests.
package runnertest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// Backend is what the engine asks of a backend.
type Backend interface {
	Start(ctx context.Context, spec cairn.JobSpec, secrets cairn.JobSecrets) (pid int, pidStart int64, err error)
	Reports(ctx context.Context, job cairn.Job, fromOffset int64) (reports []cairn.Report, next int64, err error)
	Alive(job cairn.Job) bool
	Cancel(ctx context.Context, job cairn.Job, force bool) error
	Cleanup(ctx context.Context, job cairn.Job) error
	Changed() <-chan struct{}
	Slots() []cairn.Slot
}

// Patience bounds how long a test waits for what must happen.
const Patience = 60 * time.Second

// Spec makes a job of `run` steps.
func Spec(id cairn.JobID, scripts ...string) cairn.JobSpec {
	s := cairn.JobSpec{
		Schema: cairn.JobSpecSchema, Job: id, Run: 1, Attempt: 1, Epoch: 1, Path: "build", Name: "build",
		Contexts: map[string]json.RawMessage{"github": json.RawMessage(`{"job":"build","run_id":"1"}`)},
	}
	for _, sc := range scripts {
		text := cairn.Str(sc)
		if strings.Contains(sc, "${{") {
			text = cairn.Expr(sc)
		}
		s.Steps = append(s.Steps, cairn.Step{Run: text})
	}
	return s
}

// Start starts a job and returns it as the engine would know it.
func Start(t testing.TB, b Backend, spec cairn.JobSpec, secrets cairn.JobSecrets) cairn.Job {
	t.Helper()
	pid, start, err := b.Start(t.Context(), spec, secrets)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return cairn.Job{ID: spec.Job, Run: spec.Run, Attempt: spec.Attempt, Epoch: spec.Epoch, PID: pid, PIDStart: start}
}

// Wait reads reports until done says so or the job is finished. Every report is
// read once, by offsets.
func Wait(t testing.TB, b Backend, job cairn.Job, done func([]cairn.Report) bool) []cairn.Report {
	t.Helper()
	var all []cairn.Report
	var offset int64
	deadline := time.After(Patience)
	for {
		rs, next, err := b.Reports(t.Context(), job, offset)
		if err != nil {
			t.Fatalf("reports: %v", err)
		}
		all, offset = append(all, rs...), next
		if n := len(all); n > 0 && all[n-1].Kind == cairn.ReportFinished || done != nil && done(all) {
			return all
		}
		select {
		case <-b.Changed():
		case <-time.After(500 * time.Millisecond): // another test may have taken the signal
		case <-deadline:
			t.Fatalf("the job did not get there; reports so far: %+v", all)
		}
	}
}

// Last is the job's end.
func Last(t testing.TB, rs []cairn.Report) cairn.Report {
	t.Helper()
	if len(rs) == 0 || rs[len(rs)-1].Kind != cairn.ReportFinished {
		t.Fatalf("the job is not finished: %+v", rs)
	}
	return rs[len(rs)-1]
}

// Steps are the rows of the steps as the reports left them, by number.
func Steps(rs []cairn.Report) map[int]cairn.StepRow {
	out := map[int]cairn.StepRow{}
	for _, r := range rs {
		if r.Step != nil {
			out[r.Step.Number] = *r.Step
		}
	}
	return out
}

// Running waits until step n runs.
func Running(t testing.TB, b Backend, job cairn.Job, n int) {
	t.Helper()
	rs := Wait(t, b, job, func(rs []cairn.Report) bool { return Steps(rs)[n].Status == cairn.StatusRunning })
	if Steps(rs)[n].Status != cairn.StatusRunning {
		t.Fatalf("step %d does not run: %+v", n, rs)
	}
}

// Test runs the contract. open makes a new backend with a home of its own.
func Test(t *testing.T, open func(t *testing.T) Backend) {
	t.Run("success", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		spec := Spec(1, "echo one", `echo "x=a b" >> "$GITHUB_OUTPUT"`)
		spec.Steps[1].ID = "out"
		spec.Outputs = []cairn.NamedValue{{Name: "y", Value: cairn.Expr("${{ steps.out.outputs.x }}")}}
		job := Start(t, b, spec, cairn.JobSecrets{})
		rs := Wait(t, b, job, nil)
		end := Last(t, rs)
		if end.Conclusion != cairn.Success || end.Outputs["y"] != "a b" || end.Epoch != 1 {
			t.Errorf("end: %+v", end)
		}
		if rs[0].Kind != cairn.ReportStarted {
			t.Errorf("first report: %+v", rs[0])
		}
		rows := Steps(rs)
		if len(rows) != 3 || rows[2].Conclusion != cairn.Success || rows[3].Outputs["x"] != "a b" {
			t.Errorf("rows: %+v", rows)
		}
		if err := b.Cleanup(t.Context(), job); err != nil {
			t.Errorf("cleanup: %v", err)
		}
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		rs := Wait(t, b, Start(t, b, Spec(1, "exit 3", "echo never"), cairn.JobSecrets{}), nil)
		rows := Steps(rs)
		if Last(t, rs).Conclusion != cairn.Failure || *rows[2].ExitCode != 3 || rows[3].Conclusion != cairn.Skipped {
			t.Errorf("reports: %+v", rs)
		}
	})
	t.Run("start is idempotent", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		spec := Spec(1, `echo once >> "$HOME/../count"; cat "$HOME/../count"; sleep 0.2`)
		first := Start(t, b, spec, cairn.JobSecrets{})
		again := Start(t, b, spec, cairn.JobSecrets{})
		if first.PID != again.PID || first.PIDStart != again.PIDStart {
			t.Errorf("two starts: %+v, %+v", first, again)
		}
		rs := Wait(t, b, first, nil)
		after := Start(t, b, spec, cairn.JobSecrets{})
		if after.PID != first.PID {
			t.Errorf("start after the end: %+v", after)
		}
		if more := Wait(t, b, first, nil); len(more) != len(rs) {
			t.Errorf("it ran again: %+v", more)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		spec := Spec(1, "sleep 300", "echo cleaned")
		spec.Steps[1].If = "always()"
		job := Start(t, b, spec, cairn.JobSecrets{})
		Running(t, b, job, 2)
		if !b.Alive(job) {
			t.Error("a running job is not alive")
		}
		if err := b.Cancel(t.Context(), job, false); err != nil {
			t.Fatal(err)
		}
		rs := Wait(t, b, job, nil)
		rows := Steps(rs)
		if Last(t, rs).Conclusion != cairn.Cancelled || rows[2].Conclusion != cairn.Cancelled || rows[3].Conclusion != cairn.Success {
			t.Errorf("reports: %+v", rs)
		}
	})
	t.Run("cancel by force", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		spec := Spec(1, "trap '' INT TERM; sleep 300 & wait; sleep 300", "echo never")
		spec.Steps[1].If = "always()"
		job := Start(t, b, spec, cairn.JobSecrets{})
		Running(t, b, job, 2)
		if err := b.Cancel(t.Context(), job, true); err != nil {
			t.Fatal(err)
		}
		rs := Wait(t, b, job, nil)
		if Last(t, rs).Conclusion != cairn.Cancelled || Steps(rs)[3].Conclusion != cairn.Skipped {
			t.Errorf("reports: %+v", rs)
		}
		if err := b.Cancel(t.Context(), job, false); err != nil {
			t.Errorf("cancel after the end: %v", err)
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		job := cairn.Job{ID: 99, Epoch: 1, PID: 1, PIDStart: 1}
		rs, next, err := b.Reports(t.Context(), job, 0)
		if len(rs) != 0 || next != 0 || err != nil || b.Alive(job) {
			t.Errorf("a job that never was: %v %d %v", rs, next, err)
		}
		if err := b.Cancel(t.Context(), job, true); err != nil {
			t.Errorf("cancel: %v", err)
		}
		if len(b.Slots()) == 0 {
			t.Error("no slots")
		}
	})
}
