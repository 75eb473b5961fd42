package follow

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cairn-ml/cairn"
)

// pulls takes in pull requests whose newest commit is not the recorded one. Who
// they are from is asked of the host, for so many at one look.
func (l *looking) pulls(ctx context.Context, there map[string]string) error {
	const atOnce = 20
	recorded, err := l.s.o.Store.RecordedRefs(ctx, l.f.Repository)
	if err != nil {
		return err
	}
	note := map[string]string{}
	var changed []string
	for _, ref := range slices.Sorted(maps.Keys(there)) {
		r, known := recorded[ref]
		switch {
		case !isPull(ref) || known && r.SHA == there[ref]:
		case l.f.Fresh && !known:
			note[ref] = there[ref]
		default:
			changed = append(changed, ref)
		}
	}
	if len(note) > 0 {
		if err := l.s.o.Store.NoteRefs(ctx, l.f.Repository, note, cairn.Change{By: l.f.By}); err != nil {
			return err
		}
	}
	if len(changed) > 0 && !l.s.mayAsk(l.f.Repository) {
		return nil
	}
	if len(changed) > atOnce {
		l.open, changed = true, changed[:atOnce]
	}
	for _, ref := range changed {
		number, err := numberOf(ref)
		if err != nil {
			continue // no ref of a pull request
		}
		payload, err := l.s.host.pull(ctx, l.f, l.remote.Token, number, l.s.now())
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			// It is not for this token, or not a pull request: it stays as it is.
			err = l.s.o.Store.NoteRefs(ctx, l.f.Repository, map[string]string{ref: there[ref]}, cairn.Change{By: l.f.By})
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			// Branches and tags are taken in without it: it is no failure of the look.
			l.s.pullTrouble(l.f.Repository, err)
			l.open = false
			return ctx.Err()
		}
		r, known := recorded[ref]
		action := "synchronize"
		if !known {
			action = "opened"
		}
		p, err := readPull(payload.event(action, l.f, number))
		if err != nil {
			return err
		}
		if p.State != "open" {
			err = l.s.o.Store.NoteRefs(ctx, l.f.Repository, map[string]string{ref: there[ref]}, cairn.Change{By: l.f.By})
		} else {
			m := move{ref: ref, old: orZero(r.SHA), new: p.Head.SHA, version: r.Version, fresh: !known}
			err = l.takePull(ctx, &m, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayAsk reports whether the host's interface may be asked for pull requests, and
// takes it for well until it says otherwise.
func (s *Service) mayAsk(repo string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(repo)
	if s.now().Before(st.pullsAfter) {
		return false
	}
	st.pulls, st.pullsAfter = "", time.Time{}
	return true
}

// pullTrouble notes why pull requests could not be asked for, and when to ask
// again.
func (s *Service) pullTrouble(repo string, err error) {
	const patience = 5 * time.Minute
	s.log.Warn("pull requests could not be asked for", "repository", repo, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(repo)
	st.pulls, st.pullsAfter = clip(err.Error(), 500), s.now().Add(patience)
	var r *refusal
	if errors.As(err, &r) && r.again.After(st.pullsAfter) {
		st.pullsAfter = r.again
	}
}
