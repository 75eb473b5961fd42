package run

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
)

// sweepNode settles a node whose instances are trials: they are added as others end, for as
// long as the search goes on. A row of the node's own stands for the whole.
func (d *decider) sweepNode(sc *scope, s *nodeState, path string, ready bool) {
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
		if fault := sweep.Fault(s.node.Sweep); fault != "" {
			d.fail(sc, s, path, fault)
			return
		}
		x = cairn.Expansion{Node: path, Instances: []cairn.Instance{}, If: v.seen}
		d.do(Expand{Expansion: x})
	}
	row := d.ownRow(sc, s, path, x.If)
	stop := sc.stop
	if stop == "" && d.f.Run.CancelBy != "" {
		stop = d.cancelReason()
	}
	w := s.node.Sweep
	if w.Timeout > 0 {
		due := row.StartedAt.Add(time.Duration(min(w.Timeout, 1e8) * float64(time.Second)))
		if d.f.Now.Before(due) {
			d.wakeAt(due)
		} else if stop == "" {
			stop = fmt.Sprintf("limits.timeout: %g seconds are over", w.Timeout)
		}
	}
	if stop != "" && row.CancelAt.IsZero() {
		d.do(Cancel{Path: path, Reason: stop}) // what cannot be read is not waited for any more
	}
	trials, rows, active := d.trials(path, x)
	for stop == "" && len(x.Instances) < w.MaxTrials && active < d.trialLimit(w, s.node) {
		values, more := sweep.Next(w, len(x.Instances), trials)
		if !more {
			break
		}
		in := cairn.Instance{Key: strconv.Itoa(len(x.Instances) + 1), Trial: values}
		x.Instances = append(slices.Clone(x.Instances), in)
		d.do(Expand{Expansion: x})
		trials, rows = append(trials, sweep.Trial{Values: values}), append(rows, nil)
		active++
	}
	worse := sweep.Stops(w.Stop, w.Goal, trials)
	open := false
	for i := range x.Instances {
		l := leg{path: instancePath(path, x.Instances[i]), x: &x, index: i, stop: stop}
		if l.stop == "" {
			l.stop = worse[i]
		}
		d.job(sc, s, l, true)
		rows[i] = d.st.Jobs[l.path]
		if rows[i].Status != cairn.StatusCompleted {
			open = true
			if rows[i].Status == cairn.StatusRunning {
				d.wakeAt(d.f.Now.Add(scoresEvery))
			}
		} else if rows[i].Task != nil && !rows[i].Task.Scored && !d.cancelledSweep(stop) {
			open = true // what it logged last is not read yet
			d.wakeAt(d.f.Now.Add(scoresEvery))
		}
	}
	if open || stop == "" && d.moreTrials(w, x, trials) {
		return
	}
	d.endSweep(s, path, w, x, rows, stop)
}

// cancelledSweep reports whether a sweep ends without a best trial, whatever its trials logged.
func (d *decider) cancelledSweep(stop string) bool { return stop != "" && d.f.Run.CancelBy != "" }

// moreTrials reports whether the search goes on: a trial that ended makes room.
func (d *decider) moreTrials(w *cairn.Sweep, x cairn.Expansion, trials []sweep.Trial) bool {
	if len(x.Instances) >= w.MaxTrials {
		return false
	}
	_, more := sweep.Next(w, len(x.Instances), trials)
	return more
}

// ownRow is the row that stands for a node with instances of its own.
func (d *decider) ownRow(sc *scope, s *nodeState, path string, seen *cairn.Condition) *cairn.Job {
	if d.st.Jobs[path] == nil {
		d.do(CreateJob{Path: path, Node: sc.plain + s.node.ID, Name: sc.names + plainName(s.node), Call: true, If: seen})
		d.do(Enter{Path: path})
	}
	return d.st.Jobs[path]
}

// trialLimit is how many trials run at once: no more than fit on the runners, so that each
// can learn from those before it.
func (d *decider) trialLimit(w *cairn.Sweep, n *cairn.Node) int {
	fit := 0
	for _, p := range d.f.Pools {
		fit += p.Count
	}
	limit := max(fit, 1)
	if w.MaxConcurrent > 0 {
		limit = min(limit, w.MaxConcurrent)
	}
	if name, each := placeOf(n); name != "" {
		if p, ok := d.f.Places[name]; ok {
			limit = min(limit, max(p.Count/each, 1)) // one waits there where there is no room at all
		}
	}
	return limit
}

// trials are what is known of the trials so far.
func (d *decider) trials(path string, x cairn.Expansion) (out []sweep.Trial, rows []*cairn.Job, active int) {
	for _, in := range x.Instances {
		row := d.st.Jobs[instancePath(path, in)]
		t := sweep.Trial{Values: in.Trial}
		if row != nil {
			if row.Task != nil {
				t.Scores = row.Task.Scores
			}
			t.Done = row.Status == cairn.StatusCompleted
			t.Stopped = t.Done && row.Conclusion == cairn.Cancelled
			t.Failed = t.Done && row.Conclusion.Bad() && !t.Stopped
		}
		if !t.Done {
			active++
		}
		out, rows = append(out, t), append(rows, row)
	}
	return out, rows, active
}

// endSweep finds the best trial, whose outputs are those of the node.
func (d *decider) endSweep(s *nodeState, path string, w *cairn.Sweep, x cairn.Expansion, rows []*cairn.Job, stop string) {
	finish := func(c cairn.Conclusion, reason string, outputs map[string]string) {
		d.do(Finish{Path: path, Conclusion: c, Reason: clip(reason, maxReason), Outputs: outputs})
		s.settle([]*cairn.Job{d.st.Jobs[path]})
	}
	best, score, succeeded, firstBad, unread := -1, 0.0, 0, "", ""
	for i, row := range rows {
		if row.Conclusion != cairn.Success {
			if firstBad == "" && row.Conclusion.Bad() && row.Conclusion != cairn.Cancelled {
				firstBad = row.Path + ": " + row.Reason
			}
			continue
		}
		succeeded++
		if row.Task == nil {
			continue
		}
		if unread == "" && strings.HasPrefix(row.Reason, noScore) {
			unread = "; " + row.Path + ": " + row.Reason
		}
		if b, ok := sweep.Best(row.Task.Scores); ok && (best < 0 || w.Goal == "minimize" && b < score || w.Goal != "minimize" && b > score) {
			best, score = i, b
		}
	}
	switch {
	case d.cancelledSweep(stop):
		finish(cairn.Cancelled, stop, nil)
	case best >= 0:
		d.do(MarkBest{Path: rows[best].Path})
		reason := fmt.Sprintf("best of %d trials: %s, %s = %.6g, %s", len(rows), x.Instances[best].Key, w.Metric, score, x.Instances[best].Trial)
		if stop != "" {
			reason += "; " + stop
		}
		finish(cairn.Success, reason, rows[best].Outputs)
	case succeeded > 0:
		finish(cairn.Failure, fmt.Sprintf("%d trials succeeded, and none logged the metric %s%s", succeeded, w.Metric, unread), nil)
	case stop != "":
		finish(cairn.Cancelled, stop, nil)
	case firstBad != "":
		finish(cairn.Failure, fmt.Sprintf("none of %d trials succeeded; %s", len(rows), firstBad), nil)
	default:
		finish(cairn.Failure, fmt.Sprintf("none of %d trials succeeded", len(rows)), nil)
	}
}
