package environment

import (
	"context"
	"encoding/json"
	"errors"
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

// buildTimeout bounds the building of one environment.
const buildTimeout = time.Hour

// build makes an environment once for each content; jobs that want it meanwhile wait.
func (h *Host) build(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment, how, content string, create func(ctx context.Context, dir string) error) (*base, error) {
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
	if err := create(bctx, dir); err != nil {
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
	if !b.there() {
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
func (h *Host) pipCreate(ctx context.Context, tools *python.Tools, c *runner.StepContext, py python.Interpreter, reqs []string, over *azureOver, dir string) error {
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
	args := []string{"pip", "install", "--python", filepath.Join(dir, "bin", "python"), "--compile-bytecode", "-r", list}
	if over != nil {
		c.Logf("%s", over.said)
		args = append(args, "--overrides", over.file)
	}
	if err := run(args...); err != nil {
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
func (h *Host) condaCreate(ctx context.Context, c *runner.StepContext, program string, conda *Conda, over *azureOver, dir string) error {
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
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Dir = h.Tools.Environ, h.Dir
	if over != nil {
		c.Logf("%s", over.said)
		cmd.Env = over.bind(cmd.Env) // programs of conda's kind run pip with their own environment
	}
	if err := stream(cmd, c.Log); err != nil {
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
