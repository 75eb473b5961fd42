//go:build unix

package mlflow_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMLflowClients runs real scripts with the stock Python packages against this
// server. It needs Python, a package index and some minutes the first time:
// CAIRN_TEST_MLFLOW=1, or make test-mlflow. CAIRN_TEST_MLFLOW_VENVS keeps the
// environments between runs.
func TestMLflowClients(t *testing.T) {
	if os.Getenv("CAIRN_TEST_MLFLOW") == "" {
		t.Skip("set CAIRN_TEST_MLFLOW=1 to run the stock MLflow clients")
	}
	envs := os.Getenv("CAIRN_TEST_MLFLOW_VENVS")
	if envs == "" {
		envs = t.TempDir()
	}
	type client struct{ name, packages, script string }
	for _, c := range []client{
		{"mlflow2", "mlflow>=2.15,<3 scikit-learn setuptools<81", "train.py"},
		{"mlflow3", "mlflow>=3,<4 scikit-learn", "train.py"},
		{"skinny2", "mlflow-skinny>=2.15,<3", "basics.py"},
		{"skinny3", "mlflow-skinny>=3,<4", "basics.py"},
	} {
		t.Run(c.name, func(t *testing.T) {
			python := environment(t, filepath.Join(envs, c.name), strings.Fields(c.packages))
			script, err := filepath.Abs(filepath.Join("testdata", "clients", c.script))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			cmd := exec.CommandContext(t.Context(), python, script)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_URI="+w.URL, "MLFLOW_TRACKING_TOKEN=job", "PYTHONDONTWRITEBYTECODE=1",
				"GIT_PYTHON_REFRESH=quiet", "MLFLOW_HTTP_REQUEST_MAX_RETRIES=0", "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			t.Logf("%s\n%s", out, w.log)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(out), "all is well") {
				t.Fatal("the script did not reach its end")
			}
		})
	}
}

// TestMLflowBesideStockServer sends the same requests to the stock server.
func TestMLflowBesideStockServer(t *testing.T) {
	if os.Getenv("CAIRN_TEST_MLFLOW") == "" {
		t.Skip("set CAIRN_TEST_MLFLOW=1 to compare replies with the stock MLflow server")
	}
	envs := os.Getenv("CAIRN_TEST_MLFLOW_VENVS")
	if envs == "" {
		envs = t.TempDir()
	}
	python := environment(t, filepath.Join(envs, "mlflow3"), []string{"mlflow>=3,<4", "scikit-learn"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	stock := exec.CommandContext(ctx, python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "m.db"), "--artifacts-destination", filepath.Join(dir, "files"))
	stock.Dir = dir
	stock.Env = append(os.Environ(), "HOME="+dir)
	var out bytes.Buffer
	stock.Stdout, stock.Stderr = &out, &out
	ownGroup(stock)
	if err := stock.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		stock.Wait()
	})
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/health"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stock server did not start: %s", out.String())
		}
	}
	w := newWorld(t)
	b, err := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "clients", "compare.py"), "http://"+addr, w.URL).CombinedOutput()
	t.Logf("%s\n%s", b, w.log)
	if err != nil {
		t.Error(err)
	}
}

// ownGroup lets a server's worker processes end with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// environment makes a virtual environment with packages, once per folder.
func environment(t *testing.T, dir string, packages []string) string {
	t.Helper()
	python := filepath.Join(dir, "bin", "python")
	done := filepath.Join(dir, "packages.txt")
	if b, err := os.ReadFile(done); err == nil && string(b) == strings.Join(packages, " ") {
		return python
	}
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	if uv, err := exec.LookPath("uv"); err == nil {
		run(uv, "venv", "-q", "--clear", dir)
		run(uv, append([]string{"pip", "install", "-q", "--python", python}, packages...)...)
	} else {
		run("python3", "-m", "venv", "--clear", dir)
		run(python, append([]string{"-m", "pip", "install", "-q"}, packages...)...)
	}
	if err := os.WriteFile(done, []byte(strings.Join(packages, " ")), 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}
