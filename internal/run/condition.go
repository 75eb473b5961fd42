package run

import (
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// verdict is what a node's condition comes to.
type verdict int

const (
	pending verdict = iota // its needs are not done
	proceed
	skip
	cancel
	fault
)

type judgement struct {
	verdict verdict
	reason  string
	seen    *cairn.Condition // what was evaluated; nil where nothing was
}

func (j judgement) conclusion() cairn.Conclusion {
	switch j.verdict {
	case skip:
		return cairn.Skipped
	case cancel:
		return cairn.Cancelled
	default:
		return cairn.Failure
	}
}

// judge evaluates a node's condition. In a run that is being cancelled a
// condition still counts if it asks for a status itself: always() and
// cancelled() hold then, success() and failure() do not.
func (d *decider) judge(sc *scope, s *nodeState, ready bool) judgement {
	n := s.node
	cancelled := d.f.Run.CancelBy != ""
	switch {
	case sc.stop != "":
		return judgement{verdict: cancel, reason: sc.stop}
	case cancelled && d.f.Run.Forced:
		return judgement{verdict: cancel, reason: d.cancelReason()}
	}
	cond, err := d.parse(n.If)
	if err != nil {
		return judgement{verdict: fault, reason: d.faultIf(n, err)}
	}
	if cancelled && !cond.asks {
		return judgement{verdict: cancel, reason: d.cancelReason()}
	}
	if !ready {
		return judgement{verdict: pending}
	}
	env := d.ifEnv(sc, s)
	v, err := cond.node.Eval(env)
	switch {
	case err != nil:
		return judgement{verdict: fault, reason: d.faultIf(n, err)}
	case v.Truthy() && cond.bare == nil:
		return judgement{verdict: proceed}
	}
	j := judgement{verdict: skip, seen: d.seen(sc, s, cond, env, v.Truthy())}
	switch {
	case v.Truthy():
		j.verdict = proceed
	case cancelled:
		j.verdict, j.reason = cancel, d.cancelReason()
	default:
		j.reason = whyNot(j.seen)
	}
	return j
}

// condition is a parsed if.
type condition struct {
	src  string
	node *expr.Node // with the implied success()
	bare *expr.Node // as written; nil for none
	asks bool       // it asks for a status itself
}

func (d *decider) parse(src string) (condition, error) {
	if c, ok := d.parsed[src]; ok {
		return c, nil
	}
	c := condition{src: strings.TrimSpace(src)}
	var err error
	if c.node, err = expr.ParseCondition(src); err != nil {
		return c, err
	}
	if c.src != "" {
		if c.bare, err = expr.Parse(src); err != nil {
			return c, err
		}
		c.asks = expr.UsesStatusFunction(c.bare)
	}
	d.parsed[src] = c
	return c, nil
}

func (d *decider) faultIf(n *cairn.Node, err error) string {
	pos := n.IfPos
	if pos.Line == 0 {
		pos = n.Pos
	}
	return d.fault(&cairn.Node{Pos: pos}, "if", cairn.Template{}, err)
}

// ifEnv is what a job's if may see. The matrix is not part of it: a condition
// decides whether there is a matrix at all.
func (d *decider) ifEnv(sc *scope, s *nodeState) *expr.Env {
	cancelled := d.f.Run.CancelBy != ""
	status := func(all bool, want cairn.Conclusion) expr.Func {
		return func(args []expr.Value) (expr.Value, error) {
			of, err := d.named(sc, s, args)
			if err != nil {
				return expr.Value{}, err
			}
			hit := all
			for _, a := range of {
				if all && a.result != want {
					hit = false
				}
				if !all && a.result == want {
					hit = true
				}
			}
			return expr.Bool(hit && !cancelled), nil
		}
	}
	return &expr.Env{
		Contexts: map[string]expr.Value{
			"github": d.f.Contexts["github"], "vars": d.f.Contexts["vars"],
			"inputs": sc.inputs, "needs": d.needs(sc, s),
		},
		Functions: map[string]expr.Func{
			"success":   status(true, cairn.Success),
			"failure":   status(false, cairn.Failure),
			"always":    func([]expr.Value) (expr.Value, error) { return expr.Bool(true), nil },
			"cancelled": func([]expr.Value) (expr.Value, error) { return expr.Bool(cancelled), nil },
		},
	}
}

// named is whom a status function asks about: everything above the node, or the
// jobs that its arguments name.
func (d *decider) named(sc *scope, s *nodeState, args []expr.Value) ([]*nodeState, error) {
	above := s.ancestors(sc)
	if len(args) == 0 {
		return above, nil
	}
	var of []*nodeState
	for _, a := range args {
		id := a.ToString()
		var hit *nodeState
		for _, x := range above {
			if strings.EqualFold(x.node.ID, id) {
				hit = x
			}
		}
		if hit == nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not among the jobs that %s needs", id, s.node.ID)
		}
		of = append(of, hit)
	}
	return of, nil
}

// ancestors are the transitive needs, nearest first.
func (s *nodeState) ancestors(sc *scope) []*nodeState {
	if s.above != nil || len(s.node.Needs) == 0 {
		return s.above
	}
	seen := map[*nodeState]bool{s: true}
	queue := []*nodeState{s}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, id := range at.node.Needs {
			n := sc.find(id)
			if n == nil || sc.states[n.ID] == nil || seen[sc.states[n.ID]] {
				continue
			}
			up := sc.states[n.ID]
			seen[up] = true
			s.above = append(s.above, up)
			queue = append(queue, up)
		}
	}
	return s.above
}

// needs is the context of that name: direct needs only.
func (d *decider) needs(sc *scope, s *nodeState) expr.Value {
	fields := make([]expr.Field, 0, len(s.node.Needs))
	for _, id := range s.node.Needs {
		n := sc.find(id)
		if n == nil || sc.states[n.ID] == nil {
			continue
		}
		ns := sc.states[n.ID]
		fields = append(fields, expr.Field{Name: n.ID, Value: expr.Object(
			expr.Field{Name: "result", Value: expr.String(string(ns.result))},
			expr.Field{Name: "outputs", Value: expr.Object(ns.outputs...)},
		)})
	}
	return expr.Object(fields...)
}

// env is what the other keys of a job may see.
func (d *decider) env(sc *scope, s *nodeState, l *leg) *expr.Env {
	matrix, strategy := legContexts(l)
	return &expr.Env{Contexts: map[string]expr.Value{
		"github": d.f.Contexts["github"], "vars": d.f.Contexts["vars"],
		"inputs": sc.inputs, "needs": d.needs(sc, s),
		"matrix": matrix, "strategy": strategy,
	}}
}

// legContexts are matrix and strategy; a job without a matrix has one leg.
func legContexts(l *leg) (matrix, strategy expr.Value) {
	failFast, index, total, parallel := true, 0, 1, 1
	if l != nil && l.x != nil {
		matrix = decodeJSON(l.x.Instances[l.index].Matrix)
		failFast, index, total = l.x.FailFast, l.index, len(l.x.Instances)
		if parallel = l.x.MaxParallel; parallel == 0 {
			parallel = total
		}
	}
	return matrix, expr.Object(
		expr.Field{Name: "fail-fast", Value: expr.Bool(failFast)},
		expr.Field{Name: "job-index", Value: expr.Number(float64(index))},
		expr.Field{Name: "job-total", Value: expr.Number(float64(total))},
		expr.Field{Name: "max-parallel", Value: expr.Number(float64(parallel))},
	)
}
