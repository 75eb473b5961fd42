package run

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// How long the engine leaves a supervisor that should have ended by itself.
const (
	defaultTimeout = 360 // minutes, as on GitHub
	timeoutGrace   = 5 * time.Minute
	cancelGrace    = 5 * time.Minute
	forceGrace     = time.Minute
)

// job settles one job. In a matrix the condition was judged at the expansion.
func (d *decider) job(sc *scope, s *nodeState, l leg, ready bool) {
	row := d.st.Jobs[l.path]
	if row == nil {
		a := CreateJob{Path: l.path, Node: sc.plain + s.node.ID, Name: provisionalName(sc, s.node, &l)}
		if l.x != nil {
			a.If = l.x.If
		}
		d.do(a)
		row = d.st.Jobs[l.path]
	}
	if l.stop == "" {
		l.stop = sc.stop
	}
	d.where[l.path] = located{sc, s, l}
	switch {
	case row.Status == cairn.StatusCompleted:
	case row.Status == cairn.StatusRunning:
		d.watch(sc, s, l, row)
	case l.stop != "":
		d.do(Finish{Path: l.path, Conclusion: cairn.Cancelled, Reason: l.stop})
	default:
		v := judgement{verdict: proceed}
		if row.QueuedAt.IsZero() || d.f.Run.CancelBy != "" {
			if l.x == nil || d.f.Run.CancelBy != "" {
				v = d.judge(sc, s, ready)
			}
			switch v.verdict {
			case pending:
				return
			case proceed:
			default:
				d.do(Finish{Path: l.path, Conclusion: v.conclusion(), Reason: v.reason, If: v.seen})
				return
			}
		}
		if row.QueuedAt.IsZero() {
			a, fault := d.prepare(sc, s, &l)
			if fault != "" {
				d.do(Finish{Path: l.path, Conclusion: cairn.Failure, Reason: fault})
				return
			}
			a.If = v.seen
			d.do(a)
		}
		d.gates(l, d.st.Jobs[l.path])
	}
}

func provisionalName(sc *scope, n *cairn.Node, l *leg) string {
	name := sc.names + plainName(n)
	if l.x != nil && l.x.Instances[l.index].Key != "" {
		name += " (" + l.x.Instances[l.index].Key + ")"
	}
	return clip(name, 400)
}

// watch looks after a running job: whether it is to end, and whether it did.
func (d *decider) watch(sc *scope, s *nodeState, l leg, row *cairn.Job) {
	now := d.f.Now
	reason := l.stop
	if reason == "" && d.f.Run.CancelBy != "" && row.CancelAt.IsZero() {
		// A running job whose condition holds although the run is cancelled goes on.
		if v := d.judge(sc, s, true); v.verdict != proceed {
			reason = d.cancelReason()
		}
	}
	if d.f.Run.Forced && row.ForcedAt.IsZero() {
		d.do(Cancel{Path: l.path, Reason: d.cancelReason(), Force: true})
		row = d.st.Jobs[l.path]
	}
	if reason != "" && row.CancelAt.IsZero() {
		d.do(Cancel{Path: l.path, Reason: reason})
		row = d.st.Jobs[l.path]
	}
	grace := cancelGrace
	if row.CancelTimeoutMinutes > 0 {
		grace = minutes(row.CancelTimeoutMinutes)
	}
	due := row.StartedAt.Add(minutes(row.TimeoutMinutes)).Add(timeoutGrace)
	late := !now.Before(due)
	switch {
	case !row.ForcedAt.IsZero():
		end := row.ForcedAt.Add(forceGrace)
		if now.Before(end) {
			d.wakeAt(end)
			return
		}
		c := cairn.Cancelled
		if late {
			c = cairn.TimedOut
		}
		d.do(Finish{Path: l.path, Conclusion: c, Reason: row.Reason + "; its supervisor did not end"})
	case late:
		d.do(Cancel{Path: l.path, Force: true, Reason: fmt.Sprintf("timeout-minutes: %v", row.TimeoutMinutes)})
		d.wakeAt(now.Add(forceGrace))
	case !row.CancelAt.IsZero() && !now.Before(row.CancelAt.Add(grace)):
		d.do(Cancel{Path: l.path, Force: true, Reason: row.Reason})
		d.wakeAt(now.Add(forceGrace))
	case !row.CancelAt.IsZero():
		d.wakeAt(row.CancelAt.Add(grace))
	default:
		d.wakeAt(due)
	}
}

func minutes(m float64) time.Duration {
	const most = 366 * 24 * 60
	if !(m > 0 && m <= most) {
		m = most
	}
	return time.Duration(m * float64(time.Minute))
}

// prepare evaluates what a job's node says, once it is known to run.
func (d *decider) prepare(sc *scope, s *nodeState, l *leg) (Ready, string) {
	n := s.node
	env := d.env(sc, s, l)
	a := Ready{Path: l.path, TimeoutMinutes: defaultTimeout, Permissions: d.permissions(sc, n)}
	var err error
	if a.Name, err = d.shownName(sc, s, l, env); err != nil {
		return a, d.fault(n, "name", n.Name, err)
	}
	if n.Task == nil || !n.RunsOn.IsZero() {
		v, err := expr.EvalTemplate(n.RunsOn, env)
		if err == nil {
			a.Labels, err = labels(v)
		}
		if err != nil {
			return a, d.fault(n, "runs-on", n.RunsOn, err)
		}
	}
	a.Place, a.Instances = placeOf(n)
	if n.Sweep != nil {
		a.ContinueOnError = true // a trial that fails does not fail the search
	}
	if n.Task != nil {
		var fault string
		if a.Task, fault = d.task(n, l, env); fault != "" {
			return a, fault
		}
	}
	if n.Environment != nil {
		if a.Environment, err = expr.EvalString(n.Environment.Name, env); err != nil {
			return a, d.fault(n, "environment", n.Environment.Name, err)
		}
		if a.Environment = strings.TrimSpace(a.Environment); len(a.Environment) > 255 {
			return a, d.fault(n, "environment", n.Environment.Name, fmt.Errorf("the name is longer than 255 bytes"))
		}
	}
	claim, fault := d.claim(n, n.Concurrency, env)
	if fault != "" {
		return a, fault
	}
	a.Group, a.CancelInProgress, a.Queue = claim.Group, claim.CancelInProgress, claim.Queue
	if a.ContinueOnError, err = expr.EvalBool(n.ContinueOnError, env); err != nil {
		return a, d.fault(n, "continue-on-error", n.ContinueOnError, err)
	}
	for _, t := range []struct {
		key  string
		from cairn.Template
		to   *float64
	}{{"timeout-minutes", n.TimeoutMinutes, &a.TimeoutMinutes}, {"cancel-timeout-minutes", n.CancelTimeoutMinutes, &a.CancelTimeout}} {
		if t.from.IsZero() {
			continue
		}
		if *t.to, err = expr.EvalNumber(t.from, env); err == nil && !(*t.to > 0) {
			err = fmt.Errorf("%v is not a time; it must be more than 0", *t.to)
		}
		if err != nil {
			return a, d.fault(n, t.key, t.from, err)
		}
	}
	return a, ""
}

// labels reads the value of runs-on: a text, a list, or a map of group and labels.
func labels(v expr.Value) ([]string, error) {
	var out []string
	switch v.Kind() {
	case expr.KindObject:
		l, _ := v.Get("labels")
		group, _ := v.Get("group")
		if g := strings.TrimSpace(group.ToString()); g != "" && group.Primitive() {
			out = append(out, "group:"+g)
		}
		if !l.IsNull() {
			more, err := labels(l)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	case expr.KindArray:
		for _, item := range v.Items() {
			if !item.Primitive() {
				return nil, fmt.Errorf("a label must be text")
			}
			out = append(out, strings.TrimSpace(item.ToString()))
		}
	default:
		out = append(out, strings.TrimSpace(v.ToString()))
	}
	for _, l := range out {
		if l == "" {
			return nil, fmt.Errorf("a label is empty")
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no label is given")
	}
	return out, nil
}
