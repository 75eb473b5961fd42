package host

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// ownerMain is a program that starts one job and waits to be killed.
func ownerMain(home string) int {
	b, err := New(Options{Home: home, Environ: os.Environ(), Command: []string{os.Args[0], "_job"}})
	if err != nil {
		return 1
	}
	var spec cairn.JobSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return 1
	}
	if _, _, err := b.Start(context.Background(), spec, cairn.JobSecrets{Secrets: map[string]string{"S": strings.Repeat("x", 70_000)}}); err != nil {
		return 1
	}
	select {}
}

// TestKillOwner kills the owner at twenty points around the start of a job. The
// next owner starts the job again, as its outbox tells it to: every step is done
// exactly once.
func TestKillOwner(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	for i := range 20 {
		out := filepath.Join(home, "out")
		spec := killSpec(cairn.JobID(i+1), out)
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		owner := exec.Command(os.Args[0], "_owner", home)
		owner.Stdin = strings.NewReader(string(text))
		if err := owner.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*3)*time.Millisecond + rand.N(3*time.Millisecond))
		_ = owner.Process.Kill()
		_ = owner.Wait()
		job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
		end := runnertest.Last(t, runnertest.Wait(t, b, job, nil))
		if done, _ := os.ReadFile(out); end.Conclusion != cairn.Success || string(done) != "one\ntwo\nthree\n" {
			t.Errorf("point %d: %+v, done %q", i, end, done)
		}
		os.Remove(out)
	}
}

// TestFullDiskOfJobs runs jobs on a file system of one megabyte.
func TestFullDiskOfJobs(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	if err := syscall.Mount("tmpfs", home, "tmpfs", 0, "size=1536k"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(home, syscall.MNT_DETACH) })
	b := open(t, home)
	job := runnertest.Start(t, b, runnertest.Spec(1, `yes some text | head -c 3000000`, "echo never"), cairn.JobSecrets{})
	rs := runnertest.Wait(t, b, job, nil)
	if end := runnertest.Last(t, rs); end.Conclusion != cairn.Failure || !strings.Contains(end.Reason, "no space left on the disk that holds CAIRN_HOME") {
		t.Errorf("end: %+v", end)
	}
	waitSupervisors(t, home)
	if err := b.Cleanup(t.Context(), job); err != nil {
		t.Error(err)
	}
	// Full from the beginning: the job is not started, and the error says why.
	if err := os.WriteFile(filepath.Join(home, "fill"), make([]byte, 4<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	_, _, err := b.Start(t.Context(), runnertest.Spec(2, "echo no"), cairn.JobSecrets{})
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("start: %v", err)
	}
	for _, f := range []string{"fill", "jobs/1.1/logs/2.log"} {
		if err := os.Remove(filepath.Join(home, f)); err != nil {
			t.Error(err)
		}
	}
	end := runnertest.Last(t, runnertest.Wait(t, b, runnertest.Start(t, b, runnertest.Spec(2, "echo yes"), cairn.JobSecrets{}), nil))
	if end.Conclusion != cairn.Success {
		t.Errorf("after space was made: %+v", end)
	}
}
