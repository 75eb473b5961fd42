package proc

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAll(t *testing.T) {
	t.Parallel()
	cmd := child(t)
	is := func(p Proc) bool { return p.PID == cmd.Process.Pid }
	all := All()
	i := slices.IndexFunc(all, is)
	if i < 0 {
		t.Fatal("a child is not found")
	}
	self, ok := Read(os.Getpid())
	if p := all[i]; !ok || p.Parent != os.Getpid() || p.Session != self.Session || p.Start < self.Start || p.Dead() {
		t.Errorf("%+v, child of %+v", p, self)
	}
	if !slices.ContainsFunc(Descendants(all, os.Getpid()), is) {
		t.Error("a child is no descendant")
	}
}

// TestDeadButNotWaitedFor: what ended at once still says when it began.
func TestDeadButNotWaitedFor(t *testing.T) {
	t.Parallel()
	cmd := child(t)
	pid := cmd.Process.Pid
	start := Start(pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	WaitExit(pid, start)
	p, ok := Read(pid)
	if !ok || !p.Dead() || p.Start != start || Began(pid) != start || Start(pid) != 0 {
		t.Errorf("%+v, %v: began %d, started %d; want %d", p, ok, Began(pid), Start(pid), start)
	}
	if slices.ContainsFunc(All(), func(p Proc) bool { return p.PID == pid }) {
		t.Error("it is among those that run")
	}
	_ = cmd.Wait()
	if _, ok := Read(pid); ok || Began(pid) != 0 {
		t.Error("it is there after it was waited for")
	}
}

func TestCarries(t *testing.T) {
	t.Parallel()
	const name = "CAIRN_PROC_TEST"
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	// os/exec would keep only the last one of a name.
	env := []string{name + "=first", "X" + name + "=x", name + "=a=b"}
	p, err := os.StartProcess(sleep, []string{"sleep", "300"}, &os.ProcAttr{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
	// The kernel lets the start return a moment before the environment can be read.
	for !Carries(p.Pid, name, "first") {
		if t.Context().Err() != nil {
			t.Fatal("the environment cannot be read")
		}
		time.Sleep(time.Millisecond)
	}
	for value, want := range map[string]bool{"first": true, "a=b": true, "a": false, "": false, "x": false, "firs": false} {
		if got := Carries(p.Pid, name, value); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	if !CarriesFunc(p.Pid, name, func(v string) bool { return strings.HasPrefix(v, "a=") }) {
		t.Error("the second one of a name is not looked at")
	}
	if Carries(p.Pid, name[1:], "first") || Carries(1<<30, name, "first") {
		t.Error("carried by nobody")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tail := " S 7 12 11 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 100 200"
	want := Proc{PID: 12, Parent: 7, Session: 11, State: 'S', Start: 98765}
	for _, name := range []string{"sh", "a b", ") R 1 (", "", "a\nb"} {
		if p, ok := parse(12, []byte("12 ("+name+")"+tail)); !ok || p != want {
			t.Errorf("%q: %+v, %v", name, p, ok)
		}
	}
	for _, text := range []string{"", "12", "12 (sh)", "12 (sh) S 7 12", "12 (sh" + tail} {
		if p, ok := parse(12, []byte(text)); ok {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("12 (sh) S 7 12 11 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 100 200"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parse(12, b); !ok && p != (Proc{}) {
			t.Errorf("%+v of what is none", p)
		}
	})
}
