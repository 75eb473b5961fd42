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

// A cancel that comes when its job has just ended does not end the next one; that one
// is cancelled all the same, and so is any by a signal alone.
func TestLateCancelIsNotForTheNextJob(t *testing.T) {
	t.Parallel()
	b := open(t, newHome(t), func(o *Options) { o.Idle = time.Minute })
	first := runnertest.Start(t, b, runnertest.Spec(1, `true`), cairn.JobSecrets{})
	finish(t, b, first)
	waitIdle(t, b)
	start := func(id cairn.JobID, script string) (cairn.Job, *os.File) {
		dir := t.TempDir()
		if err := syscall.Mkfifo(dir+"/go", 0o600); err != nil {
			t.Fatal(err)
		}
		job := runnertest.Start(t, b, runnertest.Spec(id, strings.ReplaceAll(script, "DIR", dir)), cairn.JobSecrets{})
		f, err := os.OpenFile(dir+"/go", os.O_WRONLY, 0) // the step has begun
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return job, f
	}
	// What an owner does that does not know yet that the job is over.
	if err := writeFile(jobLayout(b.o.Home, 1, 1).cancel(), []byte("cancel\n")); err != nil {
		t.Fatal(err)
	}
	second, line := start(2, `cat DIR/go`)
	if second.PID != first.PID {
		t.Fatalf("another process: %d, %d", first.PID, second.PID)
	}
	if err := proc.Signal(second.PID, second.PIDStart, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	line.Close()
	if end := finish(t, b, second); end.Conclusion != cairn.Success {
		t.Errorf("%+v", end)
	}
	waitIdle(t, b)
	third, _ := start(3, `trap 'exit 9' INT TERM; cat DIR/go & wait`)
	if err := proc.Signal(third.PID, third.PIDStart, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if end := finish(t, b, third); end.Conclusion != cairn.Cancelled {
		t.Errorf("%+v", end)
	}
	waitIdle(t, b)
	fourth, _ := start(4, `trap 'exit 9' INT TERM; cat DIR/go & wait`)
	if err := b.Cancel(t.Context(), fourth, false); err != nil {
		t.Fatal(err)
	}
	if end := finish(t, b, fourth); end.Conclusion != cairn.Cancelled || fourth.PID != first.PID {
		t.Errorf("%+v", end)
	}
}

// An owner that starts again cancels a job that is over: the supervisor has another.
func TestCancelOfWhatIsOverAfterARestart(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, func(o *Options) { o.Idle = time.Minute })
	first := runnertest.Start(t, b, runnertest.Spec(1, `true`), cairn.JobSecrets{})
	finish(t, b, first)
	waitIdle(t, b)
	second := runnertest.Start(t, b, runnertest.Spec(2, `true`), cairn.JobSecrets{})
	finish(t, b, second)
	waitIdle(t, b)
	third := runnertest.Start(t, b, runnertest.Spec(3, `sleep 0.5`), cairn.JobSecrets{})
	b.Close()
	next := open(t, home)
	if err := next.Cancel(t.Context(), first, true); err != nil {
		t.Fatal(err)
	}
	if end := finish(t, next, third); end.Conclusion != cairn.Success || third.PID != first.PID {
		t.Errorf("%+v", end)
	}
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
