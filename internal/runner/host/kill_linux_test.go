package host

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

func holdAnswer(s string) runner.HoldAnswer { return runner.HoldAnswer(s) }

// killSpec is a job that leaves traces of every step it does in a file outside
// of its scratch folders, and starts processes of several kinds.
func killSpec(id cairn.JobID, out string) cairn.JobSpec {
	spec := runnertest.Spec(id,
		`echo one >> "$OUT"; setsid sleep 300 & sleep 0.02`,
		`echo two >> "$OUT"; sleep 300 & sleep 0.02`,
		`echo three >> "$OUT"; bash -c 'bash -c "sleep 0.02"'`)
	spec.Env = [][]cairn.NamedValue{{{Name: "OUT", Value: cairn.Str(out)}}}
	return spec
}

// TestKillSupervisor kills the supervisor at twenty points: the job is lost or
// done, nothing runs twice, and no process is left.
func TestKillSupervisor(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	for i := range 20 {
		id := cairn.JobID(i + 1)
		out := filepath.Join(home, "out")
		spec := killSpec(id, out)
		job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
		time.Sleep(time.Duration(i*10)*time.Millisecond + rand.N(10*time.Millisecond))
		_ = proc.Signal(job.PID, job.PIDStart, syscall.SIGKILL)
		for end := time.Now().Add(10 * time.Second); b.Alive(job); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it does not die")
			}
		}
		ident, err := jobLayout(home, id, 1).readIdentity()
		if err != nil || ident == nil {
			t.Fatalf("identity: %v %v", ident, err)
		}
		if left := marked(proc.All(), ident); len(left) > 0 && !jobLayout(home, id, 1).finished() {
			t.Errorf("point %d: %d processes are left: %+v", i, len(left), left)
		}
		before, _ := os.ReadFile(out)
		again := runnertest.Start(t, b, spec, cairn.JobSecrets{})
		if again.PID != job.PID || again.PIDStart != job.PIDStart {
			t.Errorf("point %d: it was started again", i)
		}
		rs, _, err := b.Reports(t.Context(), job, 0)
		if err != nil {
			t.Errorf("point %d: reports: %v", i, err)
		}
		if after, _ := os.ReadFile(out); string(after) != string(before) || strings.Count(string(after), "one") > 1 {
			t.Errorf("point %d: done twice: %q then %q", i, before, after)
		}
		t.Logf("point %d: %d reports, %q", i, len(rs), before)
		os.Remove(out)
		if err := b.Cleanup(t.Context(), job); err != nil {
			t.Error(err)
		}
	}
}

// TestKillStep kills a process of a step at twenty points: the step fails, the
// job ends, no process is left.
func TestKillStep(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	for i := range 20 {
		id := cairn.JobID(i + 1)
		out := filepath.Join(home, "out")
		job := runnertest.Start(t, b, killSpec(id, out), cairn.JobSecrets{})
		time.Sleep(time.Duration(i*4)*time.Millisecond + rand.N(4*time.Millisecond))
		ps := proc.Descendants(proc.All(), job.PID)
		if len(ps) > 0 {
			p := ps[rand.N(len(ps))]
			_ = proc.Signal(p.PID, p.Start, syscall.SIGKILL)
		}
		rs := runnertest.Wait(t, b, job, nil)
		end := runnertest.Last(t, rs)
		if end.Conclusion != cairn.Success && end.Conclusion != cairn.Failure {
			t.Errorf("point %d: %+v", i, end)
		}
		text, _ := os.ReadFile(out)
		for _, w := range []string{"one", "two", "three"} {
			if strings.Count(string(text), w) > 1 {
				t.Errorf("point %d: done twice: %q", i, text)
			}
		}
		os.Remove(out)
	}
	waitSupervisors(t, home) // and no process is left
}

// TestStartRaces starts one job from two owners at once, as when an owner is
// killed between spawning a supervisor and writing down that it did.
func TestStartRaces(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	a, b := open(t, home), open(t, home)
	for i := range 5 {
		out := filepath.Join(home, "out")
		spec := killSpec(cairn.JobID(i+1), out)
		jobs := make(chan cairn.Job, 2)
		for _, o := range []*Backend{a, b} {
			go func() {
				pid, start, err := o.Start(t.Context(), spec, cairn.JobSecrets{})
				if err != nil {
					t.Error(err)
				}
				jobs <- cairn.Job{ID: spec.Job, Epoch: 1, PID: pid, PIDStart: start}
			}()
		}
		x, y := <-jobs, <-jobs
		if x.PID != y.PID || x.PIDStart != y.PIDStart {
			t.Errorf("two supervisors: %+v and %+v", x, y)
		}
		runnertest.Wait(t, a, x, nil)
		if text, _ := os.ReadFile(out); string(text) != "one\ntwo\nthree\n" {
			t.Errorf("done: %q", text)
		}
		os.Remove(out)
	}
}
