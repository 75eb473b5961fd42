package host

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// A supervisor takes the next job; nothing of the one before is seen there.
func TestSupervisorTakesTheNextJob(t *testing.T) {
	t.Parallel()
	b := open(t, newHome(t), func(o *Options) { o.Idle = time.Minute })
	first := runnertest.Start(t, b, runnertest.Spec(1, `echo "$$ $PPID"; pwd; echo A=1 >> $GITHUB_ENV; sleep 600 & disown`), cairn.JobSecrets{Secrets: map[string]string{"PW": "hunter2-hunter2"}})
	finish(t, b, first)
	waitIdle(t, b)
	second := runnertest.Start(t, b, runnertest.Spec(2, `echo "[$A] hunter2-hunter2 $(ls | wc -l)"; ps -o pid= --ppid $PPID | wc -l; exit 3`), cairn.JobSecrets{})
	end := finish(t, b, second)
	if first.PID != second.PID || first.PIDStart != second.PIDStart {
		t.Errorf("another process: %d, %d", first.PID, second.PID)
	}
	if end.Conclusion != cairn.Failure {
		t.Errorf("%+v", end)
	}
	// The secret of the first is none of the second's: nothing hides it there.
	if got := logText(t, b, second, 2); !strings.Contains(got, "[] hunter2-hunter2 0\n") {
		t.Errorf("%q", got)
	}
	for _, l := range []layout{jobLayout(b.o.Home, 1, 1), jobLayout(b.o.Home, 2, 1)} {
		if text, err := os.ReadFile(l.output()); err != nil || len(text) > 0 {
			t.Errorf("%s: %q, %v", l.output(), text, err)
		}
	}
	waitIdle(t, b)
	if b.Alive(first) || b.Alive(second) {
		t.Error("a job that is over has a supervisor")
	}
	// A cancel of what is over reaches nobody.
	third := runnertest.Start(t, b, runnertest.Spec(3, `echo on; sleep 0.2; echo over`), cairn.JobSecrets{})
	if err := b.Cancel(t.Context(), second, true); err != nil {
		t.Fatal(err)
	}
	if end := finish(t, b, third); end.Conclusion != cairn.Success || third.PID != first.PID {
		t.Errorf("%+v", end)
	}
	waitIdle(t, b)
	b.Close()
	proc.WaitExit(first.PID, first.PIDStart)
}

// One that dies between two jobs costs nothing: another one takes the next.
func TestSupervisorDiesBetweenJobs(t *testing.T) {
	t.Parallel()
	b := open(t, newHome(t), func(o *Options) { o.Idle = time.Minute })
	first := runnertest.Start(t, b, runnertest.Spec(1, `true`), cairn.JobSecrets{})
	finish(t, b, first)
	waitIdle(t, b)
	if err := proc.Signal(first.PID, first.PIDStart, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := runnertest.Start(t, b, runnertest.Spec(2, `true`), cairn.JobSecrets{})
	if end := finish(t, b, second); end.Conclusion != cairn.Success || first.PID == second.PID {
		t.Errorf("%+v", end)
	}
}

// waitIdle waits until some supervisor has no job.
func waitIdle(t *testing.T, b *Backend) {
	t.Helper()
	for {
		b.workers.mu.Lock()
		n := len(b.workers.free)
		b.workers.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("no supervisor became free")
		case <-time.After(time.Millisecond):
		}
	}
}

func finish(t *testing.T, b *Backend, job cairn.Job) cairn.Report {
	t.Helper()
	return runnertest.Last(t, runnertest.Wait(t, b, job, nil))
}
