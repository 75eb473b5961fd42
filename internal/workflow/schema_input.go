package workflow

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

var inputTypes = []string{"string", "boolean", "number", "choice", "environment"}

func (r *reader) inputs(n *yaml.Node, event string) []Input {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var out []Input
	r.each(n, func(k, v *yaml.Node) {
		in := Input{Name: keyText(k), Pos: r.src.place(k)}
		what := "input " + quote(in.Name)
		if !legalID(in.Name) {
			r.fail("id", k, fmt.Sprintf("letters, digits, - and _, starting with a letter or _, below %d", maxID), "%s cannot be the name of an input", quote(in.Name))
		}
		switch {
		case v.Kind == yaml.MappingNode:
			readMap(r, v, what, inputSchema(event), &in)
		case event == "workflow_call" || v.Kind != yaml.ScalarNode || !scalar(v).IsNull():
			r.accepts(v, what, wantMap, nil)
			return
		}
		r.inputDefault(&in, k, v, event)
		out = append(out, in)
	})
	return out
}

func inputSchema(event string) *schema[Input] {
	types, scope := inputTypes, (*expr.Scope)(nil)
	if event == "workflow_call" {
		types, scope = inputTypes[:3], scopeRoot
	}
	// Of workflow_dispatch GitHub's service reads the type and the default alone.
	s := &schema[Input]{lenient: event == "workflow_dispatch", keys: []key[Input]{
		{name: "description", want: wantText, set: func(r *reader, in *Input, v value) { in.Description = scalar(v.node).ToString() }},
		{name: "type", want: wantWord, must: event == "workflow_call", set: func(r *reader, in *Input, v value) {
			if r.oneOf(v.node, "the type of an input", types) {
				in.Type = v.node.Value
			}
		}},
		{name: "required", want: wantBool, set: func(r *reader, in *Input, v value) { in.Required = scalar(v.node).Bool() }},
		{name: "default", want: wantText, scope: scope, set: func(r *reader, in *Input, v value) { in.Default = r.template(v.node, v.scope) }},
	}}
	if event == "workflow_dispatch" {
		s.keys = append(s.keys, key[Input]{name: "options", want: wantList, set: func(r *reader, in *Input, v value) {
			for _, item := range v.node.Content {
				if item = r.deref(item); r.accepts(item, "an option", wantText, nil) {
					in.Options = append(in.Options, r.text(item))
				}
			}
		}})
	}
	return s
}

// inputDefault checks that options and default fit the type.
func (r *reader) inputDefault(in *Input, k, v *yaml.Node, event string) {
	if in.Type == "" && event == "workflow_dispatch" {
		in.Type = "string"
	}
	what := "input " + quote(in.Name)
	if in.Type == "choice" && len(in.Options) == 0 {
		r.fail("value", v, what+": add options: [a, b]", "Missing 'options' for choice input")
		return
	}
	if in.Type != "choice" && len(in.Options) > 0 {
		r.warn("value", v, fmt.Sprintf("add type: choice; the options of %s have no effect: its type is %s", what, in.Type), "Input type is not 'choice', but 'options' is defined")
	}
	d := in.Default
	if d.IsZero() || d.Kind == cairn.TemplateExpr || d.Kind == cairn.TemplateNull {
		return
	}
	at := r.fieldOf(v, "default")
	switch in.Type {
	case "boolean":
		if d.Kind != cairn.TemplateBool && d.Text != "true" && d.Text != "false" {
			r.wrongDefault(at, "write true or false", what, "BooleanToken")
		}
	case "number":
		if d.Kind != cairn.TemplateNumber && !isNumber(d.Text) {
			r.wrongDefault(at, "write a number", what, "NumberToken")
		}
	case "choice":
		text := scalar(at).ToString()
		if !slices.ContainsFunc(in.Options, func(o Text) bool { return o.Value == text }) {
			names := make([]string, len(in.Options))
			for i, o := range in.Options {
				names[i] = o.Value
			}
			hint := "allowed here: " + strings.Join(names, ", ")
			if near := cairn.Nearest(text, names); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			r.fail("value", at, hint, "the default of %s is not one of its options: %s", what, quote(text))
		}
	}
}

func (r *reader) wrongDefault(n *yaml.Node, hint, what, want string) {
	token := map[expr.Kind]string{expr.KindNull: "NullToken", expr.KindBool: "BooleanToken", expr.KindNumber: "NumberToken"}[scalar(n).Kind()]
	if token == "" {
		token = "StringToken"
	}
	r.fail("value", n, fmt.Sprintf("%s: the default of %s is %s", hint, what, describe(n)),
		"Unexpected type '%s' encountered while reading 'input default'. The type '%s' was expected.", token, want)
}

func isNumber(s string) bool {
	if s == "" {
		return false
	}
	_, ok := plainNumber(s)
	return ok
}

// fieldOf finds the node under a key that is known to be there.
func (r *reader) fieldOf(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if keyText(r.deref(n.Content[i])) == name {
			return r.deref(n.Content[i+1])
		}
	}
	return n
}

func (r *reader) callOutputs(n *yaml.Node) []CallOutput {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var out []CallOutput
	r.each(n, func(k, v *yaml.Node) {
		o := CallOutput{Name: keyText(k), Pos: r.src.place(k)}
		readMap(r, v, "output "+quote(o.Name), &schema[CallOutput]{keys: []key[CallOutput]{
			{name: "description", want: wantText, set: func(r *reader, o *CallOutput, v value) { o.Description = scalar(v.node).ToString() }},
			{name: "value", want: wantText, scope: scopeCallOutput, must: true, set: func(r *reader, o *CallOutput, v value) {
				o.Value = r.template(v.node, v.scope)
			}},
		}}, &o)
		out = append(out, o)
	})
	return out
}

func (r *reader) callSecrets(n *yaml.Node) []CallSecret {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var out []CallSecret
	r.each(n, func(k, v *yaml.Node) {
		s := CallSecret{Name: keyText(k), Pos: r.src.place(k)}
		if r.accepts(v, "secret "+quote(s.Name), wantMap|wantNull, nil) && v.Kind == yaml.MappingNode {
			readMap(r, v, "secret "+quote(s.Name), &schema[CallSecret]{keys: []key[CallSecret]{
				{name: "description", want: wantText},
				{name: "required", want: wantBool, set: func(r *reader, s *CallSecret, v value) { s.Required = scalar(v.node).Bool() }},
			}}, &s)
		}
		out = append(out, s)
	})
	return out
}
