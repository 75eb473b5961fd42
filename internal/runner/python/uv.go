package python

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// UV is the package installer that environments are made with.
type UV struct {
	Path    string
	Version string
}

// The oldest uv whose options and lock format are used here.
const (
	uvMinMinor    = 7 // 0.7
	uvRequirement = "uv>=0.7,<1"
	uvTimeout     = 5 * time.Minute
)

// UV returns the uv on PATH, or the one that Cairn fetched before, or fetches
// it through pip into an environment of its own under $CAIRN_HOME/tools. base
// is the interpreter to fetch it with.
func (t *Tools) UV(ctx context.Context, base Interpreter) (UV, error) {
	for _, dir := range append(filepath.SplitList(t.env("PATH")), filepath.Join(t.UserHome, ".local/bin")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if uv, err := uvAt(ctx, filepath.Join(dir, "uv"), t.ownEnviron()); err == nil {
			return uv, nil
		}
	}
	own := filepath.Join(t.toolsDir(), "uv", "uv")
	if uv, err := uvAt(ctx, own, t.ownEnviron()); err == nil {
		return uv, nil
	}
	if err := os.MkdirAll(t.toolsDir(), 0o755); err != nil {
		return UV{}, cairn.Errorf(cairn.CodeFailed, "no folder for tools: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(t.toolsDir(), "uv.lock"))
	if err != nil {
		return UV{}, err
	}
	defer unlock()
	if uv, err := uvAt(ctx, own, t.ownEnviron()); err == nil {
		return uv, nil // another job was faster
	}
	if err := t.bootstrapUV(ctx, base, filepath.Dir(own)); err != nil {
		return UV{}, err
	}
	return uvAt(ctx, own, t.ownEnviron())
}

var uvVersionRE = regexp.MustCompile(`^uv (\d+)\.(\d+)\.(\d+)`)

// uvAt asks a program whether it is a uv that is new enough.
func uvAt(ctx context.Context, path string, environ []string) (UV, error) {
	if fi, err := os.Stat(path); err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 {
		return UV{}, fmt.Errorf("no uv at %s", path)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = environ
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return UV{}, err
	}
	m := uvVersionRE.FindStringSubmatch(string(out))
	if m == nil {
		return UV{}, fmt.Errorf("%s is not uv", path)
	}
	minor, _ := strconv.Atoi(m[2])
	if m[1] == "0" && minor < uvMinMinor {
		return UV{}, fmt.Errorf("%s is too old", path)
	}
	return UV{Path: path, Version: m[1] + "." + m[2] + "." + m[3]}, nil
}

// bootstrapUV fetches uv with the user's own pip configuration. The finished
// folder appears by rename, so that a half-fetched one is never used.
func (t *Tools) bootstrapUV(ctx context.Context, base Interpreter, dest string) error {
	ctx, cancel := context.WithTimeout(ctx, uvTimeout)
	defer cancel()
	start := time.Now()
	tmp, err := os.MkdirTemp(t.toolsDir(), "uv-new-")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder for uv: %w", err)
	}
	defer os.RemoveAll(tmp)
	t.logf("fetching uv once, with pip of %s", base.Path)
	ready := filepath.Join(tmp, "ready")
	bin, out, err := t.installUV(ctx, base, tmp)
	if err != nil {
		return t.bootstrapError(ctx, base, out, err)
	}
	if err := os.MkdirAll(ready, 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder for uv: %w", err)
	}
	if err := os.Rename(bin, filepath.Join(ready, "uv")); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "pip brought no program uv: %w", err)
	}
	if err := os.RemoveAll(dest); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "an old uv could not be removed: %w", err)
	}
	if err := os.Rename(ready, dest); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "uv could not be put in place: %w", err)
	}
	t.logf("uv fetched in %.1f s", time.Since(start).Seconds())
	return nil
}

// installUV installs uv below tmp and returns its path, or what pip said.
func (t *Tools) installUV(ctx context.Context, base Interpreter, tmp string) (bin, said string, err error) {
	run := func(args ...string) (string, error) {
		var out tail
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env, cmd.Dir = t.ownEnviron(), tmp
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.WaitDelay = 2 * time.Second
		err := cmd.Run()
		return out.String(), err
	}
	install := []string{"install", "--quiet", "--disable-pip-version-check", "--no-input"}
	if !base.HasVenv {
		// Without venv a pip that is installed beside the interpreter serves as well.
		target := filepath.Join(tmp, "target")
		said, err = run(slices.Concat([]string{base.Path, "-m", "pip"}, install, []string{"--target", target, uvRequirement})...)
		return filepath.Join(target, "bin", "uv"), said, err
	}
	// A pip that is there can install into an environment without one, whose
	// making takes a twentieth of the time.
	venv := filepath.Join(tmp, "venv")
	python := filepath.Join(venv, "bin", "python")
	bin = filepath.Join(venv, "bin", "uv")
	if said, err = run(base.Path, "-I", "-m", "venv", "--without-pip", venv); err != nil {
		return bin, said, err
	}
	said, err = run(slices.Concat([]string{base.Path, "-m", "pip", "--python", python}, install, []string{uvRequirement})...)
	if err == nil || !strings.Contains(said, "No module named pip") && !strings.Contains(said, "no such option: --python") {
		return bin, said, err
	}
	if said, err = run(base.Path, "-I", "-m", "venv", venv); err != nil {
		return bin, said, err
	}
	said, err = run(slices.Concat([]string{python, "-m", "pip"}, install, []string{uvRequirement})...)
	return bin, said, err
}

func (t *Tools) bootstrapError(ctx context.Context, base Interpreter, out string, cause error) error {
	if ctx.Err() != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "fetching uv took too long or was interrupted: %w", ctx.Err())
	}
	v := base.Version
	if strings.Contains(out, "ensurepip") || !base.HasVenv && strings.Contains(out, "No module named pip") {
		return cairn.Errorf(cairn.CodeFailed, "Python %s at %s has neither venv nor pip", v, base.Path).
			WithHint("install the system package that brings it: python%d.%d-venv (Debian, Ubuntu), or put uv on PATH", v.Major, v.Minor)
	}
	if out == "" {
		out = cause.Error()
	}
	return cairn.Errorf(cairn.CodeUnavailable, "uv could not be fetched with pip: %s", lastLines(out, 3)).
		WithHint("pip is used as you have it configured (index, proxy, certificates); try: %s -m pip download uv", base.Path)
}

// fetch asks uv for an interpreter. It returns why it could not; the error is
// for an interruption only.
func (t *Tools) fetch(ctx context.Context, request string) (why string, err error) {
	if v := t.env("UV_PYTHON_DOWNLOADS"); v == "never" || v == "manual" {
		return "UV_PYTHON_DOWNLOADS=" + v, nil
	}
	all, err := t.Interpreters(ctx)
	if err != nil {
		return "", err
	}
	var uv UV
	if len(all) > 0 {
		uv, err = t.UV(ctx, all[0])
	} else {
		uv, err = t.UV(ctx, Interpreter{Path: "python3"})
	}
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "there is no uv: " + err.Error(), nil
	}
	ctx2, cancel := context.WithTimeout(ctx, uvTimeout)
	defer cancel()
	var out tail
	cmd := exec.CommandContext(ctx2, uv.Path, "python", "install", "--no-bin", request)
	cmd.Env = t.uvEnviron("UV_PYTHON_INSTALL_DIR="+t.pythonDir(), "UV_HTTP_RETRIES=1")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return lastLines(out.String(), 2), nil
	}
	return "", nil
}

// uvEnviron is the environment for uv: the user's, the shared cache, and pip's
// configuration in uv's words.
func (t *Tools) uvEnviron(extra ...string) []string {
	env := t.ownEnviron("UV_CACHE_DIR="+t.uvCache(), "UV_NO_PROGRESS=1")
	conf := LoadPipConfig(t.env, t.UserHome)
	for k, v := range conf.UVEnv(t.env) {
		env = append(env, k+"="+v)
	}
	return append(env, extra...)
}

// lastLines returns the last n lines that say something, on one line.
func lastLines(s string, n int) string {
	var keep []string
	for _, l := range strings.Split(s, "\n") {
		l = strings.TrimSpace(l)
		if l != "" && !strings.HasPrefix(l, "[notice]") {
			keep = append(keep, redactURL(l))
		}
	}
	if len(keep) > n {
		keep = keep[len(keep)-n:]
	}
	return strings.Join(keep, " | ")
}

var urlUserRE = regexp.MustCompile(`(://)[^/@\s]+@`)

// redactURL hides user names and passwords inside URLs.
func redactURL(s string) string { return urlUserRE.ReplaceAllString(s, "${1}***@") }

func logLine(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}

// tail keeps the last 16 KiB.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 32<<10 {
		t.b = append(t.b[:0], t.b[len(t.b)-16<<10:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
