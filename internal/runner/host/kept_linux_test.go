package host

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

func stateKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// failingSpec has steps that leave something to each other, and one that fails until
// there is a file "fixed".
func failingSpec(id cairn.JobID) cairn.JobSpec {
	s := runnertest.Spec(id, `echo ran >> $HOME/count; echo "A=hidden-value" >> $GITHUB_ENV; echo "$PWD/bin" >> $GITHUB_PATH
mkdir bin; printf '#!/bin/sh\necho tool-here\n' > bin/tool; chmod +x bin/tool; echo o=out-put >> $GITHUB_OUTPUT; echo "::add-mask::masked-later"; echo kept > file`)
	s.Steps[0].ID = "a"
	s.Steps = append(s.Steps,
		cairn.Step{ID: "soft", Run: cairn.Str("exit 3"), ContinueOnError: cairn.Template{Kind: cairn.TemplateBool, Bool: true}},
		cairn.Step{ID: "bad", Name: cairn.Str("Bad"), Run: cairn.Str(`cat file; tool; echo "$A ${{ steps.a.outputs.o }} ${{ steps.soft.outcome }} masked-later"; test -f fixed`)},
		cairn.Step{ID: "last", Run: cairn.Str(`echo o2=$(wc -l < $HOME/count) >> $GITHUB_OUTPUT`)},
	)
	for i := range s.Steps {
		s.Steps[i].Run.Kind = cairn.TemplateExpr
		if !strings.Contains(s.Steps[i].Run.Text, "${{") {
			s.Steps[i].Run.Kind = cairn.TemplateString
		}
	}
	s.Outputs = []cairn.NamedValue{{Name: "n", Value: cairn.Expr("${{ steps.last.outputs.o2 }}")}, {Name: "o", Value: cairn.Expr("${{ steps.a.outputs.o }}")}}
	return s
}

func keeping(o *Options) { o.Keeping = DefaultKeeping() }

func workspace(t *testing.T, home, job string) string {
	t.Helper()
	m, _ := filepath.Glob(filepath.Join(home, "jobs", job, "work", "*", "*"))
	if len(m) != 1 {
		t.Fatalf("workspaces of %s: %q", job, m)
	}
	return m[0]
}

func runJob(t *testing.T, b *Backend, spec cairn.JobSpec, key, resume []byte) (cairn.Report, map[int]cairn.StepRow, cairn.Job) {
	t.Helper()
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{Token: "job-token", StateKey: key, ResumeKey: resume})
	reports := runnertest.Wait(t, b, job, nil)
	waitSupervisors(t, b.o.Home)
	return runnertest.Last(t, reports), runnertest.Steps(reports), job
}

// TestResumeFromFailedStep: a job goes on in the workspace of one that failed, as often
// as that is needed, and then nothing of it is left.
func TestResumeFromFailedStep(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, keeping)
	end, rows, job := runJob(t, b, failingSpec(1), stateKey(1), nil)
	if end.Conclusion != cairn.Failure || rows[4].Conclusion != cairn.Failure || rows[5].Conclusion != cairn.Skipped {
		t.Fatalf("%+v %+v", end, rows)
	}
	if err := b.Cleanup(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if err := b.Resumable(job); err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(filepath.Join(home, "jobs", "1.1", "state"))
	if err != nil || bytes.Contains(state, []byte("hidden-value")) {
		t.Errorf("the state lies open: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "jobs", "1.1", "files", "*")); len(left) > 0 {
		t.Errorf("scripts are left: %q", left)
	}

	again := failingSpec(2)
	again.Resume = &cairn.Resume{Job: 1, Epoch: 1, Attempt: 1, Step: 4}
	end, rows, second := runJob(t, b, again, stateKey(2), stateKey(1))
	if end.Conclusion != cairn.Failure {
		t.Fatalf("%+v", end)
	}
	for n, want := range map[int]cairn.Conclusion{1: cairn.Success, 2: cairn.Success, 3: cairn.Success, 4: cairn.Failure, 5: cairn.Skipped} {
		r := rows[n]
		if r.Conclusion != want || (r.From == 1) != (n == 2 || n == 3) {
			t.Errorf("step %d: %+v", n, r)
		}
	}
	if rows[3].Outcome != cairn.Failure || rows[2].Outputs["o"] != "out-put" {
		t.Errorf("%+v", rows)
	}
	if got := logText(t, b, second, 4); !strings.Contains(got, "kept\ntool-here\nhidden-value out-put failure ***\n") {
		t.Errorf("log: %s", got)
	}
	if err := b.Resumable(job); err == nil || !strings.Contains(err.Error(), "job 2 went on in the workspace of job 1 since") {
		t.Errorf("job 1: %v", err)
	}

	ws := workspace(t, home, "1.1")
	if err := os.WriteFile(filepath.Join(ws, "fixed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	third := failingSpec(3)
	third.Resume = &cairn.Resume{Job: 2, Epoch: 1, Attempt: 2, Step: 4}
	end, rows, last := runJob(t, b, third, stateKey(3), stateKey(2))
	if end.Conclusion != cairn.Success || end.Outputs["n"] != "1" || end.Outputs["o"] != "out-put" || rows[2].From != 2 {
		t.Errorf("%+v %+v", end, rows)
	}
	for _, j := range []cairn.Job{job, second, last} {
		if err := b.Cleanup(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"kept/*", "jobs/*/state", "jobs/*/work", "jobs/*/home", "jobs/*/files"} {
		if left, _ := filepath.Glob(filepath.Join(home, pattern)); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
}

// What a later job works in is not removed by the clean-up of the one before.
func TestResumeOutlivesEarlierCleanup(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, keeping)
	_, _, job := runJob(t, b, failingSpec(1), stateKey(1), nil)
	spec := failingSpec(2)
	spec.Resume = &cairn.Resume{Job: 1, Epoch: 1, Step: 4}
	l := jobLayout(home, 2, 1)
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a start that was cut short is done again
		if err := l.takeKept(spec.Resume); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Cleanup(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	workspace(t, home, "1.1")
	other := jobLayout(home, 3, 1)
	if err := os.MkdirAll(string(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := other.takeKept(spec.Resume); err == nil || !strings.Contains(err.Error(), "another job goes on in the workspace of job 1") {
		t.Errorf("%v", err)
	}
	// The second job never starts: with it the workspace goes.
	if err := b.Cleanup(t.Context(), cairn.Job{ID: 2, Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "jobs", "*", "work")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Count, age and size bound what stays, and what is gone says so.
func TestKeptWorkspacesAreSwept(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name string
		keep Keeping
		late time.Duration
		want []string
	}{
		{"count", Keeping{Count: 2, Age: time.Hour, Bytes: 1 << 30}, 0, []string{"2.1", "3.1"}},
		{"age", Keeping{Count: 9, Age: time.Hour, Bytes: 1 << 30}, 2 * time.Hour, nil},
		{"size", Keeping{Count: 9, Age: time.Hour, Bytes: 1}, 0, nil},
		{"none", Keeping{}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			b := open(t, home, func(o *Options) {
				o.Keeping = c.keep
				o.Now = func() time.Time { return now.Add(c.late) }
			})
			var jobs []cairn.Job
			for id := range cairn.JobID(3) {
				_, _, job := runJob(t, b, failingSpec(id+1), stateKey(1), nil)
				jobs = append(jobs, job)
			}
			b.sweepKept()
			var have []string
			dirs, _ := filepath.Glob(filepath.Join(home, "jobs", "*", "work"))
			for _, d := range dirs {
				have = append(have, filepath.Base(filepath.Dir(d)))
			}
			if !slices.Equal(have, c.want) {
				t.Errorf("left %q, want %q", have, c.want)
			}
			if err := b.Resumable(jobs[0]); err == nil || !strings.Contains(err.Error(), "the workspace of job 1 is no longer there") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A state that was changed, or is of another job, is not believed.
func TestResumeStateIsSealed(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, keeping)
	runJob(t, b, failingSpec(1), stateKey(1), nil)
	spec := failingSpec(2)
	spec.Resume = &cairn.Resume{Job: 1, Epoch: 1, Step: 4}
	end, _, _ := runJob(t, b, spec, stateKey(2), stateKey(9))
	if end.Conclusion != cairn.Failure || !strings.Contains(end.Reason, "what job 1 left cannot be read") {
		t.Errorf("%+v", end)
	}
}

// What a job takes while the sweep counts it gets no mark again: another sweep would
// remove it under the job.
func TestKeptIsTakenWhileItIsCounted(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, keeping)
	from, l := jobLayout(home, 1, 1), jobLayout(home, 2, 1)
	for _, dir := range []string{filepath.Join(home, "kept"), string(l)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Young, and written as the backend writes it: its own first sweep runs beside this and
	// takes away what is too old or cut short.
	mark := keptMark{Owner: "1.1", At: b.o.Now()}
	text, err := json.Marshal(mark)
	if err != nil {
		t.Fatal(err)
	}
	mark.Bytes = 7
	for range 100 {
		if err := writeFile(from.mark(), text); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.counted(from, mark)
		}()
		b.marking.Lock()
		err := l.takeKept(&cairn.Resume{Job: 1, Epoch: 1})
		b.marking.Unlock()
		<-done
		if err != nil || stillThere(from.mark()) {
			t.Fatalf("taken, and there again: %v", err)
		}
		if err := os.Remove(l.taken()); err != nil {
			t.Fatal(err)
		}
	}
}
