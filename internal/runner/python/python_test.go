package python

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// The test binary stands in for cairn: shims call it as `… _pip VENV ARGS`.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "_pip" {
		os.Exit(PipMain(context.Background(), os.Args[2:], os.Environ(), Stdio{os.Stdin, os.Stdout, os.Stderr}))
	}
	os.Exit(m.Run())
}

func testTools(t *testing.T) *Tools {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Tools{Home: t.TempDir(), UserHome: home, Environ: os.Environ(), Exe: exe, Log: t.Output()}
}

// write makes a file with its folders.
func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// fakePython answers the query as an interpreter of a version would.
func fakePython(t *testing.T, path, version string) {
	t.Helper()
	v, ok := ParseVersion(version)
	if !ok {
		t.Fatal(version)
	}
	write(t, path, "#!/bin/sh\necho x >>'"+path+".asked'\n"+
		`echo '{"v":[`+strings.ReplaceAll(v.String(), ".", ",")+`],"l":"final","s":0,"impl":"cpython","exe":"'"$0"'","plat":"linux-`+
		map[string]string{"x64": "x86_64", "arm64": "aarch64"}[HostArch()]+`","ft":false,"venv":true}'`+"\n", 0o755)
}

func TestInterpreters(t *testing.T) {
	t.Parallel()
	user, home := t.TempDir(), t.TempDir()
	fakePython(t, filepath.Join(user, ".pyenv/versions/3.11.7/bin/python3.11"), "3.11.7")
	fakePython(t, filepath.Join(user, ".pyenv/versions/3.12.1/bin/python3"), "3.12.1")
	fakePython(t, filepath.Join(user, "bin/python3"), "3.9.2")
	fakePython(t, filepath.Join(user, "miniconda3/envs/ml/bin/python3.10"), "3.10.4")
	write(t, filepath.Join(user, "bin/python3.13"), "#!/bin/sh\nexit 127\n", 0o755) // a shim that leads nowhere
	write(t, filepath.Join(user, "bin/python3-config"), "#!/bin/sh\necho no\n", 0o755)
	write(t, filepath.Join(user, "bin/python3.8"), "#!/bin/sh\nyes | head -c 1000000\n", 0o755) // babbles
	tools := &Tools{Home: home, UserHome: user, Environ: []string{"PATH=" + filepath.Join(user, "bin") + ":/usr/bin:/bin", "UV_PYTHON_DOWNLOADS=never"}, System: []string{}}
	for round := range 2 {
		all, err := tools.Interpreters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, py := range all {
			if strings.HasPrefix(py.Path, user) {
				got = append(got, py.Version.String()+" "+py.Source)
			}
		}
		if want := "3.12.1 pyenv, 3.11.7 pyenv, 3.10.4 conda, 3.9.2 PATH"; strings.Join(got, ", ") != want {
			t.Fatalf("round %d: %v", round, got)
		}
	}
	asked, err := os.ReadFile(filepath.Join(user, "bin/python3.asked"))
	if err != nil || string(asked) != "x\n" {
		t.Errorf("asked %q times: the answer is remembered until the file changes", asked)
	}

	spec, _ := ParseSpec("3.10")
	py, err := tools.Find(t.Context(), spec, "")
	if err != nil || py.Version.String() != "3.10.4" {
		t.Errorf("3.10: %v %v", py, err)
	}
	spec, _ = ParseSpec("3.7.16")
	_, err = tools.Find(t.Context(), spec, "")
	if cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "3.11.7 (pyenv: ") || !strings.Contains(err.Error(), "UV_PYTHON_DOWNLOADS=never") {
		t.Errorf("a missing version lists what is there: %v", err)
	}
	spec, _ = ParseSpec("3.1")
	if _, err = tools.Find(t.Context(), spec, ""); !strings.Contains(cairn.AsError(err).Hint, "'3.10'") {
		t.Errorf("3.1 was 3.10 before YAML read it: %q", cairn.AsError(err).Hint)
	}
}

func TestOwnEnvironHoldsNoToken(t *testing.T) {
	t.Parallel()
	tools := &Tools{UserHome: "/home/u", Environ: []string{"CAIRN_TOKEN=t", "PYTHONPATH=/x", "PIP_INDEX_URL=i", "HOME=/job"}}
	if got := strings.Join(tools.ownEnviron(), " "); got != "PIP_INDEX_URL=i HOME=/home/u PYTHONNOUSERSITE=1" {
		t.Error(got)
	}
}

// TestVenv goes the whole way with the real uv and the package index.
func TestVenv(t *testing.T) {
	if os.Getenv("CAIRN_TEST_NETWORK") != "1" {
		t.Skip("needs the package index: set CAIRN_TEST_NETWORK=1")
	}
	t.Parallel()
	tools := testTools(t)
	spec, _ := ParseSpec(">=3.9")
	py, err := tools.Find(t.Context(), spec, "")
	if err != nil {
		t.Fatal(err)
	}
	venv, err := tools.CreateVenv(t.Context(), py, filepath.Join(t.TempDir(), "it's a venv"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = t.TempDir()
		// As in a job, where nothing of the caller's tells Python to leave byte code out.
		cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "PYTHONDONTWRITEBYTECODE=")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out.String())
		}
		return out.String()
	}
	pip := filepath.Join(venv.Dir, "bin", "pip")
	if out := run(pip, "install", "six==1.16.0"); !strings.Contains(out, "done by uv") {
		t.Errorf("not by uv: %s", out)
	}
	if out := run(venv.Python, "-W", "ignore", "-m", "pip", "install", "-q", "idna"); !strings.Contains(out, "done by uv") {
		t.Errorf("python -m pip: not by uv: %s", out)
	}
	if out := run(pip, "install", "--upgrade", "pip"); !strings.Contains(out, "done by pip") {
		t.Errorf("pip itself: %s", out)
	}
	if out := run(pip, "install", "six"); !strings.Contains(out, "done by uv") {
		t.Errorf("the shim is lost after an upgrade of pip: %s", out)
	}
	if out := run(pip, "list", "--format=freeze"); !strings.Contains(out, "six==1.16.0") {
		t.Errorf("pip list: %s", out)
	}
	if out := run(venv.Python, "-c", "import six; print(six.__version__)"); strings.TrimSpace(out) != "1.16.0" {
		t.Error(out)
	}
	if n := KeepByteCode(venv.Dir, tools.uvCache()); n == 0 {
		t.Error("no byte code was kept")
	}
	second, err := tools.CreateVenv(t.Context(), py, filepath.Join(t.TempDir(), "second"))
	if err != nil {
		t.Fatal(err)
	}
	run(filepath.Join(second.Dir, "bin", "pip"), "install", "six==1.16.0")
	if pycs, _ := filepath.Glob(filepath.Join(second.Dir, "lib/python3*/site-packages/__pycache__/six.*.pyc")); len(pycs) != 1 {
		t.Errorf("byte code is not shared: %v", pycs)
	}
	if out := run(second.Python, "-v", "-c", "import six"); !strings.Contains(out, "matches") || strings.Contains(out, "wrote '"+filepath.Join(second.Dir, "lib")) {
		t.Error("shared byte code is not used")
	}
	l, err := tools.Lock(t.Context(), venv, py)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`name = "six"`, `version = "1.16.0"`, "six-1.16.0-py2.py3-none-any.whl",
		`sha256 = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"`, "tool.cairn.record-sha256"} {
		if !strings.Contains(string(l.Text), want) {
			t.Errorf("the lock has no %s:\n%s", want, l.Text)
		}
	}
	again, err := tools.Lock(t.Context(), venv, py)
	if err != nil || !bytes.Equal(l.Text, again.Text) {
		t.Errorf("the lock is not stable: %v", err)
	}
}
