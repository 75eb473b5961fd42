package host

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// TestCleanupEndsWhoWasGivenUp: a job whose end was written down without its
// supervisor leaves none behind.
func TestCleanupEndsWhoWasGivenUp(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	job := runnertest.Start(t, b, runnertest.Spec(1, "sleep 300"), cairn.JobSecrets{})
	runnertest.Wait(t, b, job, func(rs []cairn.Report) bool { return len(runnertest.Steps(rs)) > 1 })
	if err := b.Cleanup(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); proc.Alive(job.PID, job.PIDStart); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the supervisor goes on")
		}
	}
	if !jobLayout(home, 1, 1).finished() {
		t.Error("it left no result")
	}
}

// stranger is a process with a session of its own.
func stranger(t *testing.T) (pid int, start int64) {
	t.Helper()
	cmd := exec.Command("sleep", "300")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid, proc.Start(cmd.Process.Pid)
}

// TestStrangersAreLeftAlone: the number of a supervisor that died may be that of
// another program by now, also after a start of the machine.
func TestStrangersAreLeftAlone(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	pid, start := stranger(t)
	for i, id := range []identity{
		{proc.Identity{PID: pid, Start: start - 1, Boot: proc.BootID()}, "gone"},
		{proc.Identity{PID: pid, Start: start, Boot: "an earlier one"}, "gone"},
	} {
		job := cairn.Job{ID: cairn.JobID(i + 1), Epoch: 1}
		l := jobLayout(home, job.ID, 1)
		if err := os.MkdirAll(filepath.Join(string(l), "logs"), 0o700); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeFile(l.pid(), text); err != nil {
			t.Fatal(err)
		}
		if b.Alive(job) {
			t.Errorf("%+v counts as alive", id)
		}
		if err := b.Cancel(t.Context(), job, true); err != nil {
			t.Error(err)
		}
		if err := b.Cleanup(t.Context(), job); err != nil {
			t.Error(err)
		}
		if !proc.Alive(pid, start) {
			t.Fatalf("%+v: the stranger was killed", id)
		}
		os.Remove(l.pid()) // the end of the test waits for real ones only
	}
}

// TestTimeoutBeyondAllTime: a time that no number of nanoseconds holds is long,
// not over at once.
func TestTimeoutBeyondAllTime(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, "true")
	spec.TimeoutMinutes = 1e300
	if in := run(t, spec); in.end.Conclusion != cairn.Success {
		t.Errorf("%+v", in.end)
	}
}
