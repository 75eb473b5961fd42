package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cairn-ml/cairn"
)

// ingest takes in what the supervisors of a run wrote since last time, and
// notices those that are gone. Nothing is written here: rows and the new offset
// go into the same transaction as what is decided on them, so that each report
// counts once.
func (e *Engine) ingest(ctx context.Context, a *active, all bool) error {
	for _, path := range slices.Sorted(maps.Keys(a.state.Jobs)) {
		j := a.state.Jobs[path]
		if j.Status != cairn.StatusRunning || j.Call {
			continue
		}
		// Alive is asked first: what a supervisor wrote before it ended is read then.
		gone := j.PID != 0 && !e.o.Backend.Alive(*j)
		more, err := e.reports(ctx, a, path)
		if err != nil {
			e.complain(ctx, "reading reports", err, "job", j.ID)
			if a.unread[path]++; !gone || a.unread[path] < unreadable {
				continue
			}
		}
		switch {
		case err == nil && more:
			e.ask(looks{reports: true})
		case gone && a.state.Jobs[path].Status == cairn.StatusRunning:
			if err := e.lost(ctx, a, path, err); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	// unreadable is how often the reports of a supervisor that is gone are tried.
	unreadable = 5
	// atOnce is how many readings of one job go into one transaction.
	atOnce = 8
)

// reports takes in what is new of one job, and reports whether there may be more.
func (e *Engine) reports(ctx context.Context, a *active, path string) (more bool, err error) {
	for range atOnce {
		j := a.state.Jobs[path]
		reports, next, err := e.o.Backend.Reports(ctx, *j, j.Offset)
		if err != nil {
			return false, err
		}
		if next <= j.Offset {
			return false, nil
		}
		for i := range reports {
			e.report(a, path, &reports[i])
		}
		a.state.Edit(path, func(j *cairn.Job) { j.Offset = next })
		if a.state.Jobs[path].Status != cairn.StatusRunning {
			return false, nil
		}
	}
	return true, nil
}

func (e *Engine) report(a *active, path string, r *cairn.Report) {
	j := a.state.Jobs[path]
	if r.Epoch != j.Epoch || j.Status != cairn.StatusRunning {
		return
	}
	switch r.Kind {
	case cairn.ReportStarted:
		a.state.Edit(path, func(j *cairn.Job) { j.StartedAt = r.At })
	case cairn.ReportStep:
		if r.Step != nil && r.Step.Number > 0 {
			row := *r.Step
			row.Job = j.ID
			a.step(row)
		}
	case cairn.ReportFinished:
		e.finished(a, path, r)
	}
}

// step keeps the newest row of each step for the next batch.
func (a *active) step(row cairn.StepRow) {
	for i := range a.steps {
		if a.steps[i].Job == row.Job && a.steps[i].Number == row.Number {
			a.steps[i] = row
			return
		}
	}
	a.steps = append(a.steps, row)
}

func (e *Engine) finished(a *active, path string, r *cairn.Report) {
	c, reason := r.Conclusion, r.Reason
	switch c {
	case cairn.Success, cairn.Failure, cairn.Cancelled, cairn.Skipped, cairn.TimedOut, cairn.Lost:
	default:
		c, reason = cairn.Failure, fmt.Sprintf("the supervisor reported %q, which is no conclusion", clip(string(c), 40))
	}
	at := r.At
	if at.IsZero() {
		at = e.now()
	}
	a.state.Edit(path, func(j *cairn.Job) {
		if c == cairn.Success {
			j.Reason = "" // it was told to end, and was done before it heard
		}
		finishJob(j, c, clip(reason, maxReason), at)
		j.Outputs, j.EnvironmentURL = r.Outputs, r.EnvironmentURL
	})
	a.effect(a.state.Jobs[path], effectCleanup)
}

// lost completes a job whose supervisor ended without a result. Nobody knows how
// far its step came, so nothing is repeated.
func (e *Engine) lost(ctx context.Context, a *active, path string, why error) error {
	j := a.state.Jobs[path]
	now := e.now()
	steps, err := e.o.Store.Steps(ctx, j.ID)
	if err != nil {
		return err
	}
	for _, st := range a.steps { // reported, not yet written
		if st.Job == j.ID {
			steps = append(slices.DeleteFunc(steps, func(o cairn.StepRow) bool { return o.Number == st.Number }), st)
		}
	}
	for _, st := range steps {
		if st.Status == cairn.StatusCompleted {
			continue
		}
		st.Status, st.Outcome, st.Conclusion, st.FinishedAt = cairn.StatusCompleted, cairn.Lost, cairn.Lost, now
		st.Reason = "the supervisor ended while the step was running"
		a.step(st)
	}
	c, reason := cairn.Lost, fmt.Sprintf("the supervisor (pid %d) ended without a result", j.PID)
	if why != nil {
		reason += clip(", or with one that cannot be read: "+words(why), maxReason)
	}
	switch {
	case !j.ForcedAt.IsZero() && e.late(j, now):
		c, reason = cairn.TimedOut, j.Reason
	case !j.CancelAt.IsZero():
		c, reason = cairn.Cancelled, j.Reason
	}
	a.state.Edit(path, func(j *cairn.Job) { finishJob(j, c, reason, now) })
	a.effect(a.state.Jobs[path], effectCleanup)
	return nil
}

func (e *Engine) late(j *cairn.Job, now time.Time) bool {
	return !now.Before(j.StartedAt.Add(minutes(j.TimeoutMinutes)).Add(timeoutGrace))
}
