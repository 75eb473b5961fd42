package environment

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// fakeEngine is a container engine that answers a probe and keeps what it is to build.
type fakeEngine struct {
	mu     sync.Mutex
	answer string // of the image
	code   int
	built  []string // Dockerfiles
	files  map[string]string
	images map[string]bool
	asked  int
}

func (e *fakeEngine) RunContainer(_ context.Context, p runner.ContainerProcess) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if p.Image != "sha256:base" || p.Entrypoint != "/bin/sh" || len(p.Args) != 2 {
		return 0, fmt.Errorf("ran %s %s %q", p.Image, p.Entrypoint, p.Args)
	}
	fmt.Fprintf(p.Stdout, "something of the image's own\n%s\n", e.answer)
	return e.code, nil
}

func (e *fakeEngine) BuildImage(_ context.Context, b runner.BuildContainer) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := b.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	text, err := os.ReadFile(filepath.Join(b.Dir, name))
	if err != nil {
		return "", err
	}
	e.files = map[string]string{}
	_ = filepath.WalkDir(b.Dir, func(p string, d os.DirEntry, _ error) error {
		rel, err := filepath.Rel(b.Dir, p)
		if err != nil || d.IsDir() {
			return err
		}
		if to, err := os.Readlink(p); err == nil {
			e.files[rel] = "-> " + to
		} else if text, err := os.ReadFile(p); err == nil {
			e.files[rel] = string(text)
		}
		return nil
	})
	e.built = append(e.built, string(text))
	image := fmt.Sprintf("%senvironment:%d", runner.BuiltPrefix, len(e.built))
	e.images[image] = true
	return image, nil
}

func (*fakeEngine) FetchImage(_ context.Context, image string, _ io.Writer) (string, error) {
	if image == "absent:1" {
		return "", cairn.Errorf(cairn.CodeUnavailable, "the image %s cannot be fetched", image)
	}
	return "sha256:base", nil
}

func (e *fakeEngine) HasImage(_ context.Context, image string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.images[image], nil
}

// fakeLayers writes the requirements as the layer.
type fakeLayers struct{ last LayerRequest }

func (l *fakeLayers) Layer(_ context.Context, r LayerRequest) (string, error) {
	l.last = r
	path := filepath.Join(r.Dir, "made.tar")
	return path, os.WriteFile(path, r.Requirements, 0o644)
}

const (
	python311 = `{"path":"/usr/local/bin/python3.11","version":"3.11.7","free_threaded":false,"libc":"glibc 2.36","machine":"x86_64","base":"/usr/local/bin"}`
	condaFile = "dependencies: [python=3.11, numpy=2.1, pip, {pip: [mlflow==3.1]}]"
)

func imageHost(t *testing.T) (*Host, *runner.StepContext, *bytes.Buffer, *fakeLayers) {
	t.Helper()
	h, c, log := host(t)
	l := &fakeLayers{}
	h.Layers = l
	return h, c, log, l
}

// TestImageOfLayers: packages go beside the image's Python, once.
func TestImageOfLayers(t *testing.T) {
	t.Parallel()
	h, c, log, layers := imageHost(t)
	e := &fakeEngine{answer: `{"conda":"","python":` + python311 + `}`, images: map[string]bool{}}
	env := cairn.TaskEnvironment{Name: "train", Image: "python:3.11", Conda: condaFile, Docker: true}
	image, err := h.Image(t.Context(), c, env, e)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	want := "FROM sha256:base\nUSER 0\nADD packages.tar /\nCOPY venv/ /azureml-envs/cairn/\n" +
		"ENV VIRTUAL_ENV=/azureml-envs/cairn CONDA_DEFAULT_ENV=/azureml-envs/cairn PATH=/azureml-envs/cairn/bin:$PATH\n"
	if len(e.built) != 1 || e.built[0] != want {
		t.Errorf("built %q", e.built)
	}
	if got := e.files["packages.tar"]; got != "numpy==2.1.*\nmlflow==3.1\npip\n" {
		t.Errorf("packages %q", got)
	}
	if e.files["venv/bin/python"] != "-> /usr/local/bin/python3.11" || !strings.Contains(e.files["venv/pyvenv.cfg"], "home = /usr/local/bin\n") {
		t.Errorf("%q", e.files)
	}
	r := layers.last
	if r.Python != "3.11" || r.Platform != "linux/amd64" || r.Libc != "glibc 2.36" || r.SitePackages != "azureml-envs/cairn/lib/python3.11/site-packages" ||
		r.Interpreter != "/azureml-envs/cairn/bin/python" {
		t.Errorf("%+v", r)
	}
	// Jobs at the same time, and after it, take what is there.
	again := func() string {
		t.Helper()
		got, err := h.Image(t.Context(), c, env, e)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := again(); got != image || e.asked != 1 || len(e.built) != 1 {
		t.Errorf("%s after %s: asked %d, built %d", got, image, e.asked, len(e.built))
	}
	// Somebody cleaned up at the engine: it is made again.
	delete(e.images, image)
	if got := again(); got == image || len(e.built) != 2 {
		t.Errorf("%s: built %d", got, len(e.built))
	}
	if left, err := os.ReadDir(filepath.Join(c.Dirs.Temp, "_task")); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestImageOfConda: an image that has conda makes the environment itself.
func TestImageOfConda(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"/opt/miniconda/bin/conda": "RUN /opt/miniconda/bin/conda env create --quiet --prefix /azureml-envs/cairn --file /azureml-environment-setup/conda.yml\n",
		"/bin/micromamba":          "RUN /bin/micromamba create --yes --quiet --prefix /azureml-envs/cairn --file /azureml-environment-setup/conda.yml\n",
	} {
		h, c, log, _ := imageHost(t)
		e := &fakeEngine{answer: `{"conda":"` + program + `","python":` + python311 + `}`, images: map[string]bool{}}
		// What PyPI does not have is no matter here, nor is another Python.
		env := cairn.TaskEnvironment{Image: "x/y:1", Conda: "dependencies: [python=3.8, samtools]", Docker: true}
		if _, err := h.Image(t.Context(), c, env, e); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if len(e.built) != 1 || !strings.Contains(e.built[0], want) || e.files["conda.yml"] != env.Conda {
			t.Errorf("%q %q", e.built, e.files)
		}
	}
}

func TestImageRefused(t *testing.T) {
	t.Parallel()
	none := `{"conda":"","python":null}`
	some := `{"conda":"","python":` + python311 + `}`
	for _, x := range []struct {
		env    cairn.TaskEnvironment
		answer string
		code   int
		want   string
	}{
		{cairn.TaskEnvironment{Image: "a:1", Conda: condaFile}, none, 0, "neither conda nor a Python 3"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: condaFile}, `{"conda":"/x y/conda","python":null}`, 0, "neither conda nor a Python 3"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: condaFile}, "nonsense", 0, "does not say what is in it"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: condaFile}, some, 127, "exit code 127"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: "dependencies: [python=3.8]"}, some, 0, "asks for Python 3.8, and the image a:1 has Python 3.11.7"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: "dependencies: [samtools]"}, some, 0, "which PyPI does not have"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: "dependencies: x"}, some, 0, "dependencies has to be a list"},
		{cairn.TaskEnvironment{Image: "a:1", Conda: condaFile}, strings.ReplaceAll(some, "x86_64", "mips"), 0, `machines of the kind "mips"`},
		{cairn.TaskEnvironment{Image: "a:1\nRUN evil", Conda: condaFile}, some, 0, "is no image"},
		{cairn.TaskEnvironment{Image: "absent:1", Conda: condaFile}, some, 0, "cannot be fetched"},
		{cairn.TaskEnvironment{Name: "e"}, some, 0, "names no image"},
		{cairn.TaskEnvironment{Name: "e", Build: &cairn.DataValue{}}, some, 0, "no server is given"},
	} {
		h, c, _, _ := imageHost(t)
		e := &fakeEngine{answer: x.answer, code: x.code, images: map[string]bool{}}
		image, err := h.Image(t.Context(), c, x.env, e)
		if err == nil || !strings.Contains(err.Error(), x.want) || image != "" || len(e.built) != 0 {
			t.Errorf("%+v: %q %v, want %q", x.env, image, err, x.want)
		}
	}
	h, c, _, _ := imageHost(t)
	if image, err := h.Image(t.Context(), c, cairn.TaskEnvironment{Image: "a:1"}, nil); image != "a:1" || err != nil {
		t.Errorf("an image alone: %q %v", image, err)
	}
}

// TestProbe runs the probe on this machine.
func TestProbe(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3")
	}
	ask := func(path string) string {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", probeScript)
		cmd.Env = []string{"PATH=" + path, "HOME=" + t.TempDir()}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := ask(os.Getenv("PATH")); !strings.Contains(out, `"version": "3.`) || !strings.Contains(out, `"libc": "`) {
		t.Error(out)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "mamba"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out := ask(bin); out != `{"conda":"`+bin+`/mamba","python":null}`+"\n" {
		t.Error(out)
	}
	if out := ask(t.TempDir()); !strings.HasSuffix(out, `"python":null}`+"\n") {
		t.Error(out)
	}
}

// listing is a server that keeps what it is told of packages.
type listing struct {
	runner.Server
	name  string
	text  string
	props map[string]string
}

func (l *listing) RecordEnvironment(_ context.Context, name string, lock []byte, props map[string]string) (cairn.Ref, error) {
	l.name, l.text, l.props = name, string(lock), props
	return cairn.NewRef("environment", name), nil
}

// TestInImage: what a container's Python has is noted, and asked once of a built image.
func TestInImage(t *testing.T) {
	t.Parallel()
	h, c, log, _ := imageHost(t)
	if err := os.MkdirAll(h.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &listing{}
	asked := 0
	c.InContainer, c.Server, c.Image = true, s, runner.BuiltPrefix+"environment:1"
	c.Exec = func(_ context.Context, p runner.Process) (int, error) {
		asked++
		fmt.Fprint(p.Stdout, "# Python 3.11.7\nnumpy==2.1.3\n")
		return 0, nil
	}
	env := cairn.TaskEnvironment{Name: "train", Image: "python:3.11", Docker: true}
	for range 2 {
		if err := h.Prepare(t.Context(), c, env); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 || s.name != "train.packages" || s.text != "# Python 3.11.7\nnumpy==2.1.3\n" || s.props["image"] != "python:3.11" || s.props["python"] != "3.11.7" {
		t.Errorf("asked %d: %+v", asked, s)
	}
	c.Image = "python:3.11" // which may be another one tomorrow
	for range 2 {
		if err := h.Prepare(t.Context(), c, env); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	c.Exec = func(context.Context, runner.Process) (int, error) { return 127, nil }
	if err := h.Prepare(t.Context(), c, env); err != nil || !strings.Contains(log.String(), "no program python") {
		t.Errorf("%v %s", err, log)
	}
}
