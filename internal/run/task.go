package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/plan"
)

// task evaluates the inputs of a node's task, and names what it comes to: jobs of the same
// key make the same outputs.
func (d *decider) task(n *cairn.Node, l *leg, env *expr.Env) (*cairn.JobTask, string) {
	values, fault := d.taskValues(n, env)
	if fault != "" {
		return nil, fault
	}
	t := &cairn.JobTask{Source: n.Task.Source}
	if l.x != nil {
		t.Trial = l.x.Instances[l.index].Trial
	}
	t.Key, t.Parts = plan.TaskKey(n.Task, values, t.Trial)
	return t, ""
}

// taskValues are the inputs that are set, in their order.
func (d *decider) taskValues(n *cairn.Node, env *expr.Env) ([]cairn.TaskValue, string) {
	var out []cairn.TaskValue
	for i := range n.Task.Inputs {
		in := &n.Task.Inputs[i]
		if in.Value.IsZero() {
			continue
		}
		v, err := expr.EvalTemplate(in.Value, env)
		if err != nil {
			return nil, d.fault(n, "inputs."+in.Name, in.Value, err)
		}
		val := cairn.TaskValue{Name: in.Name}
		text := valueText(v)
		if in.Literal() {
			val.Text = text
			out = append(out, val)
			continue
		}
		data, list, ok := dataOf(text)
		switch {
		case ok && list != nil:
			val.List = list
		case ok:
			val.Data = data
		case in.Type == "any": // what it is bound to is only known now
			val.Text = text
		case text == "" && in.Optional:
			continue
		default:
			what := "it has none"
			if text != "" {
				what = fmt.Sprintf("%q is none", clip(text, 80))
			}
			return nil, d.fault(n, "inputs."+in.Name, in.Value, fmt.Errorf("data is needed, and %s", what))
		}
		out = append(out, val)
	}
	return out, ""
}

// valueText is a value as text; lists and objects are JSON.
func valueText(v expr.Value) string {
	if v.Primitive() {
		return v.ToString()
	}
	return string(v.JSON())
}

// dataOf reads data, or a list of data, as jobs hand it on.
func dataOf(text string) (*cairn.DataValue, []cairn.DataValue, bool) {
	if v, ok := cairn.DecodeData(text); ok {
		return &v, nil, true
	}
	texts, ok := cairn.DecodeDataList(text)
	if !ok {
		return nil, nil, false
	}
	list := make([]cairn.DataValue, 0, len(texts))
	for _, t := range texts {
		v, ok := cairn.DecodeData(t)
		if !ok {
			return nil, nil, false
		}
		list = append(list, v)
	}
	return nil, list, true
}

// taskRun is the task of a job that is handed out, and the variables that it brings.
func (e *Engine) taskRun(ctx context.Context, s *start) (*cairn.TaskRun, map[string]string, error) {
	n := s.at.node.node
	env := s.d.env(s.at.scope, s.at.node, &s.at.leg)
	values, fault := s.d.taskValues(n, env)
	if fault != "" {
		return nil, nil, cairn.Errorf(cairn.CodeInvalid, "%s", fault)
	}
	t := &cairn.TaskRun{Task: *n.Task, Values: values, Name: s.job.Path, Root: s.job.Path}
	if s.job.Task != nil {
		t.Trial = s.job.Task.Trial
	}
	r, ok := e.o.Resolver.(TaskResolver)
	if !ok {
		return t, nil, nil
	}
	vars, err := r.Task(ctx, &s.run, &s.job, t)
	return t, vars, err
}

// withTask adds the variables of a task to those of its job.
func withTask(base, vars map[string]string) map[string]string {
	if len(vars) == 0 {
		return base
	}
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, vars)
	return out
}

// taskLinks are what a job that carries a task out stands on.
func taskLinks(t *cairn.Task, values []cairn.TaskValue, link func(rel cairn.Relation, to cairn.Ref, note string)) {
	if t.Code != nil {
		link(cairn.RelRan, cairn.NewRef(cairn.KindTree, string(t.Code.Digest)), "code")
	}
	if t.Component != "" {
		link(cairn.RelUsed, t.Component, "")
	}
	if t.Environment.Ref != "" {
		link(cairn.RelUsed, t.Environment.Ref, "")
	}
	for _, v := range values {
		all := v.List
		if v.Data != nil {
			all = []cairn.DataValue{*v.Data}
		}
		for _, data := range all {
			if data.Ref != "" {
				link(cairn.RelUsed, data.Ref, "as input "+v.Name)
			}
		}
	}
}

// broken says why everything else is stopped: a job failed in a plan that ends with it.
func (d *decider) broken() string {
	if !d.plan.StopOnFailure {
		return ""
	}
	for _, path := range slices.Sorted(maps.Keys(d.st.Jobs)) {
		if j := d.st.Jobs[path]; j.Status == cairn.StatusCompleted && failed(j) {
			return clip(j.Path+" failed, and nothing is to go on then", maxReason)
		}
	}
	return ""
}

// planOutputs evaluates what the whole plan gives back.
func (d *decider) planOutputs(top *scope, c cairn.Conclusion) (map[string]string, string) {
	if len(d.plan.Outputs) == 0 || c != cairn.Success {
		return nil, ""
	}
	env := &expr.Env{Contexts: map[string]expr.Value{
		"github": d.f.Contexts["github"], "vars": d.f.Contexts["vars"], "inputs": top.inputs, "jobs": jobsContext(top),
	}}
	out := make(map[string]string, len(d.plan.Outputs))
	for _, o := range d.plan.Outputs {
		v, err := expr.EvalString(o.Value, env)
		if err != nil {
			return nil, d.fault(&cairn.Node{}, "outputs."+o.Name, o.Value, err)
		}
		out[o.Name] = v
	}
	return out, ""
}

// jobsContext is what the jobs of a scope came to.
func jobsContext(sc *scope) expr.Value {
	jobs := make([]expr.Field, 0, len(sc.nodes))
	for k := range sc.nodes {
		ns := sc.states[sc.nodes[k].ID]
		if ns == nil {
			continue
		}
		jobs = append(jobs, expr.Field{Name: sc.nodes[k].ID, Value: expr.Object(
			expr.Field{Name: "result", Value: expr.String(string(ns.result))},
			expr.Field{Name: "outputs", Value: expr.Object(ns.outputs...)},
		)})
	}
	return expr.Object(jobs...)
}

// collected are the outputs of all instances of a node as lists.
func collected(rows []map[string]string) map[string]string {
	lists := map[string][]string{}
	for _, outputs := range rows {
		for name, v := range outputs {
			lists[name] = append(lists[name], v)
		}
	}
	out := make(map[string]string, len(lists))
	for name, vs := range lists {
		out[name] = cairn.EncodeDataList(vs)
	}
	return out
}
