package server

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// PutSchedule makes a schedule of its file, or replaces what one of that name says. What
// it would start is checked now: a schedule that can start nothing is refused.
func (c *jobClock) PutSchedule(ctx context.Context, r client.ScheduleRequest) (*cairn.JobSchedule, error) {
	doc, err := readRequest(&r.Job)
	if err != nil {
		return nil, err
	}
	if doc.Schedule == nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is no schedule", r.Job.File).WithHint("cairn job create --file %s starts a job", r.Job.File)
	}
	checked, err := c.s.CheckJob(ctx, r.Job)
	if err != nil {
		return nil, err
	}
	if cairn.HasErrors(checked.Problems) {
		return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: "what the schedule starts cannot be met", Problems: checked.Problems}
	}
	x, err := scheduleRow(doc.Schedule)
	if err != nil {
		return nil, err
	}
	now := c.s.now().UTC()
	x.Workspace, x.By, x.CreatedAt, x.UpdatedAt, x.Looked = Workspace, auth.Actor(ctx).Name, now, now, now
	x.File = string(doc.Source)
	// A recurrence without a start has its first run at once, as the original.
	if x.Trigger.Type == "recurrence" && x.Trigger.Start.IsZero() {
		x.Looked = now.Add(-time.Second)
	}
	if x.Request, err = json.Marshal(r.Job); err != nil {
		return nil, err
	}
	row, err := c.s.store.CreateJobSchedule(ctx, x, x.By)
	if err != nil {
		return nil, err
	}
	c.wake()
	return c.shown(row), nil
}

// wake lets the clock look again.
func (c *jobClock) wake() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

// shown fills in what is only known when it is asked for.
func (c *jobClock) shown(x cairn.JobSchedule) *cairn.JobSchedule {
	x.Request = nil
	if table, err := jobTimes(&x.Trigger, x.CreatedAt); err == nil && table != nil && !x.Disabled {
		x.Next = table.Next(c.s.now())
	}
	return &x
}

// scheduleRow takes over what a file says.
func scheduleRow(f *pipeline.Schedule) (cairn.JobSchedule, error) {
	x := cairn.JobSchedule{
		Name: f.Name.Value, DisplayName: f.DisplayName.Value, Description: f.Description.Value, Disabled: f.Disabled, Tags: map[string]string{},
	}
	for _, t := range f.Tags {
		x.Tags[t.Name] = t.Value.Value.Text
	}
	t := &f.Trigger
	if ps := trigger.CheckJob(t); len(ps) == 1 {
		return x, (&cairn.Error{Code: cairn.CodeInvalid, Message: ps[0].Message, Hint: ps[0].Hint}).At(ps[0].Position)
	} else if len(ps) > 1 {
		return x, &cairn.Error{Code: cairn.CodeInvalid, Message: "the trigger cannot be kept", Problems: ps}
	}
	loc, err := trigger.AnyZone(t.TimeZone.Value)
	if err != nil {
		return x, cairn.AsError(err).At(t.TimeZone.Pos)
	}
	x.Trigger = cairn.JobTrigger{
		Type: t.Type, Expression: t.Expression.Value, Frequency: t.Frequency, Interval: t.Interval, Hours: t.Hours, Minutes: t.Minutes,
		WeekDays: t.WeekDays, MonthDays: t.MonthDays, Zone: t.TimeZone.Value, Event: t.Event, Of: t.Name.Value,
	}
	for _, at := range []struct {
		from pipeline.Text
		to   *time.Time
	}{{t.Start, &x.Trigger.Start}, {t.End, &x.Trigger.End}} {
		if !at.from.Set {
			continue
		}
		if *at.to, err = moment(at.from.Value, loc); err != nil {
			return x, cairn.AsError(err).At(at.from.Pos)
		}
	}
	if s, e := x.Trigger.Start, x.Trigger.End; !s.IsZero() && !e.IsZero() && !e.After(s) {
		return x, cairn.Errorf(cairn.CodeInvalid, "the schedule ends at %s, before it starts", t.End.Value).At(t.End.Pos)
	}
	_, err = jobTimes(&x.Trigger, time.Unix(0, 0))
	if err != nil {
		return x, cairn.AsError(err).At(t.Pos)
	}
	return x, nil
}

// moment reads a time as YAML files have it; without an offset it is of the zone.
func moment(s string, loc *time.Location) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, cairn.Errorf(cairn.CodeInvalid, "%q is not a time", s).WithHint("for example 2026-03-01T08:00:00, in the time_zone of the trigger")
}

// Schedules lists schedules by name.
func (c *jobClock) Schedules(ctx context.Context) ([]cairn.JobSchedule, error) {
	all, err := c.s.store.JobSchedules(ctx, Workspace)
	for i := range all {
		all[i] = *c.shown(all[i])
	}
	return all, err
}

// Schedule returns one schedule.
func (c *jobClock) Schedule(ctx context.Context, name string) (*cairn.JobSchedule, error) {
	x, err := c.s.store.JobSchedule(ctx, Workspace, name)
	if err != nil {
		return nil, c.explain(ctx, name, err)
	}
	return c.shown(x), nil
}

// explain adds the nearest name to an error about a schedule that is not there.
func (c *jobClock) explain(ctx context.Context, name string, err error) error {
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	all, lerr := c.s.store.JobSchedules(ctx, Workspace)
	if lerr != nil {
		return err
	}
	var names []string
	for _, x := range all {
		names = append(names, x.Name)
	}
	if near := cairn.Nearest(name, names); near != "" {
		return cairn.AsError(err).WithHint("did you mean %s?", near)
	}
	return cairn.AsError(err).WithHint("cairn schedule list shows them")
}

// UpdateSchedule changes a schedule. What was due while it was disabled is not made up for.
func (c *jobClock) UpdateSchedule(ctx context.Context, name string, u client.ScheduleUpdate) (*cairn.JobSchedule, error) {
	now := c.s.now().UTC()
	x, err := c.s.store.ChangeJobSchedule(ctx, Workspace, name, auth.Actor(ctx).Name, func(x *cairn.JobSchedule) error {
		if u.Disabled != nil && *u.Disabled != x.Disabled {
			if x.Disabled = *u.Disabled; !x.Disabled {
				x.Looked = now
			}
		}
		if u.DisplayName != nil {
			x.DisplayName = *u.DisplayName
		}
		if u.Description != nil {
			x.Description = *u.Description
		}
		x.Tags = maps.Clone(x.Tags)
		if x.Tags == nil {
			x.Tags = map[string]string{}
		}
		maps.Copy(x.Tags, u.SetTags)
		for _, k := range u.RemoveTags {
			delete(x.Tags, k)
		}
		x.UpdatedAt = now
		return nil
	})
	if err != nil {
		return nil, c.explain(ctx, name, err)
	}
	c.wake()
	return c.shown(x), nil
}

// TriggerSchedule starts the job of a schedule now, also of one that is disabled. Its
// times stay as they are.
func (c *jobClock) TriggerSchedule(ctx context.Context, name string) (*client.JobCreated, error) {
	x, err := c.s.store.JobSchedule(ctx, Workspace, name)
	if err != nil {
		return nil, c.explain(ctx, name, err)
	}
	made, err := c.submitNow(ctx, &x, "")
	if err != nil {
		return nil, err
	}
	_, err = c.s.store.ChangeJobSchedule(ctx, Workspace, name, auth.Actor(ctx).Name, func(row *cairn.JobSchedule) error {
		note(row, made, nil, c.s.now().UTC())
		return nil
	})
	return made, err
}

// DeleteSchedule removes a schedule.
func (c *jobClock) DeleteSchedule(ctx context.Context, name string) error {
	return c.explain(ctx, name, c.s.store.DeleteJobSchedule(ctx, Workspace, name, auth.Actor(ctx).Name))
}
