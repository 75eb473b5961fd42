package run

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cairn-ml/cairn"
)

// Run decides and carries out until ctx ends; then it waits for the effects
// under way and answers ctx's error. Supervisors go on without it: the next Run,
// of this process or of another, takes up where they are.
func (e *Engine) Run(ctx context.Context) error {
	signal, stop := e.o.Store.Watch()
	defer stop()
	defer e.wg.Wait()
	timer := time.NewTimer(e.o.Poll)
	defer timer.Stop()
	look := looks{all: true}
	var lastAll time.Time
	for {
		if look.all {
			lastAll = time.Now()
		}
		timer.Reset(max(0, min(e.pass(ctx, look), e.o.Poll-time.Since(lastAll))))
		look = looks{}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-signal:
			look.rows = true
		case <-e.o.Backend.Changed():
			look.reports = true
		case <-e.poke:
		case <-timer.C:
			look.all = time.Since(lastAll) >= e.o.Poll
		}
		// Whatever else is there already is seen in the same pass.
		select {
		case <-signal:
			look.rows = true
		default:
		}
		select {
		case <-e.o.Backend.Changed():
			look.reports = true
		default:
		}
		e.mu.Lock()
		look.merge(e.asked)
		e.asked = looks{}
		e.mu.Unlock()
	}
}

// looks says where a pass has to look.
type looks struct {
	all     bool // everything, and effects that are due
	rows    bool // somebody wrote
	reports bool // a supervisor wrote, or ended
}

func (l *looks) merge(o looks) {
	l.all, l.rows, l.reports = l.all || o.all, l.rows || o.rows, l.reports || o.reports
}

// pass takes in what is new, decides and writes. It answers when to come back
// although nothing happened.
func (e *Engine) pass(ctx context.Context, look looks) time.Duration {
	next := e.o.Poll
	if look.all {
		e.slots = e.o.Backend.Slots()
		e.gen++
	}
	if look.all || look.rows {
		if err := e.lookAtPlaces(ctx); err != nil {
			e.complain(ctx, "reading places", err)
			e.later(time.Second, looks{rows: true})
		}
		if err := e.refresh(ctx); err != nil {
			e.complain(ctx, "reading active runs", err)
			e.later(time.Second, looks{rows: true})
		}
	}
	e.takeResults(ctx)
	for _, id := range slices.Sorted(maps.Keys(e.runs)) {
		a := e.runs[id]
		seen := e.gen
		if err := e.reconcile(ctx, a, look); err != nil {
			// What was not written is read again: rows, and reports from the old offset.
			e.drop(a)
			if cairn.CodeOf(err) == cairn.CodeConflict {
				e.ask(looks{rows: true})
			} else {
				e.complain(ctx, "bringing a run forward", err, "run", id)
				e.later(time.Second, looks{all: true})
			}
			continue
		}
		// What it changed itself it has followed already, unless it cancelled another.
		a.gen = max(seen, e.gen)
		if a.state.Run.Status == cairn.StatusCompleted {
			e.drop(a)
		} else if !a.wake.IsZero() {
			next = max(0, min(next, a.wake.Sub(e.now())))
		}
	}
	e.tellUse()
	for _, a := range e.runs {
		if a.gen != e.gen {
			e.ask(looks{})
			break
		}
	}
	if look.all {
		e.dueEffects(ctx)
	}
	return next
}

// drop forgets a run: it is completed, or has to be read again.
func (e *Engine) drop(a *active) {
	delete(e.runs, a.id)
	e.forget(a.done)
	e.gen++
}

// later asks for a look after a while, on the real clock.
func (e *Engine) later(d time.Duration, l looks) { time.AfterFunc(d, func() { e.ask(l) }) }

// refresh loads runs that are new or were changed by somebody else.
func (e *Engine) refresh(ctx context.Context) error {
	versions, err := e.o.Store.ActiveRuns(ctx)
	if err != nil {
		return err
	}
	for id := range e.runs {
		if _, ok := versions[id]; !ok {
			e.drop(e.runs[id])
		}
	}
	for id, version := range versions {
		if a := e.runs[id]; a != nil && a.version == version {
			continue
		}
		a, err := e.load(ctx, id)
		if err != nil {
			e.complain(ctx, "loading run", err, "run", id)
			continue
		}
		if old := e.runs[id]; old != nil {
			a.done = old.done
		}
		if a.state.Run.Status != cairn.StatusCompleted {
			e.runs[id] = a
		}
		e.gen++
	}
	return nil
}

func (e *Engine) load(ctx context.Context, id cairn.RunID) (*active, error) {
	snap, err := e.o.Store.RunSnapshot(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	p, err := e.o.Store.Plan(ctx, snap.Run.Plan)
	if err != nil {
		return nil, err
	}
	contexts, err := e.contexts(ctx, &snap.Run)
	if err != nil {
		return nil, err
	}
	return &active{id: id, version: snap.Run.Version, plan: p, state: NewState(snap), contexts: contexts, gen: -1, unread: map[string]int{}}, nil
}
