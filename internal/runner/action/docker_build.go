package action

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// buildPush is docker/build-push-action. What is built always stays in Cairn; a
// push sends it to the registries of its names too.
type buildPush struct {
	deps  Deps
	major int
}

// Run does the step.
func (a *buildPush) Run(ctx context.Context, c *runner.StepContext) error {
	if a.deps.Build == nil {
		return cairn.Errorf(cairn.CodeUnsupported, "images cannot be built here")
	}
	r := cairn.BuildRequest{Env: maps.Clone(c.Env), JobToken: c.Env["CAIRN_TOKEN"], BuildArgs: map[string]string{}, Labels: map[string]string{}, Annotations: map[string]string{}, Secrets: map[string]string{}}
	if r.Env == nil {
		r.Env = map[string]string{}
	}
	if r.Env["HOME"] == "" {
		r.Env["HOME"] = c.Dirs.Home
	}
	read, done := a.later, func() {}
	if a.major == 1 {
		read = a.first
	}
	clean, err := read(ctx, c, &r)
	if clean != nil {
		done = clean
	}
	defer done()
	if err != nil {
		return err
	}
	if r.Push && len(r.Names) == 0 {
		return cairn.Errorf(cairn.CodeInvalid, "tag is needed when pushing to registry").WithHint("give the input tags, for example ${{ steps.meta.outputs.tags }}")
	}
	for _, s := range r.Secrets {
		c.Mask(s)
	}
	result, err := a.deps.Build(ctx, c.Server, r, c.Log)
	if err != nil {
		return err
	}
	return report(c, &r, result)
}

// later reads the inputs of version 2 and after.
func (a *buildPush) later(ctx context.Context, c *runner.StepContext, r *cairn.BuildRequest) (func(), error) {
	clean, err := a.context(ctx, c, r)
	if err != nil {
		return clean, err
	}
	r.Names = splitList(c.Input("tags"))
	r.Platforms = splitList(c.Input("platforms"))
	r.Target = c.Input("target")
	if r.Annotations, err = annotationsOf(listed(c.Input("annotations"))); err != nil {
		return clean, err
	}
	if r.Labels, err = pairs("labels", lines(c.Input("labels")), nil); err != nil {
		return clean, err
	}
	if r.BuildArgs, err = pairs("build-args", lines(c.Input("build-args")), c.Env); err != nil {
		return clean, err
	}
	for _, b := range []struct {
		name string
		to   *bool
	}{{"push", &r.Push}, {"no-cache", &r.NoCache}, {"pull", &r.Pull}} {
		if *b.to, err = boolInput(c, b.name, false); err != nil {
			return clean, err
		}
	}
	if err := a.secrets(c, r); err != nil {
		return clean, err
	}
	return clean, a.extra(c, r)
}

// context finds the build context. Without the input it is the commit alone, as
// on GitHub: what earlier steps made is not in it.
func (a *buildPush) context(ctx context.Context, c *runner.StepContext, r *cairn.BuildRequest) (func(), error) {
	given := c.Input("context")
	sub, isDefault := "", given == ""
	if rest, ok := strings.CutPrefix(strings.ReplaceAll(given, " ", ""), "{{defaultContext}}"); ok {
		isDefault, sub = true, strings.TrimPrefix(rest, ":")
	}
	file := c.Input("file")
	if !isDefault {
		if strings.Contains(given, "://") || strings.HasPrefix(given, "git@") || given == "-" {
			return nil, cairn.Errorf(cairn.CodeUnsupported, "context %q is not a folder of this job", given).
				WithHint("check the code out and give its folder; without context the run's commit is taken")
		}
		dir, err := inWorkspace(c, given)
		if err != nil {
			return nil, err
		}
		r.Context = dir
		if file != "" {
			if r.Dockerfile, err = inWorkspace(c, file); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	if a.deps.Checkout == nil {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the run's commit cannot be checked out here").WithHint("give context: . and check out before")
	}
	dir, err := os.MkdirTemp(c.Dirs.Temp, "build-context-")
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "cannot make a folder for the build context: %w", err)
	}
	clean := func() { os.RemoveAll(dir) }
	commit, err := a.deps.Checkout(ctx, c.Spec.Code, dir, CheckoutOptions{Depth: 1})
	if err != nil {
		return clean, err
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil { // as BuildKit leaves it away
		return clean, cairn.Errorf(cairn.CodeFailed, "cannot prepare the build context: %w", err)
	}
	c.Logf("No context is given: the files of commit %s are taken; what earlier steps made is not among them (context: . takes the workspace)", short(commit.SHA))
	if r.Context, err = inside(dir, sub); err != nil {
		return clean, err
	}
	if file != "" {
		r.Dockerfile, err = inside(r.Context, file)
	}
	return clean, err
}

// pairs reads NAME=VALUE lines; a name alone takes its value from env, where env
// is given.
func pairs(input string, list []string, env map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for _, l := range list {
		name, value, ok := strings.Cut(l, "=")
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "input '%s': a line has no name before =", input).WithHint("write NAME=VALUE, one a line")
		}
		if !ok && env != nil {
			if value, ok = env[name]; !ok {
				continue
			}
		}
		out[name] = value
	}
	return out, nil
}

// annotationsOf reads annotations; a level before the name (manifest:, index:)
// is left away where it means the image's manifest.
func annotationsOf(list []string) (map[string]string, error) {
	var plain []string
	for _, l := range list {
		level, rest, ok := strings.Cut(l, ":")
		eq := strings.IndexByte(l, '=')
		if !ok || eq >= 0 && eq < len(level) {
			plain = append(plain, l)
			continue
		}
		levels := strings.Split(level, ",")
		known := !slices.ContainsFunc(levels, func(s string) bool {
			s, _, _ = strings.Cut(s, "[")
			return !slices.Contains([]string{"manifest", "index", "manifest-descriptor", "index-descriptor"}, s)
		})
		switch {
		case !known:
			plain = append(plain, l)
		case slices.ContainsFunc(levels, func(s string) bool { return s == "manifest" || strings.HasPrefix(s, "manifest[") }):
			plain = append(plain, rest)
		}
	}
	return pairs("annotations", plain, nil)
}

// secrets reads the three inputs that give secrets to RUN --mount.
func (a *buildPush) secrets(c *runner.StepContext, r *cairn.BuildRequest) error {
	bad := func(input string) error {
		return cairn.Errorf(cairn.CodeInvalid, "input '%s' is not a list of ID=VALUE", input).WithHint("one a line") // the text itself may be secret
	}
	for _, l := range secretLines(c.Input("secrets")) {
		id, value, ok := strings.Cut(l, "=")
		if !ok || id == "" {
			return bad("secrets")
		}
		r.Secrets[id] = value
	}
	for _, l := range splitList(c.Input("secret-envs")) {
		id, name, ok := strings.Cut(l, "=")
		if !ok || id == "" {
			return bad("secret-envs")
		}
		r.Secrets[id] = c.Env[name]
	}
	for _, l := range splitList(c.Input("secret-files")) {
		id, file, ok := strings.Cut(l, "=")
		if !ok || id == "" {
			return bad("secret-files")
		}
		path, err := inWorkspace(c, file)
		if err != nil {
			return err
		}
		b, err := readJobFile(c, path)
		if err != nil {
			return cairn.Errorf(cairn.CodeNotFound, "secret-files: %s cannot be read", file)
		}
		r.Secrets[id] = string(b)
	}
	return nil
}

// secretLines splits secrets by lines; one in double quotes goes over several.
func secretLines(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if strings.HasPrefix(s, `"`) {
			if end := strings.Index(s[1:], "\"\n"); end >= 0 || strings.HasSuffix(s[1:], `"`) {
				if end < 0 {
					end = len(s) - 2
				}
				out = append(out, strings.ReplaceAll(s[1:1+end], `""`, `"`))
				s = s[end+2:]
				continue
			}
		}
		line, rest, _ := strings.Cut(s, "\n")
		out, s = append(out, strings.TrimSpace(line)), rest
	}
	return out
}

// extra passes on what only an executor knows, and says what is not done.
func (a *buildPush) extra(c *runner.StepContext, r *cairn.BuildRequest) error {
	for _, o := range []struct{ input, flag string }{
		{"add-hosts", "--add-host"}, {"allow", "--allow"}, {"build-contexts", "--build-context"}, {"no-cache-filters", "--no-cache-filter"},
		{"ssh", "--ssh"}, {"ulimit", "--ulimit"},
	} {
		for _, v := range splitList(c.Input(o.input)) {
			r.Extra = append(r.Extra, o.flag+"="+v)
		}
	}
	for _, o := range []struct{ input, flag string }{{"cgroup-parent", "--cgroup-parent"}, {"network", "--network"}, {"shm-size", "--shm-size"}} {
		if v := c.Input(o.input); v != "" {
			r.Extra = append(r.Extra, o.flag+"="+v)
		}
	}
	if v := c.Input("call"); v != "" && v != "build" {
		return cairn.Errorf(cairn.CodeUnsupported, "call: %s is not built in", v).WithHint("leave it out to build")
	}
	for _, o := range lines(c.Input("outputs")) {
		attrs, err := fields(o)
		if err != nil {
			return err
		}
		kind := ""
		for _, f := range attrs {
			switch name, value, _ := strings.Cut(f, "="); name {
			case "type":
				kind = value
			case "push":
				r.Push = r.Push || value == "true"
			}
		}
		switch kind {
		case "image", "docker":
		case "registry":
			r.Push = true
		default:
			return cairn.Errorf(cairn.CodeUnsupported, "outputs: type %s is not built in", cmpOr(kind, o)).
				WithHint("images stay in Cairn: docker pull, crane and skopeo read them from there; type=registry pushes")
		}
	}
	load, err := boolInput(c, "load", false)
	if err != nil {
		return err
	}
	if load {
		c.Logf("load: the image stays in Cairn; docker pull takes it from %s", cmpOr(c.Env["CAIRN_REGISTRY"], "its registry"))
	}
	if c.Input("cache-from")+c.Input("cache-to") != "" {
		c.Logf("cache-from, cache-to: not needed: layers are kept by their content")
	}
	if v := c.Input("sbom"); v != "" && v != "false" {
		c.Warn("sbom: no bill of materials is attached; the packages of the image are recorded: cairn image show")
	}
	if v := c.Input("provenance"); v != "" && v != "false" || c.Input("attests") != "" {
		c.Logf("provenance: no attestation is attached; cairn trace shows where the image comes from")
	}
	return nil
}

// report says what was found in the image, notes warnings on the step and sets
// the outputs. Layers, bytes and pushes are in the log already: the build tells
// them as they happen.
func report(c *runner.StepContext, r *cairn.BuildRequest, res *cairn.BuildResult) error {
	img := res.Image
	for _, p := range img.Packed {
		more := ""
		if len(p.Others) > 0 {
			more = fmt.Sprintf(" (ambiguous: also %s)", p.Others[0])
			if n := len(p.Others) - 1; n > 0 {
				more = fmt.Sprintf(" (ambiguous: also %s and %d more)", p.Others[0], n)
			}
		}
		c.Logf("holds        %s as %s%s", p.Ref, p.Path, more)
	}
	for _, w := range res.Warnings {
		c.Annotations = append(c.Annotations, cairn.Annotation{Severity: runner.AnnotationWarning, Message: w})
	}
	id := img.Config
	if id == "" {
		id = img.Digest
	}
	meta, err := json.MarshalIndent(map[string]any{
		"containerimage.config.digest": img.Config, "containerimage.digest": img.Digest,
		"containerimage.descriptor": map[string]any{"mediaType": img.MediaType, "digest": img.Digest},
		"image.name":                strings.Join(r.Names, ","),
	}, "", "  ")
	if err != nil {
		return err
	}
	c.SetOutput("imageid", string(id))
	c.SetOutput("digest", string(img.Digest))
	c.SetOutput("metadata", string(meta))
	return nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
