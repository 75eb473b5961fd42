package action

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// setupPython is actions/setup-python: an interpreter of this machine and an
// environment of the job's own.
type setupPython struct {
	deps  Deps
	major int
}

const (
	stateVenv   = "venv"
	statePython = "python"
)

// Run does the step.
func (a *setupPython) Run(ctx context.Context, c *runner.StepContext) error {
	if c.InContainer {
		return a.inContainer(ctx, c)
	}
	texts, err := a.wanted(c)
	if err != nil {
		return err
	}
	pre, err := boolInput(c, "allow-prereleases", false)
	if err != nil {
		return err
	}
	ft, err := boolInput(c, "freethreaded", false)
	if err != nil {
		return err
	}
	update, err := boolInput(c, "update-environment", true)
	if err != nil {
		return err
	}
	tools := a.tools(c)
	var py python.Interpreter
	for _, text := range texts { // the last one becomes the default
		spec, err := python.ParseSpec(text)
		if err != nil {
			return err
		}
		spec.Pre = spec.Pre || pre
		spec.FreeThreaded = spec.FreeThreaded || ft
		if py, err = tools.Find(ctx, spec, a.architecture(c)); err != nil {
			return err
		}
		c.Logf("Python %s: %s %s (%s)", text, py.Version, py.Path, py.Source)
	}
	a.passConfiguration(c, &tools)
	venv, err := tools.CreateVenv(ctx, py, a.venvDir(c, py.Version.String()))
	if err != nil {
		return err
	}
	c.SetOutput("python-version", py.Version.String())
	if a.major >= 4 {
		c.SetOutput("python-path", venv.Python)
	}
	if err := a.cache(c); err != nil {
		return err
	}
	if check, err := boolInput(c, "check-latest", false); err != nil {
		return err
	} else if check {
		c.Logf("check-latest: the newest that is on this machine is taken")
	}
	if c.Input("mirror") != "" {
		c.Logf("mirror has no effect: Pythons are those of this machine, or uv fetches them from where it is told to")
	}
	c.SaveState(stateVenv, venv.Dir)
	c.SaveState(statePython, py.Path)
	if update {
		bin := filepath.Join(venv.Dir, "bin")
		for _, n := range []string{"pythonLocation", "Python_ROOT_DIR", "Python2_ROOT_DIR", "Python3_ROOT_DIR", "VIRTUAL_ENV"} {
			c.SetEnv(n, venv.Dir)
		}
		c.SetEnv("PKG_CONFIG_PATH", filepath.Join(filepath.Dir(filepath.Dir(py.Path)), "lib", "pkgconfig"))
		c.AddPath(bin)
	}
	if err := a.extraPip(ctx, c, venv); err != nil {
		return err
	}
	return addMatchers(ctx, c, "python.json", pythonMatchers)
}

// architecture is what the step asks for; the first version's default was that of
// GitHub's machines, not of this one.
func (a *setupPython) architecture(c *runner.StepContext) string {
	if arch := c.Input("architecture"); a.major != 1 || arch != "x64" {
		return arch
	}
	return ""
}

// cache lets pipenv and poetry keep what they download beside the job, by repository.
// pip needs nothing: wheels are shared between jobs anyway.
func (a *setupPython) cache(c *runner.StepContext) error {
	tool, hit := c.Input("cache"), false
	switch tool {
	case "":
	case "pip":
		c.Logf("cache: pip needs nothing here: wheels are shared between jobs")
	case "pipenv", "poetry":
		if foreign(c) {
			c.Logf("cache: %s starts empty: the code of a fork shares no cache", tool)
			break
		}
		dir := filepath.Join(c.Dirs.Cache, tool, filepath.FromSlash(strings.ToLower(c.Spec.Code.Repository)))
		entries, err := os.ReadDir(dir)
		hit = err == nil && len(entries) > 0
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "the cache cannot be made: %w", err)
		}
		if tool == "poetry" {
			c.SetEnv("POETRY_CACHE_DIR", dir)
			// Environments are below the cache unless they are told where to be: they are the job's.
			c.SetEnv("POETRY_VIRTUALENVS_PATH", filepath.Join(c.Dirs.Temp, "_python", "poetry"))
		} else {
			c.SetEnv("PIPENV_CACHE_DIR", dir)
		}
		c.Logf("cache: %s keeps its downloads between the jobs of %s", tool, c.Spec.Code.Repository)
	default:
		return cairn.Errorf(cairn.CodeInvalid, "Caching for '%s' is not supported", tool).WithHint("allowed are pip, pipenv and poetry")
	}
	if a.major >= 2 {
		c.SetOutput("cache-hit", fmt.Sprint(hit))
	}
	return nil
}

// wanted lists the versions that are asked for.
func (a *setupPython) wanted(c *runner.StepContext) ([]string, error) {
	given, file := lines(c.Input("python-version")), c.Input("python-version-file")
	if len(given) > 0 && file != "" {
		c.Warn("Both python-version and python-version-file inputs are specified, only python-version will be used.")
	}
	if len(given) > 0 {
		return given, nil
	}
	if file == "" {
		// As the original: the usual file if it is there.
		const usual = ".python-version"
		if _, err := os.Stat(filepath.Join(c.Dirs.Workspace, usual)); err != nil {
			c.Warn("Neither 'python-version' nor 'python-version-file' inputs were supplied. The newest Python of this machine is used.")
			return []string{"3.x"}, nil
		}
		file = usual
	}
	path, err := inside(c.Dirs.Workspace, file)
	if err != nil {
		return nil, err
	}
	b, err := readJobFile(c, path)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeNotFound, "The specified python version file at: %s doesn't exist.", file).
			WithHint("paths are relative to the workspace; is there a checkout before this step?")
	}
	versions, err := python.VersionFile(filepath.Base(path), string(b))
	if err != nil {
		return nil, err
	}
	c.Logf("%s asks for Python %s", file, strings.Join(versions, ", "))
	return versions, nil
}

// tools are the machine's, with what the job says of pip and uv on top.
func (a *setupPython) tools(c *runner.StepContext) python.Tools {
	t := a.deps.Tools
	t.Log = c.Log
	t.Environ = slices.Clone(t.Environ)
	for k, v := range c.Env {
		if packageVariable(k) {
			t.Environ = append(t.Environ, k+"="+v)
		}
	}
	slices.Sort(t.Environ[len(a.deps.Tools.Environ):])
	return t
}

// packageVariable names variables that say where packages come from and how
// they are reached.
func packageVariable(name string) bool {
	switch name {
	case "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_CACHE_DIR":
		return false
	case "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC":
		return true
	}
	return strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "UV_")
}

// passConfiguration lets the job's pip and uv reach packages as the user's do,
// and hides the passwords in it from logs.
func (a *setupPython) passConfiguration(c *runner.StepContext, t *python.Tools) {
	get := t.Getenv
	for _, s := range python.LoadPipConfig(get, t.UserHome).Secrets() {
		c.Mask(s)
	}
	var names []string
	for _, kv := range a.deps.Tools.Environ {
		if k, _, ok := strings.Cut(kv, "="); ok && packageVariable(k) && !slices.Contains(names, k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	for _, k := range names {
		if _, set := c.Env[k]; !set {
			c.SetEnv(k, get(k))
		}
	}
	c.SetEnv("UV_CACHE_DIR", filepath.Join(t.Home, "cache", "uv"))
}

// venvDir is a folder that no other step of the job has.
func (a *setupPython) venvDir(c *runner.StepContext, version string) string {
	base := filepath.Join(c.Dirs.Temp, "_python")
	dir := filepath.Join(base, version)
	for i := 2; ; i++ {
		if _, err := os.Lstat(dir); os.IsNotExist(err) {
			return dir
		}
		dir = filepath.Join(base, fmt.Sprintf("%s-%d", version, i))
	}
}

// extraPip does what the inputs pip-version and pip-install ask for.
func (a *setupPython) extraPip(ctx context.Context, c *runner.StepContext, venv python.Venv) error {
	var calls [][]string
	if v := c.Input("pip-version"); v != "" {
		calls = append(calls, []string{"install", "--upgrade", "pip==" + v})
	}
	if v := c.Input("pip-install"); v != "" {
		calls = append(calls, append([]string{"install"}, strings.Fields(v)...))
	}
	for _, args := range calls {
		code, err := c.Exec(ctx, runner.Process{Args: append([]string{filepath.Join(venv.Dir, "bin", "pip")}, args...)})
		if err != nil {
			return err
		}
		if code != 0 {
			return cairn.Errorf(cairn.CodeFailed, "pip %s failed with code %d", strings.Join(args, " "), code)
		}
	}
	return nil
}

// Post records which packages the job had in the end.
func (a *setupPython) Post(ctx context.Context, c *runner.StepContext) error {
	dir := c.State[stateVenv]
	if dir == "" {
		return nil // it did not come that far
	}
	return a.record(ctx, c, dir, c.State[statePython])
}

// record keeps the packages of an environment as an asset, and the byte code of
// what was imported for the next job.
func (a *setupPython) record(ctx context.Context, c *runner.StepContext, dir, base string) error {
	if c.Server == nil {
		return nil
	}
	tools := a.tools(c)
	v, py, err := tools.Describe(ctx, dir, base)
	if err != nil {
		return err
	}
	lock, err := tools.Lock(ctx, v, py)
	if err != nil {
		return err
	}
	python.KeepByteCode(dir, filepath.Join(tools.Home, "cache", "uv"))
	ref, err := c.Server.RecordEnvironment(ctx, environmentName(c.Spec), lock.Text, lock.Props)
	if err != nil {
		return err
	}
	c.Logf("%d packages (%s with the hash of their wheel) recorded as %s", lock.Packages, lock.Props["hashed"], ref)
	return nil
}

// environmentName is the repository's and the job's: digits-ai-training.
func environmentName(s *cairn.JobSpec) string {
	_, repo, ok := strings.Cut(s.Code.Repository, "/")
	if !ok {
		repo = s.Code.Repository
	}
	node := s.Path
	var b strings.Builder
	depth := 0
	for _, r := range repo + "-" + node {
		switch {
		case r == '[':
			depth++ // instances of a matrix share the name
		case r == ']':
			depth--
		case depth > 0:
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-.")
}
