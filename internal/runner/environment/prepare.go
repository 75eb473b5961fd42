package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// Host prepares environments on this machine.
type Host struct {
	Tools python.Tools
	// Dir is where built environments lie: below $CAIRN_HOME/cache.
	Dir string
}

// buildTimeout bounds the building of one environment.
const buildTimeout = time.Hour

// base is an environment that was built, or an interpreter as it is.
type base struct {
	// Python is its program; Dir the environment that holds it, "" for an interpreter.
	Python string         `json:"python"`
	Dir    string         `json:"dir,omitempty"`
	Home   string         `json:"home"`    // folder of the interpreter below
	Real   string         `json:"real"`    // that interpreter itself, no shim and no link
	Ver    string         `json:"version"` // 3.11.7
	Site   []string       `json:"site"`    // folders of packages
	Lock   string         `json:"lock,omitempty"`
	Props  map[string]any `json:"props,omitempty"`
	Made   time.Time      `json:"made"`
}

// Prepare leaves the programs and variables of an environment in c, for the steps after it.
func (h *Host) Prepare(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment) error {
	if c.InContainer {
		return nil
	}
	if asksNothing(env) {
		c.Logf("it runs on this machine as it is")
		return nil
	}
	tools := h.Tools
	tools.Log = c.Log
	b, err := h.base(ctx, &tools, c, env)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Dirs.Temp, "_task", "env")
	if err := overlay(dir, b); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the job's own layer of the environment cannot be made: %w", err)
	}
	if b.Dir != "" {
		c.AddPath(filepath.Join(b.Dir, "bin"))
	} else if b.Home != "" {
		c.AddPath(b.Home)
	}
	c.AddPath(filepath.Join(dir, "bin"))
	c.SetEnv("VIRTUAL_ENV", dir)
	name := env.Name
	if name == "" {
		name = "task"
	}
	c.SetEnv("CONDA_DEFAULT_ENV", name)
	c.Logf("Python %s at %s", b.Ver, b.Python)
	if b.Lock != "" && c.Server != nil {
		props := map[string]string{}
		for k, v := range b.Props {
			props[k] = fmt.Sprint(v)
		}
		// Which packages a job had is for its trace; that it cannot be kept stops no job.
		if ref, err := c.Server.RecordEnvironment(ctx, name+".packages", []byte(b.Lock), props); err != nil {
			c.Warn("the packages of the environment are not recorded: %v", err)
		} else {
			c.Logf("packages: %s", ref)
		}
	}
	return nil
}

// asksNothing reports whether an environment asks for no Python and no packages: that of
// what is built into this program.
func asksNothing(env cairn.TaskEnvironment) bool {
	return env.Python == "" && env.PythonVersion == "" && env.Image == "" && env.Conda == "" && env.Build == nil && len(env.Packages) == 0
}

// base finds or builds what the job's own layer stands on.
func (h *Host) base(ctx context.Context, tools *python.Tools, c *runner.StepContext, env cairn.TaskEnvironment) (*base, error) {
	switch {
	case env.Python != "":
		c.Logf("environment %s is mapped to %s", env.Name, env.Python)
		return h.interpreterBase(ctx, env.Python)
	case env.Build != nil:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "environment %s is built from a Dockerfile, and tasks run without a container engine here", shown(env)).
			WithHint("map it to a Python of this machine that has what it needs: cairn environment map %s --python PATH", shown(env))
	}
	reqs, notes, version := env.Packages, []string(nil), env.PythonVersion
	var conda *Conda
	if env.Conda != "" {
		var err error
		if conda, err = ParseConda(env.Conda); err != nil {
			return nil, err
		}
		version = pythonSpec(conda.Python)
		if program := h.conda(tools); program != "" {
			return h.build(ctx, c, env, "conda", conda.Raw, func(dir string) error {
				return condaCreate(ctx, c, program, conda, dir)
			})
		}
		if reqs, notes, err = conda.requirements(); err != nil {
			return nil, err
		}
	}
	if env.Image != "" {
		if version == "" {
			version = pythonOf(env.Image)
		}
		c.Logf("the image %s itself is not used: the command runs on this machine", env.Image)
	}
	py, err := h.interpreter(ctx, tools, version, env)
	if err != nil {
		return nil, err
	}
	if len(reqs) == 0 {
		return h.interpreterBase(ctx, py.Path)
	}
	for _, n := range notes {
		c.Logf("note: %s", n)
	}
	content := strings.Join(reqs, "\n") + "\n# python " + py.Path + " " + py.Version.String() + "\n# " + tools.IndexSettings()
	return h.build(ctx, c, env, "pip", content, func(dir string) error { return h.pipCreate(ctx, tools, c, py, reqs, dir) })
}

func shown(env cairn.TaskEnvironment) string {
	if env.Name != "" {
		return env.Name
	}
	return "written in place"
}

// interpreter finds the Python that an environment asks for.
func (h *Host) interpreter(ctx context.Context, tools *python.Tools, version string, env cairn.TaskEnvironment) (python.Interpreter, error) {
	if version == "" {
		version = "3.x"
	}
	spec, err := python.ParseSpec(version)
	if err != nil {
		return python.Interpreter{}, cairn.Errorf(cairn.CodeInvalid, "the environment asks for Python %q: %w", version, err)
	}
	py, err := tools.Find(ctx, spec, "")
	if err != nil {
		name := env.Name
		if name == "" {
			name = "NAME"
		}
		return py, cairn.Errorf(cairn.CodeOf(err), "%s", cairn.AsError(err).Message).
			WithHint("map the environment to a Python that is there: cairn environment map %s --python PATH; or install that version", name)
	}
	return py, nil
}

// build makes an environment once for each content; jobs that want it meanwhile wait.
func (h *Host) build(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment, how, content string, create func(dir string) error) (*base, error) {
	key := strings.TrimPrefix(string(cairn.SumBytes([]byte(how+"\x00"+content))), "sha256:")[:24]
	dir := filepath.Join(h.Dir, key)
	if b := cached(dir); b != nil {
		c.Logf("environment %s is built already", shown(env))
		return b, nil
	}
	if err := os.MkdirAll(h.Dir, 0o755); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no folder for environments: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock", func() { c.Logf("another job builds this environment; waiting for it") })
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b := cached(dir); b != nil {
		return b, nil
	}
	if err := os.RemoveAll(dir); err != nil { // of a build that was cut short
		return nil, cairn.Errorf(cairn.CodeFailed, "a broken environment cannot be removed: %w", err)
	}
	started := time.Now()
	c.Logf("building environment %s (once; its content names it)", shown(env))
	bctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	if err := create(dir); err != nil {
		_ = os.RemoveAll(dir) // the next job begins anew
		if bctx.Err() != nil && ctx.Err() == nil {
			return nil, cairn.Errorf(cairn.CodeFailed, "building environment %s took more than %s", shown(env), buildTimeout)
		}
		return nil, err
	}
	b, err := describe(ctx, filepath.Join(dir, "bin", "python"))
	if err != nil {
		return nil, err
	}
	b.Dir, b.Made = dir, time.Now().UTC()
	h.record(ctx, b)
	text, err := json.Marshal(b)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, markFile), text, 0o644)
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the environment cannot be noted down: %w", err)
	}
	c.Logf("environment %s is built: %.1f s", shown(env), time.Since(started).Seconds())
	return b, nil
}

// markFile is written last: without it an environment is not whole.
const markFile = "cairn-environment.json"

// cached reads an environment that was built; nil where none is, or where it is broken.
func cached(dir string) *base {
	text, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		return nil
	}
	var b base
	if json.Unmarshal(text, &b) != nil {
		return nil
	}
	// The interpreter below may be gone; the link to it leads nowhere then.
	if _, err := os.Stat(b.Python); err != nil {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(dir, markFile), now, now) // what is used is kept
	return &b
}

// lock waits until nobody else builds the same.
func lock(ctx context.Context, path string, waiting func()) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the environment cannot be locked: %w", err)
	}
	told := false
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, cairn.Errorf(cairn.CodeFailed, "the environment cannot be locked: %w", err)
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pipCreate makes an environment with uv, from the packages of PyPI.
func (h *Host) pipCreate(ctx context.Context, tools *python.Tools, c *runner.StepContext, py python.Interpreter, reqs []string, dir string) error {
	uv, err := tools.UVCommand(ctx)
	if err != nil {
		return err
	}
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, uv.Args[0], append(append([]string{}, uv.Args[1:]...), args...)...)
		cmd.Env, cmd.Dir = uv.Env, h.Dir
		return stream(cmd, c.Log)
	}
	if err := run("venv", "--quiet", "--no-project", "--no-python-downloads", "--seed", "--python", py.Path, dir); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the environment cannot be made with %s: %w", py.Path, err)
	}
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, []byte(strings.Join(reqs, "\n")+"\n"), 0o644); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the requirements cannot be written: %w", err)
	}
	for _, r := range reqs {
		c.Logf("  %s", r)
	}
	if err := run("pip", "install", "--python", filepath.Join(dir, "bin", "python"), "--compile-bytecode", "-r", list); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the packages of the environment cannot be installed; what pip said stands above").
			WithHint("a version may not be there for Python %d.%d: change it in the conda file, or map the environment to another Python: cairn environment map NAME --python PATH", py.Version.Major, py.Version.Minor)
	}
	return nil
}

// conda is a program of conda's kind; "" where there is none.
func (h *Host) conda(tools *python.Tools) string {
	for _, name := range []string{"micromamba", "mamba", "conda"} {
		for _, dir := range filepath.SplitList(tools.Getenv("PATH")) {
			full := filepath.Join(dir, name)
			if fi, err := os.Stat(full); err == nil && !fi.IsDir() && fi.Mode()&0o111 != 0 {
				return full
			}
		}
	}
	return ""
}

// condaCreate makes an environment with a program of conda's kind.
func condaCreate(ctx context.Context, c *runner.StepContext, program string, conda *Conda, dir string) error {
	file := dir + ".yml"
	if err := os.WriteFile(file, []byte(conda.Raw), 0o644); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the conda file cannot be written: %w", err)
	}
	defer os.Remove(file)
	args := []string{"env", "create", "--quiet", "--prefix", dir, "--file", file}
	if filepath.Base(program) == "micromamba" {
		args = []string{"create", "--yes", "--quiet", "--prefix", dir, "--file", file}
	}
	c.Logf("%s %s", program, strings.Join(args, " "))
	if err := stream(exec.CommandContext(ctx, program, args...), c.Log); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s could not make the environment: %w; what it said stands above", filepath.Base(program), err)
	}
	return nil
}

// stream runs a program whose output is the log.
func stream(cmd *exec.Cmd, log io.Writer) error {
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 5 * time.Second
	return cmd.Run()
}

// record notes down which packages there are.
func (h *Host) record(ctx context.Context, b *base) {
	spec := python.Interpreter{Path: b.Python}
	if v, ok := python.ParseVersion(b.Ver); ok {
		spec.Version = v
	}
	uv, err := h.Tools.UVCommand(ctx)
	v := python.Venv{Dir: b.Dir, Python: b.Python}
	if err == nil {
		v.UV = python.UV{Path: uv.Args[0], Version: uv.Version}
	}
	l, err := h.Tools.Lock(ctx, v, spec)
	if err != nil {
		return // the environment is good without
	}
	b.Lock, b.Props = string(l.Text), map[string]any{}
	for k, val := range l.Props {
		b.Props[k] = val
	}
}

// interpreterBase is an interpreter as it is. What it answered is remembered for as long as
// its file stays the same: starting it takes longer than all else here.
func (h *Host) interpreterBase(ctx context.Context, program string) (*base, error) {
	fi, err := os.Stat(program)
	if err != nil || fi.IsDir() {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no Python at %s", program).WithHint("cairn environment map shows what is mapped")
	}
	key := cairn.SumBytes([]byte(fmt.Sprintf("%s\x00%d\x00%d", program, fi.Size(), fi.ModTime().UnixNano())))
	note := filepath.Join(h.Dir, "python-"+strings.TrimPrefix(string(key), "sha256:")[:24]+".json")
	if text, err := os.ReadFile(note); err == nil {
		var b base
		if json.Unmarshal(text, &b) == nil && b.Python == program {
			return &b, nil
		}
	}
	b, err := describe(ctx, program)
	if err != nil {
		return nil, err
	}
	if text, err := json.Marshal(b); err == nil && os.MkdirAll(h.Dir, 0o755) == nil {
		tmp := note + fmt.Sprintf(".%d", os.Getpid())
		if os.WriteFile(tmp, text, 0o644) == nil {
			_ = os.Rename(tmp, note) // the next job asks again where this fails
		}
	}
	return b, nil
}

// describe asks an interpreter where its packages are.
func describe(ctx context.Context, program string) (*base, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	const ask = `import json,os,site,sys,sysconfig
paths=[p for p in {sysconfig.get_path("purelib"):1,sysconfig.get_path("platlib"):1,**{p:1 for p in (site.getsitepackages() if hasattr(site,"getsitepackages") else [])}} if os.path.isdir(p)]
base=getattr(sys,"_base_executable",sys.executable) or sys.executable
print(json.dumps({"python":sys.executable,"home":os.path.dirname(base),"real":os.path.realpath(base),"version":"%d.%d.%d"%sys.version_info[:3],"site":paths}))`
	out, err := exec.CommandContext(ctx, program, "-I", "-c", ask).Output()
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s does not answer as a Python: %w", program, err)
	}
	var b base
	if err := json.Unmarshal(out, &b); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s does not answer as a Python", program)
	}
	b.Python = program
	return &b, nil
}
