package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// Resolved is what the references of a pipeline's files lead to, by their text as it
// is written; local paths by their path.
type Resolved struct {
	Local      map[string]cairn.DataValue
	Data       map[string]cairn.DataValue // data, models, outputs of jobs, URLs
	Components map[string]ResolvedComponent
	// Environments are registered and curated ones.
	Environments map[string]cairn.TaskEnvironment
}

// ResolvedComponent is a registered component: its file, read from its own folder, and
// what its local paths lead to.
type ResolvedComponent struct {
	Ref      cairn.Ref
	Document *pipeline.Document
	Local    map[string]cairn.DataValue
}

// Submission is what a job's file is run with besides its references.
type Submission struct {
	Name       string // of the job
	Experiment string
	Root       string // where in the repository the root of its files lies
	NoReuse    bool
}

// MainNode is the id of the one node of a job that is no pipeline.
const MainNode = "main"

// The built-in actions that carry a task out.
const (
	TaskEnvironmentAction = "cairn/task/environment"
	TaskInputsAction      = "cairn/task/inputs"
	TaskRunAction         = "cairn/task/run"
	TaskOutputsAction     = "cairn/task/outputs"
)

// defaultTaskMinutes bounds a task whose file sets no limit: a week.
const defaultTaskMinutes = 7 * 24 * 60

// BuildJob freezes a job's file. missing are references that Resolved lacks: the caller
// resolves them and calls again. With a problem of severity error, or while something is
// missing, the plan is not fit to run.
func BuildJob(doc *pipeline.Document, s Submission, r Resolved) (*cairn.Plan, []pipeline.Reference, []cairn.Problem) {
	b := &jobBuilder{doc: doc, sub: s, resolved: r, experiment: s.Experiment, reuse: !s.NoReuse, source: true}
	j := doc.Job
	if j == nil {
		return nil, nil, []cairn.Problem{{Severity: cairn.SeverityError, Code: "plan.kind", Message: doc.Path + " describes no job"}}
	}
	if j.Experiment.Set {
		b.experiment = j.Experiment.Value
	}
	p := &cairn.Plan{
		Schema: cairn.PlanSchema, Name: firstOf(j.DisplayName.Value, j.Name.Value, path.Base(doc.Path)), Path: path.Join(s.Root, doc.Path),
		Source: cairn.SumBytes(doc.Source), Event: "job",
	}
	b.plan = p
	for _, src := range doc.Sources {
		if src.Path != doc.Path {
			p.Sources = append(p.Sources, cairn.PlanSource{Path: path.Join(s.Root, src.Path), Digest: cairn.SumBytes(src.Bytes)})
		}
	}
	slices.SortFunc(p.Sources, func(a, b cairn.PlanSource) int { return strings.Compare(a.Path, b.Path) })
	root := &scope{local: r.Local, inputs: map[string]port{}, bound: map[string]boundOutput{}}
	if j.Type == pipeline.KindPipeline {
		b.rootPipeline(j, root)
	} else {
		node := *j
		node.Key = MainNode
		for _, in := range node.Inputs {
			root.inputs[in.Name] = port{}
		}
		if n := b.node(&node, root); n != nil {
			p.Nodes = append(p.Nodes, *n)
			for _, o := range n.Outputs {
				p.Outputs = append(p.Outputs, cairn.NamedValue{Name: o.Name, Value: jobOutput(n.ID, o.Name)})
			}
		}
	}
	for _, pr := range b.problems {
		if pr.Severity == cairn.SeverityWarning {
			p.Warnings = append(p.Warnings, pr)
		}
	}
	return p, b.missing, b.problems
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// jobBuilder makes one plan.
type jobBuilder struct {
	doc        *pipeline.Document
	sub        Submission
	resolved   Resolved
	plan       *cairn.Plan
	problems   []cairn.Problem
	missing    []pipeline.Reference
	experiment string
	reuse      bool
	source     bool
	nodes      int
	depth      int
}

// scope is a pipeline whose nodes are planned.
type scope struct {
	local map[string]cairn.DataValue
	// inputs of the pipeline, by name.
	inputs map[string]port
	// bound are what the pipeline around says of its outputs.
	bound map[string]boundOutput
	// alias maps a loop's own key to that of its body.
	alias map[string]string
	nodes []pipeline.Job
	// place is that of nodes that name none.
	place string
	// item gives the inputs of a node that is run for each item of a list.
	item map[string]cairn.Template
}

// port is what an input of a pipeline came to: a template in the terms of its nodes.
type port struct {
	value cairn.Template
	unset bool
}

// boundOutput is what a pipeline says of an output that one of its nodes makes.
type boundOutput struct {
	register *cairn.Registration
	mode     string
	path     string
	typ      string
}

func (b *jobBuilder) report(sev cairn.Severity, code string, at cairn.Position, where, hint, format string, args ...any) {
	for _, p := range b.problems {
		if p.Position == at && p.Code == code && p.Path == where {
			return
		}
	}
	b.problems = append(b.problems, cairn.Problem{Position: at, Severity: sev, Code: code, Path: where, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

func (b *jobBuilder) fail(code string, at cairn.Position, where, hint, format string, args ...any) {
	b.report(cairn.SeverityError, code, at, where, hint, format, args...)
}

func (b *jobBuilder) warn(code string, at cairn.Position, where, hint, format string, args ...any) {
	b.report(cairn.SeverityWarning, code, at, where, hint, format, args...)
}

// lacks notes down a reference that has to be resolved first.
func (b *jobBuilder) lacks(r pipeline.Reference) {
	if !slices.ContainsFunc(b.missing, func(m pipeline.Reference) bool {
		return m.Kind == r.Kind && m.Text == r.Text && m.Path == r.Path && m.Use == r.Use
	}) {
		b.missing = append(b.missing, r)
	}
}

// refuse says that a kind of job is read, but not run here.
func (b *jobBuilder) refuse(j *pipeline.Job) bool {
	hint, known := map[pipeline.Kind]string{
		pipeline.KindSpark:        "run the script in a command job, with pyspark in its environment",
		pipeline.KindAutoML:       "use a sweep job over a script of your own, or a command job with an AutoML library in its environment",
		pipeline.KindDataTransfer: "copy the data in a command job: it reads its inputs and writes its outputs",
		pipeline.KindImport:       "fetch the data in a command job and register its output (outputs.NAME.name)",
	}[j.Type]
	if known {
		b.fail(CodeNotBuilt, j.Pos, where(j, "type"), hint, "%s: jobs of type %s are not run here", whereOr(j, "the job"), j.Type)
	}
	return known
}

func where(j *pipeline.Job, key string) string {
	if j.JSONPath == "" {
		return key
	}
	return j.JSONPath + "." + key
}

func whereOr(j *pipeline.Job, other string) string {
	if j.JSONPath == "" {
		return other
	}
	return j.JSONPath
}

// rootPipeline plans a pipeline job.
func (b *jobBuilder) rootPipeline(j *pipeline.Job, sc *scope) {
	jobs, settings := j.Pipeline.Jobs, j.Pipeline.Settings
	decls := []pipeline.PortDecl(nil)
	if u := j.Component; u != nil {
		c, local, ok := b.componentOf(u, sc)
		if !ok {
			return
		}
		if c.Job.Pipeline == nil {
			b.fail("plan.component", u.Pos, "component", "", "component: a pipeline job takes a component of type pipeline, not %s", c.Kind)
			return
		}
		jobs, decls, sc.local = c.Job.Pipeline.Jobs, c.Inputs, local
	}
	if f := settings.ForceRerun; f != nil && *f {
		b.reuse, b.source = false, false
	}
	if c := settings.ContinueOnStepFailure; c != nil && !*c {
		b.plan.StopOnFailure = true
	}
	outer := &scope{local: b.resolved.Local, inputs: map[string]port{}}
	for _, in := range j.Inputs {
		if t, set := b.inputValue(in, outer, in.Type, j.JSONPath); set {
			sc.inputs[in.Name] = port{value: t}
		} else {
			sc.inputs[in.Name] = port{unset: true}
		}
	}
	b.defaults(decls, sc)
	for _, o := range j.Outputs {
		sc.bound[o.Name] = b.boundOutput(o, boundOutput{})
	}
	sc.place = placeName(j.Compute.Value, outer)
	if own := placeName(settings.DefaultCompute.Value, outer); own != "" {
		sc.place = own
	}
	b.plan.Nodes = b.pipelineNodes(jobs, settings, sc)
	var declared []pipeline.Output
	declared = append(declared, j.Outputs...)
	if j.Component != nil && j.Component.Component != nil {
		for _, o := range j.Component.Component.Outputs {
			if !slices.ContainsFunc(declared, func(d pipeline.Output) bool { return d.Name == o.Name }) {
				declared = append(declared, pipeline.Output{Name: o.Name, Pos: o.Pos})
			}
		}
	}
	b.plan.Outputs = b.outputsFrom(declared, jobs)
}

// defaults fills in inputs of a pipeline component that nothing is given for.
func (b *jobBuilder) defaults(decls []pipeline.PortDecl, sc *scope) {
	for _, d := range decls {
		if p, ok := sc.inputs[d.Name]; ok && !p.unset {
			continue
		}
		if d.Default.Given() {
			sc.inputs[d.Name] = port{value: cairn.Str(literalText(d.Default.Value))}
		} else {
			sc.inputs[d.Name] = port{unset: true}
		}
	}
}

// boundOutput is what a file says of an output; above is what the pipeline around it says.
func (b *jobBuilder) boundOutput(o pipeline.Output, above boundOutput) boundOutput {
	out := boundOutput{mode: o.Mode, typ: strings.ToLower(o.Type)}
	if o.Path.Given() {
		out.path = o.Path.Value.Text
	}
	if o.AssetName.Set {
		out.register = &cairn.Registration{Name: o.AssetName.Value, Version: o.AssetVersion.Value}
	}
	if above.register != nil {
		out.register = above.register
	}
	out.mode, out.path, out.typ = firstOf(above.mode, out.mode), firstOf(above.path, out.path), firstOf(out.typ, above.typ)
	return out
}

// outputsFrom finds the nodes that make the outputs of a pipeline.
func (b *jobBuilder) outputsFrom(declared []pipeline.Output, jobs []pipeline.Job) []cairn.NamedValue {
	var out []cairn.NamedValue
	for _, o := range declared {
		for i := range jobs {
			for _, made := range jobs[i].Outputs {
				if made.Bound == o.Name {
					out = append(out, cairn.NamedValue{Name: o.Name, Value: jobOutput(jobs[i].Key, made.Name)})
				}
			}
		}
	}
	return out
}

func jobOutput(node, name string) cairn.Template {
	return cairn.Expr("${{ jobs." + node + ".outputs[" + quoted(name) + "] }}")
}

// quoted writes a text as the expression language does.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// maxJobNesting bounds pipelines inside of pipelines.
const maxJobNesting = 20

// pipelineNodes plans the nodes of a pipeline, in file order.
func (b *jobBuilder) pipelineNodes(jobs []pipeline.Job, settings pipeline.Settings, sc *scope) []cairn.Node {
	if b.depth++; b.depth > maxJobNesting {
		b.fail("plan.nesting", cairn.Position{File: b.doc.Path}, "", "", "pipelines are nested more than %d deep", maxJobNesting)
		b.depth--
		return nil
	}
	defer func() { b.depth-- }()
	sc.nodes, sc.alias = jobs, map[string]string{}
	bodies, conditions := map[string]*pipeline.Job{}, map[string][]guard{}
	for i := range jobs {
		j := &jobs[i]
		switch {
		case j.DoWhile != nil:
			sc.alias[j.Key], bodies[j.DoWhile.Body] = j.DoWhile.Body, j
		case j.For != nil:
			sc.alias[j.Key], bodies[j.For.Body] = j.For.Body, j
		case j.IfElse != nil:
			for _, name := range j.IfElse.True {
				conditions[name] = append(conditions[name], guard{j, true})
			}
			for _, name := range j.IfElse.False {
				conditions[name] = append(conditions[name], guard{j, false})
			}
		}
	}
	var out []cairn.Node
	for i := range jobs {
		j := &jobs[i]
		if j.DoWhile != nil || j.For != nil || j.IfElse != nil {
			continue
		}
		if b.nodes++; b.nodes > maxNodes {
			b.fail("plan.size", j.Pos, j.JSONPath, "", "the pipeline has more than %d nodes", maxNodes)
			break
		}
		var n *cairn.Node
		switch around := bodies[j.Key]; {
		case around == nil:
			n = b.node(j, sc)
		case around.DoWhile != nil:
			n = b.loop(j, around, sc)
		default:
			n = b.each(j, around, sc)
		}
		if n == nil {
			continue
		}
		guards := conditions[j.Key]
		for key, body := range sc.alias { // a block may name the loop
			if body == j.Key {
				guards = append(guards, conditions[key]...)
			}
		}
		for _, g := range guards {
			b.guarded(n, g, sc)
		}
		out = append(out, *n)
	}
	b.firstAndLast(out, settings)
	return out
}

// firstAndLast puts the nodes of on_init and on_finalize before and behind all others.
func (b *jobBuilder) firstAndLast(nodes []cairn.Node, s pipeline.Settings) {
	first, last := s.OnInit.Value, s.OnFinalize.Value
	for i := range nodes {
		n := &nodes[i]
		if first != "" && n.ID != first && !slices.Contains(n.Needs, first) {
			n.Needs = append(n.Needs, first)
		}
		if last != "" && n.ID == last {
			n.If = "always()"
			for k := range nodes {
				if nodes[k].ID != last && !slices.Contains(n.Needs, nodes[k].ID) {
					n.Needs = append(n.Needs, nodes[k].ID)
				}
			}
		}
	}
}
