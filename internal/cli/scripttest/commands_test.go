package scripttest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// varNames is the key of the names of a script's variables.
type varNames struct{}

// environ is a script's environment as it stands.
func environ(ts *testscript.TestScript) []string {
	var out []string
	names, _ := ts.Value(varNames{}).([]string)
	for _, n := range names {
		out = append(out, n+"="+ts.Getenv(n))
	}
	return out
}

// condition answers the conditions that scripts use beyond the standard ones.
func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	case "mount":
		return canMount(), nil
	case "venv":
		// Debian ships Python without what makes virtual environments.
		return exec.Command("python3", "-c", "import venv, ensurepip").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// cmdTaken listens on a free port for as long as the script runs: taken VAR.
func cmdTaken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// watched gathers what a process writes.
type watched struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *watched) has(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.b.String(), text)
}

// cmdInterrupt runs a command that must exit with a code, and sends it an
// interrupt when it says a text on standard error, and another one at each
// further text; behind a text with ! at its end two at once: interrupt CODE
// TEXT[;TEXT…] CMD ARGS…
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: interrupt CODE TEXT[;TEXT…] CMD [ARG…]")
	}
	path, err := exec.LookPath(args[2])
	if args[2] == "cairn" {
		path, err = os.Getenv(binVar)+"/cairn", nil
	}
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environ(ts)
	said := &watched{}
	cmd.Stdout, cmd.Stderr = ts.Stdout(), io.MultiWriter(ts.Stderr(), said)
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for _, text := range strings.Split(args[1], ";") {
		text, twice := strings.CutSuffix(text, "!")
		for !said.has(text) {
			select {
			case err := <-ended:
				ts.Fatalf("it ended (%v) without saying %q:\n%s", err, text, said.b.String())
			case <-time.After(10 * time.Millisecond):
			}
		}
		// Signals that follow each other at once are taken for one.
		time.Sleep(300 * time.Millisecond)
		ts.Check(cmd.Process.Signal(syscall.SIGINT))
		if twice {
			// Two that are pending at once are one for the kernel already.
			time.Sleep(10 * time.Millisecond)
			ts.Check(cmd.Process.Signal(syscall.SIGINT))
		}
	}
	<-ended
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s\n%s", got, args[0], said.b.String())
	}
}
