package python

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Venv is a job's environment.
type Venv struct {
	Dir    string
	Python string // its program
	UV     UV     // zero when it was made without
}

const venvTimeout = 5 * time.Minute

// CreateVenv makes an environment in dir, which must not exist, with a pip in
// it that works as pip, python -m pip and python3 -m pip.
func (t *Tools) CreateVenv(ctx context.Context, py Interpreter, dir string) (Venv, error) {
	ctx, cancel := context.WithTimeout(ctx, venvTimeout)
	defer cancel()
	v := Venv{Dir: dir, Python: filepath.Join(dir, "bin", "python")}
	uv, err := t.UV(ctx, py)
	if err != nil {
		if ctx.Err() != nil {
			return v, err
		}
		if !py.HasVenv {
			return v, err
		}
		// pip alone is slower but serves; the reason is said.
		t.logf("uv is not to be had, so pip itself is used: %v", err)
		if err := t.plainVenv(ctx, py, dir); err != nil {
			return v, err
		}
		// Its pip is called by way of Cairn too, which knows packages that no index has.
		return v, t.wrapPip(dir, venvState{Exe: t.Exe, Cache: t.uvCache(), UserHome: t.UserHome, Python: py.Path})
	}
	v.UV = uv
	// --seed brings a real pip, from the shared cache after the first time.
	run := func(args ...string) (string, error) {
		var out tail
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = t.uvEnviron()
		cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, filepath.Dir(dir)
		cmd.WaitDelay = 2 * time.Second
		err := cmd.Run()
		return out.String(), err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return v, cairn.Errorf(cairn.CodeFailed, "no folder for the environment: %w", err)
	}
	if out, err := run(uv.Path, "venv", "--quiet", "--no-project", "--no-python-downloads", "--seed", "--python", py.Path, dir); err != nil {
		// Seeding needs the index. The pip that comes with Python needs nothing.
		if rerr := os.RemoveAll(dir); rerr != nil {
			return v, cairn.Errorf(cairn.CodeFailed, "the environment cannot be made: %w", rerr)
		}
		if out2, err2 := run(uv.Path, "venv", "--quiet", "--no-project", "--no-python-downloads", "--python", py.Path, dir); err2 != nil {
			return v, cairn.Errorf(cairn.CodeFailed, "uv could not make an environment with %s: %s", py.Path, lastLines(out+out2, 3))
		}
		if _, err3 := run(v.Python, "-m", "ensurepip", "--upgrade"); err3 != nil {
			t.logf("this environment has no pip of its own: %s", lastLines(out, 2))
		}
	}
	st := venvState{Exe: t.Exe, UV: uv.Path, Version: uv.Version, Cache: t.uvCache(), UserHome: t.UserHome, Python: py.Path}
	if err := os.MkdirAll(st.Cache, 0o755); err == nil {
		st.CopyMode = !sameFilesystem(st.Cache, dir)
	}
	return v, t.wrapPip(dir, st)
}

// wrapPip notes down what an environment's pip needs to know, and puts Cairn's before it.
func (t *Tools) wrapPip(dir string, st venvState) error {
	b, err := json.Marshal(st)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, stateFile), b, 0o644)
	}
	if err == nil && t.Exe != "" {
		err = writeShims(dir, st)
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the environment's pip cannot be written: %w", err)
	}
	return nil
}

// plainVenv uses Python's own venv.
func (t *Tools) plainVenv(ctx context.Context, py Interpreter, dir string) error {
	var out tail
	cmd := exec.CommandContext(ctx, py.Path, "-I", "-m", "venv", dir)
	cmd.Env = t.ownEnviron()
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		return t.bootstrapError(ctx, py, out.String(), err)
	}
	return nil
}

// hookPth is read by every start of the environment's Python. It must never
// break one, whatever happens.
const hookPth = "import _cairn_pip\n"

// hookPy hands `python -m pip install` to cairn, which decides as for `pip`.
const hookPy = `# Written by Cairn: hands "python -m pip install" to the pip of this environment.
try:
    import os as _os, sys as _sys

    def _args():
        argv = getattr(_sys, "orig_argv", None)  # Python 3.10 and later
        if argv is None:
            with open("/proc/self/cmdline", "rb") as f:
                argv = [_os.fsdecode(a) for a in f.read().split(b"\0")[:-1]]
        i = 1
        while i < len(argv):
            a = argv[i]
            if not a.startswith("-") or a in ("-", "--"):
                return None
            if a.startswith("--"):
                i += 2 if a == "--check-hash-based-pycs" else 1
                continue
            for j, c in enumerate(a[1:], 1):
                if c == "c":
                    return None
                if c in "XW":
                    if j == len(a) - 1:
                        i += 1
                    break
                if c == "m":
                    if j < len(a) - 1:
                        return argv[i + 1:] if a[j + 1:] == "pip" else None
                    return argv[i + 2:] if argv[i + 1:i + 2] == ["pip"] else None
            i += 1
        return None

    if not _os.environ.get("` + realPipVar + `"):
        _found = _args()
        if _found is not None and "install" in _found:
            _exe, _venv = @EXE@, @VENV@
            if _os.access(_exe, _os.X_OK):
                _os.execv(_exe, [_exe, "_pip", _venv] + _found)
except Exception:
    pass
`

// writeShims puts our pip in front of the real one, where it is not already.
func writeShims(venv string, st venvState) error {
	if st.Exe == "" {
		return nil
	}
	sites, err := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages"))
	if err != nil || len(sites) == 0 {
		return fmt.Errorf("%s has no site-packages", venv)
	}
	script := "#!/bin/sh\nexec " + shellQuote(st.Exe) + " _pip " + shellQuote(venv) + " \"$@\"\n"
	names := []string{"pip", "pip3", "pip" + strings.TrimPrefix(filepath.Base(filepath.Dir(sites[0])), "python")}
	for _, n := range names {
		path := filepath.Join(venv, "bin", n)
		if old, err := os.ReadFile(path); err == nil && string(old) == script {
			continue
		}
		// By rename: the file there may be a hard link into the shared cache.
		if err := writeAtomic(path, []byte(script), 0o755); err != nil {
			return err
		}
	}
	py := strings.NewReplacer("@EXE@", pythonQuote(st.Exe), "@VENV@", pythonQuote(venv)).Replace(hookPy)
	for name, text := range map[string]string{"_cairn_pip.py": py, "_cairn_pip.pth": hookPth} {
		path := filepath.Join(sites[0], name)
		if old, err := os.ReadFile(path); err == nil && string(old) == text {
			continue
		}
		if err := writeAtomic(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// pythonQuote writes s as a Python string: JSON strings are, for any text
// without lone surrogates.
func pythonQuote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// Describe reads back what an environment was made with.
func (t *Tools) Describe(ctx context.Context, dir, base string) (Venv, Interpreter, error) {
	v := Venv{Dir: dir, Python: filepath.Join(dir, "bin", "python")}
	if st, err := readState(dir); err == nil {
		v.UV = UV{Path: st.UV, Version: st.Version}
	}
	py, err := ask(ctx, base, t.ownEnviron())
	if err != nil {
		return v, Interpreter{}, cairn.Errorf(cairn.CodeFailed, "%s no longer answers: %w", base, err)
	}
	return v, *py, nil
}
