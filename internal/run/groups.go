package run

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Groups lists the concurrency groups in which somebody is, or waits: who holds each,
// and who waits in which place. repository "" means all.
func (e *Engine) Groups(ctx context.Context, repository string) ([]cairn.ConcurrencyGroup, error) {
	versions, err := e.o.Store.ActiveRuns(ctx)
	if err != nil {
		return nil, err
	}
	type group struct {
		repository, name string
		members          []Member
	}
	byKey := map[string]*group{}
	add := func(run *cairn.Run, name string, m Member) {
		key := GroupKey(run.Repository, name)
		g := byKey[key]
		if g == nil {
			g = &group{repository: run.Repository, name: name}
			byKey[key] = g
		}
		g.members = append(g.members, m)
	}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		snap, err := e.o.Store.RunSnapshot(ctx, id, 0)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		} else if err != nil {
			return nil, err
		}
		run := &snap.Run
		if repository != "" && !strings.EqualFold(run.Repository, repository) {
			continue
		}
		if m, ok := runMember(run, &snap.Attempt); ok {
			add(run, run.Group, m)
		}
		for i := range snap.Jobs {
			for _, c := range claims(&snap.Jobs[i]) {
				if m, ok := member(&snap.Jobs[i], c); ok {
					add(run, c.Group, m)
				}
			}
		}
	}
	out := make([]cairn.ConcurrencyGroup, 0, len(byKey))
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		g := byKey[key]
		slices.SortFunc(g.members, Member.before)
		view := cairn.ConcurrencyGroup{Repository: g.repository, Group: g.name, Holders: []cairn.GroupMember{}, Waiting: []cairn.GroupMember{}}
		for _, m := range g.members {
			is := cairn.GroupMember{Run: m.Run, Job: m.Job, Path: m.path}
			if m.Active {
				view.Holders = append(view.Holders, is)
				continue
			}
			is.Place = len(view.Waiting) + 1
			view.Waiting = append(view.Waiting, is)
		}
		out = append(out, view)
	}
	return out, nil
}
