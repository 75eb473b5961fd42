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
		readMap(r, root, "the action", &actionSchema, a)
	}
	return a, r.done()
}

var actionSchema = schema[Action]{
	// GitHub ignores keys of an action that it does not know.
	lenient: true,
	keys: []key[Action]{
		{name: "name", want: wantText, soft: true, set: func(r *reader, a *Action, v value) { a.Name = scalar(v.node).ToString() }},
		{name: "description", want: wantText, soft: true, set: func(r *reader, a *Action, v value) { a.Description = scalar(v.node).ToString() }},
		{name: "author", want: wantText, set: func(r *reader, a *Action, v value) { a.Author = scalar(v.node).ToString() }},
		{name: "inputs", want: wantMap, set: func(r *reader, a *Action, v value) { a.Inputs = r.actionInputs(v.node) }},
		{name: "outputs", want: wantMap, set: func(r *reader, a *Action, v value) { a.Outputs = r.actionOutputs(v.node) }},
		{name: "runs", want: wantMap, must: true, set: func(r *reader, a *Action, v value) { r.runs(a, v) }},
		{name: "branding", want: wantMap | wantNull, set: func(r *reader, _ *Action, v value) { r.branding(v.node) }},
	},
}

func (r *reader) actionInputs(n *yaml.Node) []ActionInput {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var out []ActionInput
	r.each(n, func(k, v *yaml.Node) {
		in := ActionInput{Name: keyText(k), Pos: r.src.place(k)}
		if r.accepts(v, "input "+quote(in.Name), wantMap, nil) {
			readMap(r, v, "input "+quote(in.Name), &schema[ActionInput]{lenient: true, loose: true, keys: []key[ActionInput]{
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
		if r.accepts(v, "output "+quote(o.Name), wantMap, nil) {
			readMap(r, v, "output "+quote(o.Name), &schema[ActionOutput]{keys: []key[ActionOutput]{
				{name: "description", want: wantText, set: func(r *reader, o *ActionOutput, v value) { o.Description = scalar(v.node).ToString() }},
				{name: "value", want: wantText, scope: scopeActionOut, set: func(r *reader, o *ActionOutput, v value) { o.Value = r.template(v.node, v.scope) }},
			}}, &o)
		}
		out = append(out, o)
	})
	return out
}

// branding is for a shop window that is not here; it is only checked.
func (r *reader) branding(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		readMap(r, n, "branding", &schema[struct{}]{lenient: true, keys: []key[struct{}]{{name: "icon", want: wantText}, {name: "color", want: wantText}}}, &struct{}{})
	}
}

func (r *reader) runs(a *Action, v value) {
	a.Runs.Pos = r.src.place(v.key)
	word := func(field func(*ActionRuns) *string) func(*reader, *ActionRuns, value) {
		return func(r *reader, a *ActionRuns, v value) { *field(a) = scalar(v.node).ToString() }
	}
	before := r.counts[cairn.SeverityError]
	readMap(r, v.node, "runs", &schema[ActionRuns]{
		variants: nodeAction | dockerAction | compositeAction, tell: "add main:, image: or steps:",
		keys: []key[ActionRuns]{
			{name: "using", want: wantWord, must: true, set: func(r *reader, a *ActionRuns, v value) {
				if r.oneOf(v.node, "runs.using", []string{"composite", "docker", "node24", "node20", "node16", "node12"}) {
					a.Using = v.node.Value
				}
			}},
			{name: "steps", in: compositeAction, must: true, want: wantList, set: func(r *reader, a *ActionRuns, v value) { a.Steps = r.steps(v.node, true) }},
			{name: "main", in: nodeAction, must: true, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Main })},
			{name: "pre", in: nodeAction, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Pre })},
			{name: "post", in: nodeAction, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Post })},
			{name: "pre-if", in: nodeAction | dockerAction, want: wantText, scope: scopeRunsIf, set: func(r *reader, a *ActionRuns, v value) { a.PreIf = r.condition(v) }},
			{name: "post-if", in: nodeAction | dockerAction, want: wantText, scope: scopeRunsIf, set: func(r *reader, a *ActionRuns, v value) { a.PostIf = r.condition(v) }},
			{name: "image", in: dockerAction, must: true, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Image })},
			{name: "args", in: dockerAction, want: wantList, set: func(r *reader, a *ActionRuns, v value) {
				for _, item := range v.node.Content {
					if item = r.deref(item); r.accepts(item, "an item of args", wantText, scopeActionArgs) {
						a.Args = append(a.Args, r.template(item, scopeActionArgs))
					}
				}
			}},
			{name: "entrypoint", in: dockerAction, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.Entrypoint })},
			{name: "pre-entrypoint", in: dockerAction, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.PreEntrypoint })},
			{name: "post-entrypoint", in: dockerAction, want: wantWord, set: word(func(a *ActionRuns) *string { return &a.PostEntrypoint })},
			{name: "env", in: dockerAction, want: wantMap, scope: scopeActionArgs, set: func(r *reader, a *ActionRuns, v value) { a.Env = r.named(v, "env", v.scope) }},
		}}, &a.Runs)
	needs := map[string]string{"composite": "steps", "docker": "image"}[a.Runs.Using]
	if strings.HasPrefix(a.Runs.Using, "node") {
		needs = "main"
	}
	if r.counts[cairn.SeverityError] == before && needs != "" && r.fieldOf(v.node, needs) == v.node {
		r.fail("missing-key", v.node, "this is what an action that uses "+a.Runs.Using+" needs", "Required property is missing: %s", needs)
	}
}

// The shapes of runs.
const (
	nodeAction variant = 1 << iota
	dockerAction
	compositeAction
)
