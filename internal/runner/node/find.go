package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Node is one Node of this machine.
type Node struct {
	Version Version
	Path    string // of the program
	Source  string // PATH, tool cache, nvm, …
}

// Bin is the folder of the program, where npm and npx are too.
func (n Node) Bin() string { return filepath.Dir(n.Path) }

// Places say where to look.
type Places struct {
	Home      string // of the user
	Path      string // search path
	ToolCache string // RUNNER_TOOL_CACHE
	Getenv    func(string) string
}

// Arch is how tool caches and Node's archives call this machine's processor.
func Arch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x64"
	case "386":
		return "x86"
	case "arm":
		return "armv7l"
	}
	return runtime.GOARCH
}

// maxFound bounds the folders of one version manager that are looked into.
const maxFound = 200

// All lists the Nodes of this machine, the newest first. What version managers laid
// down is not started: their folders say the version.
func (p Places) All(ctx context.Context) []Node {
	var out []Node
	seen := map[string]bool{}
	add := func(v Version, path, source string) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || seen[real] {
			return
		}
		if fi, err := os.Stat(real); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			seen[real] = true
			out = append(out, Node{v, path, source})
		}
	}
	for _, d := range filepath.SplitList(p.Path) {
		for _, name := range []string{"node", "nodejs"} {
			path := filepath.Join(d, name)
			if fi, err := os.Stat(path); err != nil || !filepath.IsAbs(path) || fi.IsDir() {
				continue
			}
			if v, ok := ask(ctx, path); ok {
				add(v, path, "PATH")
				break
			}
		}
	}
	for _, m := range p.managers() {
		entries, err := os.ReadDir(m.dir)
		if err != nil {
			continue
		}
		for _, e := range entries[:min(len(entries), maxFound)] {
			if v, ok := Parse(e.Name()); ok {
				add(v, filepath.Join(m.dir, e.Name(), m.below, "node"), m.source)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Node) int { return b.Version.Compare(a.Version) })
	return out
}

type manager struct{ source, dir, below string }

// managers are the folders of version managers: one folder a version.
func (p Places) managers() []manager {
	get := func(name, otherwise string) string {
		if p.Getenv != nil {
			if v := p.Getenv(name); v != "" {
				return v
			}
		}
		if p.Home == "" || filepath.IsAbs(otherwise) {
			return otherwise
		}
		return filepath.Join(p.Home, otherwise)
	}
	arch := filepath.Join(Arch(), "bin")
	data := get("XDG_DATA_HOME", ".local/share")
	list := []manager{
		{"tool cache", filepath.Join(p.ToolCache, "node"), arch},
		{"nvm", filepath.Join(get("NVM_DIR", ".nvm"), "versions", "node"), "bin"},
		{"fnm", filepath.Join(get("FNM_DIR", filepath.Join(data, "fnm")), "node-versions"), "installation/bin"},
		{"fnm", filepath.Join(get("FNM_DIR", ".fnm"), "node-versions"), "installation/bin"},
		{"volta", filepath.Join(get("VOLTA_HOME", ".volta"), "tools", "image", "node"), "bin"},
		{"n", filepath.Join(get("N_PREFIX", "/usr/local"), "n", "versions", "node"), "bin"},
		{"asdf", filepath.Join(get("ASDF_DATA_DIR", ".asdf"), "installs", "nodejs"), "bin"},
		{"mise", filepath.Join(get("MISE_DATA_DIR", filepath.Join(data, "mise")), "installs", "node"), "bin"},
		{"nodenv", filepath.Join(get("NODENV_ROOT", ".nodenv"), "versions"), "bin"},
	}
	for _, name := range []string{"RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"} {
		if d := get(name, "/"); d != "/" {
			list = append(list, manager{"tool cache", filepath.Join(d, "node"), arch})
		}
	}
	return slices.DeleteFunc(list, func(m manager) bool { return !filepath.IsAbs(m.dir) })
}

// ask starts a Node for its version.
func ask(ctx context.Context, path string) (Version, bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil || len(out) > 200 {
		return Version{}, false
	}
	return Parse(string(out))
}

// Choose picks the newest that the spec asks for.
func Choose(all []Node, spec Spec) (Node, bool) {
	for _, n := range all {
		if spec.Matches(n.Version) {
			return n, true
		}
	}
	return Node{}, false
}

// NotHere is the error of a version that is neither here nor could be fetched.
func NotHere(spec Spec, all []Node, why error) error {
	var have []string
	for _, n := range all {
		have = append(have, fmt.Sprintf("%s (%s: %s)", n.Version, n.Source, n.Path))
	}
	if len(have) == 0 {
		return cairn.Errorf(cairn.CodeNotFound, "Node %s is not on this machine, and it could not be fetched: %w; there is none", spec.Text, why).
			WithHint("install it, for example with nvm, fnm, n or the system's package manager")
	}
	e := cairn.Errorf(cairn.CodeNotFound, "Node %s is not on this machine, and it could not be fetched: %w; there is %s", spec.Text, why, strings.Join(have, ", "))
	return e.WithHint("install it (nvm install %s), or ask for one that is there: node-version: %d", spec.Text, all[0].Version.Major)
}
