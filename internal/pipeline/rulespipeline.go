package pipeline

import (
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// pipelineScope is what bindings of a pipeline's nodes may name.
type pipelineScope struct {
	inputs, outputs []string
	unset           map[string]bool
	nodes           map[string]*Job
	names           []string
}

// checkPipeline holds the nodes of a pipeline against each other.
func (b *builder) checkPipeline(p *Pipeline, at string, inputs []string, unset map[string]bool, outputs []string) {
	s := &pipelineScope{inputs: inputs, outputs: outputs, unset: unset, nodes: map[string]*Job{}}
	for i := range p.Jobs {
		s.nodes[p.Jobs[i].Key] = &p.Jobs[i]
		s.names = append(s.names, p.Jobs[i].Key)
	}
	after := map[string][]string{}
	for i := range p.Jobs {
		n := &p.Jobs[i]
		after[n.Key] = append(after[n.Key], b.checkNode(n, s)...)
		for _, name := range governed(n) {
			if s.nodes[name] != nil && name != n.Key {
				after[name] = append(after[name], n.Key)
			}
		}
	}
	b.checkCycles(s, after)
	for _, t := range []struct {
		key  string
		name Text
	}{{"on_init", p.Settings.OnInit}, {"on_finalize", p.Settings.OnFinalize}} {
		if t.name.Set && s.nodes[t.name.Value] == nil {
			b.missing(t.name.Pos, sub(sub(at, "settings"), t.key), "the pipeline", "node", t.name.Value, s.names)
		}
	}
}

// governed are nodes that begin when a node has decided: they wait for it.
func governed(n *Job) []string {
	switch {
	case n.IfElse != nil:
		return slices.Concat(n.IfElse.True, n.IfElse.False)
	case n.For != nil:
		return []string{n.For.Body}
	}
	return nil
}

// missing says that owner has nothing of that name; have is what it has.
func (b *builder) missing(pos cairn.Position, at, owner, what, name string, have []string) {
	b.failLate(pos, at, Value{Kind: cairn.TemplateString, Text: name}, "pipeline.binding", func() string {
		switch near := didYouMean(name, have); {
		case len(have) == 0:
			return "it has none"
		case near == "":
			return "it has " + theyAre(have)
		case len(have) == 1:
			return near
		default:
			return near + " it has " + theyAre(have)
		}
	}, "%s: %s has no %s %q", at, owner, what, clip(name))
}

// checkNode holds a node against its pipeline and its component; it answers the nodes
// that it waits for.
func (b *builder) checkNode(n *Job, s *pipelineScope) []string {
	var waits []string
	look := func(v Binding, at string) {
		v.Refs(func(r *BindingRef, _ bool) {
			if w := b.checkRef(r, at, s, n); w != "" {
				waits = append(waits, w)
			}
		})
	}
	for _, in := range n.Inputs {
		look(in.Value, sub(sub(n.JSONPath, "inputs"), in.Name))
	}
	for _, out := range n.Outputs {
		if out.Bound != "" && !slices.Contains(s.outputs, out.Bound) {
			b.missing(out.Pos, sub(sub(n.JSONPath, "outputs"), out.Name), "the pipeline", "output", out.Bound, s.outputs)
		}
	}
	switch {
	case n.IfElse != nil:
		waits = append(waits, b.checkIf(n, s)...)
	case n.DoWhile != nil:
		b.checkLoop(n, s)
	case n.For != nil:
		if s.nodes[n.For.Body] == nil {
			b.missing(n.Pos, sub(n.JSONPath, "body"), "the pipeline", "node", n.For.Body, s.names)
		}
		look(n.For.Items, sub(n.JSONPath, "items"))
	}
	if n.Sweep != nil {
		b.checkSweep(n)
	}
	if n.Component != nil && n.Component.Component != nil {
		c := n.Component.Component
		b.checkNested(c)
		b.checkUse(n, c, n.JSONPath)
		b.checkOptional(n, c, s)
	} else if n.Component == nil && n.Command != nil && n.Command.Command.Given() {
		var space []string
		if n.Sweep != nil {
			space = spaceNames(n.Sweep.Space)
		}
		b.commandRefs(n.Command.Command, sub(n.JSONPath, "command"), inputNames(n.Inputs), nil, outputNames(n.Outputs), space)
	}
	return waits
}

// checkNested holds a component that is written in place against itself; one of a file
// was when that was read.
func (b *builder) checkNested(c *Component) {
	if c.Job.JSONPath != "" {
		b.checkComponent(c)
	}
}

// checkRef holds one binding of a node against its pipeline; it answers the node that is
// waited for.
func (b *builder) checkRef(r *BindingRef, at string, s *pipelineScope, n *Job) string {
	if len(r.Path) == 0 {
		return ""
	}
	switch r.Path[0] {
	case "parent":
	case "jobs", "inputs", "outputs":
		b.fail(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.binding", "write ${{parent."+strings.Join(r.Path, ".")+"}}",
			"%s: %s names nothing here: a node's inputs are of its pipeline", at, r)
		return ""
	default:
		return "" // ${{name}} and its kin are known when it runs
	}
	if len(r.Path) < 3 {
		b.fail(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.binding", "", "%s: %s is no binding; it has to be ${{parent.inputs.NAME}} or ${{parent.jobs.NODE.outputs.NAME}}", at, r)
		return ""
	}
	switch r.Path[1] {
	case "inputs":
		if !holds(s.inputs, r.Path[2]) {
			b.missing(r.Pos, at, "the pipeline", "input", r.Path[2], s.inputs)
		}
	case "jobs":
		node := s.nodes[r.Path[2]]
		if node == nil {
			b.missing(r.Pos, at, "the pipeline", "node", r.Path[2], s.names)
			return ""
		}
		if len(r.Path) < 5 || r.Path[3] != "outputs" {
			b.fail(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.binding", "write ${{parent.jobs."+r.Path[2]+".outputs.NAME}}", "%s: %s names no output", at, r)
			return ""
		}
		if have, known := outputsOf(node); known && !slices.Contains(have, r.Path[4]) {
			b.missing(r.Pos, at, "node "+r.Path[2], "output", r.Path[4], have)
		}
		if node.Key == n.Key {
			b.fail(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.cycle", "", "%s: the node waits for itself", at)
			return ""
		}
		return node.Key
	default:
		b.fail(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.binding", "", "%s: %s is no binding; it has to be ${{parent.inputs.NAME}} or ${{parent.jobs.NODE.outputs.NAME}}", at, r)
	}
	return ""
}

// outputsOf are the outputs of a node where they are known here.
func outputsOf(n *Job) ([]string, bool) {
	have := append(outputNames(n.Outputs), "artifacts", "default")
	if n.Component == nil {
		return have, n.IfElse == nil && n.DoWhile == nil && n.For == nil && (n.Command != nil || n.Sweep != nil)
	}
	if n.Component.Component == nil {
		return nil, false
	}
	return append(have, portNames(n.Component.Component.Outputs)...), true
}

// checkUse holds the inputs of a node against the component that they are for.
func (b *builder) checkUse(n *Job, c *Component, at string) {
	have := portNames(c.Inputs)
	given := map[string]bool{}
	for _, in := range n.Inputs {
		here := sub(sub(at, "inputs"), in.Name)
		i := slices.IndexFunc(c.Inputs, func(p PortDecl) bool { return p.Name == in.Name })
		if i < 0 {
			if slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, in.Name+".") || strings.HasPrefix(in.Name, h+".") }) {
				given[in.Name] = true
				continue
			}
			b.missing(in.Pos, here, "the component", "input", in.Name, have)
			continue
		}
		if in.Value.Given() || in.Data != nil {
			given[in.Name] = true
		}
		p := c.Inputs[i]
		switch v := in.Value.Value; {
		case in.Data != nil || !in.Value.Given():
		case cairn.LiteralType(p.Type):
			b.checkLiteral(p, v, here)
		case v.Kind == cairn.TemplateNumber || v.Kind == cairn.TemplateBool:
			b.fail(v.Pos, here, v, "pipeline.value", "", "%s: %s; the input takes data: a path, an address or a reference", here, shown(v))
		}
	}
	var space []string
	if n.Sweep != nil {
		space = spaceNames(n.Sweep.Space)
	}
	for _, p := range c.Inputs {
		if p.Optional || p.Default.Given() || given[p.Name] || slices.Contains(space, p.Name) {
			continue
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(given)), func(g string) bool { return strings.HasPrefix(p.Name, g+".") }) {
			continue
		}
		b.fail(n.Pos, sub(sub(at, "inputs"), p.Name), Value{}, "pipeline.required", "", "%s is missing: the component needs its input %s (%s)", sub(sub(at, "inputs"), p.Name), p.Name, p.Type)
	}
	outs := portNames(c.Outputs)
	for _, out := range n.Outputs {
		if !slices.Contains(outs, out.Name) && out.Name != "artifacts" && out.Name != "default" {
			b.missing(out.Pos, sub(sub(at, "outputs"), out.Name), "the component", "output", out.Name, outs)
		}
	}
}

// checkOptional refuses to feed an input that is needed from one that may be unset.
func (b *builder) checkOptional(n *Job, c *Component, s *pipelineScope) {
	for _, in := range n.Inputs {
		r := in.Value.Single()
		if r == nil || len(r.Path) != 3 || r.Path[0] != "parent" || r.Path[1] != "inputs" || !s.unset[r.Path[2]] {
			continue
		}
		i := slices.IndexFunc(c.Inputs, func(p PortDecl) bool { return p.Name == in.Name })
		if i >= 0 && !c.Inputs[i].Optional {
			here := sub(sub(n.JSONPath, "inputs"), in.Name)
			b.fail(r.Pos, here, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.optional", "", "%s: the pipeline's input %s may be unset, and the component needs it", here, r.Path[2])
		}
	}
}

func (b *builder) checkIf(n *Job, s *pipelineScope) []string {
	var waits []string
	n.IfElse.Condition.Refs(func(r *BindingRef, _ bool) {
		if w := b.checkRef(r, sub(n.JSONPath, "condition"), s, n); w != "" {
			waits = append(waits, w)
		}
	})
	if len(n.IfElse.True)+len(n.IfElse.False) == 0 {
		b.fail(n.Pos, sub(n.JSONPath, "true_block"), Value{}, "pipeline.required", "", "%s: neither true_block nor false_block names a node", n.JSONPath)
	}
	for _, block := range []struct {
		key   string
		nodes []string
	}{{"true_block", n.IfElse.True}, {"false_block", n.IfElse.False}} {
		for _, name := range block.nodes {
			switch here := sub(n.JSONPath, block.key); {
			case s.nodes[name] == nil:
				b.missing(n.Pos, here, "the pipeline", "node", name, s.names)
			case name == n.Key:
				b.fail(n.Pos, here, Value{}, "pipeline.cycle", "", "%s: the node waits for itself", here)
			}
		}
	}
	for _, name := range n.IfElse.True {
		if slices.Contains(n.IfElse.False, name) {
			b.fail(n.Pos, sub(n.JSONPath, "false_block"), Value{}, "pipeline.value", "", "%s: %s stands in both blocks", n.JSONPath, name)
		}
	}
	return waits
}

func (b *builder) checkLoop(n *Job, s *pipelineScope) {
	body := s.nodes[n.DoWhile.Body]
	if body == nil {
		b.missing(n.Pos, sub(n.JSONPath, "body"), "the pipeline", "node", n.DoWhile.Body, s.names)
		return
	}
	outs, known := outputsOf(body)
	if known && n.DoWhile.Condition != "" && !slices.Contains(outs, n.DoWhile.Condition) {
		b.missing(n.Pos, sub(n.JSONPath, "condition"), "node "+body.Key, "output", n.DoWhile.Condition, outs)
	}
	for _, m := range n.DoWhile.Mapping {
		if known && !slices.Contains(outs, m.Output) {
			b.missing(n.Pos, sub(n.JSONPath, "mapping"), "node "+body.Key, "output", m.Output, outs)
		}
		if body.Component == nil || body.Component.Component == nil {
			continue
		}
		ins := portNames(body.Component.Component.Inputs)
		for _, in := range m.Inputs {
			if !slices.Contains(ins, in) {
				b.missing(n.Pos, sub(n.JSONPath, "mapping"), "node "+body.Key, "input", in, ins)
			}
		}
	}
	if x := n.Limits.MaxIterations; x.Given() && x.Value.Kind == cairn.TemplateNumber && (x.Value.Num < 1 || x.Value.Num > 1000) {
		b.fail(x.Pos, sub(n.JSONPath, "limits.max_iteration_count"), x.Value, "pipeline.range", "", "%s: %s is out of range: 1 to 1000", sub(n.JSONPath, "limits.max_iteration_count"), x.Value.Raw)
	}
}
