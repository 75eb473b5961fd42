package run

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// part is how far one instance of a call is.
type part struct {
	path    string
	done    bool
	result  cairn.Conclusion
	outputs []expr.Field
}

// calls settles the instances of a called workflow.
func (d *decider) calls(sc *scope, s *nodeState, path string, x cairn.Expansion) {
	parts := make([]part, len(x.Instances))
	stop, active := sc.stop, 0
	enter := func(i int) {
		p := &parts[i]
		d.body(sc, s, p, &x, i, stop)
		if !p.done {
			active++
		} else if p.result == cairn.Failure && x.FailFast && len(parts) > 1 && stop == "" {
			stop = "fail-fast: " + p.path + " failed"
		}
	}
	// First those that are under way or done: only what is left of max-parallel
	// then is room for others. In a rerun these may stand in any order.
	var others []int
	for i, in := range x.Instances {
		parts[i].path = instancePath(path, in)
		if x.MaxParallel > 0 && !d.hasJobs(parts[i].path) {
			others = append(others, i)
			continue
		}
		enter(i)
	}
	for _, i := range others {
		if active < x.MaxParallel || stop != "" {
			enter(i)
		}
	}
	if stop != sc.stop { // those before the one that failed
		for i := range parts {
			if !parts[i].done {
				d.body(sc, s, &parts[i], &x, i, stop)
			}
		}
	}
	merged := nodeResult{}
	for i := range parts {
		if !parts[i].done {
			return
		}
		merged.add(parts[i].result)
	}
	s.done, s.result = true, merged.result()
	if n := s.node; n.Collect {
		all := make([]map[string]string, len(parts))
		for i := range parts {
			all[i] = fieldTexts(parts[i].outputs)
		}
		s.collect(all)
		return
	}
	for i := range parts {
		s.mergeOutputs(parts[i].outputs)
	}
}

// body settles the nodes of one instance.
func (d *decider) body(outer *scope, s *nodeState, p *part, x *cairn.Expansion, i int, stop string) {
	n := s.node
	gate := d.st.Jobs[p.path]
	if gate != nil && (!gate.Call || gate.Status == cairn.StatusCompleted && gate.StartedAt.IsZero()) {
		// Its outputs could not be computed, or it never came through its group.
		p.done, p.result = gate.Status == cairn.StatusCompleted, result(gate)
		return
	}
	in := x.Instances[i]
	name := outer.names + plainName(n)
	if in.Key != "" {
		name += " (" + in.Key + ")"
	}
	sc := &scope{
		nodes: n.Body, prefix: p.path + "/", names: name + " / ", plain: outer.plain + n.ID + "/",
		inputs: decodeJSON(in.Inputs), states: map[string]*nodeState{}, stop: stop,
		outer: outer, caller: s, via: leg{path: p.path, x: x, index: i},
	}
	if n.Concurrency != nil || n.BodyConcurrency != nil {
		if !d.enter(outer, sc, s, p, name) {
			return
		}
		if gate = d.st.Jobs[p.path]; sc.stop == "" && !gate.CancelAt.IsZero() {
			sc.stop = gate.Reason
		}
	}
	done := true
	merged := nodeResult{}
	for k := range sc.nodes {
		ns := d.visit(sc, &sc.nodes[k])
		done = done && ns.done
		merged.add(ns.result)
	}
	if !done {
		return
	}
	p.done, p.result = true, merged.result()
	fields, fault := d.callOutputs(sc, s, x, i)
	if gate != nil && gate.Status != cairn.StatusCompleted && fault == "" {
		reason := gate.Reason
		if p.result == cairn.Skipped && reason == "" {
			reason = "every job below it was skipped"
		}
		d.do(Finish{Path: p.path, Conclusion: p.result, Reason: reason})
	}
	if fault != "" {
		if gate == nil {
			d.do(CreateJob{Path: p.path, Node: outer.plain + n.ID, Name: name})
		}
		d.do(Finish{Path: p.path, Conclusion: cairn.Failure, Reason: fault})
		p.result = cairn.Failure
		return
	}
	p.outputs = fields
}

// enter takes a call through its concurrency groups: that of the job that calls and
// that of the called workflow. It reports whether the jobs of the call may go on; a
// row stands for it meanwhile.
func (d *decider) enter(outer, sc *scope, s *nodeState, p *part, name string) bool {
	row := d.st.Jobs[p.path]
	if row == nil {
		d.do(CreateJob{Path: p.path, Node: outer.plain + s.node.ID, Name: name, Call: true, If: sc.via.x.If})
		row = d.st.Jobs[p.path]
	}
	end := func(c cairn.Conclusion, reason string) bool {
		d.do(Finish{Path: p.path, Conclusion: c, Reason: reason})
		p.done, p.result = true, c
		return false
	}
	switch {
	case !row.StartedAt.IsZero():
		return true
	case sc.stop != "":
		return end(cairn.Cancelled, sc.stop)
	case d.f.Run.CancelBy != "":
		return end(cairn.Cancelled, d.cancelReason())
	case row.QueuedAt.IsZero():
		a := Ready{Path: p.path, Name: name}
		if fault := d.callClaims(outer, sc, s, &a); fault != "" {
			return end(cairn.Failure, fault)
		}
		d.do(a)
	}
	if !d.inGroups(p.path, outer) {
		if row = d.st.Jobs[p.path]; row.Status == cairn.StatusCompleted {
			p.done, p.result = true, result(row)
		}
		return false
	}
	d.do(Enter{Path: p.path})
	return true
}

// callClaims evaluates the groups of a call: its own with what its job may see, that
// of the called workflow with that one's inputs.
func (d *decider) callClaims(outer, sc *scope, s *nodeState, a *Ready) string {
	claim, fault := d.claim(s.node, s.node.Concurrency, d.env(outer, s, &sc.via))
	if fault != "" {
		return fault
	}
	a.Group, a.CancelInProgress, a.Queue = claim.Group, claim.CancelInProgress, claim.Queue
	at := *s.node
	if len(s.node.Body) > 0 {
		at.Pos.File = s.node.Body[0].Pos.File
	}
	called, fault := d.claim(&at, s.node.BodyConcurrency, &expr.Env{Contexts: map[string]expr.Value{
		"github": d.f.Contexts["github"], "vars": d.f.Contexts["vars"], "inputs": sc.inputs,
	}})
	if called.Group != "" {
		a.Called = &called
	}
	return fault
}

// claim evaluates a concurrency key; a group that comes out empty is none.
func (d *decider) claim(n *cairn.Node, c *cairn.Concurrency, env *expr.Env) (out cairn.Claim, fault string) {
	if c == nil {
		return out, ""
	}
	var err error
	if out.Group, err = expr.EvalString(c.Group, env); err != nil {
		return out, d.fault(n, "concurrency", c.Group, err)
	}
	if err := checkGroup(out.Group); err != nil {
		return out, d.fault(n, "concurrency", c.Group, err)
	}
	if out.CancelInProgress, err = expr.EvalBool(c.CancelInProgress, env); err != nil {
		return out, d.fault(n, "cancel-in-progress", c.CancelInProgress, err)
	}
	if out.Queue = c.Queue; out.CancelInProgress && out.Queue == cairn.QueueMax {
		return out, d.fault(n, "cancel-in-progress", c.CancelInProgress, errQueueCancel)
	}
	return out, ""
}

// callOutputs evaluates what a called workflow hands back.
func (d *decider) callOutputs(sc *scope, s *nodeState, x *cairn.Expansion, i int) (fields []expr.Field, fault string) {
	if len(s.node.Outputs) == 0 {
		return nil, ""
	}
	env := &expr.Env{Contexts: map[string]expr.Value{
		"github": d.f.Contexts["github"], "vars": d.f.Contexts["vars"],
		"inputs": sc.inputs, "jobs": jobsContext(sc),
	}}
	for _, o := range s.node.Outputs {
		v, err := expr.EvalString(o.Value, env)
		if err != nil {
			return nil, d.fault(s.node, "outputs."+o.Name, o.Value, err)
		}
		fields = append(fields, expr.Field{Name: o.Name, Value: expr.String(v)})
	}
	return fields, ""
}

// hasJobs reports whether an instance of a call was entered: it has jobs.
func (d *decider) hasJobs(path string) bool {
	if d.entered == nil {
		d.entered = map[string]bool{}
		for p := range d.st.Jobs {
			for i := strings.LastIndexByte(p, '/'); i >= 0; i = strings.LastIndexByte(p[:i], '/') {
				d.entered[p[:i]] = true
			}
		}
	}
	return d.entered[path]
}

// plainName is what a node is called before its name can be evaluated.
func plainName(n *cairn.Node) string {
	if n.Name.Kind == cairn.TemplateString && n.Name.Text != "" {
		return n.Name.Text
	}
	return n.ID
}

// shownName evaluates a job's name; a matrix shows its values unless the name
// has an expression of its own.
func (d *decider) shownName(sc *scope, s *nodeState, l *leg, env *expr.Env) (string, error) {
	n := s.node
	name := n.ID
	if !n.Name.IsZero() {
		v, err := expr.EvalString(n.Name, env)
		if err != nil {
			return "", err
		}
		if v = strings.TrimSpace(v); v != "" {
			name = v
		}
	}
	if l.x != nil && l.x.Instances[l.index].Key != "" && n.Name.Kind != cairn.TemplateExpr {
		name = fmt.Sprintf("%s (%s)", name, l.x.Instances[l.index].Key)
	}
	return clip(sc.names+name, 400), nil
}
