package server_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/server"
)

// TestMain lets the test binary be the cairn program: owners and supervisors are
// started from it.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "api" {
		os.Exit(server.ServeTestAPI(os.Args[1:]))
	}
	if len(os.Args) > 1 && slices.Contains([]string{"_job", "_pip", "_stage", "_enter", "_contained", "_register-model", "serve"}, os.Args[1]) {
		os.Exit(server.Main(context.Background(), server.Process{
			Args: os.Args, Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		}))
	}
	os.Exit(m.Run())
}

func exe(t testing.TB) string {
	t.Helper()
	e, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// env is a plain environment with a home folder of its own.
func env(t testing.TB) []string {
	t.Helper()
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1"}
}

// start runs an owner in this process.
func start(t testing.TB, home string) *server.Server {
	t.Helper()
	s, err := server.Start(context.Background(), server.Options{
		Home: home, Version: "test", Listen: "127.0.0.1:0", Env: env(t), Exe: exe(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tempHome is a short folder, because sockets need short names elsewhere too.
func tempHome(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cairn-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "server.log"))
			t.Logf("server.log:\n%s", tail(string(b), 4000))
		}
		// What ends right now may still write; the second time it is gone.
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return dir
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func connect(t testing.TB, home string) *client.Client {
	t.Helper()
	c, err := client.Connect(context.Background(), client.Options{Home: home, Patience: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// repository makes a git repository with one commit.
func repository(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sample")
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "init", "-q", "-b", "main")
	commit(t, dir, "First commit")
	return dir
}

func commit(t testing.TB, dir, subject string) string {
	t.Helper()
	git(t, dir, "add", "-A")
	git(t, dir, "-c", "user.name=Ana", "-c", "user.email=ana@example.org", "commit", "-q", "-m", subject)
	return strings.TrimSpace(git(t, dir, "rev-parse", "HEAD"))
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, args...)
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func tryGit(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// finish follows a run to its end.
func finish(t testing.TB, c *client.Client, id cairn.RunID) *cairn.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	for _, err := range c.RunEvents(ctx, id, 0) {
		if err != nil {
			t.Fatalf("following run %d: %v\n%s", id, err, describe(c, id))
		}
	}
	r, err := c.Run(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != cairn.StatusCompleted {
		t.Fatalf("the events of run %d ended and it is %s", id, r.Status)
	}
	return r
}

func describe(c *client.Client, id cairn.RunID) string {
	jobs, err := c.Jobs(context.Background(), id, 0)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, j := range jobs {
		fmt.Fprintf(&b, "job %d %s: %s %s %s\n", j.ID, j.Path, j.Status, j.Conclusion, j.Reason)
		for _, s := range j.Steps {
			fmt.Fprintf(&b, "  %d %s: %s %s %s\n", s.Number, s.Name, s.Status, s.Conclusion, s.Reason)
			if r, err := c.Logs(context.Background(), j.ID, s.Number, 0, false); err == nil {
				text := make([]byte, 2000)
				n, _ := r.Read(text)
				r.Close()
				b.WriteString("    " + strings.ReplaceAll(strings.TrimSpace(string(text[:n])), "\n", "\n    ") + "\n")
			}
		}
	}
	return b.String()
}
