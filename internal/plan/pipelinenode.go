package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// node plans a node that stands for itself. nil: it was refused, or something is missing.
func (b *jobBuilder) node(j *pipeline.Job, sc *scope) *cairn.Node {
	if b.refuse(j) {
		return nil
	}
	n := &cairn.Node{ID: j.Key, Kind: cairn.NodeJob, Name: cairn.Str(j.Key), Pos: j.Pos}
	bindings := make([]pipeline.Binding, 0, len(j.Inputs))
	for _, in := range j.Inputs {
		bindings = append(bindings, in.Value)
	}
	n.Needs = needsOf(sc, nil, bindings...)
	var component *pipeline.Component
	local := sc.local
	if j.Component != nil {
		c, l, ok := b.componentOf(j.Component, sc)
		if !ok {
			return nil
		}
		component, local = c, l
		if kind := strings.TrimPrefix(string(c.Kind), "component/"); kind != "command" && kind != "pipeline" && kind != "parallel" {
			b.refuse(&pipeline.Job{Type: pipeline.Kind(kind), Pos: j.Component.Pos, JSONPath: j.JSONPath})
			return nil
		}
	}
	if component != nil && component.Job.Pipeline != nil {
		return b.call(n, j, component, local, sc)
	}
	if j.Type == pipeline.KindPipeline {
		b.fail("plan.component", j.Pos, where(j, "component"), "write the pipeline as a component's file and name that", "%s: a pipeline inside of a pipeline is a component", whereOr(j, "the job"))
		return nil
	}
	b.leaf(n, j, component, local, sc)
	return n
}

// taskSteps are the actions that carry a task out.
func taskSteps() []cairn.Step {
	return []cairn.Step{
		{ID: "environment", Name: cairn.Str("Prepare environment"), Uses: TaskEnvironmentAction},
		{ID: "inputs", Name: cairn.Str("Get code and inputs"), Uses: TaskInputsAction},
		{ID: "run", Name: cairn.Str("Run"), Uses: TaskRunAction},
		{ID: "outputs", Name: cairn.Str("Keep outputs"), Uses: TaskOutputsAction, If: "always()"},
	}
}

// leaf fills in a node that carries out a task.
func (b *jobBuilder) leaf(n *cairn.Node, j *pipeline.Job, c *pipeline.Component, local map[string]cairn.DataValue, sc *scope) {
	n.Steps = taskSteps()
	n.Place = placeWithin(j, sc)
	n.TimeoutMinutes = cairn.Template{Kind: cairn.TemplateNumber, Text: "10080", Num: defaultTaskMinutes}
	if t := j.Limits.Timeout; t.Given() && j.Sweep == nil {
		n.TimeoutMinutes = b.minutes(t, sc)
		n.Needs = needsOf(sc, n.Needs, t)
	}
	if t := j.Limits.TrialTimeout; t.Given() && j.Sweep != nil {
		n.TimeoutMinutes = b.minutes(t, sc)
	}
	if j.Sweep != nil {
		n.Sweep = b.sweep(j)
	}
	n.Task = b.task(j, c, local, sc)
	for _, o := range n.Task.Outputs {
		n.Outputs = append(n.Outputs, cairn.NamedValue{Name: o.Name, Value: cairn.Expr("${{ steps.outputs.outputs[" + quoted(o.Name) + "] }}")})
	}
	n.Outputs = append(n.Outputs, cairn.NamedValue{Name: artifactsOutput, Value: cairn.Expr("${{ steps.outputs.outputs[" + quoted(artifactsOutput) + "] }}")})
}

// minutes turns a limit in seconds into one in minutes; a binding is divided when it is
// known.
func (b *jobBuilder) minutes(v pipeline.Binding, sc *scope) cairn.Template {
	t, set := b.bindingValue(v, sc)
	if !set {
		return cairn.Template{Kind: cairn.TemplateNumber, Text: "10080", Num: defaultTaskMinutes}
	}
	if t.Kind == cairn.TemplateExpr {
		// The expression language divides nothing: a bound limit takes effect as minutes
		// only where it is known now.
		b.warn("plan.timeout", v.Pos, "limits.timeout", "write the number of seconds", "limits.timeout: a limit that another job computes has no effect here")
		return cairn.Template{Kind: cairn.TemplateNumber, Text: "10080", Num: defaultTaskMinutes}
	}
	var seconds float64
	if _, err := fmt.Sscanf(t.Text, "%g", &seconds); err != nil || seconds <= 0 {
		b.fail("plan.timeout", v.Pos, "limits.timeout", "", "limits.timeout: %q is not a number of seconds", t.Text)
		seconds = defaultTaskMinutes * 60
	}
	return cairn.Template{Kind: cairn.TemplateNumber, Text: fmt.Sprintf("%g", seconds/60), Num: seconds / 60, Line: v.Pos.Line, Col: v.Pos.Column}
}

// call plans a pipeline inside of a pipeline.
func (b *jobBuilder) call(n *cairn.Node, j *pipeline.Job, c *pipeline.Component, local map[string]cairn.DataValue, sc *scope) *cairn.Node {
	n.Kind = cairn.NodeCall
	inner := &scope{local: local, inputs: map[string]port{}, bound: map[string]boundOutput{}}
	for _, d := range c.Inputs {
		var in *pipeline.Input
		for i := range j.Inputs {
			if j.Inputs[i].Name == d.Name {
				in = &j.Inputs[i]
			}
		}
		var t cairn.Template
		set := false
		if in != nil {
			t, set = b.inputValue(*in, sc, d.Type, j.JSONPath)
		} else if item, ok := sc.item[d.Name]; ok {
			t, set = item, true
		}
		switch {
		case !set && d.Default.Given():
			inner.inputs[d.Name] = port{value: cairn.Str(literalText(d.Default.Value))}
		case !set:
			inner.inputs[d.Name] = port{unset: true}
		case t.Kind != cairn.TemplateExpr:
			inner.inputs[d.Name] = port{value: t} // known now: its jobs need not ask for it
		default:
			n.With = append(n.With, cairn.NamedValue{Name: d.Name, Value: t})
			n.BodyInputs = append(n.BodyInputs, cairn.InputDecl{Name: d.Name, Type: "string"})
			inner.inputs[d.Name] = port{value: cairn.Expr("${{ inputs[" + quoted(d.Name) + "] }}")}
		}
	}
	var declared []pipeline.Output
	for _, d := range c.Outputs {
		declared = append(declared, pipeline.Output{Name: d.Name, Pos: d.Pos})
		for _, o := range j.Outputs {
			if o.Name == d.Name {
				above := boundOutput{}
				if o.Bound != "" {
					above = sc.bound[o.Bound]
				}
				inner.bound[d.Name] = b.boundOutput(o, above)
			}
		}
	}
	inner.place = placeWithin(j, sc)
	if own := placeName(c.Job.Pipeline.Settings.DefaultCompute.Value, inner); own != "" && j.Compute.Value == "" {
		inner.place = own
	}
	n.Body = b.pipelineNodes(c.Job.Pipeline.Jobs, c.Job.Pipeline.Settings, inner)
	n.Outputs = b.outputsFrom(declared, c.Job.Pipeline.Jobs)
	return n
}

// guard is one block of a condition in which a node stands.
type guard struct {
	of   *pipeline.Job
	want bool
}

// guarded lets a node run only where the condition comes out as its block says.
func (b *jobBuilder) guarded(n *cairn.Node, g guard, sc *scope) {
	c := g.of.IfElse.Condition
	n.Needs = needsOf(sc, n.Needs, c)
	var cond string
	t, set := b.bindingValue(c, sc)
	switch {
	case !set:
		cond = "false"
	case t.Kind == cairn.TemplateExpr:
		e := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(t.Text), "${{"), "}}")
		if strings.Contains(e, "${{") {
			b.fail("plan.condition", c.Pos, g.of.JSONPath+".condition", "", "%s.condition: it has to be one binding, or true or false", g.of.JSONPath)
			return
		}
		cond = strings.TrimSpace(e) + " == 'true'"
	default:
		cond = fmt.Sprint(strings.EqualFold(t.Text, "true"))
	}
	if !g.want {
		cond = "!(" + cond + ")"
	}
	if n.If != "" {
		cond = "(" + n.If + ") && (" + cond + ")"
	}
	n.If, n.IfPos = cond, c.Pos
	// What only one of two blocks makes may be missing behind them: no job there fails for
	// it, since a skipped need skips it too.
}

// loop plans the body of a do_while.
func (b *jobBuilder) loop(body, around *pipeline.Job, sc *scope) *cairn.Node {
	n := &cairn.Node{ID: body.Key, Kind: cairn.NodeLoop, Name: cairn.Str(body.Key), Pos: around.Pos}
	limit := 0
	if m := around.Limits.MaxIterations; m.Given() {
		t, _ := b.bindingValue(m, sc)
		_, _ = fmt.Sscanf(t.Text, "%d", &limit) // checked below
	}
	if limit < 1 || limit > 1000 {
		b.fail("plan.loop", around.Pos, around.JSONPath+".limits.max_iteration_count", "", "%s: limits.max_iteration_count is needed: 1 to 1000", around.JSONPath)
		return nil
	}
	n.Loop = &cairn.Loop{Condition: around.DoWhile.Condition, Mapping: around.DoWhile.Mapping, Max: limit}
	if n.Loop.Condition == "" {
		b.fail("plan.loop", around.Pos, around.JSONPath+".condition", "", "%s: condition names no output of %s", around.JSONPath, body.Key)
		return nil
	}
	inner := *body
	inner.Inputs = nil
	inner.Compute = pipeline.Text{} // it may be bound to the pipeline around: deep has what it comes to
	items := map[string]cairn.Template{}
	bindings := []pipeline.Binding{}
	add := func(name string, value cairn.Template) {
		n.With = append(n.With, cairn.NamedValue{Name: name, Value: value})
		n.BodyInputs = append(n.BodyInputs, cairn.InputDecl{Name: name, Type: "string"})
		items[name] = cairn.Expr("${{ inputs[" + quoted(name) + "] }}")
		inner.Inputs = append(inner.Inputs, pipeline.Input{Name: name, Pos: body.Pos})
	}
	for _, in := range body.Inputs {
		bindings = append(bindings, in.Value)
		if t, set := b.inputValue(in, sc, in.Type, body.JSONPath); set {
			add(in.Name, t)
		}
	}
	for _, m := range n.Loop.Mapping {
		for _, in := range m.Inputs {
			if _, there := items[in]; !there {
				add(in, cairn.Str(b.defaultOf(body, in, sc)))
			}
		}
	}
	n.Needs = needsOf(sc, nil, bindings...)
	deep := &scope{local: sc.local, inputs: map[string]port{}, bound: sc.bound, item: items, place: placeWithin(body, sc)}
	one := b.node(&inner, deep)
	if one == nil {
		return nil
	}
	one.Needs = nil
	n.Body = []cairn.Node{*one}
	for _, o := range one.Outputs {
		n.Outputs = append(n.Outputs, cairn.NamedValue{Name: o.Name, Value: jobOutput(one.ID, o.Name)})
	}
	return n
}

// defaultOf is the default of an input of a node's component.
func (b *jobBuilder) defaultOf(j *pipeline.Job, name string, sc *scope) string {
	if j.Component == nil {
		return ""
	}
	c, _, ok := b.componentOf(j.Component, sc)
	if !ok {
		return ""
	}
	for _, d := range c.Inputs {
		if d.Name == name && d.Default.Given() {
			return literalText(d.Default.Value)
		}
	}
	return ""
}

// each plans the body of a parallel_for: one instance for each item.
func (b *jobBuilder) each(body, around *pipeline.Job, sc *scope) *cairn.Node {
	items := around.For.Items
	matrix, columns, ok := b.itemColumns(items, around, sc)
	if !ok {
		return nil
	}
	inner := *body
	inner.Inputs = slices.Clone(body.Inputs)
	names := columns
	if names == nil { // the items are only known later: any input may be among them
		names = map[string]cairn.Template{}
		for _, in := range b.inputNames(body, sc) {
			if !slices.ContainsFunc(body.Inputs, func(have pipeline.Input) bool { return have.Name == in }) {
				names[in] = cairn.Expr("${{ matrix.item[" + quoted(in) + "] }}")
			}
		}
	}
	for name := range names {
		if !slices.ContainsFunc(inner.Inputs, func(in pipeline.Input) bool { return in.Name == name }) {
			inner.Inputs = append(inner.Inputs, pipeline.Input{Name: name, Pos: around.Pos})
		}
	}
	slices.SortStableFunc(inner.Inputs, func(a, b pipeline.Input) int { return strings.Compare(a.Name, b.Name) })
	deep := *sc
	deep.item = names
	n := b.node(&inner, &deep)
	if n == nil {
		return nil
	}
	n.Needs = needsOf(sc, n.Needs, items)
	n.Strategy = &cairn.Strategy{Matrix: matrix, FailFast: cairn.Template{Kind: cairn.TemplateBool, Text: "false"}}
	if m := around.For.MaxConcurrency; m.Given() {
		if t, set := b.bindingValue(m, sc); set && t.Text != "" {
			var most int
			if _, err := fmt.Sscanf(t.Text, "%d", &most); err != nil || most < 1 {
				b.fail("plan.loop", m.Pos, around.JSONPath+".max_concurrency", "", "%s.max_concurrency: %q is not a number of 1 or more", around.JSONPath, t.Text)
				return nil
			}
			n.Strategy.MaxParallel = cairn.Template{Kind: cairn.TemplateNumber, Text: t.Text, Num: float64(most)}
		}
	}
	n.Collect = true
	return n
}

// inputNames are the inputs of a node's component.
func (b *jobBuilder) inputNames(j *pipeline.Job, sc *scope) []string {
	if j.Component == nil {
		return nil
	}
	c, _, ok := b.componentOf(j.Component, sc)
	if !ok {
		return nil
	}
	var out []string
	for _, d := range c.Inputs {
		out = append(out, d.Name)
	}
	return out
}

// itemColumns makes the matrix of a loop over items, and for each input what it is in one
// of them; nil where the items are an output of another job.
func (b *jobBuilder) itemColumns(items pipeline.Binding, around *pipeline.Job, sc *scope) (cairn.Template, map[string]cairn.Template, bool) {
	bad := func(format string, args ...any) (cairn.Template, map[string]cairn.Template, bool) {
		b.fail("plan.loop", items.Pos, around.JSONPath+".items", "a list of maps, each with inputs of the body", "%s.items: %s", around.JSONPath, fmt.Sprintf(format, args...))
		return cairn.Template{}, nil, false
	}
	v := items.Value
	if v.Kind == cairn.TemplateString {
		t, _ := b.bindingValue(items, sc)
		if t.Kind == cairn.TemplateExpr {
			e := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(t.Text), "${{"), "}}"))
			return cairn.Expr("${{ fromJSON(format('{{\"item\":{0}}}', " + e + ")) }}"), nil, true
		}
		var list []map[string]any
		if err := json.Unmarshal([]byte(t.Text), &list); err != nil {
			return bad("%q is no JSON list of objects", clipText(t.Text))
		}
		return b.jsonColumns(list)
	}
	type row struct {
		key   any
		pairs []pipeline.Pair
	}
	var rows []row
	for i, item := range v.Items {
		rows = append(rows, row{i, item.Pairs})
	}
	for _, p := range v.Pairs {
		rows = append(rows, row{p.Key.Value, p.Value.Pairs})
	}
	if len(rows) == 0 {
		return bad("there is none")
	}
	keys := cairn.Template{Kind: cairn.TemplateSeq}
	columns := map[string][]any{}
	for i, r := range rows {
		if k, ok := r.key.(string); ok {
			keys.Items = append(keys.Items, cairn.Str(k))
		} else {
			keys.Items = append(keys.Items, cairn.Template{Kind: cairn.TemplateNumber, Text: fmt.Sprint(i), Num: float64(i)})
		}
		for _, p := range r.pairs {
			text, ok := b.itemValue(p, around, sc)
			if !ok {
				continue
			}
			for len(columns[p.Key.Value]) < i {
				columns[p.Key.Value] = append(columns[p.Key.Value], nil)
			}
			columns[p.Key.Value] = append(columns[p.Key.Value], text)
		}
	}
	return cairn.Template{Kind: cairn.TemplateMap, Pairs: []cairn.TemplateField{{Key: cairn.Str("item"), Value: keys}}}, columnTemplates(columns, keys), true
}

// itemValue is one input of one item: a literal, or data.
func (b *jobBuilder) itemValue(p pipeline.Pair, around *pipeline.Job, sc *scope) (string, bool) {
	if p.Value.Kind != cairn.TemplateMap {
		return literalText(p.Value), true
	}
	at, ok := p.Value.Field("path")
	if !ok {
		if lit, ok := p.Value.Field("value"); ok {
			return literalText(lit), true
		}
		return "", false
	}
	r, foreign := pipeline.ParseReference(at.Text, "data")
	if !foreign {
		b.fail("plan.loop", at.Pos, around.JSONPath+".items", "name an input of the pipeline, or a registered asset", "%s.items: %q: a path beside the file is not taken here", around.JSONPath, at.Text)
		return "", false
	}
	r.Pos, r.JSONPath = at.Pos, around.JSONPath+".items"
	v, ok := b.data(r, sc)
	return v.Encode(), ok
}

func (b *jobBuilder) jsonColumns(list []map[string]any) (cairn.Template, map[string]cairn.Template, bool) {
	keys := cairn.Template{Kind: cairn.TemplateSeq}
	columns := map[string][]any{}
	for i, item := range list {
		keys.Items = append(keys.Items, cairn.Template{Kind: cairn.TemplateNumber, Text: fmt.Sprint(i), Num: float64(i)})
		for name, v := range item {
			for len(columns[name]) < i {
				columns[name] = append(columns[name], nil)
			}
			columns[name] = append(columns[name], v)
		}
	}
	return cairn.Template{Kind: cairn.TemplateMap, Pairs: []cairn.TemplateField{{Key: cairn.Str("item"), Value: keys}}}, columnTemplates(columns, keys), true
}

// columnTemplates looks a column up by the item that a job is for.
func columnTemplates(columns map[string][]any, keys cairn.Template) map[string]cairn.Template {
	out := map[string]cairn.Template{}
	for name, values := range columns {
		var table any = values
		if len(keys.Items) > 0 && keys.Items[0].Kind == cairn.TemplateString {
			m := map[string]any{}
			for i, v := range values {
				m[keys.Items[i].Text] = v
			}
			table = m
		}
		text, err := json.Marshal(table)
		if err != nil {
			continue // texts and plain JSON always encode
		}
		out[name] = cairn.Expr("${{ fromJSON(" + quoted(string(text)) + ")[matrix.item] }}")
	}
	return out
}

func clipText(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
