package server

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// computeSchedules is what a compute's file says of starting and stopping it.
type computeSchedules struct {
	StartStop []struct {
		Action  string          `json:"action"`
		State   string          `json:"state"`
		Trigger *computeTrigger `json:"trigger"`
	} `json:"compute_start_stop"`
}

type computeTrigger struct {
	Type       string `json:"type"`
	Expression string `json:"expression"`
	Frequency  string `json:"frequency"`
	Interval   int    `json:"interval"`
	Start      string `json:"start_time"`
	Zone       string `json:"time_zone"`
	Schedule   struct {
		Hours     oneOrMore[int]    `json:"hours"`
		Minutes   oneOrMore[int]    `json:"minutes"`
		WeekDays  oneOrMore[string] `json:"week_days"`
		MonthDays oneOrMore[int]    `json:"month_days"`
	} `json:"schedule"`
}

// oneOrMore is a list that may be written as its only item.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	var many []T
	if err := json.Unmarshal(b, &many); err == nil {
		*l = many
		return nil
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = []T{one}
	return nil
}

// startStop is one enabled schedule of a compute instance.
type startStop struct {
	to    string // start, stop
	times times
}

// maxComputeSchedules bounds them; the original takes four.
const maxComputeSchedules = 100

// startStops reads the schedules of an instance; begin stands in for a start that is not
// given.
func startStops(schedules any, begin time.Time) ([]startStop, error) {
	if schedules == nil {
		return nil, nil
	}
	bad := func(i int, err error) error {
		e := *cairn.AsError(err)
		e.Code, e.Message = cairn.CodeInvalid, fmt.Sprintf("schedules.compute_start_stop.%d: %s", i, e.Message)
		return &e
	}
	b, err := json.Marshal(schedules)
	if err != nil {
		return nil, err
	}
	var f computeSchedules
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "schedules cannot be read: %w", err).
			WithHint("schedules: {compute_start_stop: [{action: stop, trigger: {type: cron, expression: 0 18 * * *}}]}")
	}
	if len(f.StartStop) > maxComputeSchedules {
		return nil, cairn.Errorf(cairn.CodeInvalid, "schedules.compute_start_stop has %d items; at most %d are taken", len(f.StartStop), maxComputeSchedules)
	}
	var out []startStop
	for i, x := range f.StartStop {
		if x.Action != "start" && x.Action != "stop" {
			return nil, bad(i, cairn.Errorf(cairn.CodeInvalid, "action is %q", clipText(x.Action, 40)).WithHint("start or stop"))
		}
		if x.Trigger == nil {
			return nil, bad(i, cairn.Errorf(cairn.CodeInvalid, "it has no trigger").WithHint("a trigger of type cron or recurrence"))
		}
		t := cairn.JobTrigger{
			Type: x.Trigger.Type, Expression: x.Trigger.Expression, Frequency: x.Trigger.Frequency, Interval: max(x.Trigger.Interval, 1), Zone: x.Trigger.Zone,
			Hours: x.Trigger.Schedule.Hours, Minutes: x.Trigger.Schedule.Minutes, WeekDays: x.Trigger.Schedule.WeekDays, MonthDays: x.Trigger.Schedule.MonthDays,
		}
		if t.Type != "cron" && t.Type != "recurrence" {
			return nil, bad(i, cairn.Errorf(cairn.CodeInvalid, "%q is not a trigger", clipText(t.Type, 40)).WithHint("cron or recurrence"))
		}
		loc, err := trigger.AnyZone(t.Zone)
		if err != nil {
			return nil, bad(i, err)
		}
		if x.Trigger.Start != "" {
			if t.Start, err = moment(x.Trigger.Start, loc); err != nil {
				return nil, bad(i, err)
			}
		}
		table, err := jobTimes(&t, begin)
		if err != nil {
			return nil, bad(i, err)
		}
		if x.State != "disabled" {
			out = append(out, startStop{x.Action, table})
		}
	}
	return out, nil
}

// computeMove is what is to happen to an instance.
type computeMove struct {
	to, why string
	at      time.Time // when it was due
}

// nextMove says what is due on an instance now: by its schedules since they were looked at,
// or because it has been idle for long. Of several that are due the latest counts: whoever
// was away for a week finds it as it would be. next is when to look again; zero: never.
func nextMove(c *cairn.Compute, busy int, now time.Time) (move *computeMove, next time.Time, err error) {
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	all, err := startStops(c.Schedules, c.CreatedAt)
	if err != nil {
		return nil, next, err
	}
	looked := c.Looked
	if looked.IsZero() {
		looked = c.CreatedAt
	}
	for _, s := range all {
		if due, _, ok := s.times.Between(looked, now); ok && (move == nil || due.After(move.at)) {
			move = &computeMove{s.to, cairn.ComputeBySchedule, due}
		}
		sooner(s.times.Next(now))
	}
	if move == nil && c.Shutdown > 0 && c.State == cairn.ComputeRunning && busy == 0 {
		since := c.MovedAt
		if c.UsedAt.After(since) {
			since = c.UsedAt
		}
		due := since.Add(time.Duration(c.Shutdown) * time.Minute)
		if !now.Before(due) {
			move = &computeMove{"stop", cairn.ComputeByIdle, due}
		}
		sooner(due)
	}
	return move, next, nil
}

// nodesOf is how many instances a cluster would have: those in use, those that were not idle
// for long, and no fewer than its minimum.
func nodesOf(c *cairn.Compute, busy int, now time.Time) int {
	n := max(c.Min, busy)
	if !c.UsedAt.IsZero() && now.Before(c.UsedAt.Add(time.Duration(c.Idle)*time.Second)) {
		n = max(n, c.Used)
	}
	return max(min(n, c.Max), busy)
}
