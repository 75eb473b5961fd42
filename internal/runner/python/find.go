package python

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Interpreter is one CPython that answers on this machine.
type Interpreter struct {
	Path         string  `json:"path"` // the program itself, not a shim
	Version      Version `json:"version"`
	Source       string  `json:"source"` // PATH, pyenv, uv, conda, tool cache, …
	Arch         string  `json:"arch"`   // x64, arm64, x86
	FreeThreaded bool    `json:"free_threaded,omitempty"`
	// HasVenv says that `python -m venv` works (Debian packs it apart).
	HasVenv bool `json:"has_venv"`
}

const (
	maxCandidates = 200
	queryTimeout  = 10 * time.Second
)

// query asks an interpreter about itself. It must run on every Python 3.
const query = `import sys, json, importlib.util as u, sysconfig
print(json.dumps({
 "v": list(sys.version_info[:3]), "l": sys.version_info[3], "s": sys.version_info[4],
 "impl": sys.implementation.name,
 "exe": getattr(sys, "_base_executable", "") or sys.executable,
 "plat": sysconfig.get_platform(),
 "ft": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
 "venv": u.find_spec("venv") is not None and u.find_spec("ensurepip") is not None}))`

// candidate is a path that may be an interpreter.
type candidate struct{ path, source string }

// Interpreters lists the CPythons of this machine, newest first; of equal
// versions those that a job is best served by come first. What each said is
// remembered by path, size and time of change.
func (t *Tools) Interpreters(ctx context.Context) ([]Interpreter, error) {
	cands := t.candidates()
	cache := t.loadCache()
	found := make([]*Interpreter, len(cands))
	entries := make([]cacheEntry, len(cands))
	err := each(ctx, len(cands), 4, func(i int) {
		fi, err := os.Stat(cands[i].path)
		if err != nil || fi.IsDir() {
			return
		}
		e := cacheEntry{Size: fi.Size(), MTime: fi.ModTime().UnixNano()}
		if old, ok := cache[cands[i].path]; ok && old.Size == e.Size && old.MTime == e.MTime {
			e = old
		} else if py, err := ask(ctx, cands[i].path, t.ownEnviron()); err == nil {
			e.Python = py
		} else if ctx.Err() != nil {
			return // an interrupted question is not an answer
		}
		entries[i] = e
		if e.Python != nil {
			c := *e.Python
			c.Source = cands[i].source
			found[i] = &c
		}
	})
	if err != nil {
		return nil, err
	}
	t.saveCache(cands, entries, cache)
	var out []Interpreter
	seen := map[string]bool{}
	for _, py := range found {
		if py == nil {
			continue
		}
		real, err := filepath.EvalSymlinks(py.Path)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		out = append(out, *py)
	}
	slices.SortStableFunc(out, func(a, b Interpreter) int { return b.Version.Compare(a.Version) })
	return out, nil
}

// candidates lists paths in the order of preference among equal versions.
func (t *Tools) candidates() []candidate {
	var out []candidate
	seen := map[string]bool{}
	add := func(source string, patterns ...string) {
		for _, p := range patterns {
			if p == "" || !filepath.IsAbs(p) {
				continue
			}
			ms, _ := filepath.Glob(p)
			for _, m := range ms {
				if isPython(filepath.Base(m)) && !seen[m] && len(out) < maxCandidates {
					seen[m] = true
					out = append(out, candidate{m, source})
				}
			}
		}
	}
	in := func(dir string, rest string) string {
		if dir == "" {
			return ""
		}
		return filepath.Join(dir, rest)
	}
	home := func(rest string) string { return in(t.UserHome, rest) }
	for _, v := range []string{"RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"} {
		add("tool cache", in(t.env(v), "Python/*/*/bin/python3*"))
	}
	pyenv := t.env("PYENV_ROOT")
	if pyenv == "" {
		pyenv = home(".pyenv")
	}
	add("pyenv", in(pyenv, "versions/*/bin/python3*"))
	for _, dir := range filepath.SplitList(t.env("PATH")) {
		// A shim of pyenv, asdf or mise answers for another interpreter, or fails.
		if dir != "" && !strings.HasSuffix(filepath.Clean(dir), "/shims") {
			add("PATH", filepath.Join(dir, "python3*"))
		}
	}
	if t.System != nil {
		for _, dir := range t.System {
			add("system", filepath.Join(dir, "python3*"))
		}
	} else {
		add("system", "/usr/bin/python3*", "/usr/local/bin/python3*", "/opt/homebrew/bin/python3*")
		add("tool cache", "/opt/hostedtoolcache/Python/*/*/bin/python3*")
		add("conda", "/opt/conda/bin/python3*", "/opt/conda/envs/*/bin/python3*")
	}
	uvdir := t.env("UV_PYTHON_INSTALL_DIR")
	if uvdir == "" {
		if uvdir = in(t.env("XDG_DATA_HOME"), "uv/python"); uvdir == "" {
			uvdir = home(".local/share/uv/python")
		}
	}
	add("uv", in(uvdir, "*/bin/python3*"), filepath.Join(t.pythonDir(), "*/bin/python3*"))
	add("asdf", home(".asdf/installs/python/*/bin/python3*"))
	add("mise", home(".local/share/mise/installs/python/*/bin/python3*"))
	add("conda", in(t.env("CONDA_PREFIX"), "bin/python3*"))
	for _, base := range []string{"miniconda3", "anaconda3", "miniforge3", "mambaforge", ".conda"} {
		add("conda", home(base+"/bin/python3*"), home(base+"/envs/*/bin/python3*"))
	}
	return out
}

var pythonNameRE = regexp.MustCompile(`^python3(\.\d{1,3}t?)?$`)

func isPython(name string) bool { return pythonNameRE.MatchString(name) }

// ask runs the query.
func ask(ctx context.Context, path string, environ []string) (*Interpreter, error) {
	return askIn(ctx, path, "/", environ)
}

// askIn runs it in a folder, which decides what the shims of version managers do.
func askIn(ctx context.Context, path, dir string, environ []string) (*Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-I", "-S", "-c", query)
	cmd.Env, cmd.Dir = environ, dir
	cmd.WaitDelay = time.Second
	var out limited
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	var a struct {
		V         []int
		L         string
		S         int
		Impl      string
		Exe, Plat string
		FT        bool `json:"ft"`
		Venv      bool
	}
	if err := json.Unmarshal(out.b, &a); err != nil || len(a.V) != 3 {
		return nil, fmt.Errorf("%s gave no answer", path)
	}
	if a.Impl != "cpython" {
		return nil, fmt.Errorf("%s is %s", path, a.Impl)
	}
	py := &Interpreter{Path: a.Exe, Version: Version{Major: a.V[0], Minor: a.V[1], Patch: a.V[2]},
		FreeThreaded: a.FT, HasVenv: a.Venv, Arch: archOf(a.Plat)}
	if !filepath.IsAbs(py.Path) {
		py.Path = path
	}
	switch a.L {
	case "alpha":
		py.Version.Pre = fmt.Sprintf("a%d", a.S)
	case "beta":
		py.Version.Pre = fmt.Sprintf("b%d", a.S)
	case "candidate":
		py.Version.Pre = fmt.Sprintf("rc%d", a.S)
	}
	return py, nil
}

func archOf(platform string) string {
	switch {
	case strings.HasSuffix(platform, "x86_64"), strings.HasSuffix(platform, "amd64"):
		return "x64"
	case strings.HasSuffix(platform, "aarch64"), strings.HasSuffix(platform, "arm64"):
		return "arm64"
	case strings.HasSuffix(platform, "universal2"):
		return HostArch()
	case strings.HasSuffix(platform, "i686"), strings.HasSuffix(platform, "i386"):
		return "x86"
	}
	return platform
}

// HostArch is this machine's architecture in the words of setup-python.
func HostArch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x64"
	case "386":
		return "x86"
	}
	return runtime.GOARCH
}

// Find returns the newest interpreter that matches. Where there is none, uv is
// asked to fetch one; where it cannot, the error lists what is there.
func (t *Tools) Find(ctx context.Context, spec Spec, arch string) (Interpreter, error) {
	all, err := t.Interpreters(ctx)
	if err != nil {
		return Interpreter{}, err
	}
	if arch == "" {
		arch = HostArch()
	}
	if py, ok := pick(all, spec, arch); ok {
		return py, nil
	}
	why := "uv has no spelling for this version"
	if req := spec.uvRequest(); req != "" && arch == HostArch() {
		t.logf("Python %s is not on this machine; asking uv to fetch it", spec.Text)
		if why, err = t.fetch(ctx, req); err != nil {
			return Interpreter{}, err
		}
		if why == "" {
			if all, err = t.Interpreters(ctx); err != nil {
				return Interpreter{}, err
			}
			if py, ok := pick(all, spec, arch); ok {
				return py, nil
			}
			why = "what it fetched does not answer"
		}
	} else if arch != HostArch() {
		why = "this machine is " + HostArch()
	}
	return Interpreter{}, missing(spec, arch, all, why)
}

// pick returns the first match of a list that is sorted newest first.
func pick(all []Interpreter, spec Spec, arch string) (Interpreter, bool) {
	for _, py := range all {
		if spec.Match(py.Version) && py.FreeThreaded == spec.FreeThreaded && py.Arch == arch {
			return py, true
		}
	}
	return Interpreter{}, false
}

// missing is the error for a version that is not there and cannot be fetched.
func missing(spec Spec, arch string, all []Interpreter, why string) error {
	var b strings.Builder
	if len(all) == 0 {
		b.WriteString("no Python 3 was found on PATH, in pyenv, uv, conda or a tool cache")
	} else {
		b.WriteString("there are")
		for i, py := range all {
			if i == 12 {
				fmt.Fprintf(&b, " and %d more", len(all)-i)
				break
			}
			sep := ","
			if i == 0 {
				sep = ""
			}
			ft := ""
			if py.FreeThreaded {
				ft = "t"
			}
			fmt.Fprintf(&b, "%s %s%s (%s: %s)", sep, py.Version, ft, py.Source, py.Path)
		}
	}
	what := "Python " + spec.Text
	if arch != HostArch() {
		what += " for " + arch
	}
	e := cairn.Errorf(cairn.CodeNotFound, "%s is not on this machine and uv could not fetch it: %s; %s", what, why, b.String())
	switch spec.Text {
	case "3.1", "3.2":
		return e.WithHint("YAML reads an unquoted %s0 as the number %s: write python-version: '%s0'", spec.Text, spec.Text, spec.Text)
	}
	if len(all) > 0 {
		v := all[0].Version
		return e.WithHint("install it (for example with pyenv install or uv python install), or ask for one that is there: python-version: '%d.%d'", v.Major, v.Minor)
	}
	return e.WithHint("install Python 3, for example with the system's package manager")
}

// cacheEntry remembers what a path answered; Python is nil when it did not.
type cacheEntry struct {
	Size   int64        `json:"size"`
	MTime  int64        `json:"mtime"`
	Python *Interpreter `json:"python,omitempty"`
}

func (t *Tools) cacheFile() string { return filepath.Join(t.cacheDir(), "pythons.json") }

// loadCache returns an empty map for a cache that cannot be read: it is only a cache.
func (t *Tools) loadCache() map[string]cacheEntry {
	m := map[string]cacheEntry{}
	if f, err := os.Open(t.cacheFile()); err == nil {
		defer f.Close()
		if json.NewDecoder(io.LimitReader(f, 1<<20)).Decode(&m) != nil {
			return map[string]cacheEntry{}
		}
	}
	return m
}

func (t *Tools) saveCache(cands []candidate, entries []cacheEntry, old map[string]cacheEntry) {
	m := map[string]cacheEntry{}
	changed := false
	for i, c := range cands {
		if e := entries[i]; e.MTime != 0 {
			m[c.path] = e
			o, ok := old[c.path]
			changed = changed || !ok || o.MTime != e.MTime || o.Size != e.Size
		}
	}
	if !changed && len(m) == len(old) {
		return
	}
	if b, err := json.Marshal(m); err == nil {
		if err := writeAtomic(t.cacheFile(), b, 0o644); err != nil {
			t.logf("the list of Pythons was not remembered: %v", err)
		}
	}
}

// limited keeps the first 64 KiB and drops the rest.
type limited struct{ b []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.b = append(l.b, p[:min(len(p), 64<<10-len(l.b))]...)
	return len(p), nil
}
