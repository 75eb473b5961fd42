package workflow

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// ParseAction reads an action.yml.
func ParseAction(path string, src []byte) (*Action, []cairn.Problem) {
	a := &Action{Path: path}
	r, root := open(path, src, "an action")
	if root != nil {
		readMap(r, root, root, "the action", &actionSchema, a)
	}
	return a, r.done()
}

var actionSchema = schema[Action]{
	// GitHub ignores keys of an action that it does not know.
	lenient: true,
	keys: []key[Action]{
		{name: "name", want: wantText, set: func(r *reader, a *Action, v value) { a.Name = scalar(v.node).ToString() }},
		{name: "description", want: wantText, set: func(r *reader, a *Action, v value) { a.Description = scalar(v.node).ToString() }},
		{name: "author", want: wantText, set: func(r *reader, a *Action, v value) { a.Author = scalar(v.node).ToString() }},
		{name: "inputs", want: wantMap | wantNull, set: func(r *reader, a *Action, v value) { a.Inputs = r.actionInputs(v.node) }},
		{name: "outputs", want: wantMap | wantNull, set: func(r *reader, a *Action, v value) { a.Outputs = r.actionOutputs(v.node) }},
		{name: "runs", want: wantMap, must: true, set: func(r *reader, a *Action, v value) { r.runs(a, v) }},
		{name: "branding", want: wantMap | wantNull},
	},
}

func (r *reader) actionInputs(n *yaml.Node) []ActionInput {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var out []ActionInput
	r.each(n, func(k, v *yaml.Node) {
		in := ActionInput{Name: keyText(k), Pos: r.src.place(k)}
		if v.Kind == yaml.MappingNode {
			readMap(r, v, k, "input "+quote(in.Name), &schema[ActionInput]{lenient: true, keys: []key[ActionInput]{
				{name: "description", want: wantText, set: func(r *reader, in *ActionInput, v value) { in.Description = scalar(v.node).ToString() }},
				{name: "required", want: wantText, set: func(r *reader, in *ActionInput, v value) { in.Required = scalar(v.node).ToString() == "true" }},
				{name: "default", want: wantText, scope: scopeActionInput, set: func(r *reader, in *ActionInput, v value) { in.Default = r.template(v.node, v.scope) }},
				{name: "deprecationMessage", want: wantText, set: func(r *reader, in *ActionInput, v value) { in.Deprecated = scalar(v.node).ToString() }},
				{name: "type", want: wantText},
				{name: "options", want: wantTexts},
			}}, &in)
		}
		out = append(out, in)
	})
	return out
}

func (r *reader) actionOutputs(n *yaml.Node) []ActionOutput {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var out []ActionOutput
	r.each(n, func(k, v *yaml.Node) {
		o := ActionOutput{Name: keyText(k)}
		if v.Kind == yaml.MappingNode {
			readMap(r, v, k, "output "+quote(o.Name), &schema[ActionOutput]{lenient: true, keys: []key[ActionOutput]{
				{name: "description", want: wantText, set: func(r *reader, o *ActionOutput, v value) { o.Description = scalar(v.node).ToString() }},
				{name: "value", want: wantText, scope: scopeActionOut, set: func(r *reader, o *ActionOutput, v value) { o.Value = r.template(v.node, v.scope) }},
			}}, &o)
		}
		out = append(out, o)
	})
	return out
}

func (r *reader) runs(a *Action, v value) {
	a.Runs.Pos = r.src.place(v.key)
	word := func(field func(*ActionRuns) *string) func(*reader, *ActionRuns, value) {
		return func(r *reader, a *ActionRuns, v value) { *field(a) = scalar(v.node).ToString() }
	}
	readMap(r, v.node, v.key, "runs", &schema[ActionRuns]{lenient: true, keys: []key[ActionRuns]{
		{name: "using", want: wantWord, must: true, set: word(func(a *ActionRuns) *string { return &a.Using })},
		{name: "steps", want: wantList, set: func(r *reader, a *ActionRuns, v value) { a.Steps = r.steps(v.node, true) }},
		{name: "main", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Main })},
		{name: "pre", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Pre })},
		{name: "post", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Post })},
		{name: "pre-if", want: wantText, scope: scopeActionIf, set: func(r *reader, a *ActionRuns, v value) { a.PreIf = r.condition(v) }},
		{name: "post-if", want: wantText, scope: scopeActionIf, set: func(r *reader, a *ActionRuns, v value) { a.PostIf = r.condition(v) }},
		{name: "image", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Image })},
		{name: "args", want: wantList, scope: scopeActionArgs, set: func(r *reader, a *ActionRuns, v value) { a.Args = r.template(v.node, v.scope).Items }},
		{name: "entrypoint", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Entrypoint })},
		{name: "pre-entrypoint", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.PreEntrypoint })},
		{name: "post-entrypoint", want: wantWord, set: word(func(a *ActionRuns) *string { return &a.PostEntrypoint })},
		{name: "env", want: wantMap, scope: scopeActionArgs, set: func(r *reader, a *ActionRuns, v value) { a.Env = r.named(v, "env") }},
	}}, &a.Runs)
	needs := map[string]string{"composite": "steps", "docker": "image"}[a.Runs.Using]
	switch {
	case strings.HasPrefix(a.Runs.Using, "node"):
		needs = "main"
	case needs == "" && a.Runs.Using != "":
		at := r.fieldOf(v.node, "using")
		r.fail("value", at, "allowed here: composite, node20, node24, docker", "runs.using cannot be %s", quote(a.Runs.Using))
		return
	}
	if needs != "" && r.fieldOf(v.node, needs) == v.node {
		r.fail("missing-key", v.key, "add "+needs+": …", "an action that uses %s has no %s", a.Runs.Using, needs)
	}
}
