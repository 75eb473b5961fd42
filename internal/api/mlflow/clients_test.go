package mlflow_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestStockClients runs real scripts with the stock Python packages against this
// server. It needs Python, a package index and some minutes the first time:
// CAIRN_TEST_MLFLOW=1, or make test-mlflow. CAIRN_TEST_MLFLOW_VENVS keeps the
// environments between runs; CAIRN_TEST_MLFLOW_STOCK=1 also compares replies
// with the stock server, side by side.
func TestStockClients(t *testing.T) {
	if os.Getenv("CAIRN_TEST_MLFLOW") == "" {
		t.Skip("set CAIRN_TEST_MLFLOW=1 to run the stock MLflow clients")
	}
	envs := os.Getenv("CAIRN_TEST_MLFLOW_VENVS")
	if envs == "" {
		envs = t.TempDir()
	}
	for _, c := range []struct{ name, packages, script string }{
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

// environment makes a virtual environment with packages, once per folder.
func environment(t *testing.T, dir string, packages []string) string {
	t.Helper()
	python := filepath.Join(dir, "bin", "python")
	if runtime.GOOS == "windows" {
		python = filepath.Join(dir, "Scripts", "python.exe")
	}
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
