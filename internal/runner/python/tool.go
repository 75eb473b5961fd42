package python

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ToolCommand is a program of the user's that another room may call: its command
// line and its environment, with the user's own configuration of indexes.
type ToolCommand struct {
	Args    []string
	Env     []string
	Version string
	Python  string // "3.11": the interpreter that it runs on
}

// UVCommand returns uv, fetched where there is none.
func (t *Tools) UVCommand(ctx context.Context) (ToolCommand, error) {
	base := Interpreter{Path: "python3"}
	if all, err := t.Interpreters(ctx); err != nil {
		return ToolCommand{}, err
	} else if len(all) > 0 {
		base = all[0]
	}
	uv, err := t.UV(ctx, base)
	if err != nil {
		return ToolCommand{}, err
	}
	return ToolCommand{Args: []string{uv.Path}, Env: t.uvEnviron(), Version: uv.Version}, nil
}

// PipCommand returns a pip that works: of an interpreter of that version
// ("3.11") where one has it, else of the newest that has one, else one of an
// environment of Cairn's own below $CAIRN_HOME/tools.
func (t *Tools) PipCommand(ctx context.Context, version string) (ToolCommand, error) {
	all, err := t.Interpreters(ctx)
	if err != nil {
		return ToolCommand{}, err
	}
	slices.SortStableFunc(all, func(a, b Interpreter) int {
		return rankPip(a, version) - rankPip(b, version)
	})
	for _, py := range all {
		if c, err := t.pipOf(ctx, py.Path, py.Version); err == nil {
			return c, nil
		} else if ctx.Err() != nil {
			return ToolCommand{}, ctx.Err()
		}
	}
	if len(all) == 0 {
		return ToolCommand{}, fmt.Errorf("there is no Python 3 on this machine")
	}
	return t.ownPip(ctx, all[0])
}

func rankPip(py Interpreter, version string) int {
	switch {
	case py.Version.Pre != "" || py.FreeThreaded:
		return 2
	case fmt.Sprintf("%d.%d", py.Version.Major, py.Version.Minor) == version:
		return 0
	}
	return 1
}

func (t *Tools) pipOf(ctx context.Context, python string, v Version) (ToolCommand, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	env := t.ownEnviron(realPipVar + "=1")
	cmd := exec.CommandContext(ctx, python, "-m", "pip", "--version")
	cmd.Env, cmd.Dir = env, "/"
	cmd.WaitDelay = time.Second
	var out limited
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return ToolCommand{}, err
	}
	words := strings.Fields(string(out.b))
	if len(words) < 2 || words[0] != "pip" {
		return ToolCommand{}, fmt.Errorf("%s has no pip", python)
	}
	return ToolCommand{Args: []string{python, "-m", "pip"}, Env: env, Version: words[1], Python: fmt.Sprintf("%d.%d", v.Major, v.Minor)}, nil
}

// ownPip makes an environment with a pip, once.
func (t *Tools) ownPip(ctx context.Context, py Interpreter) (ToolCommand, error) {
	if err := os.MkdirAll(t.toolsDir(), 0o755); err != nil {
		return ToolCommand{}, err
	}
	unlock, err := lockFile(ctx, filepath.Join(t.toolsDir(), "pip.lock"))
	if err != nil {
		return ToolCommand{}, err
	}
	defer unlock()
	dir := filepath.Join(t.toolsDir(), "pip-"+py.Version.String())
	python := filepath.Join(dir, "bin", "python")
	if c, err := t.pipOf(ctx, python, py.Version); err == nil {
		return c, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return ToolCommand{}, err
	}
	own := *t
	own.Exe = "" // the real pip, not the one that hands installs on
	if _, err := own.CreateVenv(ctx, py, dir); err != nil {
		return ToolCommand{}, err
	}
	return t.pipOf(ctx, python, py.Version)
}

// IndexSettings are the indexes that the user's configuration names, without
// credentials: what is resolved depends on them.
func (t *Tools) IndexSettings() string {
	conf := LoadPipConfig(t.env, t.UserHome)
	var out []string
	for _, k := range []string{"index-url", "extra-index-url", "find-links", "no-index", "pre", "constraint"} {
		if v := strings.Join(conf.list(k), " "); v != "" {
			out = append(out, k+"="+v)
		}
	}
	for _, k := range []string{"UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONSTRAINT", "UV_EXCLUDE_NEWER"} {
		if v := t.env(k); v != "" {
			out = append(out, k+"="+v)
		}
	}
	return stripUser(strings.Join(out, "\n"))
}
