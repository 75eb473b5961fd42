package run

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Decide says what follows from the facts, in the order in which it is to be
// applied. It is pure: the same arguments give the same answer, and nothing is
// written through them. It follows its own decisions as far as they lead (a
// skipped job may make others ready), so that applying all of them and deciding
// again on the same facts gives nothing new.
func Decide(p *cairn.Plan, xs []cairn.Expansion, f Facts) []Action {
	d := newDecider(p, stateOf(xs, &f), &f)
	d.decide()
	return d.out
}

// newDecider works on st, which it changes.
func newDecider(p *cairn.Plan, st *State, f *Facts) *decider {
	d := &decider{plan: p, f: f, st: st, parsed: map[string]condition{}, where: map[string]located{}, ousted: map[CancelOther]bool{}}
	d.free = make([]int, len(f.Pools))
	for i, pool := range f.Pools {
		d.free[i] = pool.Free
	}
	d.taken = map[string]int{}
	for name, p := range f.Places {
		d.taken[name] = p.Busy
	}
	return d
}

func (d *decider) decide() {
	if d.f.Run.Status == cairn.StatusCompleted || !d.admit() {
		return
	}
	done := false
	// What one job becomes may concern any other (groups, slots, fail-fast), so it
	// goes over the graph until nothing new comes of it.
	var top *scope
	for range maxRounds {
		before := len(d.out)
		d.wake, d.entered = time.Time{}, nil
		top = d.topScope()
		done = true
		for i := range top.nodes {
			if !top.excluded(top.nodes[i].ID) {
				done = d.visit(top, &top.nodes[i]).done && done
			}
		}
		if len(d.out) == before {
			break
		}
	}
	if done {
		c, reason := d.conclusion()
		outputs, fault := d.planOutputs(top, c)
		if fault != "" {
			c, reason = cairn.Failure, fault
		}
		d.do(FinishRun{Conclusion: c, Reason: reason, Outputs: outputs})
	} else if !d.wake.IsZero() {
		d.do(Wake{At: d.wake})
	} else if d.stuck() {
		d.unstick()
	}
}

// stuck reports that nothing runs and nothing waits, and yet the run is not at
// its end. No plan may come to this.
func (d *decider) stuck() bool {
	for _, j := range d.st.Jobs {
		switch j.Status {
		case cairn.StatusRunning, cairn.StatusWaiting, cairn.StatusQueued:
			return false
		}
	}
	return true
}

// defect begins the reason of a run that was ended because it was stuck.
const defect = "a defect of Cairn: nothing runs and nothing waits, but not all is done"

// unstick ends a stuck run: one that says why is better than one that hangs.
func (d *decider) unstick() {
	for _, path := range slices.Sorted(maps.Keys(d.st.Jobs)) {
		if d.st.Jobs[path].Status != cairn.StatusCompleted {
			d.do(Finish{Path: path, Conclusion: cairn.Failure, Reason: defect})
		}
	}
	d.do(FinishRun{Conclusion: cairn.Failure, Reason: defect})
}

// maxRounds is far beyond what any plan takes: each round brings some job nearer
// to its end.
const maxRounds = 10_000

type decider struct {
	plan   *cairn.Plan
	f      *Facts
	st     *State
	out    []Action
	free   []int          // by pool
	taken  map[string]int // of each place
	wake   time.Time
	parsed map[string]condition
	// entered holds the call instances that have jobs; built when first asked for.
	entered map[string]bool
	// where each job that was looked at stands in the graph.
	where map[string]located
	// whom this decision ends already for a concurrency group.
	ousted map[CancelOther]bool
	// members by GroupKey, as far as they were asked for.
	grouped map[string][]Member
}

// located is a job's place in the graph.
type located struct {
	scope *scope
	node  *nodeState
	leg   leg
}

// do records an action and follows it.
func (d *decider) do(a Action) {
	d.out = append(d.out, a)
	d.st.Fold(a, d.f.Now)
	switch a := a.(type) {
	case AskGroup:
		d.regroup(a.Path)
	case Enter:
		d.regroup(a.Path)
	case Start:
		d.regroup(a.Path)
	case Cancel:
		d.regroup(a.Path)
	case Finish:
		d.regroup(a.Path)
	case Admit, Hold:
		clear(d.grouped)
	}
}

// wakeAt asks for another look at a time to come.
func (d *decider) wakeAt(t time.Time) {
	if t.After(d.f.Now) && (d.wake.IsZero() || t.Before(d.wake)) {
		d.wake = t
	}
}

// admit passes the run through its own concurrency group.
func (d *decider) admit() bool {
	run := &d.st.Run
	if run.Status == cairn.StatusRunning {
		return true
	}
	if run.CancelBy != "" {
		d.do(FinishRun{Conclusion: cairn.Cancelled, Reason: d.cancelReason()})
		return false
	}
	if run.Ask != "" && d.f.Attempt.Number == 1 && !d.allowed(run) {
		return false
	}
	if run.Group != "" {
		me, _ := runMember(run, &d.st.Attempt)
		v := d.inGroup(cairn.Claim{Group: run.Group, CancelInProgress: run.CancelInProgress, Queue: run.Queue}, me)
		switch {
		case v.replaced != "":
			d.do(FinishRun{Conclusion: cairn.Cancelled, Reason: v.replaced})
			return false
		case v.wait != "":
			if run.Status != cairn.StatusWaiting || run.Reason != v.wait {
				d.do(Hold{Reason: v.wait})
			}
			return false
		}
	}
	d.do(Admit{})
	return true
}

// allowed reports whether somebody let the run's code in. Its steps are programs on
// this machine, whoever wrote them. A later attempt was asked for by somebody who may.
func (d *decider) allowed(run *cairn.Run) bool {
	a := d.st.Approvals[strings.ToLower(run.Ask)]
	switch a.State {
	case ApprovalApproved:
		return true
	case ApprovalRejected:
		d.do(FinishRun{Conclusion: cairn.Cancelled, Reason: clip(fmt.Sprintf("%s rejected the %s", a.By, run.Ask), maxReason)})
		return false
	case "", ApprovalOpen:
		d.do(AskApproval{Environment: run.Ask})
	}
	if why := fmt.Sprintf("%s: waits for somebody who may write here to look at it: cairn approve %d", run.Ask, run.ID); run.Status != cairn.StatusWaiting || run.Reason != why {
		d.do(Hold{Reason: why})
	}
	return false
}

func (d *decider) cancelReason() string { return "cancelled by " + d.f.Run.CancelBy }

// conclusion says how the run ended; all of its jobs are completed.
func (d *decider) conclusion() (cairn.Conclusion, string) {
	var broken, cancelled, ran bool
	gaveWay := "" // a job that was replaced in its concurrency group
	for _, path := range slices.Sorted(maps.Keys(d.st.Jobs)) {
		j := d.st.Jobs[path]
		if j.Task != nil && j.Task.Trial != nil {
			continue // the row of the search says what came of its trials
		}
		if strings.HasPrefix(j.Reason, "concurrency group ") && j.Conclusion == cairn.Cancelled && gaveWay == "" {
			gaveWay = clip(j.Path+": "+j.Reason, maxReason)
		}
		switch r := result(j); {
		case failed(j):
			broken = true
		case r == cairn.Cancelled:
			cancelled = true
		case r == cairn.Success:
			ran = true
		}
	}
	switch {
	case cancelled && d.f.Run.CancelBy != "":
		return cairn.Cancelled, d.cancelReason()
	case broken:
		return cairn.Failure, ""
	case cancelled:
		return cairn.Cancelled, gaveWay
	case ran:
		return cairn.Success, ""
	default:
		return cairn.Skipped, "every job was skipped"
	}
}

// result is what a completed job counts as for needs. One that timed out was
// cancelled, as on GitHub: failure() does not hold behind it.
func result(j *cairn.Job) cairn.Conclusion {
	switch {
	case j.Tolerated:
		return cairn.Success
	case j.Conclusion == cairn.TimedOut:
		return cairn.Cancelled
	}
	return cairn.Conclusion(j.Conclusion.Result())
}

// failed reports whether a job makes its run, and with fail-fast its siblings, fail.
func failed(j *cairn.Job) bool { return !j.Tolerated && j.Conclusion.Bad() }

// topScope is the plan itself, limited to the jobs asked for and their needs.
func (d *decider) topScope() *scope {
	sc := &scope{nodes: d.plan.Nodes, inputs: d.f.Contexts["inputs"], states: map[string]*nodeState{}}
	if len(d.f.Run.Only) > 0 {
		sc.only = map[string]bool{}
		for _, id := range d.f.Run.Only {
			sc.include(id)
		}
	}
	sc.stop = d.broken()
	return sc
}

// place says where in the workflow something stands: "file:line:column".
func (d *decider) place(pos cairn.Position) string {
	if pos.File == "" {
		pos.File = d.plan.Path
	}
	return pos.String()
}

// fault words an error in an expression of a node's key, with its place.
func (d *decider) fault(n *cairn.Node, key string, t cairn.Template, err error) string {
	pos := cairn.Position{File: n.Pos.File, Line: t.Line, Column: t.Col}
	if pos.Line == 0 {
		pos = n.Pos
	}
	msg := err.Error()
	var ee *expr.Error
	if errors.As(err, &ee) && ee.Hint != "" {
		msg = ee.Message + " (" + ee.Hint + ")"
	}
	if ce := cairn.AsError(err); ce.Code != cairn.CodeInternal {
		msg = ce.Message
		if ce.Hint != "" {
			msg += " (" + ce.Hint + ")"
		}
		if ce.Position != nil && ce.Position.Line > 0 {
			pos.Line, pos.Column = ce.Position.Line, ce.Position.Column
		}
	}
	return clip(fmt.Sprintf("%s: %s: %s", d.place(pos), key, msg), maxReason)
}

// maxReason bounds what a row keeps as its reason.
const maxReason = 500

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
