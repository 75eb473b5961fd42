package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// task makes what a node carries out, from its component (nil: it is written in place) and
// what the node says over that.
func (b *jobBuilder) task(j *pipeline.Job, c *pipeline.Component, local map[string]cairn.DataValue, sc *scope) *cairn.Task {
	base := j.Command
	var par *pipeline.Parallel
	if c != nil {
		base, par = c.Job.Command, c.Job.Parallel
	} else if j.Parallel != nil && j.Parallel.Task.Kind == cairn.TemplateMap {
		par = j.Parallel
	}
	if base == nil {
		base = &pipeline.Command{}
	}
	over := j.Command
	if over == nil {
		over = &pipeline.Command{}
	}
	t := &cairn.Task{Kind: cairn.TaskCommand, Component: b.componentRef(j.Component), Experiment: b.experiment}
	t.ComponentName, t.ComponentFile = b.componentNames(j.Component, c)
	t.DisplayName = j.DisplayName.Value
	if t.DisplayName == "" && c != nil {
		t.DisplayName = c.DisplayName.Value
	}
	t.Tags, t.Properties = settings(j.Tags), settings(j.Properties)
	if d := base.Deterministic; d == nil || *d {
		t.Reuse, t.Source = b.reuse, b.source
	}
	space := map[string]bool{}
	if j.Sweep != nil {
		for _, p := range j.Sweep.Space.Pairs {
			space[p.Key.Value] = true
		}
	}
	set := b.taskInputs(t, j, c, sc, space)
	b.taskOutputs(t, j, c, sc)
	env, code := base.Environment, base.Code
	if par != nil {
		env, code = par.Environment, par.Code
	}
	if code != nil {
		t.Code = b.code(*code, local)
	}
	envLocal := local
	if over.Environment != nil && c != nil {
		env, envLocal = over.Environment, sc.local
	}
	if env == nil {
		b.fail("plan.environment", j.Pos, where(j, "environment"), "for example environment: {image: python:3.11}, or azureml:NAME@latest",
			"%s: it has no environment", whereOr(j, "the job"))
	} else if e, ok := b.environment(env, envLocal); ok {
		t.Environment = e
	}
	if base.Command.Given() {
		t.Command = b.commandTemplate(base.Command, set, space)
	}
	t.Variables = b.variables(base.Variables, nil, set, space, sc)
	if c != nil {
		t.Variables = b.variables(over.Variables, t.Variables, set, space, sc)
	}
	spread, instances := base.Spread, base.Instances
	if over.Spread != nil {
		spread = over.Spread
	}
	if over.Instances.Given() {
		instances = over.Instances
	}
	t.ContainerOptions = b.containerOptions(base, over, j, sc)
	t.Spread = b.spread(spread, instances, j, sc)
	if len(base.Services.Pairs) > 0 || len(over.Services.Pairs) > 0 {
		b.warn("plan.services", j.Pos, where(j, "services"), "start the program in the command, or beside the job", "%s: services are not started here", whereOr(j, "the job"))
	}
	if len(base.Includes) > 0 {
		for _, inc := range base.Includes {
			if _, ok := local[inc.Path]; !ok {
				b.lacks(inc)
				continue
			}
			v := local[inc.Path]
			t.Includes = append(t.Includes, v)
		}
	}
	if par != nil {
		b.batches(t, par, j, c, set)
	}
	return t
}

func settings(ns []pipeline.NamedText) []cairn.Setting {
	var out []cairn.Setting
	for _, n := range ns {
		out = append(out, cairn.Setting{Name: n.Name, Value: literalText(n.Value.Value)})
	}
	return out
}

// code resolves the snapshot of a task.
func (b *jobBuilder) code(r pipeline.Reference, local map[string]cairn.DataValue) *cairn.DataValue {
	var v cairn.DataValue
	var ok bool
	if r.Kind == pipeline.RefLocal {
		v, ok = local[r.Path]
	} else {
		v, ok = b.resolved.Data[r.Text]
	}
	if !ok {
		b.lacks(r)
		return nil
	}
	return &v
}

// taskInputs fills in the ports that a task reads; it answers which of them are set.
func (b *jobBuilder) taskInputs(t *cairn.Task, j *pipeline.Job, c *pipeline.Component, sc *scope, space map[string]bool) map[string]bool {
	set := map[string]bool{}
	if c == nil {
		for _, in := range j.Inputs {
			value, ok := b.inputValue(in, sc, in.Type, j.JSONPath)
			typ := in.Type
			if typ == "" {
				typ = b.typeOf(in, sc)
			}
			x := cairn.TaskInput{Name: in.Name, Type: typ, Mode: in.Mode, Optional: !ok}
			if ok {
				x.Value = value
				set[in.Name] = true
			}
			t.Inputs = append(t.Inputs, x)
		}
		return set
	}
	for _, d := range c.Inputs {
		x := cairn.TaskInput{Name: d.Name, Type: d.Type, Mode: d.Mode, Optional: d.Optional}
		if space[d.Name] {
			set[d.Name] = true // the trial gives it
			continue
		}
		i := slices.IndexFunc(j.Inputs, func(in pipeline.Input) bool { return in.Name == d.Name })
		var ok bool
		if i >= 0 {
			if j.Inputs[i].Mode != "" {
				x.Mode = j.Inputs[i].Mode
			}
			x.Value, ok = b.inputValue(j.Inputs[i], sc, d.Type, j.JSONPath)
		}
		if !ok && d.Default.Given() {
			x.Value, ok = cairn.Str(literalText(d.Default.Value)), true
		}
		set[d.Name] = ok
		t.Inputs = append(t.Inputs, x)
	}
	return set
}

// containerOptions are the options of `docker create` that resources ask for; what the node
// says goes before what its component does.
func (b *jobBuilder) containerOptions(base, over *pipeline.Command, j *pipeline.Job, sc *scope) string {
	shm, args := base.SharedMemory, base.DockerArgs
	if over.SharedMemory.Given() {
		shm = over.SharedMemory
	}
	if len(over.DockerArgs) > 0 {
		args = over.DockerArgs
	}
	var out []string
	add := func(before string, v pipeline.Binding) {
		t, set := b.bindingValue(v, sc)
		switch {
		case !set || t.Text == "":
		case t.Kind == cairn.TemplateExpr:
			b.warn("plan.resources", v.Pos, where(j, "resources"), "write the value itself", "%s: what another job computes has no effect in resources", whereOr(j, "the job"))
		default:
			out = append(out, before+t.Text)
		}
	}
	if shm.Given() {
		add("--shm-size=", shm)
	}
	for _, a := range args {
		add("", a)
	}
	return strings.Join(out, " ")
}

// typeOf is the type of an input of which its node says nothing: that of what it is bound
// to, or of the literal.
func (b *jobBuilder) typeOf(in pipeline.Input, sc *scope) string {
	r := in.Value.Single()
	switch {
	case r == nil && len(in.Value.Parts) <= 1:
		switch in.Value.Value.Kind {
		case cairn.TemplateBool:
			return "boolean"
		case cairn.TemplateNumber:
			if in.Value.Value.Int {
				return "integer"
			}
			return "number"
		}
		return "string"
	case r == nil:
		return "string"
	case len(r.Path) == 3 && r.Path[1] == "inputs":
		p := sc.inputs[r.Path[2]]
		if v, ok := cairn.DecodeData(p.value.Text); ok {
			return firstOf(v.Asset, map[string]string{"file": "uri_file", "folder": "uri_folder"}[v.Type])
		}
		if p.value.Kind == cairn.TemplateExpr {
			return "any"
		}
		return "string"
	case len(r.Path) == 5:
		return b.outputType(r.Path[2], r.Path[4], sc)
	}
	return "string"
}

// outputType is the type of an output of a sibling.
func (b *jobBuilder) outputType(node, output string, sc *scope) string {
	if body, ok := sc.alias[node]; ok {
		node = body
	}
	for i := range sc.nodes {
		j := &sc.nodes[i]
		if j.Key != node {
			continue
		}
		for _, o := range j.Outputs {
			if o.Name == output && o.Type != "" {
				return strings.ToLower(o.Type)
			}
		}
		if j.Component != nil {
			if c, _, ok := b.componentOf(j.Component, sc); ok {
				for _, d := range c.Outputs {
					if d.Name == output {
						return d.Type
					}
				}
			}
		}
	}
	return "uri_folder"
}

// taskOutputs fills in the ports that a task writes.
func (b *jobBuilder) taskOutputs(t *cairn.Task, j *pipeline.Job, c *pipeline.Component, sc *scope) {
	add := func(o pipeline.Output, typ, mode string) {
		above := boundOutput{}
		if o.Bound != "" {
			above = sc.bound[o.Bound]
		}
		x := b.boundOutput(o, above)
		out := cairn.TaskOutput{Name: o.Name, Type: firstOf(x.typ, typ, "uri_folder"), Mode: firstOf(x.mode, mode), Path: x.path}
		if cairn.LiteralType(typ) {
			out.Type = typ
		}
		if x.register != nil {
			r := *x.register
			r.Kind, r.Type = cairn.AssetData, out.Type
			switch out.Type {
			case "custom_model", "mlflow_model", "triton_model":
				r.Kind = cairn.AssetModel
			}
			out.Register = &r
		}
		t.Outputs = append(t.Outputs, out)
	}
	if c == nil {
		for _, o := range j.Outputs {
			if o.Name != artifactsOutput && o.Name != "default" {
				add(o, strings.ToLower(o.Type), "")
			}
		}
		return
	}
	for _, d := range c.Outputs {
		o := pipeline.Output{Name: d.Name, Pos: d.Pos}
		for _, given := range j.Outputs {
			if given.Name == d.Name {
				o = given
			}
		}
		add(o, d.Type, d.Mode)
	}
}

// commandTemplate keeps the bindings of a command for the runner, and drops the optional
// parts whose inputs are unset.
func (b *jobBuilder) commandTemplate(cmd pipeline.Binding, set, space map[string]bool) cairn.Template {
	if len(cmd.Parts) == 0 {
		t := cairn.Str(literalText(cmd.Value))
		t.Line, t.Col = cmd.Pos.Line, cmd.Pos.Column
		return t
	}
	var p pieces
	b.ownParts(&p, cmd.Parts, set, space)
	return p.template(cmd.Pos)
}

func (b *jobBuilder) ownParts(p *pieces, parts []pipeline.Part, set, space map[string]bool) {
	for _, part := range parts {
		switch {
		case part.Optional != nil:
			if allSet(part.Optional, set, space) {
				b.ownParts(p, part.Optional, set, space)
			}
		case part.Ref == nil:
			p.addText(part.Text)
		case len(part.Ref.Path) == 2 && part.Ref.Path[0] == "inputs" && space[part.Ref.Path[1]]:
			p.addExpr("search_space[" + quoted(part.Ref.Path[1]) + "]")
		case len(part.Ref.Path) == 2 && (part.Ref.Path[0] == "inputs" || part.Ref.Path[0] == "outputs" || part.Ref.Path[0] == "search_space"):
			if part.Ref.Path[0] == "inputs" && !set[part.Ref.Path[1]] {
				continue // an optional input that nothing is given for is empty
			}
			p.addExpr(part.Ref.Path[0] + "[" + quoted(part.Ref.Path[1]) + "]")
		case len(part.Ref.Path) == 1 && part.Ref.Path[0] == "name":
			p.addExpr("job_name")
		default:
			p.addText(part.Ref.String())
		}
	}
}

func allSet(parts []pipeline.Part, set, space map[string]bool) bool {
	for _, part := range parts {
		if r := part.Ref; r != nil && len(r.Path) == 2 && r.Path[0] == "inputs" && !set[r.Path[1]] && !space[r.Path[1]] {
			return false
		}
	}
	return true
}

// variables are environment variables; later ones take the place of earlier ones.
func (b *jobBuilder) variables(vs []pipeline.NamedText, base []cairn.NamedValue, set, space map[string]bool, sc *scope) []cairn.NamedValue {
	out := slices.Clone(base)
	for _, v := range vs {
		var p pieces
		for _, part := range v.Value.Parts {
			if part.Ref != nil && len(part.Ref.Path) > 0 && part.Ref.Path[0] == "parent" {
				b.ref(&p, part.Ref, sc)
				continue
			}
			b.ownParts(&p, []pipeline.Part{part}, set, space)
		}
		t := p.template(v.Value.Pos)
		if len(v.Value.Parts) == 0 {
			t = cairn.Str(literalText(v.Value.Value))
		}
		if i := slices.IndexFunc(out, func(o cairn.NamedValue) bool { return o.Name == v.Name }); i >= 0 {
			out[i].Value = t
		} else {
			out = append(out, cairn.NamedValue{Name: v.Name, Value: t})
		}
	}
	return out
}

// whole reads a number that has to be known now.
func (b *jobBuilder) whole(v pipeline.Binding, sc *scope, other int, at string) int {
	if !v.Given() {
		return other
	}
	t, set := b.bindingValue(v, sc)
	if !set {
		return other
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(t.Text), 64)
	if t.Kind == cairn.TemplateExpr || err != nil || n < 0 || n > 10_000 {
		b.fail("plan.number", v.Pos, at, "", "%s: %q is not a whole number that is known before the run", at, clipText(t.Text))
		return other
	}
	return int(n)
}

// spread is the distribution of a task: all its processes run on this machine.
func (b *jobBuilder) spread(s *pipeline.Spread, instances pipeline.Binding, j *pipeline.Job, sc *scope) *cairn.Spread {
	nodes := max(b.whole(instances, sc, 1, where(j, "resources.instance_count")), 1)
	if s == nil {
		return nil
	}
	out := &cairn.Spread{Kind: strings.ToLower(s.Type), Nodes: nodes, Processes: max(b.whole(s.Processes, sc, 1, where(j, "distribution.process_count_per_instance")), 1)}
	switch out.Kind {
	case "pytorch", "mpi":
	case "tensorflow":
		out.Workers = b.whole(s.Workers, sc, nodes, where(j, "distribution.worker_count"))
		out.Servers = b.whole(s.Servers, sc, 0, where(j, "distribution.parameter_server_count"))
	default:
		b.fail(CodeNotBuilt, s.Pos, where(j, "distribution.type"), "start ray in the command (ray.init() needs no cluster), or use pytorch, mpi or tensorflow",
			"%s: the distribution %s is not run here", whereOr(j, "the job"), s.Type)
		return nil
	}
	if out.Nodes*out.Processes > 256 {
		b.fail("plan.number", s.Pos, where(j, "distribution"), "", "%s: %d processes are more than the 256 that one machine is given", whereOr(j, "the job"), out.Nodes*out.Processes)
	}
	return out
}

// batchSize is a number of files, or a size of tables.
var batchSize = regexp.MustCompile(`^\s*\d+\s*(?:[kKmMgG]?[bB])?\s*$`)

// batches is the part of a parallel component.
func (b *jobBuilder) batches(t *cairn.Task, p *pipeline.Parallel, j *pipeline.Job, c *pipeline.Component, set map[string]bool) {
	t.Kind = cairn.TaskParallel
	if typ, _ := p.Task.Field("type"); typ.Given() && !strings.EqualFold(typ.Text, "run_function") && !strings.EqualFold(typ.Text, "function") {
		b.fail(CodeNotBuilt, p.Pos, where(j, "task.type"), "write a script with init() and run(mini_batch): type: run_function", "%s: tasks of type %s are not run here", whereOr(j, "the job"), typ.Text)
	}
	over := pipeline.Value{}
	if j.Parallel != nil && c != nil {
		over = j.Parallel.Settings
	}
	get := func(keys ...string) (pipeline.Value, bool) {
		for _, from := range []pipeline.Value{over, p.Settings} {
			v, ok := from, true
			for _, k := range keys {
				if v, ok = v.Field(k); !ok {
					break
				}
			}
			if ok && v.Given() {
				return v, true
			}
		}
		return pipeline.Value{}, false
	}
	number := func(other int, keys ...string) int {
		v, ok := get(keys...)
		if !ok {
			return other
		}
		n, err := strconv.Atoi(strings.TrimSpace(v.Text))
		if err != nil {
			b.fail("plan.number", v.Pos, where(j, strings.Join(keys, ".")), "", "%s: %q is not a whole number", strings.Join(keys, "."), clipText(v.Text))
			return other
		}
		return n
	}
	x := &cairn.Batches{
		Entry: p.EntryScript.Value, Size: firstOf(p.MiniBatchSize.Value, "1"), Partition: p.PartitionKeys, Workers: number(0, "max_concurrency_per_instance"),
		Retries: number(2, "retry_settings", "max_retries"), Timeout: float64(number(60, "retry_settings", "timeout")),
		MaxErrors: number(-1, "error_threshold"), MaxFailures: number(-1, "mini_batch_error_threshold"), LogLevel: "INFO",
	}
	sized := p.MiniBatchSize.Pos
	if v, ok := get("mini_batch_size"); ok {
		x.Size, sized = v.Text, v.Pos
	}
	if !batchSize.MatchString(x.Size) {
		b.fail("plan.number", sized, where(j, "mini_batch_size"), "files: 10; tables: 10kb", "%s: mini_batch_size: %q is neither a number nor a size", whereOr(j, "the job"), clipText(x.Size))
	}
	for _, at := range []struct {
		name string
		n    int
	}{{"retry_settings.max_retries", x.Retries}, {"retry_settings.timeout", int(x.Timeout)}, {"max_concurrency_per_instance", x.Workers}} {
		if at.n < 0 {
			b.fail("plan.number", p.Pos, where(j, at.name), "", "%s: %s: %d is less than nothing", whereOr(j, "the job"), at.name, at.n)
		}
	}
	if v, ok := get("logging_level"); ok {
		x.LogLevel = strings.ToUpper(v.Text)
	}
	if r := p.InputData.Single(); r != nil && len(r.Path) == 2 && r.Path[0] == "inputs" {
		if x.Input = r.Path[1]; !slices.ContainsFunc(t.Inputs, func(in cairn.TaskInput) bool { return in.Name == x.Input }) {
			var names []string
			for _, in := range t.Inputs {
				names = append(names, in.Name)
			}
			b.fail("plan.parallel", p.InputData.Pos, where(j, "input_data"), "there are "+strings.Join(names, ", "), "%s: input_data: there is no input %q", whereOr(j, "the job"), clipText(x.Input))
		}
	} else {
		b.fail("plan.parallel", p.Pos, where(j, "input_data"), "${{inputs.NAME}}", "%s: input_data names no input", whereOr(j, "the job"))
	}
	if p.AppendTo.Given() {
		if r := p.AppendTo.Single(); r != nil && len(r.Path) == 2 && r.Path[0] == "outputs" {
			x.AppendTo = r.Path[1]
		} else {
			b.fail("plan.parallel", p.Pos, where(j, "task.append_row_to"), "${{outputs.NAME}}", "%s: append_row_to names no output", whereOr(j, "the job"))
		}
	}
	if p.Args.Given() {
		x.Args = b.commandTemplate(p.Args, set, nil)
	}
	if t.Code == nil || x.Entry == "" {
		b.fail("plan.parallel", p.Pos, where(j, "task"), "", "%s: task needs code and entry_script", whereOr(j, "the job"))
	}
	for _, v := range p.Variables {
		t.Variables = append(t.Variables, cairn.NamedValue{Name: v.Name, Value: cairn.Str(literalText(v.Value.Value))})
	}
	t.Batches = x
}
