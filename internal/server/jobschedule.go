package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// jobClock starts jobs by their schedules.
type jobClock struct {
	s    *Server
	look chan struct{} // a schedule was written
}

// keepJobTime starts what is due, for as long as this owner is there.
func (c *jobClock) keepJobTime(ctx context.Context) {
	for {
		next, err := c.tick(ctx)
		if err != nil && ctx.Err() == nil {
			c.s.log.Error("schedules of jobs cannot be looked at", "error", err)
		}
		pause := clockLooks
		if !next.IsZero() {
			pause = min(max(next.Sub(c.s.now()), 0)+time.Millisecond, clockLooks)
		}
		if !wait(ctx, c.look, pause) {
			return
		}
	}
}

// times is a time table of a schedule.
type times interface {
	Next(after time.Time) time.Time
	Between(last, now time.Time) (due time.Time, missed int, ok bool)
}

// jobTimes makes the table of a trigger; nil where it waits for events. begin stands in
// for a start that is not given.
func jobTimes(t *cairn.JobTrigger, begin time.Time) (times, error) {
	loc, err := trigger.AnyZone(t.Zone)
	if err != nil {
		return nil, err
	}
	start := begin.In(loc)
	if !t.Start.IsZero() {
		start = t.Start.In(loc)
	}
	switch t.Type {
	case "cron":
		table, err := trigger.NewTable(t.Expression, loc.String())
		if err != nil {
			return nil, err
		}
		return &bounded{table, t.Start, t.End}, nil
	case "recurrence":
		r := &trigger.Recurrence{
			Frequency: t.Frequency, Interval: t.Interval, Hours: t.Hours, Minutes: t.Minutes, MonthDays: t.MonthDays, Start: start, End: t.End,
		}
		for _, d := range t.WeekDays {
			day, ok := weekday(d)
			if !ok {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a day of the week", d)
			}
			r.WeekDays = append(r.WeekDays, day)
		}
		return r, nil
	case "event":
		return nil, nil
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a trigger", t.Type).WithHint("cron, recurrence or event")
}

func weekday(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), name) {
			return d, true
		}
	}
	return 0, false
}

// bounded is a table from a start to an end.
type bounded struct {
	table      *trigger.Table
	start, end time.Time
}

func (b *bounded) Next(after time.Time) time.Time {
	if !b.start.IsZero() && after.Before(b.start) {
		after = b.start.Add(-time.Nanosecond)
	}
	at := b.table.Next(after)
	if !b.end.IsZero() && at.After(b.end) {
		return time.Time{}
	}
	return at
}

func (b *bounded) Between(last, now time.Time) (due time.Time, missed int, ok bool) {
	if !b.start.IsZero() && last.Before(b.start) {
		last = b.start.Add(-time.Nanosecond)
	}
	if !b.end.IsZero() && now.After(b.end) {
		now = b.end
	}
	return b.table.Between(last, now)
}

// tick starts what is due and says when the next is. However often a schedule was due
// while nobody looked, it starts one job.
func (c *jobClock) tick(ctx context.Context) (next time.Time, err error) {
	all, err := c.s.store.JobSchedules(ctx, Workspace)
	if err != nil {
		return next, err
	}
	now := c.s.now().UTC()
	for i := range all {
		x := &all[i]
		if x.Disabled {
			continue
		}
		table, err := jobTimes(&x.Trigger, x.CreatedAt)
		if err != nil || table == nil {
			continue
		}
		if due, missed, ok := table.Between(x.Looked, now); ok {
			key := fmt.Sprintf("schedule:%s@%d", x.Name, due.Unix())
			why := trigger.Late(due, now)
			if why != "" && missed > 0 {
				why += fmt.Sprintf(", %d missed", missed)
			}
			if err := c.start(ctx, x.Name, key, due, why); err != nil {
				// It passes: the next look tries again with the same key.
				c.s.log.Warn("a scheduled job is tried again", "schedule", x.Name, "error", err)
				continue
			}
		}
		if at := table.Next(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}

// start submits the job of a schedule and notes down what became of it. An error is one
// that passes; what cannot be started for good is told by the schedule itself.
func (c *jobClock) start(ctx context.Context, name, key string, due time.Time, why string) error {
	x, err := c.s.store.JobSchedule(ctx, Workspace, name)
	if err != nil {
		return err
	}
	made, err := c.submitNow(ctx, &x, key)
	if err != nil && !finalStart(err) {
		return err
	}
	_, cerr := c.s.store.ChangeJobSchedule(ctx, Workspace, name, x.By, func(row *cairn.JobSchedule) error {
		if due.After(row.Looked) {
			row.Looked = due
		}
		note(row, made, err, c.s.now().UTC())
		return nil
	})
	if err != nil {
		c.s.log.Error("a scheduled job cannot be started", "schedule", name, "error", err)
	} else {
		c.s.log.Info("a schedule started a job", "schedule", name, "job", made.Name, "late", why)
	}
	return cerr
}

func note(row *cairn.JobSchedule, made *client.JobCreated, err error, now time.Time) {
	row.LastAt = now
	if err != nil {
		row.Error = cairn.AsError(err).Error()
		return
	}
	row.Error, row.Last = "", made.Name
	row.Count++
}

func finalStart(err error) bool {
	switch cairn.CodeOf(err) {
	case cairn.CodeInvalid, cairn.CodeUnsupported, cairn.CodeFailed, cairn.CodeForbidden, cairn.CodeNotFound, cairn.CodeConflict:
		return true
	}
	return false
}

// submitNow starts the job of a schedule in the name of who made it.
func (c *jobClock) submitNow(ctx context.Context, x *cairn.JobSchedule, key string) (*client.JobCreated, error) {
	var r client.JobRequest
	if err := json.Unmarshal(x.Request, &r); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "what the schedule %s starts cannot be read: %w", x.Name, err)
	}
	r.Key, r.Schedule = key, x.Name
	return c.s.SubmitJob(auth.With(ctx, c.s.causer(ctx, x.By)), r)
}

// jobMoves is the name of the cursor behind which what happened has started jobs.
const jobMoves = "job_schedules"

// takeMoves starts the jobs of schedules that wait for something to happen. A crash
// between two writes repeats a move; its key lets no second job start.
func (c *jobClock) takeMoves(ctx context.Context) {
	s := c.s
	signal, stop := s.store.Watch()
	defer stop()
	at, known, err := s.store.Cursor(ctx, jobMoves)
	for err == nil && !known {
		if at, err = s.store.LastEvent(ctx); err == nil {
			err = s.store.MoveCursor(ctx, jobMoves, at, nil)
		}
		known = err == nil
	}
	if err != nil {
		s.log.Error("schedules cannot look at what happens", "error", err)
		return
	}
	kept := at
	for {
		next, started, err := c.followMoves(ctx, at)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("schedules cannot look at what happens", "error", err)
			}
		} else {
			at = next
			if started || at-kept >= keepEvery {
				if err := s.store.MoveCursor(ctx, jobMoves, at, nil); err == nil {
					kept = at
				}
			}
		}
		if !wait(ctx, nil, loopPause) || !wait(ctx, signal, loopLooks) {
			return
		}
	}
}

func (c *jobClock) followMoves(ctx context.Context, at int64) (next int64, started bool, err error) {
	for {
		moves, next, err := c.s.store.JobMoves(ctx, at, loopBatch)
		if err != nil {
			return at, started, err
		}
		var waiting []cairn.JobSchedule
		if len(moves) > 0 {
			if waiting, err = c.waiting(ctx); err != nil {
				return at, started, err
			}
		}
		for i := range moves {
			for k := range waiting {
				m, x := &moves[i], &waiting[k]
				if !matches(&x.Trigger, m.Event, m.Of, c.s.now()) || m.Run != nil && ofSchedule(m.Run, x.Name) {
					continue
				}
				started = true
				if err := c.start(ctx, x.Name, fmt.Sprintf("schedule:%s#%d", x.Name, m.Position), time.Time{}, ""); err != nil {
					return at, started, err
				}
			}
		}
		at = next
		if len(moves) < loopBatch {
			return at, started, nil
		}
	}
}

// waiting are the schedules that wait for events.
func (c *jobClock) waiting(ctx context.Context) ([]cairn.JobSchedule, error) {
	all, err := c.s.store.JobSchedules(ctx, Workspace)
	var out []cairn.JobSchedule
	for _, x := range all {
		if x.Trigger.Type == "event" && !x.Disabled {
			out = append(out, x)
		}
	}
	return out, err
}

func matches(t *cairn.JobTrigger, event, of string, now time.Time) bool {
	return t.Event == event && (t.Of == "" || t.Of == of) &&
		(t.Start.IsZero() || !now.Before(t.Start)) && (t.End.IsZero() || !now.After(t.End))
}

// ofSchedule reports whether a run was started by the schedule itself: its end does not
// start it again.
func ofSchedule(r *cairn.Run, name string) bool {
	return r.Submitted != nil && r.Submitted.Schedule == name
}
