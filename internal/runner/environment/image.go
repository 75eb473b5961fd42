package environment

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// Layers lays the packages of requirements out for the Python of an image, without
// running anything in it.
type Layers interface {
	// Layer returns the path of a tar.
	Layer(ctx context.Context, r LayerRequest) (string, error)
}

// LayerRequest says which packages, and for what; places are relative to the root of the
// image.
type LayerRequest struct {
	Requirements                     []byte
	Python, Platform, Libc           string // 3.11, linux/amd64, glibc 2.36
	SitePackages, ScriptsDir, Prefix string
	Interpreter                      string // absolute
	Dir                              string // for what is written
	Log                              io.Writer
}

// Where an environment lies in its image: that is where the original has its own.
const (
	imagePrefix = "azureml-envs/cairn"
	setupFolder = "/azureml-environment-setup"
)

// imageName keeps what is written into a Dockerfile on its line.
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,500}$`)

//go:embed probe.sh
var probeScript string

// probe is what an image says of itself.
type probe struct {
	Conda  string       `json:"conda"` // program; "" where there is none
	Python *probePython `json:"python"`
}

type probePython struct {
	Path     string `json:"path"`
	Version  string `json:"version"` // 3.11.7
	Threads  bool   `json:"free_threaded"`
	Libc     string `json:"libc"` // glibc 2.36
	Machine  string `json:"machine"`
	BasePath string `json:"base"` // folder of the interpreter itself
}

// Image makes the image that jobs of an environment run in, and names it: the image
// itself, or with the packages of the conda file above it, or one that is built from a
// Dockerfile. It is made once for each content.
func (h *Host) Image(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment, engine runner.ImageEngine) (string, error) {
	switch {
	case env.Build != nil:
		dir := filepath.Join(c.Dirs.Temp, "_task", "context")
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return "", cairn.Errorf(cairn.CodeFailed, "no folder for the build: %w", err)
		}
		defer os.RemoveAll(dir)
		if c.Server == nil {
			return "", cairn.Errorf(cairn.CodeUnavailable, "the build context of environment %s cannot be had: no server is given", shown(env))
		}
		if err := c.Server.DownloadTree(ctx, env.Build.Digest, dir); err != nil {
			return "", cairn.Errorf(cairn.CodeFailed, "the build context of environment %s cannot be had: %w", shown(env), err)
		}
		ctx, stop := context.WithTimeout(ctx, buildTimeout)
		defer stop()
		return engine.BuildImage(ctx, runner.BuildContainer{Dir: dir, Dockerfile: env.Dockerfile, Environment: true, Log: c.Log})
	case env.Image == "":
		return "", cairn.Errorf(cairn.CodeUnsupported, "environment %s names no image and has no Dockerfile: it runs on this machine alone", shown(env)).
			WithHint("cairn environment map %s --host", mapName(env))
	case !imageName.MatchString(env.Image):
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is no image", clip(env.Image, 200)).WithHint("write NAME:TAG, or REGISTRY/NAME:TAG")
	case env.Conda == "":
		return env.Image, nil // it is fetched as any other
	}
	return h.condaImage(ctx, c, env, engine)
}

// made is the note of an image that was made.
type madeImage struct {
	Image string    `json:"image"`
	Base  string    `json:"base"`
	Made  time.Time `json:"made"`
}

// condaImage puts what a conda file asks for on an image.
func (h *Host) condaImage(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment, engine runner.ImageEngine) (string, error) {
	conda, err := ParseConda(env.Conda)
	if err != nil {
		return "", err
	}
	tools := h.Tools
	tools.Log = c.Log
	if err := os.MkdirAll(h.Dir, 0o755); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no folder for environments: %w", err)
	}
	key := strings.TrimPrefix(string(cairn.SumBytes([]byte("image/1\x00"+env.Image+"\x00"+conda.Raw+"\x00"+tools.IndexSettings()))), "sha256:")[:24]
	note := filepath.Join(h.Dir, "image-"+key+".json")
	known := func() (string, error) {
		var m madeImage
		text, err := os.ReadFile(note)
		if err != nil || json.Unmarshal(text, &m) != nil || m.Image == "" {
			return "", nil
		}
		if ok, err := engine.HasImage(ctx, m.Image); err != nil || !ok {
			return "", err // removed: it is made again
		}
		now := time.Now()
		_ = os.Chtimes(note, now, now) // what is used is kept
		c.Logf("the image of environment %s is built already: %s", shown(env), m.Image)
		return m.Image, nil
	}
	if image, err := known(); err != nil || image != "" {
		return image, err
	}
	unlock, err := lock(ctx, note+".lock", func() { c.Logf("another job builds this environment; waiting for it") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if image, err := known(); err != nil || image != "" {
		return image, err
	}
	started := time.Now()
	c.Logf("building the image of environment %s (once; its content names it)", shown(env))
	bctx, stop := context.WithTimeout(ctx, buildTimeout)
	defer stop()
	image, err := h.buildCondaImage(bctx, c, env, conda, engine)
	if err != nil {
		if bctx.Err() != nil && ctx.Err() == nil {
			return "", cairn.Errorf(cairn.CodeFailed, "building the image of environment %s took more than %s", shown(env), buildTimeout)
		}
		return "", err
	}
	if text, err := json.Marshal(madeImage{image, env.Image, time.Now().UTC()}); err == nil {
		keepNote(note, text)
	}
	c.Logf("the image of environment %s is built: %.1f s", shown(env), time.Since(started).Seconds())
	return image, nil
}

func (h *Host) buildCondaImage(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment, conda *Conda, engine runner.ImageEngine) (string, error) {
	// By its id: the engine may know what Cairn's registry holds by another name.
	id, err := engine.FetchImage(ctx, env.Image, c.Log)
	if err != nil {
		return "", err
	}
	p, err := askImage(ctx, env.Image, id, engine, c.Log)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.Dirs.Temp, "_task", "image")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no folder for the build: %w", err)
	}
	defer os.RemoveAll(dir)
	var dockerfile string
	if p.Conda != "" {
		dockerfile, err = condaBuild(dir, id, p.Conda, conda)
	} else {
		dockerfile, err = h.layerBuild(ctx, c, dir, env.Image, id, p.Python, conda)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644)
	}
	if err != nil {
		return "", cairn.Errorf(cairn.CodeOf(err), "%w", err).WithHint("%s", cairn.AsError(err).Hint)
	}
	return engine.BuildImage(ctx, runner.BuildContainer{Dir: dir, Environment: true, Log: c.Log})
}

// maxProbe bounds what an image may answer.
const maxProbe = 64 << 10

// askImage starts an image once, to see what is in it.
func askImage(ctx context.Context, image, id string, engine runner.ImageEngine, log io.Writer) (*probe, error) {
	var out, errs bytes.Buffer
	code, err := engine.RunContainer(ctx, runner.ContainerProcess{
		Image: id, Kept: true, Entrypoint: "/bin/sh", Args: []string{"-c", probeScript}, Stdout: &bounded{&out, maxProbe}, Stderr: &bounded{&errs, maxProbe}, Log: log,
	})
	if err != nil {
		return nil, err
	}
	var p probe
	if code != 0 || json.Unmarshal(lastLine(out.Bytes()), &p) != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the image %s does not say what is in it (exit code %d): %s", image, code, clip(strings.TrimSpace(errs.String()+out.String()), 500)).
			WithHint("an environment with a conda file needs an image with a shell, and with conda or a Python 3")
	}
	if strings.ContainsAny(p.Conda, " \t\r\n'\"\\$;&|") {
		p.Conda = "" // of no use on the line of a Dockerfile
	}
	if p.Conda == "" && p.Python == nil {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the image %s has neither conda nor a Python 3, and the environment has a conda file", image).
			WithHint("take an image that has one of them: python:3.11-slim, or mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04")
	}
	return &p, nil
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// bounded takes what fits and drops the rest.
type bounded struct {
	b    *bytes.Buffer
	most int
}

func (w *bounded) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), w.most-w.b.Len())])
	return len(p), nil
}

// condaBuild lets the image's own conda make the environment, as the original does.
func condaBuild(dir, image, program string, conda *Conda) (string, error) {
	if err := os.WriteFile(filepath.Join(dir, "conda.yml"), []byte(conda.Raw), 0o644); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "the conda file cannot be written: %w", err)
	}
	prefix := "/" + imagePrefix
	create := fmt.Sprintf("%s env create --quiet --prefix %s --file %s/conda.yml", program, prefix, setupFolder)
	if filepath.Base(program) == "micromamba" {
		create = fmt.Sprintf("%s create --yes --quiet --prefix %s --file %s/conda.yml", program, prefix, setupFolder)
	}
	return fmt.Sprintf("FROM %s\nUSER 0\nCOPY conda.yml %s/conda.yml\nRUN %s\nENV CONDA_PREFIX=%s CONDA_DEFAULT_ENV=%s PATH=%s/bin:$PATH\n",
		image, setupFolder, create, prefix, prefix, prefix), nil
}

// layerBuild lays packages from PyPI out beside the image's Python, in an environment of
// their own: nothing is run in the image, and indexes and credentials are those of this
// machine, which the image never sees.
func (h *Host) layerBuild(ctx context.Context, c *runner.StepContext, dir, image, id string, py *probePython, conda *Conda) (string, error) {
	version, ok := python.ParseVersion(py.Version)
	if !ok {
		return "", cairn.Errorf(cairn.CodeFailed, "the Python of the image %s calls itself %q", image, clip(py.Version, 50))
	}
	if want := pythonSpec(conda.Python); want != "" {
		spec, err := python.ParseSpec(want)
		if err != nil {
			return "", cairn.Errorf(cairn.CodeInvalid, "the conda file asks for Python %q: %w", want, err)
		}
		if !spec.Match(version) {
			return "", cairn.Errorf(cairn.CodeUnsupported, "the conda file asks for Python %s, and the image %s has Python %s and no conda that could bring another", want, image, py.Version).
				WithHint("take an image with conda, or python:%s-slim; or change the version in the conda file", want)
		}
	}
	if h.Layers == nil {
		return "", cairn.Errorf(cairn.CodeUnsupported, "packages cannot be laid into images here")
	}
	reqs, notes, err := conda.requirements()
	if err != nil {
		return "", err
	}
	for _, n := range notes {
		c.Logf("note: %s", n)
	}
	for _, r := range reqs {
		c.Logf("  %s", r)
	}
	minor := fmt.Sprintf("%d.%d", version.Major, version.Minor)
	if py.Threads {
		minor += "t"
	}
	venv, site := "/"+imagePrefix, imagePrefix+"/lib/python"+minor+"/site-packages"
	arch := map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[py.Machine]
	if arch == "" {
		return "", cairn.Errorf(cairn.CodeUnsupported, "packages are not laid out for machines of the kind %q", clip(py.Machine, 50))
	}
	// What a script installs needs pip, which an environment of conda's always has.
	layer, err := h.Layers.Layer(ctx, LayerRequest{
		Requirements: []byte(strings.Join(append(reqs, "pip"), "\n") + "\n"), Python: minor, Platform: "linux/" + arch, Libc: py.Libc,
		SitePackages: site, ScriptsDir: imagePrefix + "/bin", Prefix: imagePrefix, Interpreter: venv + "/bin/python", Dir: dir, Log: c.Log,
	})
	if err != nil {
		return "", err
	}
	if err := within(layer, filepath.Join(dir, "packages.tar")); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "the packages cannot be put into the image: %w", err)
	}
	root := filepath.Join(dir, "venv")
	cfg := fmt.Sprintf("home = %s\ninclude-system-site-packages = false\nversion = %s\nprompt = task\n", py.BasePath, py.Version)
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "bin"), 0o755), os.WriteFile(filepath.Join(root, "pyvenv.cfg"), []byte(cfg), 0o644)); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "the environment cannot be written: %w", err)
	}
	for _, name := range []string{"python", "python3", "python" + minor} {
		if err := os.Symlink(py.Path, filepath.Join(root, "bin", name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", cairn.Errorf(cairn.CodeFailed, "the environment cannot be written: %w", err)
		}
	}
	return fmt.Sprintf("FROM %s\nUSER 0\nADD packages.tar /\nCOPY venv/ %s/\nENV VIRTUAL_ENV=%s CONDA_DEFAULT_ENV=%s PATH=%s/bin:$PATH\n", id, venv, venv, venv, venv), nil
}

// within brings a file into a folder, without its bytes where both are on one disk.
func within(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// mapName is what an environment is called in `cairn environment map`.
func mapName(env cairn.TaskEnvironment) string {
	switch {
	case env.Name != "":
		return env.Name
	case env.Image != "":
		return env.Image
	}
	return "NAME"
}
