package plan

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// call fills in what a node gets from the workflow that it calls.
func (b *builder) call(n *cairn.Node, j *workflow.Job, stack []string) {
	n.With, n.Secrets, n.InheritSecrets = j.With, j.Secrets, j.InheritSecrets
	at := j.Uses.Pos
	path := b.calledFile(n.Pos.File, j.Uses.Value)
	if IsRemote(path) {
		n.Remote = path
	}
	switch {
	case slices.Contains(stack, path):
		b.fail("plan.cycle", at, "", "workflows call each other: %s", strings.Join(append(slices.Clone(stack[slices.Index(stack, path):]), path), " → "))
		return
	case path == b.plan.Path:
		b.fail("plan.cycle", at, "", "the workflow calls itself")
		return
	case len(stack) >= maxNesting:
		b.fail("plan.too-large", at, "", "workflows call each other more than %d levels deep", maxNesting)
		return
	}
	called := b.open(path, at)
	if called == nil {
		return
	}
	event, ok := called.Event("workflow_call")
	if !ok {
		b.fail("plan.call", at, "add workflow_call: under on in "+path, "%s cannot be called: it does not run on workflow_call", show(path))
		return
	}
	b.checkWith(n, j, event)
	b.checkSecrets(n, j, event)
	for _, in := range event.Inputs {
		n.BodyInputs = append(n.BodyInputs, cairn.InputDecl{Name: in.Name, Type: in.Type, Required: in.Required, Default: in.Default})
	}
	for _, o := range event.Outputs {
		n.Outputs = append(n.Outputs, cairn.NamedValue{Name: o.Name, Value: o.Value})
	}
	n.BodyEnv = called.Env
	n.BodyConcurrency = concurrency(called.Concurrency)
	n.BodyPermissions = permissions(called.Permissions)
	n.Body = b.jobs(called, nil, append(slices.Clone(stack), path))
}

// IsRemote reports whether a called file is one of another repository.
func IsRemote(file string) bool { return strings.Contains(file, "@") }

// SplitRemote parts owner/repo/.github/workflows/x.yml@v1.
func SplitRemote(file string) (repository, path, version string, ok bool) {
	file, version, ok = strings.Cut(file, "@")
	parts := strings.SplitN(file, "/", 3)
	if !ok || version == "" || len(parts) < 3 {
		return "", "", "", false
	}
	return parts[0] + "/" + parts[1], parts[2], version, true
}

// calledFile names the file that a job in from calls. A path without a repository,
// and $/, mean the repository of the file that calls, at the same commit.
func (b *builder) calledFile(from, uses string) string {
	path, own := strings.CutPrefix(uses, "./")
	if !own {
		path, own = strings.CutPrefix(uses, "$/")
	}
	if repository, _, version, ok := SplitRemote(from); own && ok {
		return repository + "/" + path + "@" + b.sameCommit(from, version)
	}
	return path
}

// sameCommit is the commit that a version of a file meant, as far as it is known: a
// tag may move while a plan is built.
func (b *builder) sameCommit(file, version string) string {
	if commit := b.commits[file]; commit != "" {
		return commit
	}
	return version
}

// ownAction names the action that $/path means in a file of another repository.
// In one of the run's own repository it stays: the runner has its commit at hand.
func (b *builder) ownAction(from, uses string) string {
	path, own := strings.CutPrefix(uses, "$/")
	repository, _, version, ok := SplitRemote(from)
	if !own || !ok {
		return uses
	}
	return strings.TrimSuffix(repository+"/"+path, "/") + "@" + b.sameCommit(from, version)
}

// open returns a called workflow; nil when it is missing or broken, which is
// reported once.
func (b *builder) open(path string, at cairn.Position) *workflow.Workflow {
	if w, known := b.parsed[path]; known {
		return w
	}
	src, ok := b.files[path]
	if !ok {
		if !slices.ContainsFunc(b.missing, func(m Missing) bool { return m.Ref == path }) {
			b.missing = append(b.missing, Missing{Kind: "workflow", Ref: path, Local: !IsRemote(path), Pos: at})
		}
		return nil
	}
	if len(b.parsed) >= maxFiles {
		b.fail("plan.too-large", at, "", "the workflow calls more than %d files", maxFiles)
		return nil
	}
	b.src[path] = src
	w, problems := workflow.Parse(path, src)
	b.problems = append(b.problems, problems...)
	if cairn.HasErrors(problems) {
		w = nil
	} else {
		b.plan.Sources = append(b.plan.Sources, cairn.PlanSource{Path: path, Digest: cairn.SumBytes(src), Commit: b.commits[path]})
	}
	b.parsed[path] = w
	return w
}

// checkWith compares what a call hands over with what the workflow declares.
func (b *builder) checkWith(n *cairn.Node, j *workflow.Job, event *workflow.Event) {
	names := make([]string, len(event.Inputs))
	for i, in := range event.Inputs {
		names[i] = in.Name
	}
	for _, w := range j.With {
		at := place(n.Pos.File, w.Value)
		i := slices.IndexFunc(names, func(s string) bool { return strings.EqualFold(s, w.Name) })
		if i < 0 {
			hint := "it declares no inputs"
			if len(names) > 0 {
				hint = "its inputs: " + strings.Join(names, ", ")
			}
			if near := cairn.Nearest(w.Name, names); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			b.fail("plan.input", at, hint, "the called workflow has no input %s", show(w.Name))
			continue
		}
		if kind := event.Inputs[i].Type; w.Value.Static() && !fits(w.Value, kind) {
			b.fail("plan.input", at, "write "+example(kind), "input %s is a %s, but %s is given", show(w.Name), kind, show(w.Value.Text))
		}
	}
	for _, in := range event.Inputs {
		given := slices.ContainsFunc(j.With, func(w cairn.NamedValue) bool { return strings.EqualFold(w.Name, in.Name) })
		if in.Required && in.Default.IsZero() && !given {
			b.fail("plan.input", j.Uses.Pos, "add with: "+in.Name+": …", "input %s of the called workflow is required", show(in.Name))
		}
	}
}

func (b *builder) checkSecrets(n *cairn.Node, j *workflow.Job, event *workflow.Event) {
	if j.InheritSecrets {
		return
	}
	names := make([]string, len(event.Secrets))
	for i, s := range event.Secrets {
		names[i] = s.Name
	}
	for _, s := range j.Secrets {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, s.Name) }) {
			continue
		}
		hint := "declare it under on.workflow_call.secrets there"
		if near := cairn.Nearest(s.Name, names); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		b.fail("plan.secret", place(n.Pos.File, s.Value), hint, "the called workflow declares no secret %s", show(s.Name))
	}
	for _, s := range event.Secrets {
		given := slices.ContainsFunc(j.Secrets, func(v cairn.NamedValue) bool { return strings.EqualFold(v.Name, s.Name) })
		if s.Required && !given {
			b.fail("plan.secret", j.Uses.Pos, "add secrets: "+s.Name+": ${{ secrets."+s.Name+" }}, or secrets: inherit", "secret %s of the called workflow is required", show(s.Name))
		}
	}
}

func place(file string, t cairn.Template) cairn.Position {
	return cairn.Position{File: file, Line: t.Line, Column: t.Col}
}

// fits reports whether a static value can be an input of that type.
func fits(t cairn.Template, kind string) bool {
	switch kind {
	case "boolean":
		return t.Kind == cairn.TemplateBool
	case "number":
		return t.Kind == cairn.TemplateNumber
	default:
		return t.Kind != cairn.TemplateSeq && t.Kind != cairn.TemplateMap
	}
}

func example(kind string) string {
	switch kind {
	case "boolean":
		return "true or false, without quotes"
	case "number":
		return "a number, without quotes"
	default:
		return "text"
	}
}
