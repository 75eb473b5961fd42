package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// clock starts workflows by their schedules.
type clock struct {
	look chan struct{} // a default branch moved
}

// clockLooks is how often the clock looks for schedules that are new, at least.
const clockLooks = 30 * time.Second

func (s *Server) now() time.Time {
	if s.o.Now != nil {
		return s.o.Now()
	}
	return time.Now()
}

// keepTime starts what is due, for as long as this owner is there.
func (s *Server) keepTime(ctx context.Context) {
	for {
		next, err := s.tick(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("schedules cannot be looked at", "error", err)
		}
		pause := clockLooks
		if !next.IsZero() {
			pause = min(max(next.Sub(s.now()), 0)+time.Millisecond, clockLooks)
		}
		if !wait(ctx, s.clock.look, pause) {
			return
		}
	}
}

// lookAtClock lets the clock see schedules that a push brings, once the move of its
// branch is written down.
func (s *Server) lookAtClock() {
	time.AfterFunc(time.Second, func() {
		select {
		case s.clock.look <- struct{}{}:
		default:
		}
	})
}

// tick starts what is due in all repositories and says when the next is.
func (s *Server) tick(ctx context.Context) (next time.Time, err error) {
	repos, err := s.store.Repositories(ctx, Workspace)
	if err != nil {
		return next, err
	}
	now := s.now()
	for _, r := range repos {
		at, err := s.tickRepository(ctx, r, now)
		if err != nil {
			// One that is damaged stops the clock of no other.
			s.log.Error("the schedules of a repository cannot be looked at", "repository", r.Name, "error", err)
			continue
		}
		if next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next, nil
}

// tickRepository starts what is due by the workflows of the default branch. A
// schedule that is new counts from now. However often it was due while nobody
// looked, it runs once.
func (s *Server) tickRepository(ctx context.Context, repo cairn.Repository, now time.Time) (next time.Time, err error) {
	refs, err := s.store.RecordedRefs(ctx, repo.Name)
	if err != nil {
		return next, err
	}
	head := refs["refs/heads/"+repo.DefaultBranch].SHA
	if head == "" || head == zeroSHA {
		return next, nil
	}
	all, err := s.defaultWorkflows(ctx, repo, head)
	if err != nil {
		return next, err
	}
	known, err := s.store.Schedules(ctx, repo.Name)
	if err != nil {
		return next, err
	}
	looked, there := map[cairn.Schedule]time.Time{}, map[cairn.Schedule]bool{}
	var due []cairn.TriggerEvent
	fresh := 0
	for i := range all {
		for x, t := range schedulesOf(repo.Name, &all[i]) {
			there[x] = true
			last, old := known[x]
			switch at, missed, ok := t.Between(last, now); {
			case !old, last.After(now.Add(time.Hour)): // new, or the clock went back
				looked[x] = now
				fresh++
			case ok:
				looked[x] = at
				due = append(due, s.dueEvent(x, at, now, missed))
			}
			if at := t.Next(now); next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	var gone []cairn.Schedule
	for x := range known {
		if !there[x] {
			gone = append(gone, x)
		}
	}
	if len(looked)+len(gone) == 0 {
		return next, nil
	}
	if err := s.store.PutSchedules(ctx, looked, gone, due); err != nil {
		return next, err
	}
	if fresh > 0 {
		s.log.Info("schedules count from now on", "repository", repo.Name, "number", fresh, "next", next)
	}
	s.deliverAll(ctx, due)
	return next, nil
}

// schedulesOf are the time tables of a workflow; what is none was told by lint.
func schedulesOf(repository string, w *candidate) map[cairn.Schedule]*trigger.Table {
	out := map[cairn.Schedule]*trigger.Table{}
	if w.workflow == nil || cairn.HasErrors(w.problems) {
		return out
	}
	e, ok := w.workflow.Event("schedule")
	if !ok {
		return out
	}
	for _, c := range e.Schedule {
		if t, err := trigger.NewTable(c.Expr.Value, c.Timezone.Value); err == nil {
			out[cairn.Schedule{Repository: repository, Path: w.path, Cron: c.Expr.Value, Zone: c.Timezone.Value}] = t
		}
	}
	return out
}

func (s *Server) dueEvent(x cairn.Schedule, at, now time.Time, missed int) cairn.TriggerEvent {
	e := cairn.TriggerEvent{
		Key: fmt.Sprintf("schedule:%s:%s:%s:%s@%d", x.Repository, x.Path, x.Cron, x.Zone, at.Unix()), Repository: x.Repository,
		Event: "schedule", Workflow: x.Path, By: s.local.Name, Reason: trigger.Late(at, now), At: now.UTC(),
	}
	if e.Reason != "" && missed > 0 {
		e.Reason += fmt.Sprintf(", %d missed", missed)
	}
	e.Payload, _ = json.Marshal(trigger.Due(x, at, now, missed)) // plain fields always encode
	return e
}
