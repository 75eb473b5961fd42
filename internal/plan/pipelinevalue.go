package plan

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// literalText is a literal as the original's client sends it.
func literalText(v pipeline.Value) string {
	switch v.Kind {
	case cairn.TemplateBool:
		if v.Bool {
			return "True"
		}
		return "False"
	case cairn.TemplateSeq, cairn.TemplateMap:
		b, err := json.Marshal(v.Plain())
		if err != nil {
			return "" // plain values always encode
		}
		return string(b)
	}
	return v.Text
}

// pieces compose a template of text and of expressions.
type pieces struct {
	text strings.Builder
	expr bool
	set  bool
}

func (p *pieces) add(s string) {
	p.text.WriteString(s)
	p.set = true
}

// addExpr adds an expression without ${{ }}. What was text so far is kept apart from it.
func (p *pieces) addExpr(e string) {
	if !p.expr {
		before := p.text.String()
		p.text.Reset()
		p.expr = true
		p.addText(before)
	}
	p.text.WriteString("${{ " + e + " }}")
	p.set = true
}

// addText adds text that is no expression, whatever it looks like.
func (p *pieces) addText(s string) {
	if p.expr {
		s = strings.ReplaceAll(s, "${{", "${{ '${{' }}")
	}
	p.add(s)
}

// addTemplate adds what a template stands for.
func (p *pieces) addTemplate(t cairn.Template) {
	if t.Kind == cairn.TemplateExpr {
		if !p.expr {
			before := p.text.String()
			p.text.Reset()
			p.expr = true
			p.addText(before)
		}
		p.text.WriteString(t.Text)
		p.set = true
		return
	}
	p.addText(t.Text)
}

func (p *pieces) template(at cairn.Position) cairn.Template {
	t := cairn.Str(p.text.String())
	if p.expr {
		t = cairn.Expr(p.text.String())
	}
	t.Line, t.Col = at.Line, at.Column
	return t
}

// inputValue is what an input of a node comes to in the terms of its pipeline; set is
// false where it stays unset. typ is that of the port that it is for.
func (b *jobBuilder) inputValue(in pipeline.Input, sc *scope, typ, at string) (t cairn.Template, set bool) {
	if item, ok := sc.item[in.Name]; ok {
		return item, true
	}
	if in.Data != nil {
		v, ok := b.data(*in.Data, sc)
		if !ok {
			return t, true // it is missing, and was noted down
		}
		if in.Type != "" {
			v.Asset = in.Type
		}
		return cairn.Str(v.Encode()), true
	}
	if !in.Value.Given() {
		return t, false
	}
	return b.bindingValue(in.Value, sc)
}

// bindingValue composes a value of text and bindings to the pipeline around.
func (b *jobBuilder) bindingValue(v pipeline.Binding, sc *scope) (t cairn.Template, set bool) {
	if len(v.Parts) == 0 {
		if !v.Given() {
			return t, false
		}
		t = cairn.Str(literalText(v.Value))
		t.Line, t.Col = v.Pos.Line, v.Pos.Column
		return t, true
	}
	var p pieces
	if r := v.Single(); r != nil && len(r.Path) == 3 && r.Path[0] == "parent" && r.Path[1] == "inputs" {
		if in, ok := sc.inputs[r.Path[2]]; ok && in.unset {
			return t, false
		}
	}
	b.compose(&p, v.Parts, sc, v.Pos)
	return p.template(v.Pos), true
}

func (b *jobBuilder) compose(p *pieces, parts []pipeline.Part, sc *scope, at cairn.Position) {
	for _, part := range parts {
		switch {
		case part.Ref != nil:
			b.ref(p, part.Ref, sc)
		case part.Optional != nil:
			p.addText("$[[")
			b.compose(p, part.Optional, sc, at)
			p.addText("]]")
		default:
			p.addText(part.Text)
		}
	}
}

// ref adds what a binding to the pipeline around stands for.
func (b *jobBuilder) ref(p *pieces, r *pipeline.BindingRef, sc *scope) {
	switch {
	case len(r.Path) == 3 && r.Path[0] == "parent" && r.Path[1] == "inputs":
		in, ok := sc.inputs[r.Path[2]]
		if ok && !in.unset {
			p.addTemplate(in.value)
		}
	case len(r.Path) == 5 && r.Path[0] == "parent" && r.Path[1] == "jobs":
		node := r.Path[2]
		if body, ok := sc.alias[node]; ok {
			node = body
		}
		output := r.Path[4]
		if output == "default" {
			output = artifactsOutput
		}
		p.addExpr("needs." + node + ".outputs[" + quoted(output) + "]")
	case len(r.Path) == 1 && r.Path[0] == "name":
		p.addText(b.sub.Name)
	default:
		p.addText(r.String()) // ${{default_datastore}} and its kin mean a place of Azure
	}
}

// artifactsOutput is the output that every task has: what it kept of outputs, logs and
// user_logs.
const artifactsOutput = "artifacts"

// needsOf are the nodes that bindings wait for, in order.
func needsOf(sc *scope, needs []string, vs ...pipeline.Binding) []string {
	for _, v := range vs {
		v.Refs(func(r *pipeline.BindingRef, _ bool) {
			if len(r.Path) < 3 || r.Path[0] != "parent" || r.Path[1] != "jobs" {
				return
			}
			node := r.Path[2]
			if body, ok := sc.alias[node]; ok {
				node = body
			}
			for _, n := range needs {
				if n == node {
					return
				}
			}
			needs = append(needs, node)
		})
	}
	return needs
}

// data resolves what an input names.
func (b *jobBuilder) data(r pipeline.Reference, sc *scope) (cairn.DataValue, bool) {
	if r.Kind == pipeline.RefLocal {
		v, ok := sc.local[r.Path]
		if !ok {
			b.lacks(r)
		}
		if v.URI == "" {
			v.URI = r.Text
		}
		return v, ok
	}
	v, ok := b.resolved.Data[r.Text]
	if !ok {
		b.lacks(r)
	}
	return v, ok
}

// componentOf finds the component of a node, and what the paths in it lead to.
func (b *jobBuilder) componentOf(u *pipeline.ComponentUse, sc *scope) (*pipeline.Component, map[string]cairn.DataValue, bool) {
	if u.Component != nil {
		return u.Component, sc.local, true
	}
	if u.Ref == nil {
		return nil, nil, false
	}
	r, ok := b.resolved.Components[u.Ref.Text]
	if !ok {
		b.lacks(*u.Ref)
		return nil, nil, false
	}
	if r.Document == nil || r.Document.Component == nil {
		b.fail("plan.component", u.Pos, u.Ref.JSONPath, "", "%s: %s is no component", u.Ref.JSONPath, u.Ref.Text)
		return nil, nil, false
	}
	return r.Document.Component, r.Local, true
}

// componentRef names the component of a node for traces; "" for one written in place.
func (b *jobBuilder) componentRef(u *pipeline.ComponentUse) cairn.Ref {
	if u == nil || u.Ref == nil {
		return ""
	}
	return b.resolved.Components[u.Ref.Text].Ref
}

// componentNames are what people call a component, and the file that it stands in.
func (b *jobBuilder) componentNames(u *pipeline.ComponentUse, c *pipeline.Component) (name, file string) {
	if u == nil || c == nil {
		return "", ""
	}
	if name = c.Name.Value; name == "azureml_anonymous" {
		name = ""
	}
	if name != "" && c.Version.Set {
		name += ":" + c.Version.Value
	}
	if u.Ref != nil && u.Ref.Kind == pipeline.RefLocal {
		file = path.Join(b.sub.Root, u.Ref.Path)
	}
	return name, file
}

// EnvironmentDigest names what an environment holds, without what it is called.
func EnvironmentDigest(env cairn.TaskEnvironment) cairn.Digest {
	env.Name, env.Version, env.Ref, env.Digest, env.Docker = "", "", "", "", false
	env.Conda = strings.TrimRight(strings.ReplaceAll(env.Conda, "\r\n", "\n"), "\n \t")
	if env.Build != nil {
		env.Build = &cairn.DataValue{Type: env.Build.Type, Digest: env.Build.Digest}
	}
	b, err := json.Marshal(env)
	if err != nil {
		return "" // plain fields always encode
	}
	return cairn.SumBytes(b)
}

// environment finds what a task runs in.
func (b *jobBuilder) environment(e *pipeline.Environment, local map[string]cairn.DataValue) (cairn.TaskEnvironment, bool) {
	if e.Ref != nil {
		env, ok := b.resolved.Environments[e.Ref.Text]
		if !ok {
			b.lacks(*e.Ref)
		}
		return env, ok
	}
	env := cairn.TaskEnvironment{Image: e.Image.Value, Conda: e.CondaText}
	if e.Build != nil {
		v, ok := local[e.Build.Path]
		if !ok {
			b.lacks(*e.Build)
			return env, false
		}
		env.Build, env.Dockerfile = &v, e.Dockerfile
	}
	env.Digest = EnvironmentDigest(env)
	return env, true
}
