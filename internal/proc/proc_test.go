package proc

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

// child starts a program that waits to be ended.
func child(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "300")
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func TestALife(t *testing.T) {
	t.Parallel()
	cmd := child(t)
	id := Identity{PID: cmd.Process.Pid, Start: Start(cmd.Process.Pid), Boot: BootID()}
	if id.Start <= 0 || Began(id.PID) != id.Start || !id.Alive() || !Alive(id.PID, id.Start) {
		t.Fatalf("%+v does not run", id)
	}
	for name, other := range map[string]Identity{
		"one that had the pid before": {PID: id.PID, Start: id.Start - 1, Boot: id.Boot},
		"one of an earlier boot":      {PID: id.PID, Start: id.Start, Boot: "another"},
	} {
		if other.Alive() {
			t.Errorf("%s is alive", name)
		}
		if err := other.Signal(syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (Identity{}).Alive() || Alive(id.PID, 0) || Alive(-1, id.Start) {
		t.Error("nobody is alive")
	}
	WaitExit(id.PID, id.Start-1) // is over at once
	id.Wait(time.Millisecond)
	if !id.Alive() {
		t.Fatal("a signal for another one has ended it")
	}
	if err := id.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	WaitExit(id.PID, id.Start)
	id.Wait(time.Minute)
	if id.Alive() || Start(id.PID) != 0 {
		t.Error("it runs although it has ended")
	}
	if err := id.Signal(syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a signal after its end: %v", err)
	}
}

func TestSelf(t *testing.T) {
	t.Parallel()
	id := Self()
	if id.PID != os.Getpid() || !id.Alive() || id.Signal(0) != nil {
		t.Errorf("%+v", id)
	}
}

// TestIdentityText holds what files of running processes have in them.
func TestIdentityText(t *testing.T) {
	t.Parallel()
	for want, id := range map[string]Identity{
		`{"pid":12,"start":345,"boot":"b"}`: {PID: 12, Start: 345, Boot: "b"},
		`{"pid":12,"start":345}`:            {PID: 12, Start: 345},
	} {
		b, err := json.Marshal(id)
		if err != nil || string(b) != want {
			t.Errorf("%s, %v; want %s", b, err, want)
		}
		var back Identity
		if err := json.Unmarshal([]byte(want), &back); err != nil || back != id {
			t.Errorf("%s gives %+v, %v", want, back, err)
		}
	}
}

func TestDescendants(t *testing.T) {
	t.Parallel()
	ps := []Proc{{PID: 1}, {PID: 2, Parent: 1}, {PID: 3, Parent: 1}, {PID: 4, Parent: 3}, {PID: 5, Parent: 4}, {PID: 7, Parent: 8}, {PID: 8, Parent: 7}}
	for root, want := range map[int][]int{1: {2, 3, 4, 5}, 3: {4, 5}, 5: nil, 6: nil, 7: {8}} {
		var got []int
		for _, p := range Descendants(ps, root) {
			got = append(got, p.PID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %d: %v, want %v", root, got, want)
		}
	}
}
