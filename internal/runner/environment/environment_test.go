package environment

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

func TestParseConda(t *testing.T) {
	t.Parallel()
	c, err := ParseConda(`
name: train
channels: [conda-forge]
dependencies:
  - python=3.10
  - numpy=1.21.2=py38_0
  - conda-forge::scikit-learn==1.5
  - pandas>=2,<3
  - pytorch
  - cudatoolkit=11.3
  - scipy 1.11.*
  - "matplotlib[version='>=3']"
  - pip
  - pip:
      - mlflow==3.1
      - --extra-index-url https://example.com/simple
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "train" || pythonSpec(c.Python) != "3.10" {
		t.Errorf("%+v", c)
	}
	reqs, notes, err := c.requirements()
	want := []string{"numpy==1.21.2.*", "scikit-learn==1.5", "pandas>=2,<3", "torch", "scipy==1.11.*", "matplotlib>=3", "mlflow==3.1", "--extra-index-url https://example.com/simple"}
	if err != nil || !slices.Equal(reqs, want) || len(notes) != 1 {
		t.Errorf("%q %q %v", reqs, notes, err)
	}
}

func TestCondaErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "it is empty", "- a": "it has to be a map", "dependencies: x": "has to be a list", "dependencies: [[a]]": "text, or {pip",
		"dependencies:\n  - conda: [a]": "only pip", "depends: []": `the key "depends"`, "dependencies: ['!x']": "is no package",
		"dependencies:\n  - r-base\n  - samtools": "needs r-base, samtools", "dependencies: [{pip: [-r requirements.txt]}]": "names a file beside it",
		"dependencies: ['numpy=1|2']": "pip has no word",
	} {
		c, err := ParseConda(text)
		if err == nil {
			_, _, err = c.requirements()
		}
		if err == nil || !strings.Contains(err.Error(), want) || cairn.AsError(err).Hint == "" {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParseConda(f *testing.F) {
	f.Add("dependencies: [python=3.10, {pip: [a]}]")
	f.Add("name: x\nchannels: [a]\ndependencies:\n - a::b >=1,<2")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConda(text)
		if err != nil {
			return
		}
		reqs, _, err := c.requirements()
		if err != nil {
			return
		}
		for _, r := range reqs {
			if strings.ContainsAny(r, "\n\x00") {
				t.Fatalf("%q becomes the requirement %q", text, r)
			}
		}
	})
}

func TestCurated(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"AzureML-sklearn-1.5": "scikit-learn==1.5.*", "sklearn-1.5": "scikit-learn==1.5.*", "AzureML-tensorflow-2.16-cuda12": "tensorflow-cpu==2.16.*",
		"AzureML-pytorch-1.13-ubuntu20.04-py38-cuda11-gpu": "torch==1.13.*", "acft-hf-nlp-gpu": "transformers", "AzureML-lightgbm-3.3": "lightgbm",
	} {
		env, ok := Curated(name)
		if !ok || !slices.Contains(env.Packages, want) {
			t.Errorf("%s: %v %v, want %s", name, ok, env.Packages, want)
		}
	}
	if env, _ := Curated("AzureML-pytorch-1.13-ubuntu20.04-py38-cuda11-gpu"); env.PythonVersion != "3.8" {
		t.Errorf("Python %q", env.PythonVersion)
	}
	for image, want := range map[string]string{"python:3.11-slim": "3.11", "docker.io/library/python:3.9": "3.9", "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04": "", "x/minimal-py310": "3.10"} {
		if got := pythonOf(image); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
	if _, ok := Curated("AzureML-unheard-of"); ok {
		t.Error("an unknown one is known")
	}
	for _, n := range CuratedNames() {
		if _, ok := Curated(n); !ok {
			t.Errorf("%s is listed, and not known", n)
		}
	}
}

func host(t testing.TB) (*Host, *runner.StepContext, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	log := &bytes.Buffer{}
	h := &Host{Tools: python.Tools{Home: filepath.Join(dir, "home"), UserHome: os.Getenv("HOME"), Environ: os.Environ()}, Dir: filepath.Join(dir, "envs")}
	return h, &runner.StepContext{Log: log, Dirs: runner.Dirs{Temp: filepath.Join(dir, "temp")}, Env: map[string]string{"PATH": os.Getenv("PATH")}}, log
}

// TestOverlay: a job's Python is its own, and sees what the mapped one has.
func TestOverlay(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	h, c, _ := host(t)
	if err := h.Prepare(context.Background(), c, cairn.TaskEnvironment{Name: "mapped", Python: program}); err != nil {
		t.Fatal(err)
	}
	venv := c.Env["VIRTUAL_ENV"]
	out, err := exec.Command(filepath.Join(venv, "bin", "python"), "-c", "import sys; print(sys.prefix); print(sys.base_prefix != sys.prefix)").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), venv+"\nTrue") {
		t.Fatalf("%s %v", out, err)
	}
	if !strings.HasPrefix(c.Env["PATH"], filepath.Join(venv, "bin")) {
		t.Errorf("PATH %s", c.Env["PATH"])
	}
	// What lies in the layer is seen there alone.
	site, err := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages"))
	if err != nil || len(site) != 1 {
		t.Fatal(site, err)
	}
	if err := os.WriteFile(filepath.Join(site[0], "own.py"), []byte("x = 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(venv, "bin", "python"), "-c", "import own").CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
	if exec.Command(program, "-c", "import own").Run() == nil {
		t.Error("the machine's Python sees it")
	}
}

// TestConda drives a program of conda's kind, and builds once.
func TestConda(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	h, c, log := host(t)
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"called $*\"\nwhile [ \"$1\" != --prefix ]; do shift; done\nmkdir -p \"$2/bin\" && ln -s " + program + " \"$2/bin/python\"\n"
	if err := os.WriteFile(filepath.Join(bin, "micromamba"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	h.Tools.Environ = append(h.Tools.Environ, "PATH="+bin+":"+os.Getenv("PATH"))
	env := cairn.TaskEnvironment{Name: "e", Conda: "dependencies: [samtools]"}
	for range 2 {
		if err := h.Prepare(context.Background(), c, env); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
	}
	if got := log.String(); strings.Count(got, "called create --yes") != 1 || !strings.Contains(got, "built already") {
		t.Error(got)
	}
	if err := os.WriteFile(filepath.Join(bin, "micromamba"), []byte("#!/bin/sh\necho no such package; exit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err = h.Prepare(context.Background(), c, cairn.TaskEnvironment{Name: "f", Conda: "dependencies: [nothing]"})
	if err == nil || !strings.Contains(err.Error(), "micromamba could not make the environment") {
		t.Errorf("%v", err)
	}
	left, err := filepath.Glob(filepath.Join(h.Dir, "*", markFile))
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	h, c, _ := host(t)
	for _, env := range []cairn.TaskEnvironment{{Name: "b", Build: &cairn.DataValue{}}, {Name: "p", Python: "/nowhere/python"}} {
		if err := h.Prepare(context.Background(), c, env); err == nil || cairn.AsError(err).Hint == "" {
			t.Errorf("%s: %v", env.Name, err)
		}
	}
}

// TestClean: what nobody used goes, what is used or locked stays.
func TestClean(t *testing.T) {
	t.Parallel()
	dir, old, now := t.TempDir(), time.Now().Add(-48*time.Hour), time.Now()
	write := func(name string, at time.Time) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("{}"), 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("unused/"+markFile, old)
	write("unused/bin/python", old)
	write("used/"+markFile, now)
	write("held/"+markFile, old)
	write("half/x", old)
	if err := os.Chtimes(filepath.Join(dir, "half"), old, old); err != nil {
		t.Fatal(err)
	}
	write("python-1.json", old)
	write("image-1.json", now)
	unlock, err := lock(context.Background(), filepath.Join(dir, "held.lock"), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	n, err := Clean(context.Background(), dir, now.Add(-24*time.Hour))
	if err != nil || n != 2 {
		t.Errorf("%d environments went, %v", n, err)
	}
	for name, want := range map[string]bool{"unused": false, "half": false, "used": true, "held": true, "held/" + markFile: true, "python-1.json": false, "image-1.json": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: there is %v", name, err == nil)
		}
	}
	if n, err := Clean(context.Background(), filepath.Join(dir, "nowhere"), now); n != 0 || err != nil {
		t.Error(n, err)
	}
}
