package python

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
)

// A job without actions/setup-python finds this machine's Python on PATH, and a
// pip in it would change the machine. So such a pip gets an environment of the
// job's own. It is made when pip is first called, by whatever calls it: small
// programs named pip and python stand on PATH before the machine's. Until then
// python is the machine's own, and a job that never calls pip pays nothing.

// defaultState says how the environment is made; it lies beside its link.
type defaultState struct {
	Exe      string `json:"exe"`
	Home     string `json:"home"`
	UserHome string `json:"user_home"`
	Base     string `json:"base"` // python3 of the job's PATH: an interpreter or a shim
}

func defaultStateFile(link string) string { return link + ".json" }

// OfferDefault writes the programs and returns what to put on PATH, the last
// one foremost: their folder, and the one where the environment will be. link is
// the name that the environment gets once it is whole. path is the job's PATH;
// where it has no python3, nothing is offered.
func (t *Tools) OfferDefault(link, path string) ([]string, error) {
	base := onPath("python3", path)
	if base == "" || t.Exe == "" {
		return nil, nil
	}
	python := onPath("python", path)
	if python == "" {
		python = base
	}
	shims := link + "-programs"
	if err := os.MkdirAll(shims, 0o755); err != nil {
		return nil, err
	}
	b, err := json.Marshal(defaultState{Exe: t.Exe, Home: t.Home, UserHome: t.UserHome, Base: base})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(defaultStateFile(link), b, 0o600); err != nil {
		return nil, err
	}
	fill := func(text, base string) []byte {
		return []byte(strings.NewReplacer("@EXE@", shellQuote(t.Exe), "@VENV@", shellQuote(link), "@BASE@", shellQuote(base)).Replace(text))
	}
	for name, text := range map[string][]byte{
		"pip": fill(lazyPip, ""), "pip3": fill(lazyPip, ""),
		"python": fill(lazyPython, python), "python3": fill(lazyPython, base),
	} {
		if err := os.WriteFile(filepath.Join(shims, name), text, 0o755); err != nil {
			return nil, err
		}
	}
	return []string{shims, filepath.Join(link, "bin")}, nil
}

// A shell may remember where it found these, so they also stand for the
// environment once it is there.
const lazyPip = `#!/bin/sh
[ -e @VENV@/bin/python ] || @EXE@ _pip --make @VENV@ || exit
exec @VENV@/bin/pip "$@"
`

const lazyPython = `#!/bin/sh
if [ ! -e @VENV@/bin/python ]; then
  case " $* " in
  *"m pip "*|*" -mpip "*|*"m ensurepip "*|*get-pip.py*|*"setup.py "*install*|*"setup.py "*develop*)
    @EXE@ _pip --make @VENV@ || exit ;;
  *) exec @BASE@ "$@" ;;
  esac
fi
exec @VENV@/bin/python "$@"
`

// MakeDefault makes the environment that OfferDefault spoke of, unless it is
// there. dir is where the calling step runs: version managers look there for
// the version that is asked for.
func MakeDefault(ctx context.Context, link, dir string, environ []string, std Stdio) error {
	var st defaultState
	b, err := os.ReadFile(defaultStateFile(link))
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeNotFound, "the job's own Python environment cannot be made: %w", err)
	}
	unlock, err := lockFile(ctx, link+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(link); err == nil {
		return nil // another process of the job was faster
	}
	t := Tools{Home: st.Home, UserHome: st.UserHome, Environ: environ, Exe: st.Exe, Log: std.Err}
	py, err := askIn(ctx, st.Base, dir, t.ownEnviron())
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s does not answer: %w", st.Base, err).
			WithHint("add actions/setup-python to the job, which looks for an interpreter that does")
	}
	t.logf("no actions/setup-python before this pip: it works in an environment of the job's own, with Python %s (%s); this computer's Python stays as it is",
		py.Version, py.Path)
	venv := link + "-" + py.Version.String()
	if err := os.RemoveAll(venv); err != nil { // what a killed process left
		return err
	}
	if _, err := t.CreateVenv(ctx, *py, venv); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(venv, baseFile), []byte(py.Path), 0o644); err != nil {
		return err
	}
	return os.Symlink(filepath.Base(venv), link) // from now on it is found
}

const baseFile = "cairn-base-python"

// Default returns the environment behind a link and the interpreter that it was
// made with; ok is false when the job never called for it.
func Default(link string) (dir, base string, ok bool) {
	dir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", "", false
	}
	b, err := os.ReadFile(filepath.Join(dir, baseFile))
	return dir, string(b), err == nil
}

// onPath finds a program on a PATH that is not this process's own.
func onPath(name, path string) string {
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}
