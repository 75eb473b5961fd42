package action

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// maxNested bounds submodules of submodules.
const maxNested = 10

// modules fetches submodules with git itself; what is not asked for stays empty, as
// on GitHub, but is said.
func (a *checkout) modules(ctx context.Context, c *runner.StepContext, code cairn.CodeRef, in checkoutInput, k *keys) error {
	if _, err := os.Stat(filepath.Join(in.dir, ".gitmodules")); err != nil {
		return nil
	}
	if !in.submodules {
		c.Warn("this repository has submodules; their folders stay empty without submodules: true")
		return nil
	}
	work := code.WorkDir
	if c.InContainer {
		work = "" // the user's folders are not in the container
	}
	if err := a.modulesIn(ctx, c, code, in, k, in.dir, work, 0); err != nil {
		return err
	}
	if in.persist {
		if err := k.persistModules(c, in.dir, a.major); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "credentials for submodules cannot be kept: %w", err)
		}
		k.keep(c, in.dir)
	}
	return nil
}

// submodule is one entry of .gitmodules.
type submodule struct{ name, path, url string }

// modulesIn fetches the submodules of one work tree. work is the same folder in the
// working tree that the run began in, or "": what is there needs no network.
func (a *checkout) modulesIn(ctx context.Context, c *runner.StepContext, code cairn.CodeRef, in checkoutInput, k *keys, dir, work string, level int) error {
	mods, err := readModules(ctx, c, k, dir)
	if err != nil || len(mods) == 0 {
		return err
	}
	settings := []string{"protocol.file.allow=always", "gc.auto=0"}
	if in.ssh.key == "" {
		settings = append(settings, "url.https://github.com/.insteadOf=git@github.com:", "url.https://github.com/.insteadOf=ssh://git@github.com/")
	}
	for _, m := range mods {
		if strings.Contains(m.name, "=") {
			continue // it cannot be told apart in a setting
		}
		if from := a.moduleSource(c, code, m, work, level); from != "" {
			c.Logf("Submodule %s is taken from %s", m.path, from)
			settings = append(settings, "submodule."+m.name+".url="+from)
		}
	}
	args := []string{"git", "submodule", "update", "--init", "--force"}
	if in.Depth > 0 {
		args = append(args, "--depth="+itoa(in.Depth))
	}
	status, err := c.Exec(ctx, runner.Process{Args: args, Dir: dir, Env: k.env(c, settings...)})
	if err != nil {
		return err
	}
	if status != 0 {
		return cairn.Errorf(cairn.CodeFailed, "git submodule update failed with code %d", status).
			WithHint("submodules come from their own addresses, from repositories of this Cairn (cairn repo add URL), or from the working tree of the run")
	}
	if !in.nested || level == maxNested {
		return nil
	}
	for _, m := range mods {
		if m.path == "" {
			continue
		}
		sub, err := insideReally(dir, m.path)
		if err != nil {
			return err
		}
		below := ""
		if work != "" {
			below = filepath.Join(work, m.path)
		}
		if err := a.modulesIn(ctx, c, code, in, k, sub, below, level+1); err != nil {
			return err
		}
	}
	return nil
}

// readModules lets git read .gitmodules.
func readModules(ctx context.Context, c *runner.StepContext, k *keys, dir string) ([]submodule, error) {
	if fi, err := os.Lstat(filepath.Join(dir, ".gitmodules")); err != nil || !fi.Mode().IsRegular() {
		return nil, nil
	}
	var out bytes.Buffer
	_, err := c.Exec(ctx, runner.Process{
		Args: []string{"git", "config", "--file", ".gitmodules", "--null", "--get-regexp", `^submodule\..*\.(path|url)$`}, Dir: dir, Env: k.env(c), Stdout: &out,
	})
	if err != nil {
		return nil, err
	}
	var mods []submodule
	at := map[string]int{}
	for entry := range strings.SplitSeq(out.String(), "\x00") {
		key, value, ok := strings.Cut(entry, "\n")
		dot := strings.LastIndexByte(key, '.')
		if !ok || dot < len("submodule.") {
			continue
		}
		name := key[len("submodule."):dot]
		i, known := at[name]
		if !known {
			i = len(mods)
			at[name], mods = i, append(mods, submodule{name: name})
		}
		if key[dot+1:] == "path" {
			mods[i].path = value
		} else {
			mods[i].url = value
		}
	}
	return mods, nil
}

// moduleSource says where a submodule is fetched from instead of its address; "" is
// from there. A commit is named by its content, so that it is the same wherever it
// comes from.
func (a *checkout) moduleSource(c *runner.StepContext, code cairn.CodeRef, m submodule, work string, level int) string {
	if work != "" && m.path != "" && !strings.HasPrefix(path.Clean(m.path), "..") {
		if _, err := os.Stat(filepath.Join(work, m.path, ".git")); err == nil {
			return filepath.Join(work, m.path)
		}
	}
	if foreign(c) {
		return "" // code of a fork sees no other repository here
	}
	name, relative := moduleName(code.Repository, m.url)
	if name != "" && a.deps.Other != nil && (!relative || level == 0) {
		if other, err := a.deps.Other(code, name); err == nil {
			if u := remoteURL(c, other.Repository); u != "" {
				return u
			}
			return other.GitDir
		}
	}
	if relative && level == 0 && code.WorkDir != "" && work != "" {
		if beside := filepath.Join(code.WorkDir, filepath.FromSlash(m.url)); isRepository(beside) {
			return beside
		}
	}
	return ""
}

func isRepository(dir string) bool {
	for _, f := range []string{".git", "HEAD"} {
		if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
			return true
		}
	}
	return false
}

// moduleName is owner/name of an address, "" where it is none.
func moduleName(repository, address string) (name string, relative bool) {
	p := address
	switch {
	case strings.HasPrefix(address, "./"), strings.HasPrefix(address, "../"):
		p, relative = path.Join(repository, address), true
	case strings.Contains(address, "://"):
		u, err := url.Parse(address)
		if err != nil || u.Scheme == "file" {
			return "", false
		}
		p = u.Path
	case strings.HasPrefix(address, "/"):
		return "", false
	default:
		_, rest, ok := strings.Cut(address, ":")
		if !ok {
			return "", false
		}
		p = rest
	}
	parts := strings.Split(strings.Trim(strings.TrimSuffix(strings.TrimRight(p, "/"), ".git"), "/"), "/")
	if len(parts) != 2 || strings.HasPrefix(parts[0], "..") {
		return "", relative
	}
	return strings.Join(parts, "/"), relative
}
