package run

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Places tells which places there are, by name in lower case.
type Places func(ctx context.Context) (map[string]cairn.Place, error)

// placeOf is the share of a place that a job of n asks for: one instance for each of the
// nodes that it would be spread over.
func placeOf(n *cairn.Node) (string, int) {
	name := strings.ToLower(n.Place)
	if name == "" {
		return "", 0
	}
	if n.Task != nil && n.Task.Spread != nil {
		return name, max(n.Task.Spread.Nodes, 1)
	}
	return name, 1
}

// full says why a job cannot begin at its place now; "" where it can.
func (d *decider) full(row *cairn.Job) string {
	p, ok := d.f.Places[row.Place]
	if row.Place == "" || !ok {
		return ""
	}
	busy := d.taken[row.Place]
	switch {
	case p.Closed != "":
		return fmt.Sprintf("waits for %s: %s", p.Label, p.Closed)
	case row.Instances > p.Count:
		return fmt.Sprintf("waits for %s: it asks for %d instances, and there are at most %d", p.Label, row.Instances, p.Count)
	case busy+row.Instances > p.Count:
		return fmt.Sprintf("waits for %s: %d of %d instances are busy", p.Label, busy, p.Count)
	}
	return ""
}

// lenders are the jobs whose step asked for a run that is not at its end: what they hold
// is lent to it, else both would wait for each other where nothing else is free.
func (e *Engine) lenders() map[cairn.JobID]bool {
	out := map[cairn.JobID]bool{}
	for _, a := range e.runs {
		if x := a.state.Run.Submitted; x != nil && x.Parent != 0 {
			out[x.Parent] = true
		}
	}
	return out
}

// places are those that there are, with what is in use of them by any run.
func (e *Engine) places() map[string]Place {
	if len(e.known) == 0 {
		return nil
	}
	lends := e.lenders()
	out := make(map[string]Place, len(e.known))
	for name, p := range e.known {
		out[name] = Place{Place: p}
	}
	for _, a := range e.runs {
		for _, j := range a.state.Jobs {
			if p, ok := out[j.Place]; ok && j.Status == cairn.StatusRunning && !lends[j.ID] {
				p.Busy += j.Instances
				out[j.Place] = p
			}
		}
	}
	return out
}

// lookAtPlaces reads which places there are: somebody may have made, stopped or widened one.
func (e *Engine) lookAtPlaces(ctx context.Context) error {
	if e.o.Places == nil {
		return nil
	}
	now, err := e.o.Places(ctx)
	if err != nil {
		return err
	}
	if !maps.Equal(now, e.known) {
		e.known = now
		e.gen++ // whoever waits looks again
	}
	return nil
}

// tellUse says what is in use of the places, once it is written; only what changed is told.
func (e *Engine) tellUse() {
	if e.o.OnUse == nil || len(e.known) == 0 && len(e.used) == 0 {
		return
	}
	now := map[string]int{}
	for name, p := range e.places() {
		if p.Busy > 0 {
			now[name] = p.Busy
		}
	}
	if e.used == nil || !maps.Equal(now, e.used) { // the first time even where nothing is
		e.used = now
		e.o.OnUse(maps.Clone(now))
	}
}
