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
		if j.Status != cairn.StatusRunning {
			continue
		}
		// Alive is asked first: what a supervisor wrote before it ended is read then.
		gone := j.PID != 0 && !e.o.Backend.Alive(*j)
		if err := e.reports(ctx, a, path); err != nil {
			e.complain(ctx, "reading reports", err, "job", j.ID)
			continue
		}
		if gone && a.state.Jobs[path].Status == cairn.StatusRunning {
			if err := e.lost(ctx, a, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) reports(ctx context.Context, a *active, path string) error {
	j := a.state.Jobs[path]
	reports, next, err := e.o.Backend.Reports(ctx, *j, j.Offset)
	if err != nil {
		return err
	}
	if next <= j.Offset && len(reports) == 0 {
		return nil
	}
	for i := range reports {
		r := &reports[i]
		if r.Epoch != j.Epoch || a.state.Jobs[path].Status != cairn.StatusRunning {
			continue
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
	a.state.Edit(path, func(j *cairn.Job) { j.Offset = next })
	return nil
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
		finishJob(j, c, clip(reason, maxReason), at)
		j.Outputs, j.EnvironmentURL = r.Outputs, r.EnvironmentURL
	})
	a.effect(a.state.Jobs[path], effectCleanup)
}

// lost completes a job whose supervisor ended without a result. Nobody knows how
// far its step came, so nothing is repeated.
func (e *Engine) lost(ctx context.Context, a *active, path string) error {
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
