package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// reservedPorts are names that the original keeps from inputs and outputs: they would be
// variables of the shell.
var reservedPorts = []string{"path", "ld_library_path", "user", "logname", "home", "pwd", "shell"}

// checkEnvironment holds an environment of its own against what it needs.
func (b *builder) checkEnvironment(e *Environment, v Value) {
	image, _ := v.Field("image")
	build, _ := v.Field("build")
	switch {
	case image.Given() && build.Given():
		b.fail(build.Pos, "build", build, "pipeline.exclusive", "", "image and build are both given; an environment has one of them")
	case !image.Given() && !build.Given() && e.CondaText == "" && e.Conda == nil:
		b.fail(v.Pos, "image", Value{}, "pipeline.required", "", "image, or build, is missing: an environment needs one of them")
	case build.Given() && (e.CondaText != "" || e.Conda != nil):
		conda, _ := v.Field("conda_file")
		b.fail(conda.Pos, "conda_file", conda, "pipeline.exclusive", "install the packages in the Dockerfile", "conda_file goes with image, not with build")
	}
}

// checkComponent holds a component against itself.
func (b *builder) checkComponent(c *Component) {
	if c == nil {
		return
	}
	at := c.Job.JSONPath
	for _, kind := range []struct {
		key   string
		ports []PortDecl
	}{{"inputs", c.Inputs}, {"outputs", c.Outputs}} {
		for _, p := range kind.ports {
			b.portName(p.Name, p.Pos, sub(sub(at, kind.key), p.Name))
			if kind.key == "inputs" {
				b.checkBounds(p, sub(sub(at, "inputs"), p.Name))
				b.checkDefault(p, sub(sub(at, "inputs"), p.Name))
			}
		}
	}
	if cmd := c.Job.Command; cmd != nil && c.Kind == KindCommandComponent {
		b.commandRefs(cmd.Command, sub(at, "command"), portNames(c.Inputs), optionalNames(c.Inputs), portNames(c.Outputs), nil)
	}
	if c.Job.Pipeline != nil {
		b.checkPipeline(c.Job.Pipeline, at, portNames(c.Inputs), optionalSet(c.Inputs), portNames(c.Outputs))
	}
}

func portNames(ps []PortDecl) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return out
}

func optionalNames(ps []PortDecl) map[string]bool {
	out := map[string]bool{}
	for _, p := range ps {
		if p.Optional {
			out[p.Name] = true
		}
	}
	return out
}

// optionalSet are the inputs that may be unset: optional and without a default.
func optionalSet(ps []PortDecl) map[string]bool {
	out := map[string]bool{}
	for _, p := range ps {
		if p.Optional && !p.Default.Given() {
			out[p.Name] = true
		}
	}
	return out
}

func (b *builder) portName(name string, pos cairn.Position, at string) {
	switch {
	case !portName.MatchString(name):
		b.fail(pos, at, Value{}, "pipeline.name", "for example "+asName(name), "%s: %q is no name of an input or output: letters, digits and _, and no digit first", at, clip(name))
	case slices.Contains(reservedPorts, strings.ToLower(name)):
		b.fail(pos, at, Value{}, "pipeline.name", "for example "+name+"_dir", "%s: %q is a variable of the shell; choose another name", at, clip(name))
	}
}

// checkBounds holds min and max of an input of numbers against being numbers.
func (b *builder) checkBounds(p PortDecl, at string) {
	if p.Type != "integer" && p.Type != "number" {
		return
	}
	for _, x := range []struct {
		key string
		v   Value
	}{{"min", p.Min}, {"max", p.Max}} {
		if x.v.Kind != cairn.TemplateString {
			continue
		}
		if _, err := strconv.ParseFloat(strings.TrimSpace(x.v.Text), 64); err != nil {
			b.fail(x.v.Pos, sub(at, x.key), x.v, "pipeline.value", "", "%s: %s; it has to be a number", sub(at, x.key), shown(x.v))
		}
	}
}

// checkDefault holds the default of an input against its type, range and choices.
func (b *builder) checkDefault(p PortDecl, at string) {
	v := p.Default.Value
	if v.Kind == cairn.TemplateString && hasBinding(v.Text) && slices.Contains([]string{"integer", "number", "boolean"}, p.Type) {
		b.fail(v.Pos, sub(at, "default"), v, "pipeline.value", "", "%s: %s; the input takes a value of type %s", sub(at, "default"), shown(v), p.Type)
		return
	}
	if p.Default.Given() {
		b.checkLiteral(p, v, sub(at, "default"))
	}
}

// checkLiteral holds a value against a port that takes a literal.
func (b *builder) checkLiteral(p PortDecl, v Value, at string) {
	if v.Kind == cairn.TemplateString && hasBinding(v.Text) {
		return
	}
	bad := func(want string) {
		b.fail(v.Pos, at, v, "pipeline.value", "", "%s: %s; the input takes %s", at, shown(v), want)
	}
	n, isNumber := 0.0, false
	switch p.Type {
	case "integer":
		i, ok := int64(v.Num), v.Kind == cairn.TemplateNumber && v.Num == float64(int64(v.Num))
		if v.Kind == cairn.TemplateString {
			i, ok = pyInt(v.Text)
		}
		if !ok {
			bad("a whole number")
			return
		}
		n, isNumber = float64(i), true
	case "number":
		f, ok := v.Num, v.Kind == cairn.TemplateNumber
		if v.Kind == cairn.TemplateString {
			x, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
			f, ok = x, err == nil
		}
		if !ok {
			bad("a number")
			return
		}
		n, isNumber = f, true
	case "boolean":
		switch {
		case v.Kind == cairn.TemplateBool:
		case v.Kind == cairn.TemplateString && (strings.EqualFold(v.Text, "true") || strings.EqualFold(v.Text, "false")):
		default:
			bad("true or false")
			return
		}
	case "string":
	default:
		return
	}
	if isNumber && (p.Min.Given() && n < number(p.Min) || p.Max.Given() && n > number(p.Max)) {
		b.fail(v.Pos, at, v, "pipeline.range", "", "%s: %s is out of range: %s", at, clip(v.Raw), rangeText(number(p.Min), p.Min.Given(), number(p.Max), p.Max.Given()))
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, v.Text) {
		hint := ""
		if near := cairn.Nearest(v.Text, p.Enum); near != "" {
			hint = "did you mean " + near + "?"
		}
		b.fail(v.Pos, at, v, "pipeline.value", hint, "%s: %s; it has to be %s", at, shown(v), oneOf(p.Enum))
	}
}

// checkJob holds a job that stands alone against itself.
func (b *builder) checkJob(j *Job) {
	if j.Name.Set {
		b.jobName(j.Name)
	}
	for _, in := range j.Inputs {
		b.portName(in.Name, in.Pos, "inputs."+in.Name)
	}
	for _, out := range j.Outputs {
		b.portName(out.Name, out.Pos, "outputs."+out.Name)
	}
	inputs, outputs := inputNames(j.Inputs), outputNames(j.Outputs)
	switch {
	case j.Pipeline != nil && j.Component == nil:
		b.checkPipeline(j.Pipeline, "", inputs, unsetInputs(j.Inputs), outputs)
	case j.Pipeline != nil && j.Component.Component != nil:
		b.checkUse(j, j.Component.Component, "")
	case j.Sweep != nil:
		b.checkSweep(j)
		if j.Command != nil && j.Component == nil {
			b.commandRefs(j.Command.Command, "trial.command", inputs, nil, outputs, spaceNames(j.Sweep.Space))
		}
	case j.Command != nil:
		b.commandRefs(j.Command.Command, "command", inputs, nil, outputs, nil)
	}
}

// jobName holds the name of a job against what a service takes.
func (b *builder) jobName(t Text) {
	if !jobNamePattern(t.Value) {
		b.fail(t.Pos, "name", Value{}, "pipeline.name", "for example "+asName(t.Value), "name: %q is no name of a job: 1 to 255 letters, digits, - and _, and a letter or digit first", clip(t.Value))
	}
}

func jobNamePattern(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case (r == '-' || r == '_') && i > 0:
		default:
			return false
		}
	}
	return true
}

func inputNames(in []Input) []string {
	var out []string
	for _, i := range in {
		out = append(out, i.Name)
	}
	return out
}

func outputNames(os []Output) []string {
	var out []string
	for _, o := range os {
		out = append(out, o.Name)
	}
	return out
}

// unsetInputs are inputs of a pipeline job without a value.
func unsetInputs(in []Input) map[string]bool {
	out := map[string]bool{}
	for _, i := range in {
		if !i.Value.Given() && i.Data == nil {
			out[i.Name] = true
		}
	}
	return out
}

func spaceNames(v Value) []string {
	var out []string
	for _, p := range v.Pairs {
		out = append(out, p.Key.Value)
	}
	return out
}

// commandRefs holds the bindings of a command against the ports that there are.
func (b *builder) commandRefs(cmd Binding, at string, inputs []string, optional map[string]bool, outputs, space []string) {
	cmd.Refs(func(r *BindingRef, inBracket bool) {
		if len(r.Path) < 2 {
			return
		}
		var have []string
		switch r.Path[0] {
		case "inputs":
			have = inputs
			if optional[r.Path[1]] && !inBracket {
				b.warn(r.Pos, at, "pipeline.optional", fmt.Sprintf("write $[[… %s]]", r), "%s: %s is optional: where it is unset, what stands here is empty", at, r)
			}
		case "outputs":
			have = outputs
		case "search_space":
			have = space
			if space == nil {
				return // the command of a component is used by a sweep
			}
		default:
			if r.Path[0] == "parent" {
				b.fail(r.Pos, at, Value{}, "pipeline.binding", "", "%s: %s: a command sees its own inputs and outputs only: ${{inputs.NAME}}", at, r)
			}
			return
		}
		if slices.Contains(have, r.Path[1]) {
			return
		}
		// A part of a group's name stands for the group.
		for _, h := range have {
			if strings.HasPrefix(r.Path[1], h+".") {
				return
			}
		}
		hint := "there is none"
		if len(have) > 0 {
			hint = "there are " + strings.Join(have, ", ")
		}
		if near := cairn.Nearest(r.Path[1], have); near != "" {
			hint = "did you mean ${{" + r.Path[0] + "." + near + "}}? " + hint
		}
		b.fail(r.Pos, at, Value{}, "pipeline.binding", hint, "%s: %s: there is no %s of that name", at, r, strings.TrimSuffix(r.Path[0], "s"))
	})
}

// checkSweep holds the search space against the way that it is sampled.
func (b *builder) checkSweep(j *Job) {
	allowed := map[string][]string{"grid": {"choice"}, "bayesian": {"choice", "uniform", "quniform"}}[j.Sweep.Algorithm]
	if allowed == nil {
		return
	}
	for _, p := range j.Sweep.Space.Pairs {
		t := text(p.Value, "type")
		if t.Set && !slices.Contains(allowed, strings.ToLower(t.Value)) {
			b.fail(t.Pos, sub(j.JSONPath, "search_space."+p.Key.Value), Value{}, "pipeline.value", "sampling_algorithm: random takes it",
				"%s: %s cannot be searched with sampling_algorithm: %s, which takes %s", "search_space."+p.Key.Value, t.Value, j.Sweep.Algorithm, oneOf(allowed))
		}
	}
}

// scopeOf is what bindings of a pipeline's nodes may name.
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
		after[n.Key] = b.checkNode(n, s)
	}
	b.checkCycles(p, after)
	for _, t := range []struct {
		key  string
		name Text
	}{{"on_init", p.Settings.OnInit}, {"on_finalize", p.Settings.OnFinalize}} {
		if t.name.Set && s.nodes[t.name.Value] == nil {
			b.missing(t.name.Pos, sub(sub(at, "settings"), t.key), "node", t.name.Value, s.names)
		}
	}
}

func (b *builder) missing(pos cairn.Position, at, what, name string, have []string) {
	hint := ""
	if len(have) > 0 {
		hint = "there are " + strings.Join(have[:min(len(have), 20)], ", ")
	}
	if near := cairn.Nearest(name, have); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	b.fail(pos, at, Value{Kind: cairn.TemplateString, Text: name}, "pipeline.binding", hint, "%s: there is no %s %q", at, what, clip(name))
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
			b.missing(out.Pos, sub(sub(n.JSONPath, "outputs"), out.Name), "output of the pipeline", out.Bound, s.outputs)
		}
	}
	switch {
	case n.IfElse != nil:
		waits = append(waits, b.checkIf(n, s)...)
	case n.DoWhile != nil:
		b.checkLoop(n, s)
	case n.For != nil:
		if s.nodes[n.For.Body] == nil {
			b.missing(n.Pos, sub(n.JSONPath, "body"), "node", n.For.Body, s.names)
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
		if !slices.Contains(s.inputs, r.Path[2]) && !slices.ContainsFunc(s.inputs, func(i string) bool { return strings.HasPrefix(r.Path[2], i+".") }) {
			b.missing(r.Pos, at, "input of the pipeline", r.Path[2], s.inputs)
		}
	case "jobs":
		node := s.nodes[r.Path[2]]
		if node == nil {
			b.missing(r.Pos, at, "node", r.Path[2], s.names)
			return ""
		}
		if len(r.Path) < 5 || r.Path[3] != "outputs" {
			b.fail(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.binding", "write ${{parent.jobs."+r.Path[2]+".outputs.NAME}}", "%s: %s names no output", at, r)
			return ""
		}
		if have, known := outputsOf(node); known && !slices.Contains(have, r.Path[4]) {
			b.missing(r.Pos, at, "output of node "+r.Path[2], r.Path[4], have)
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
			b.missing(in.Pos, here, "input of the component", in.Name, have)
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
			b.missing(out.Pos, sub(sub(at, "outputs"), out.Name), "output of the component", out.Name, outs)
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
			if s.nodes[name] == nil {
				b.missing(n.Pos, sub(n.JSONPath, block.key), "node", name, s.names)
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
		b.missing(n.Pos, sub(n.JSONPath, "body"), "node", n.DoWhile.Body, s.names)
		return
	}
	outs, known := outputsOf(body)
	if known && n.DoWhile.Condition != "" && !slices.Contains(outs, n.DoWhile.Condition) {
		b.missing(n.Pos, sub(n.JSONPath, "condition"), "output of node "+body.Key, n.DoWhile.Condition, outs)
	}
	for _, m := range n.DoWhile.Mapping {
		if known && !slices.Contains(outs, m.Output) {
			b.missing(n.Pos, sub(n.JSONPath, "mapping"), "output of node "+body.Key, m.Output, outs)
		}
		if body.Component == nil || body.Component.Component == nil {
			continue
		}
		ins := portNames(body.Component.Component.Inputs)
		for _, in := range m.Inputs {
			if !slices.Contains(ins, in) {
				b.missing(n.Pos, sub(n.JSONPath, "mapping"), "input of node "+body.Key, in, ins)
			}
		}
	}
	if x := n.Limits.MaxIterations; x.Given() && x.Value.Kind == cairn.TemplateNumber && (x.Value.Num < 1 || x.Value.Num > 1000) {
		b.fail(x.Pos, sub(n.JSONPath, "limits.max_iteration_count"), x.Value, "pipeline.range", "", "%s: %s is out of range: 1 to 1000", sub(n.JSONPath, "limits.max_iteration_count"), x.Value.Raw)
	}
}

// checkCycles finds nodes that wait for each other.
func (b *builder) checkCycles(p *Pipeline, after map[string][]string) {
	const fresh, open, done = 0, 1, 2
	state := map[string]int{}
	var path []string
	var visit func(key string) bool
	visit = func(key string) bool {
		switch state[key] {
		case done:
			return true
		case open:
			i := slices.Index(path, key)
			n := p.Jobs[slices.IndexFunc(p.Jobs, func(j Job) bool { return j.Key == key })]
			b.fail(n.Pos, n.JSONPath, Value{}, "pipeline.cycle", "", "nodes wait for each other: %s", strings.Join(append(slices.Clone(path[i:]), key), " → "))
			return false
		}
		state[key] = open
		path = append(path, key)
		for _, next := range after[key] {
			if !visit(next) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[key] = done
		return true
	}
	for i := range p.Jobs {
		if state[p.Jobs[i].Key] == fresh && !visit(p.Jobs[i].Key) {
			return
		}
	}
}
