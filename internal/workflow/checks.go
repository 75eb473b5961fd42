package workflow

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// checkNeeds resolves needs: every name must be a job, and every job must be
// able to start once.
func (r *reader) checkNeeds(w *Workflow) {
	ids := make([]string, len(w.Jobs))
	byFold := make(map[string]int, len(w.Jobs))
	for i, j := range w.Jobs {
		ids[i] = j.ID
		byFold[strings.ToLower(j.ID)] = i
	}
	edges, wanted, stuck := make([][]int, len(w.Jobs)), make([][]Text, len(w.Jobs)), make([]bool, len(w.Jobs))
	roots := 0
	for i := range w.Jobs {
		j := &w.Jobs[i]
		wanted[i] = j.Needs
		if len(j.Needs) == 0 {
			roots++
		}
		var kept []Text
		for _, need := range j.Needs {
			to, ok := byFold[strings.ToLower(need.Value)]
			stuck[i] = stuck[i] || !ok
			if ok && !slices.Contains(edges[i], to) {
				edges[i] = append(edges[i], to)
				kept = append(kept, Text{Value: ids[to], Pos: need.Pos})
			}
		}
		j.Needs = kept
	}
	if len(w.Jobs) == 0 {
		return
	}
	cycle := findCycle(edges)
	path := cyclePath(cycle, ids)
	if roots == 0 {
		r.report(cairn.SeverityError, "cycle", r.jobsPos, path, noStart)
		return
	}
	starts := startable(edges, stuck)
	for i, j := range w.Jobs {
		if r.stopped {
			return
		}
		for _, need := range wanted[i] {
			to, ok := byFold[strings.ToLower(need.Value)]
			switch {
			case !ok:
				hint := "jobs of this file: " + strings.Join(ids, ", ")
				if near := cairn.Nearest(need.Value, ids); near != "" {
					hint = "did you mean " + near + "? " + hint
				}
				r.report(cairn.SeverityError, "needs", need.Pos, hint, "Job %s depends on unknown job %s.", quote(j.ID), quote(need.Value))
			case !starts[to]:
				hint := "job " + quote(ids[to]) + " never starts itself"
				if slices.Contains(cycle, i) && slices.Contains(cycle, to) {
					hint = path
				}
				r.report(cairn.SeverityError, "cycle", need.Pos, hint,
					"Job %s depends on job %s which creates a cycle in the dependency graph.", quote(j.ID), quote(need.Value))
			}
		}
	}
}

func cyclePath(cycle []int, ids []string) string {
	if len(cycle) == 0 {
		return ""
	}
	names := make([]string, 0, len(cycle)+1)
	for _, i := range cycle {
		names = append(names, ids[i])
	}
	return "jobs wait for each other: " + strings.Join(append(names, names[0]), " → ")
}

// startable finds the jobs that can start: not those that wait for each other,
// nor the stuck ones, which need a job that does not exist, nor what needs those.
func startable(edges [][]int, stuck []bool) []bool {
	starts := make([]bool, len(edges))
	waiting := make([]int, len(edges))
	after := make([][]int, len(edges))
	var ready []int
	for i, to := range edges {
		waiting[i] = len(to)
		for _, t := range to {
			after[t] = append(after[t], i)
		}
		if stuck[i] {
			waiting[i]++ // a job that does not exist never ends
		}
		if waiting[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		starts[i] = true
		for _, a := range after[i] {
			if waiting[a]--; waiting[a] == 0 {
				ready = append(ready, a)
			}
		}
	}
	return starts
}

// findCycle returns one cycle, starting at its first node in file order.
func findCycle(edges [][]int) []int {
	const (
		fresh = iota
		open
		closed
	)
	state := make([]uint8, len(edges))
	var path, found []int
	var visit func(i int) bool
	visit = func(i int) bool {
		state[i] = open
		path = append(path, i)
		for _, to := range edges[i] {
			if state[to] == open {
				found = slices.Clone(path[slices.Index(path, to):])
				return true
			}
			if state[to] == fresh && visit(to) {
				return true
			}
		}
		state[i] = closed
		path = path[:len(path)-1]
		return false
	}
	for i := range edges {
		if state[i] == fresh && visit(i) {
			first := slices.Index(found, slices.Min(found))
			return append(slices.Clone(found[first:]), found[:first]...)
		}
	}
	return nil
}

// checkUses looks at what expressions name: needs that a job does not declare,
// outputs, steps and inputs that do not exist. GitHub takes all of them for
// empty text without a word, so these are warnings.
func (r *reader) checkUses(w *Workflow) {
	inputs, closedInputs := w.inputNames()
	for _, u := range r.uses {
		path := u.ref.Path
		if len(path) < 2 || path[1] == "*" {
			continue
		}
		switch path[0] {
		case "inputs":
			if closedInputs {
				r.unknownName(u, 1, inputs, "input", "declare it under on.workflow_dispatch.inputs or on.workflow_call.inputs")
			}
		case "needs":
			if u.job >= 0 {
				r.checkNeedUse(w, u)
			}
		case "jobs":
			if u.job < 0 {
				r.checkJobUse(w, u)
			}
		case "steps":
			if u.job >= 0 && u.job < len(w.Jobs) {
				r.checkStepUse(&w.Jobs[u.job], u)
			}
		}
	}
}

// inputNames lists the declared inputs; false when any name could come.
func (w *Workflow) inputNames() ([]string, bool) {
	var names []string
	declared := false
	for _, e := range w.On {
		if e.Name == "workflow_dispatch" || e.Name == "workflow_call" {
			declared = true
			for _, in := range e.Inputs {
				names = append(names, in.Name)
			}
		}
	}
	return names, declared
}

func (r *reader) checkNeedUse(w *Workflow, u use) {
	job := &w.Jobs[u.job]
	needs := make([]string, len(job.Needs))
	for i, n := range job.Needs {
		needs[i] = n.Value
	}
	if !containsFold(needs, u.ref.Path[1]) {
		hint := "add it to needs of this job"
		if _, exists := w.Job(u.ref.Path[1]); !exists {
			hint = "this job has no needs"
			if len(needs) > 0 {
				hint = "this job needs: " + strings.Join(needs, ", ")
			}
			if near := cairn.Nearest(u.ref.Path[1], needs); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
		}
		r.warnUse(u, 1, hint, "job %s does not need %s: this is always empty", quote(job.ID), quote(u.ref.Path[1]))
		return
	}
	r.checkResult(w, u, u.ref.Path[1])
}

func (r *reader) checkJobUse(w *Workflow, u use) {
	ids := make([]string, len(w.Jobs))
	for i, j := range w.Jobs {
		ids[i] = j.ID
	}
	if r.unknownName(u, 1, ids, "job", "jobs of this file: "+strings.Join(ids, ", ")) {
		r.checkResult(w, u, u.ref.Path[1])
	}
}

// checkResult checks what stands behind needs.X or jobs.X.
func (r *reader) checkResult(w *Workflow, u use, id string) {
	if len(u.ref.Path) < 3 || !r.unknownName(u, 2, []string{"result", "outputs"}, "member", "allowed here: result, outputs") {
		return
	}
	i := slices.IndexFunc(w.Jobs, func(j Job) bool { return strings.EqualFold(j.ID, id) })
	if i < 0 || len(u.ref.Path) < 4 || !strings.EqualFold(u.ref.Path[2], "outputs") || u.ref.Path[3] == "*" || w.Jobs[i].Uses.Value != "" {
		return
	}
	names := make([]string, len(w.Jobs[i].Outputs))
	for k, o := range w.Jobs[i].Outputs {
		names[k] = o.Name
	}
	r.unknownName(u, 3, names, "output", "declare it under jobs."+w.Jobs[i].ID+".outputs")
}

func (r *reader) checkStepUse(job *Job, u use) {
	var before, all []string
	for i, s := range job.Steps {
		if s.ID == "" {
			continue
		}
		all = append(all, s.ID)
		if u.step < 0 || i < u.step {
			before = append(before, s.ID)
		}
	}
	name := u.ref.Path[1]
	if !containsFold(all, name) {
		r.unknownName(u, 1, all, "step", "give the step an id: id: "+name)
		return
	}
	if !containsFold(before, name) {
		r.warnUse(u, 1, "only steps that come before have a result", "step %s has not run at this point: this is always empty", quote(name))
		return
	}
	if len(u.ref.Path) > 2 {
		r.unknownName(u, 2, []string{"outputs", "outcome", "conclusion"}, "member", "allowed here: outputs, outcome, conclusion")
	}
}

// unknownName warns when part i of a path is not among names; true means known.
func (r *reader) unknownName(u use, i int, names []string, what, hint string) bool {
	if containsFold(names, u.ref.Path[i]) || u.ref.Path[i] == "*" {
		return true
	}
	if near := cairn.Nearest(u.ref.Path[i], names); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	r.warnUse(u, i, hint, "%s has no %s %s: this is always empty", strings.Join(u.ref.Path[:i], "."), what, quote(u.ref.Path[i]))
	return false
}

func (r *reader) warnUse(u use, i int, hint, format string, args ...any) {
	if r.full(cairn.SeverityWarning) {
		return
	}
	span := u.ref.Spans[i]
	r.report(cairn.SeverityWarning, "undeclared", r.src.within(u.node, u.offset+span[0], u.offset+span[1]), hint, format, args...)
}

func containsFold(names []string, s string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s) })
}

// refs collects the uses of secrets, vars and env.
func (r *reader) refs(w *Workflow) []Ref {
	var out []Ref
	for _, u := range r.uses {
		kind := RefKind(u.ref.Path[0])
		if kind != RefSecret && kind != RefVar && kind != RefEnv {
			continue
		}
		ref := Ref{Kind: kind, Name: "*", Pos: r.src.within(u.node, u.offset+u.ref.Offset, u.offset+u.ref.End)}
		if len(u.ref.Path) > 1 {
			ref.Name = u.ref.Path[1]
		}
		if u.job >= 0 && u.job < len(w.Jobs) {
			ref.Job = w.Jobs[u.job].ID
		}
		out = append(out, ref)
	}
	return out
}
