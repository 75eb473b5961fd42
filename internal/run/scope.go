package run

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/plan"
)

// scope is one level of the graph: the plan itself, or the body of one instance
// of a call. Needs, and the functions that look at them, stay within it.
type scope struct {
	nodes  []cairn.Node
	prefix string // of instance paths: "call[a, 1]/"
	names  string // of shown names: "caller (a, 1) / "
	plain  string // of plan paths: "call/"
	inputs expr.Value
	states map[string]*nodeState
	only   map[string]bool // nil: all
	stop   string          // why everything below is cancelled; "" if not

	// The call that this is the body of; nil at the top.
	outer  *scope
	caller *nodeState
	via    leg
}

// nodeState is how far one node of a scope is.
type nodeState struct {
	node     *cairn.Node
	visiting bool
	done     bool
	result   cairn.Conclusion
	outputs  []expr.Field
	above    []*nodeState // transitive needs; see ancestors
}

func (sc *scope) find(id string) *cairn.Node {
	for i := range sc.nodes {
		if strings.EqualFold(sc.nodes[i].ID, id) {
			return &sc.nodes[i]
		}
	}
	return nil
}

func (sc *scope) include(id string) {
	n := sc.find(id)
	if n == nil || sc.only[n.ID] {
		return
	}
	sc.only[n.ID] = true
	for _, need := range n.Needs {
		sc.include(need)
	}
}

func (sc *scope) excluded(id string) bool { return sc.only != nil && !sc.only[id] }

// visit settles a node after its needs.
func (d *decider) visit(sc *scope, n *cairn.Node) *nodeState {
	if s := sc.states[n.ID]; s != nil {
		return s
	}
	s := &nodeState{node: n, visiting: true}
	sc.states[n.ID] = s
	ready, fault := true, ""
	for _, id := range n.Needs {
		need := sc.find(id)
		if need == nil {
			fault = fmt.Sprintf("%s: needs: there is no job %q", d.place(n.Pos), id)
			continue
		}
		ns := d.visit(sc, need)
		if ns.visiting {
			fault = fmt.Sprintf("%s: needs: %s and %s need each other", d.place(n.Pos), n.ID, id)
			continue
		}
		ready = ready && ns.done
	}
	s.visiting = false
	path := sc.prefix + n.ID
	switch {
	case fault != "" && d.st.Jobs[path] == nil:
		d.fail(sc, s, path, fault)
	case n.Kind == cairn.NodeLoop && n.Loop != nil && len(n.Body) > 0:
		d.loopNode(sc, s, path, ready)
	case n.Kind == cairn.NodeJob && n.Sweep != nil && n.Task != nil:
		d.sweepNode(sc, s, path, ready)
	case n.Kind == cairn.NodeCall || n.Kind == cairn.NodeJob && n.Strategy != nil && !n.Strategy.Matrix.IsZero():
		d.settleMany(sc, s, path, ready)
	case n.Kind == cairn.NodeJob:
		d.job(sc, s, leg{path: path}, ready)
		s.settle([]*cairn.Job{d.st.Jobs[path]})
	case d.st.Jobs[path] == nil:
		d.fail(sc, s, path, fmt.Sprintf("%s: this Cairn does not know nodes of kind %q", d.place(n.Pos), n.Kind))
	default:
		s.settle([]*cairn.Job{d.st.Jobs[path]})
	}
	return s
}

// end completes a node that gets no instances; the row stands for it.
func (d *decider) end(sc *scope, s *nodeState, path string, c cairn.Conclusion, reason string, seen *cairn.Condition) {
	if d.st.Jobs[path] == nil {
		d.do(CreateJob{Path: path, Node: sc.plain + s.node.ID, Name: sc.names + plainName(s.node)})
	}
	d.do(Finish{Path: path, Conclusion: c, Reason: reason, If: seen})
	s.settle([]*cairn.Job{d.st.Jobs[path]})
}

func (d *decider) fail(sc *scope, s *nodeState, path, reason string) {
	d.end(sc, s, path, cairn.Failure, reason, nil)
}

// settleMany settles a node with a matrix, or a call.
func (d *decider) settleMany(sc *scope, s *nodeState, path string, ready bool) {
	if row := d.st.Jobs[path]; row != nil && row.Status == cairn.StatusCompleted {
		s.settle([]*cairn.Job{row})
		return
	}
	x, expanded := d.st.Expansions[path]
	if !expanded {
		v := d.judge(sc, s, ready)
		switch v.verdict {
		case pending:
			return
		case proceed:
		default:
			d.end(sc, s, path, v.conclusion(), v.reason, v.seen)
			return
		}
		var reason string
		if x, reason = d.expand(sc, s, path); reason != "" {
			d.fail(sc, s, path, reason)
			return
		}
		x.If = v.seen
		d.do(Expand{Expansion: x})
	}
	if s.node.Kind == cairn.NodeCall {
		d.calls(sc, s, path, x)
	} else {
		d.legs(sc, s, path, x)
	}
}

// expand computes the instances of a node whose condition holds.
func (d *decider) expand(sc *scope, s *nodeState, path string) (x cairn.Expansion, fault string) {
	n := s.node
	x = cairn.Expansion{Node: path, Instances: []cairn.Instance{{}}, FailFast: true}
	env := d.env(sc, s, nil)
	if st := n.Strategy; st != nil {
		if !st.Matrix.IsZero() {
			v, err := expr.EvalTemplate(st.Matrix, env)
			if err != nil {
				return x, d.fault(n, "matrix", st.Matrix, err)
			}
			if x.Instances, err = plan.ExpandMatrix(v); err != nil {
				return x, d.fault(n, "matrix", st.Matrix, err)
			}
			if len(x.Instances) == 0 {
				return x, d.fault(n, "matrix", st.Matrix, fmt.Errorf("it has no combination"))
			}
			uniqueKeys(x.Instances)
		}
		if !st.FailFast.IsZero() {
			v, err := expr.EvalBool(st.FailFast, env)
			if err != nil {
				return x, d.fault(n, "fail-fast", st.FailFast, err)
			}
			x.FailFast = v
		}
		if !st.MaxParallel.IsZero() {
			v, err := expr.EvalNumber(st.MaxParallel, env)
			if err == nil && (v < 1 || v != v || v > 1e6) {
				err = fmt.Errorf("%v is not a number of jobs; it must be at least 1", v)
			}
			if err != nil {
				return x, d.fault(n, "max-parallel", st.MaxParallel, err)
			}
			x.MaxParallel = int(v)
		}
	}
	if n.Kind != cairn.NodeCall && n.Kind != cairn.NodeLoop {
		return x, ""
	}
	for i := range x.Instances {
		l := leg{x: &x, index: i}
		env := d.env(sc, s, &l)
		given := make([]expr.Field, 0, len(n.With))
		for _, w := range n.With {
			v, err := expr.EvalTemplate(w.Value, env)
			if err != nil {
				return x, d.fault(n, "with."+w.Name, w.Value, err)
			}
			given = append(given, expr.Field{Name: w.Name, Value: v})
		}
		inputs, err := plan.BindInputsIn(n.BodyInputs, expr.Object(given...), &expr.Env{Contexts: map[string]expr.Value{
			"github": d.f.Contexts["github"], "vars": d.f.Contexts["vars"], "inputs": sc.inputs,
		}})
		if err != nil {
			return x, d.fault(n, "with", cairn.Template{}, err)
		}
		x.Instances[i].Inputs = inputs
	}
	return x, ""
}

// uniqueKeys makes instance paths unique where two combinations look alike (10
// and "10").
func uniqueKeys(in []cairn.Instance) {
	seen := make(map[string]bool, len(in))
	for i := range in {
		key := in[i].Key
		for n := 2; seen[in[i].Key]; n++ {
			in[i].Key = fmt.Sprintf("%s #%d", key, n)
		}
		seen[in[i].Key] = true
	}
}

// leg is one instance of a node.
type leg struct {
	path  string
	x     *cairn.Expansion // nil: a node without matrix
	index int
	stop  string // why it is cancelled; "" if it is not
	full  string // why it may not start yet (max-parallel); "" if it may
}

func instancePath(node string, in cairn.Instance) string {
	if in.Key == "" {
		return node
	}
	return node + "[" + in.Key + "]"
}

// legs settles the jobs of a matrix.
func (d *decider) legs(sc *scope, s *nodeState, path string, x cairn.Expansion) {
	rows := make([]*cairn.Job, len(x.Instances))
	paths := make([]string, len(x.Instances))
	running := 0
	for i, in := range x.Instances {
		paths[i] = instancePath(path, in)
		rows[i] = d.st.Jobs[paths[i]]
		if rows[i] != nil && rows[i].Status == cairn.StatusRunning {
			running++
		}
	}
	stop := failFast(&x, rows)
	for i := range x.Instances {
		l := leg{path: paths[i], x: &x, index: i, stop: stop}
		if x.MaxParallel > 0 && running >= x.MaxParallel {
			l.full = fmt.Sprintf("max-parallel: %d", x.MaxParallel)
		}
		was := rows[i] != nil && rows[i].Status == cairn.StatusRunning
		d.job(sc, s, l, true)
		if rows[i] = d.st.Jobs[paths[i]]; !was && rows[i].Status == cairn.StatusRunning {
			running++
		}
	}
	s.settle(rows)
	if s.done && s.node.Collect {
		all := make([]map[string]string, len(rows))
		for i, j := range rows {
			all[i] = j.Outputs
		}
		s.collect(all)
	}
}

// collect hands the outputs of all instances on as lists.
func (s *nodeState) collect(all []map[string]string) {
	s.outputs = expr.FromGo(collected(all)).Fields()
}

// failFast says why the other legs are cancelled, or "".
func failFast(x *cairn.Expansion, rows []*cairn.Job) string {
	if !x.FailFast || len(rows) < 2 {
		return ""
	}
	for _, j := range rows {
		if j != nil && j.Status == cairn.StatusCompleted && failed(j) {
			return "fail-fast: " + j.Name + " failed"
		}
	}
	return ""
}

// settle merges the instances of a node: done when all are, a failure when one
// failed, skipped when all were; of outputs the last that is not empty stays.
func (s *nodeState) settle(rows []*cairn.Job) {
	order := make([]*cairn.Job, 0, len(rows))
	merged := nodeResult{}
	for _, j := range rows {
		if j == nil || j.Status != cairn.StatusCompleted {
			return
		}
		merged.add(result(j))
		order = append(order, j)
	}
	sort.SliceStable(order, func(a, b int) bool { return order[a].FinishedAt.Before(order[b].FinishedAt) })
	s.done, s.result = true, merged.result()
	for _, j := range order {
		s.mergeOutputs(expr.FromGo(j.Outputs).Fields())
	}
}

func (s *nodeState) mergeOutputs(fields []expr.Field) {
	for _, f := range fields {
		found := false
		for i := range s.outputs {
			if !strings.EqualFold(s.outputs[i].Name, f.Name) {
				continue
			}
			found = true
			if f.Value.ToString() != "" {
				s.outputs[i].Value = f.Value
			}
		}
		if !found {
			s.outputs = append(s.outputs, f)
		}
	}
}

// nodeResult counts the results of parts.
type nodeResult struct{ failed, cancelled, ran, any bool }

func (r *nodeResult) add(c cairn.Conclusion) {
	r.any = true
	switch c {
	case cairn.Failure:
		r.failed = true
	case cairn.Cancelled:
		r.cancelled = true
	case cairn.Success:
		r.ran = true
	}
}

func (r *nodeResult) result() cairn.Conclusion {
	switch {
	case r.failed:
		return cairn.Failure
	case r.cancelled:
		return cairn.Cancelled
	case r.ran || !r.any:
		return cairn.Success
	default:
		return cairn.Skipped
	}
}

// decodeJSON reads JSON that this program wrote; damage reads as null.
func decodeJSON(raw json.RawMessage) expr.Value {
	if len(raw) == 0 {
		return expr.Value{}
	}
	v, err := expr.FromJSON(raw)
	if err != nil {
		return expr.Value{}
	}
	return v
}
