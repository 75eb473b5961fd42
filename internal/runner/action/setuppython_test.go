package action

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// The test binary stands in for cairn: the pip of an environment calls it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "_pip" {
		os.Exit(python.PipMain(context.Background(), os.Args[2:], os.Environ(), python.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// fakeTools has one interpreter, which is a script, and a uv that makes folders.
func fakeTools(t *testing.T) python.Tools {
	t.Helper()
	user, home := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	arch := map[string]string{"x64": "x86_64", "arm64": "aarch64"}[python.HostArch()]
	write(filepath.Join(user, "bin/python3.11"), `#!/bin/sh
echo '{"v":[3,11,7],"l":"final","s":0,"impl":"cpython","exe":"'"$0"'","plat":"linux-`+arch+`","ft":false,"venv":true}'
`)
	write(filepath.Join(user, "bin/uv"), `#!/bin/sh
case "$1" in
--version) echo "uv 0.9.9" ;;
venv) for d; do :; done
  mkdir -p "$d/bin" "$d/lib/python3.11/site-packages/six-1.16.0.dist-info"
  printf 'Name: six\nVersion: 1.16.0\n\n' >"$d/lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA"
  printf 'six.py,sha256=abc,1\n' >"$d/lib/python3.11/site-packages/six-1.16.0.dist-info/RECORD" ;;
*) exit 1 ;;
esac
`)
	return python.Tools{Home: home, UserHome: user, Exe: "/opt/cairn", System: []string{},
		Environ: []string{"PATH=" + filepath.Join(user, "bin") + ":/usr/bin:/bin", "UV_PYTHON_DOWNLOADS=never", "PIP_INDEX_URL=https://ana:s3cret-pass@index.example/"}}
}

func TestSetupPython(t *testing.T) {
	t.Parallel()
	d := Deps{Tools: fakeTools(t)}
	a := act(t, "actions/setup-python@v5", d)
	ws, s := t.TempDir(), newServer()
	c, log := step(t, s, ws, "python-version", "3.11", "cache", "pip")
	var masked []string
	c.Masked = func(v string) { masked = append(masked, v) }
	if err := a.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(c.Dirs.Temp, "_python", "3.11.7")
	if c.Outputs["python-version"] != "3.11.7" || c.Outputs["python-path"] != venv+"/bin/python" || c.Env["pythonLocation"] != venv ||
		len(c.PathsAdded) != 1 || c.PathsAdded[0] != venv+"/bin" || c.Env["PIP_INDEX_URL"] == "" || strings.Join(masked, "") != "s3cret-pass" {
		t.Errorf("outputs %v env %v masked %q\n%s", c.Outputs, c.Env, masked, log)
	}
	if b, err := os.ReadFile(filepath.Join(venv, "bin/pip")); err != nil || !strings.Contains(string(b), "'/opt/cairn' _pip") {
		t.Errorf("%v %s", err, b)
	}
	if err := a.(runner.PostAction).Post(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if s.env != "digits-build" || !strings.Contains(string(s.lock), `name = "six"`) || strings.Contains(string(s.lock), "s3cret") {
		t.Errorf("%s %s", s.env, s.lock)
	}
	// A second step of the same job gets an environment of its own.
	if err := a.Run(t.Context(), c); err != nil || c.Env["pythonLocation"] != venv+"-2" {
		t.Errorf("%v %s", err, c.Env["pythonLocation"])
	}
	// A step that never came to an environment has nothing to record.
	c, _ = step(t, newServer(), ws)
	if err := a.(runner.PostAction).Post(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestSetupPythonRefuses(t *testing.T) {
	t.Parallel()
	a := act(t, "actions/setup-python@v5", Deps{Tools: fakeTools(t)})
	ws := t.TempDir()
	for _, c := range []struct {
		with []string
		code cairn.Code
		want string
	}{
		{[]string{"python-version", "3.9"}, cairn.CodeNotFound, "there are 3.11.7 (PATH: "},
		{[]string{"python-version", "pypy3.9"}, cairn.CodeUnsupported, "only CPython"},
		{[]string{"python-version", "3.11\nnonsense"}, cairn.CodeInvalid, "not a version"},
		{[]string{"python-version", "3.11", "architecture", "x86"}, cairn.CodeNotFound, "this machine is"},
		{[]string{"python-version", "3.11", "cache", "npm"}, cairn.CodeInvalid, "Caching for 'npm'"},
		{[]string{"python-version-file", "none.txt"}, cairn.CodeNotFound, "doesn't exist"},
		{[]string{"python-version-file", "../x"}, cairn.CodeInvalid, "not under the workspace"},
	} {
		sc, _ := step(t, newServer(), ws, c.with...)
		err := a.Run(t.Context(), sc)
		if cairn.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.with, err)
		}
	}
	files := map[string]string{
		".python-version": "3.11.7\n", "pyproject.toml": "[project]\nrequires-python = \">=3.9,<3.12\"\n",
		"Pipfile": "[requires]\npython_version = \"3.11\"\n", ".tool-versions": "nodejs 20\npython 3.11.7\n", "version.txt": "3.11",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(ws, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		sc, _ := step(t, newServer(), ws, "python-version-file", name)
		if err := a.Run(t.Context(), sc); err != nil || sc.Outputs["python-version"] != "3.11.7" {
			t.Errorf("%s: %v %v", name, err, sc.Outputs)
		}
	}
	sc, log := step(t, newServer(), ws)
	if err := a.Run(t.Context(), sc); err != nil || !strings.Contains(log.String(), ".python-version asks for Python 3.11.7") {
		t.Errorf("the usual file is found: %v %s", err, log)
	}
}

// TestSetupPythonForReal installs a package with the real uv and records it.
func TestSetupPythonForReal(t *testing.T) {
	if os.Getenv("CAIRN_TEST_NETWORK") != "1" {
		t.Skip("needs the package index: set CAIRN_TEST_NETWORK=1")
	}
	t.Parallel()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a := act(t, "actions/setup-python@v5", Deps{Tools: python.Tools{Home: t.TempDir(), UserHome: home, Environ: os.Environ(), Exe: exe}})
	s := newServer()
	c, log := step(t, s, t.TempDir(), "python-version", ">=3.9", "pip-install", "six==1.16.0")
	c.Exec = func(ctx context.Context, p runner.Process) (int, error) {
		cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
		for k, v := range c.Env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		cmd.Env = append(cmd.Env, "HOME="+c.Dirs.Home)
		cmd.Stdout, cmd.Stderr = io.Writer(log), io.Writer(log)
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), nil
		}
		return 0, err
	}
	if err := a.Run(t.Context(), c); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !strings.Contains(log.String(), "done by uv") {
		t.Error(log.String())
	}
	if err := a.(runner.PostAction).Post(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(s.lock), "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254") {
		t.Errorf("%s", s.lock)
	}
}
