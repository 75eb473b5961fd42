package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// maxActionFile bounds an action.yml, as workflow files are bounded.
const maxActionFile = 1 << 20

// actionFile is an action as its folder tells it.
type actionFile struct {
	uses string
	// dir is the folder of the action, root the one that its paths may not leave:
	// the repository or the workspace.
	dir, root string
	local     bool // from the workspace
	from      origin
	def       *workflow.Action
}

// metadataNames are the files that describe an action, the first one that is there
// counts.
func metadataNames() []string { return []string{"action.yml", "action.yaml"} }

// loadAction reads the action in a folder below root.
func loadAction(f *actionFile) (handler, error) {
	if err := inside(f.root, f.dir); err != nil {
		return nil, err
	}
	for _, name := range metadataNames() {
		src, err := readBounded(filepath.Join(f.dir, name), f.root)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s: %s cannot be read: %w", f.uses, name, err)
		}
		return f.parse(name, src)
	}
	for _, name := range []string{"Dockerfile", "dockerfile"} {
		if _, err := os.Stat(filepath.Join(f.dir, name)); err == nil {
			f.def = &workflow.Action{Runs: workflow.ActionRuns{Using: "docker", Image: name}}
			return f.handler()
		}
	}
	return nil, f.missing()
}

func (f *actionFile) parse(name string, src []byte) (handler, error) {
	shown := f.uses + ": " + name
	def, problems := workflow.ParseAction(shown, src)
	var wrong []string
	hint := ""
	for _, p := range problems {
		// What is odd and does no harm is for those who write the action: cairn workflow
		// lint shows it.
		if p.Severity != cairn.SeverityError {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s (line %d, column %d): %s", shown, p.Line, p.Column, p.Message))
		if hint == "" {
			hint = p.Hint
		}
	}
	if len(wrong) > 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s", strings.Join(wrong, "\n")).WithHint("%s", hint)
	}
	f.def = def
	return f.handler()
}

// handler picks what runs the action.
func (f *actionFile) handler() (handler, error) {
	switch using := f.def.Runs.Using; {
	case using == "composite":
		return &composite{f}, nil
	case strings.HasPrefix(using, "node"):
		for _, script := range []string{f.def.Runs.Main, f.def.Runs.Pre, f.def.Runs.Post} {
			if script == "" {
				continue
			}
			if err := inside(f.root, filepath.Join(f.dir, script)); err != nil {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%s: %w", f.uses, err)
			}
		}
		return &javascript{f}, nil
	case using == "docker":
		return &dockerAction{f}, nil
	default:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "%s: runs.using is %q", f.uses, using).
			WithHint("known are composite, docker, node24, node20, node16 and node12")
	}
}

// missing says where there is no action, and which folder near has one.
func (f *actionFile) missing() error {
	if f.local {
		e := cairn.Errorf(cairn.CodeNotFound, "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '%s'. Did you forget to run actions/checkout before running your local action?", f.dir)
		if entries, err := os.ReadDir(f.root); err == nil && len(entries) == 0 {
			return e.WithHint("the workspace is empty: add a step `uses: actions/checkout@v4` before this one, or write $/ instead of ./ to take the action from the workflow's own commit")
		}
		return f.nearest(e, "./")
	}
	return f.nearest(cairn.Errorf(cairn.CodeNotFound, "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' for action '%s'.", f.uses), "")
}

// nearest adds the action whose path is most like the one that is missing.
func (f *actionFile) nearest(e *cairn.Error, prefix string) error {
	asked, err := filepath.Rel(f.root, f.dir)
	if err != nil {
		return e
	}
	all := actionsBelow(f.root)
	if len(all) == 0 {
		return e.WithHint("there is no action in %s", f.root)
	}
	if near := cairn.Nearest(filepath.ToSlash(asked), all); near != "" {
		return e.WithHint("did you mean %s%s?", prefix, near)
	}
	// The right name at another place.
	for _, at := range all {
		if path.Base(at) == path.Base(filepath.ToSlash(asked)) {
			return e.WithHint("did you mean %s%s?", prefix, at)
		}
	}
	return e.WithHint("there are %s%s", prefix, strings.Join(all[:min(len(all), 8)], ", "+prefix))
}

// maxLooked bounds the search for an action with a name like the one that is missing.
const maxLooked = 5000

// actionsBelow lists the folders with an action, sorted.
func actionsBelow(root string) []string {
	var out []string
	looked := 0
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if looked++; err != nil || looked > maxLooked {
			return fs.SkipAll
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if slices.Contains(metadataNames(), d.Name()) {
			if rel, err := filepath.Rel(root, filepath.Dir(p)); err == nil {
				out = append(out, filepath.ToSlash(rel))
			}
		}
		return nil
	})
	return out
}

// inside refuses a path that leaves root, by its name or through a symbolic link.
func inside(root, p string) error {
	within := func(root, p string) bool {
		rel, err := filepath.Rel(root, p)
		return err == nil && (rel == "." || filepath.IsLocal(rel))
	}
	outside := cairn.Errorf(cairn.CodeInvalid, "the path %s leaves %s", p, root).WithHint("an action lies inside of its repository")
	if !within(root, p) {
		return outside
	}
	realRoot, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil // there is nothing there to be led to
	}
	if real, err := filepath.EvalSymlinks(p); err == nil && !within(realRoot, real) {
		return outside
	}
	return nil
}

// readBounded reads a file that is regular, inside of root and not too large.
func readBounded(name, root string) ([]byte, error) {
	f, err := openPlain(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "it is not a regular file")
	}
	if err := inside(root, name); err != nil {
		return nil, err
	}
	if fi.Size() > maxActionFile {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "it holds %s; at most %s are allowed", sizeText(fi.Size()), sizeText(maxActionFile))
	}
	return io.ReadAll(io.LimitReader(f, maxActionFile+1))
}

// given are the inputs of a step: what it gives under with and the defaults of the
// action.
type given struct {
	values map[string]string // by name in lower case
	names  []string          // as they are shown
}

// given evaluates the inputs of the step for an action that has a file.
func (st *step) given(env *expr.Env, def *workflow.Action, always ...string) (*given, error) {
	values, err := st.with(env)
	if err != nil {
		return nil, err
	}
	g := &given{values: values}
	known := map[string]bool{}
	valid := slices.Clone(always)
	for _, name := range always {
		known[strings.ToLower(name)] = true
	}
	for _, in := range def.Inputs {
		known[strings.ToLower(in.Name)] = true
		valid = append(valid, in.Name)
	}
	var unexpected []string
	for _, nv := range st.spec.With {
		g.names = append(g.names, nv.Name)
		if !known[strings.ToLower(nv.Name)] {
			unexpected = append(unexpected, nv.Name)
		}
	}
	for _, in := range def.Inputs {
		low := strings.ToLower(in.Name)
		if _, ok := values[low]; ok {
			if in.Deprecated != "" {
				st.warnOnce(fmt.Sprintf("Input '%s' has been deprecated with message: %s", in.Name, in.Deprecated))
			}
			continue
		}
		g.names = append(g.names, in.Name)
		values[low] = ""
		if in.Default.IsZero() {
			if in.Required {
				st.warnOnce(fmt.Sprintf("Input '%s' is required, and the step does not give it", in.Name))
			}
			continue
		}
		if values[low], err = expr.EvalString(in.Default, env); err != nil {
			return nil, evalFailed("the default of input "+in.Name, in.Default, err)
		}
	}
	// A step that names an image has no file that could say what is expected.
	if len(unexpected) > 0 && !strings.HasPrefix(st.spec.Uses, "docker://") {
		st.warnOnce(fmt.Sprintf("Unexpected input(s) '%s', valid inputs are ['%s']", strings.Join(unexpected, "', '"), strings.Join(valid, "', '")))
	}
	return g, nil
}

// warnOnce warns in the first stage of an action only.
func (st *step) warnOnce(message string) {
	if st.call.told == nil {
		st.call.told = map[string]bool{}
	}
	if !st.call.told[message] {
		st.call.told[message] = true
		st.annotate(AnnotationWarning, message, nil)
	}
}

// variables are the inputs as @actions/core reads them.
func (g *given) variables() map[string]string {
	out := map[string]string{}
	for _, name := range g.names {
		out["INPUT_"+strings.ToUpper(strings.ReplaceAll(name, " ", "_"))] = g.values[strings.ToLower(name)]
	}
	return out
}

// object is the context `inputs` of a composite action.
func (g *given) object() expr.Value {
	m := map[string]string{}
	for _, name := range g.names {
		m[name] = g.values[strings.ToLower(name)]
	}
	return stringsObject(m)
}

// actionHeader shows what is going to run, defaults included, as GitHub's logs do.
func (st *step) actionHeader(g *given) {
	if st.stage == stagePost {
		st.log.line("Post job cleanup.")
		return
	}
	st.log.line("##[group]Run %s", st.spec.Uses)
	first := true
	for _, name := range g.names {
		v := g.values[strings.ToLower(name)]
		if v == "" {
			continue
		}
		if first {
			st.log.line("with:")
			first = false
		}
		st.log.line("  %s: %s", name, v)
	}
	st.showEnv()
	st.log.line("##[endgroup]")
}
