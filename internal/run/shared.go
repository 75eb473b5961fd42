package run

import (
	"context"
	"maps"
	"slices"

	"github.com/cairn-ml/cairn"
)

// What runs share: slots, and concurrency groups.

// pools are the backend's slots less what is in use by any run. A job whose step asked
// for a run lends its slot to that run: else both would wait for each other where all
// slots are in use.
func (e *Engine) pools() []Pool {
	used, lends := map[string]int{}, e.lenders()
	for _, a := range e.runs {
		for _, j := range a.state.Jobs {
			if j.Status == cairn.StatusRunning && !lends[j.ID] {
				used[j.Runner]++
			}
		}
	}
	out := make([]Pool, len(e.slots))
	for i, s := range e.slots {
		out[i] = Pool{Slot: s, Free: s.Count - used[s.Name]}
	}
	return out
}

// groups lists who else is in the concurrency groups of a's repository.
func (e *Engine) groups(a *active) map[string][]Member {
	var out map[string][]Member
	add := func(run *cairn.Run, group string, m Member) {
		if out == nil {
			out = map[string][]Member{}
		}
		key := GroupKey(run.Repository, group)
		out[key] = append(out[key], m)
	}
	for _, id := range slices.Sorted(maps.Keys(e.runs)) {
		other := e.runs[id]
		if other == a || other.state.Run.Repository != a.state.Run.Repository {
			continue
		}
		run := &other.state.Run
		if m, ok := runMember(run, &other.state.Attempt); ok {
			add(run, run.Group, m)
		}
		for _, j := range other.state.Jobs {
			for _, c := range claims(j) {
				if m, ok := member(j, c); ok {
					add(run, c.Group, m)
				}
			}
		}
	}
	return out
}

// cancelOther ends another run, or a job of it, for a concurrency group.
func (e *Engine) cancelOther(ctx context.Context, c CancelOther) error {
	other := e.runs[c.Run]
	if other == nil {
		return nil
	}
	now := e.now()
	if c.Job == 0 {
		other.state.Run.CancelBy, other.state.Run.Reason = c.Reason, c.Reason
		other.state.dirty.run = true
	} else {
		for _, j := range other.state.Jobs {
			if j.ID == c.Job && j.Status == cairn.StatusRunning && j.CancelAt.IsZero() {
				act := Cancel{Path: j.Path, Reason: c.Reason}
				other.state.Fold(act, now)
				if !j.Call {
					other.effect(other.state.Jobs[j.Path], effectCancel)
				}
			}
		}
	}
	e.gen++
	e.ask(looks{})
	return nil
}
