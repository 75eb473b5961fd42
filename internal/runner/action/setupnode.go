package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/node"
)

// setupNode is actions/setup-node: a Node of this machine, or one that is fetched
// into the tool cache.
type setupNode struct {
	deps  Deps
	major int
}

// Run does the step.
func (a *setupNode) Run(ctx context.Context, c *runner.StepContext) error {
	text, err := a.wanted(c)
	if err != nil {
		return err
	}
	if arch := c.Input("architecture"); arch != "" && arch != node.Arch() {
		return cairn.Errorf(cairn.CodeUnsupported, "architecture %q: this machine runs %s", arch, node.Arch()).WithHint("leave architecture out")
	}
	if text != "" {
		spec, err := node.ParseSpec(text)
		if err != nil {
			return err
		}
		n, err := a.find(ctx, c, spec)
		if err != nil {
			return err
		}
		c.Logf("Node %s: %s %s (%s)", text, n.Version, n.Path, n.Source)
		if err := use(c, n); err != nil {
			return err
		}
		if a.major >= 3 {
			c.SetOutput("node-version", "v"+n.Version.String())
		}
	} else if v := versionOf(ctx, c, "node"); v != "" && a.major >= 3 {
		c.SetOutput("node-version", v)
	}
	for _, p := range []string{"node", "npm", "yarn"} {
		if v := versionOf(ctx, c, p); v != "" {
			c.Logf("%s: %s", p, v)
		}
	}
	if u := c.Input("registry-url"); u != "" {
		if err := a.registry(c, u); err != nil {
			return err
		}
	}
	if err := a.cache(c); err != nil {
		return err
	}
	return addMatchers(ctx, c, "node.json", nodeMatchers)
}

// wanted is the version that is asked for; "" is the one on PATH.
func (a *setupNode) wanted(c *runner.StepContext) (string, error) {
	given, file := c.Input("node-version"), c.Input("node-version-file")
	if given == "" && a.major <= 2 {
		given = c.Input("version")
	}
	if given != "" && file != "" {
		c.Warn("Both node-version and node-version-file inputs are specified, only node-version will be used")
	}
	if given != "" || file == "" {
		return given, nil
	}
	for range 10 { // package.json may name another one
		path, err := inside(c.Dirs.Workspace, file)
		if err != nil {
			return "", err
		}
		b, err := readJobFile(c, path)
		if err != nil {
			return "", cairn.Errorf(cairn.CodeNotFound, "The specified node version file at: %s does not exist", path).
				WithHint("paths are relative to the workspace; is there a checkout before this step?")
		}
		version, extends, err := node.VersionFile(string(b))
		if err != nil {
			e := cairn.AsError(err)
			return "", cairn.Errorf(e.Code, "%s: %s", file, e.Message).WithHint("%s", e.Hint)
		}
		if extends == "" {
			c.Logf("Resolved %s as %s", file, version)
			return version, nil
		}
		file = filepath.Join(filepath.Dir(path), extends)
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "node-version-file: volta.extends goes round in a circle")
}

// places are where Nodes are looked for. In a container nothing of this machine is
// there but the tool cache.
func (a *setupNode) places(c *runner.StepContext) node.Places {
	if c.InContainer {
		return node.Places{ToolCache: c.Dirs.ToolCache}
	}
	t := a.deps.Tools
	return node.Places{Home: t.UserHome, Path: c.Env["PATH"], ToolCache: c.Dirs.ToolCache, Getenv: t.Getenv}
}

func (a *setupNode) find(ctx context.Context, c *runner.StepContext, spec node.Spec) (node.Node, error) {
	places := a.places(c)
	all := places.All(ctx)
	if c.InContainer {
		if v, ok := node.Parse(versionOf(ctx, c, "node")); ok {
			all = append(all, node.Node{Version: v, Path: "node", Source: "the container's PATH"})
		}
	}
	have, ok := node.Choose(all, spec)
	latest, err := boolInput(c, "check-latest", false)
	if err != nil {
		return have, err
	}
	f := a.fetcher(c, places)
	if ok && latest {
		switch newest, err := f.Newest(ctx, spec); {
		case err != nil:
			c.Warn("check-latest: %v; Node %s of this machine is taken", err, have.Version)
			return have, nil
		case newest.Compare(have.Version) <= 0:
			return have, nil
		}
	} else if ok {
		return have, nil
	}
	n, err := f.Fetch(ctx, spec)
	if err == nil || ctx.Err() != nil {
		return n, err
	}
	if ok {
		c.Warn("check-latest: %v; Node %s of this machine is taken", err, have.Version)
		return have, nil
	}
	return n, node.NotHere(spec, all, err)
}

func (a *setupNode) fetcher(c *runner.StepContext, places node.Places) *node.Fetcher {
	f := &node.Fetcher{ToolCache: c.Dirs.ToolCache, Environ: a.deps.Tools.Environ, Log: c.Logf}
	if a.major >= 4 {
		f.Mirror, f.MirrorToken = c.Input("mirror"), c.Input("mirror-token")
	}
	c.Mask(f.MirrorToken)
	f.NPM = lookPath("npm", a.deps.Tools.Getenv("PATH"))
	return f
}

// use puts a Node before all others. Its programs are linked into a folder of the
// job: the folder of a system's Node has other programs too, and what npm installs
// globally must not go into it.
func use(c *runner.StepContext, n node.Node) error {
	if !filepath.IsAbs(n.Path) {
		return nil // the container's own, which is on PATH
	}
	bin := filepath.Join(c.Dirs.Temp, "_node", n.Version.String(), "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "Node cannot be set up: %w", err)
	}
	programs := map[string]string{"node": n.Path}
	for _, name := range []string{"npm", "npx", "corepack"} {
		if p := lookPath(name, n.Bin()); p != "" {
			programs[name] = p
		}
	}
	for name, path := range programs {
		link := filepath.Join(bin, name)
		if err := os.Symlink(path, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return cairn.Errorf(cairn.CodeFailed, "Node cannot be set up: %w", err)
		}
	}
	global := filepath.Join(c.Dirs.Temp, "_node", "global")
	if err := os.MkdirAll(filepath.Join(global, "bin"), 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "Node cannot be set up: %w", err)
	}
	c.SetEnv("npm_config_prefix", global)
	c.AddPath(filepath.Join(global, "bin"))
	c.AddPath(bin)
	return nil
}

// registry writes the .npmrc that reads its token from NODE_AUTH_TOKEN.
func (a *setupNode) registry(c *runner.StepContext, address string) error {
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") || strings.ContainsAny(address, " \t\r\n") {
		return cairn.Errorf(cairn.CodeInvalid, "registry-url %q is not an address", address).WithHint("for example https://registry.npmjs.org")
	}
	if !strings.HasSuffix(address, "/") {
		address += "/"
	}
	scope := c.Input("scope")
	if scope == "" && strings.Contains(address, "npm.pkg.github.com") {
		scope, _, _ = strings.Cut(c.Spec.Code.Repository, "/")
	}
	if scope != "" {
		if !strings.HasPrefix(scope, "@") {
			scope = "@" + scope
		}
		scope = strings.ToLower(scope) + ":"
	}
	if strings.ContainsAny(scope, " \t\r\n") {
		return cairn.Errorf(cairn.CodeInvalid, "scope %q has spaces in it", scope)
	}
	path := filepath.Join(c.Dirs.Temp, ".npmrc")
	var keep []string
	if b, err := readJobFile(c, path); err == nil {
		for _, l := range lines(string(b)) {
			if !strings.HasPrefix(strings.ToLower(l), scope+"registry") {
				keep = append(keep, l)
			}
		}
	}
	_, rest, _ := strings.Cut(address, ":")
	keep = append(keep, rest+":_authToken=${NODE_AUTH_TOKEN}", scope+"registry="+address)
	if a.major <= 5 {
		always, err := boolInput(c, "always-auth", false)
		if err != nil {
			return err
		}
		keep = append(keep, fmt.Sprintf("always-auth=%v", always))
	}
	at, done, err := writable(c, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer done()
	if err := replaceFile(filepath.Join(at, filepath.Base(path)), []byte(strings.Join(keep, "\n")+"\n"), 0o600); err != nil {
		return cairn.Errorf(cairn.CodeFailed, ".npmrc cannot be written: %w", err)
	}
	c.SetEnv("NPM_CONFIG_USERCONFIG", path)
	if a.major < 7 && c.Env["NODE_AUTH_TOKEN"] == "" {
		// As the original: npm refuses a file that names a variable that is not there.
		c.SetEnv("NODE_AUTH_TOKEN", "XXXXX-XXXXX-XXXXX-XXXXX")
	}
	return nil
}

// versionOf asks a program of the job; "" where it is not there.
func versionOf(ctx context.Context, c *runner.StepContext, program string) string {
	if !c.InContainer && lookPath(program, c.Env["PATH"]) == "" || c.Exec == nil {
		return ""
	}
	var out bytes.Buffer
	status, err := c.Exec(ctx, runner.Process{Args: []string{program, "--version"}, Stdout: &out, Stderr: &bytes.Buffer{}})
	if err != nil || status != 0 || out.Len() > 200 {
		return ""
	}
	return strings.TrimSpace(out.String())
}

// lookPath finds a program on a search path.
func lookPath(name, search string) string {
	for _, d := range filepath.SplitList(search) {
		p := filepath.Join(d, name)
		if fi, err := os.Stat(p); filepath.IsAbs(p) && err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// oldestScript is the oldest Node that runs the toolkit of github-script.
const oldestScript = 16

// nodeFor is the Node that runs a script: the one of the job.
func nodeFor(ctx context.Context, c *runner.StepContext, d Deps) (string, error) {
	if v, ok := node.Parse(versionOf(ctx, c, "node")); ok && v.Major >= oldestScript {
		return "node", nil
	}
	all := (&setupNode{deps: d}).places(c).All(ctx)
	for _, n := range all {
		if n.Version.Major >= oldestScript {
			return n.Path, nil
		}
	}
	e := cairn.Errorf(cairn.CodeUnsupported, "%s needs Node.js %d or newer, and there is none on this machine", c.Uses, oldestScript)
	if c.InContainer {
		e = cairn.Errorf(cairn.CodeUnsupported, "%s needs Node.js %d or newer, and there is none in the job's container", c.Uses, oldestScript)
	}
	return "", e.WithHint("add actions/setup-node before this step, or install Node.js (https://nodejs.org)")
}
