package asset

import (
	"context"
	"time"

	"github.com/cairn-ml/cairn"
)

// DefaultRetention is how long an artifact is kept unless its step or the
// settings say otherwise.
const DefaultRetention = 90 * 24 * time.Hour

// Retention is how long artifacts of a repository are kept: where a step does not
// say, and at most. Zero fields mean DefaultRetention, or what Default says.
type Retention struct {
	Default, Max time.Duration
}

// Filled replaces zero fields.
func (r Retention) Filled() Retention {
	if r.Default <= 0 {
		r.Default = DefaultRetention
	}
	if r.Max <= 0 {
		r.Max = max(DefaultRetention, r.Default)
	}
	r.Default = min(r.Default, r.Max)
	return r
}

// Retention is how long artifacts of a run are kept.
func (s *Service) Retention(ctx context.Context, run cairn.RunID) (Retention, error) {
	if s.o.Retention == nil {
		return Retention{}.Filled(), nil
	}
	r, err := s.o.Retention(ctx, run)
	return r.Filled(), err
}

// keepFor sets when an artifact is made and until when it is kept; more than the
// repository allows is cut to that, as on GitHub.
func (s *Service) keepFor(ctx context.Context, a *cairn.Artifact) error {
	r, err := s.Retention(ctx, a.Run)
	if err != nil {
		return err
	}
	a.CreatedAt = s.o.Now().UTC()
	if a.ExpiresAt.IsZero() {
		a.ExpiresAt = a.CreatedAt.Add(r.Default)
	}
	if last := a.CreatedAt.Add(r.Max); a.ExpiresAt.After(last) {
		a.ExpiresAt = last
	}
	if !a.ExpiresAt.After(a.CreatedAt) {
		return cairn.Errorf(cairn.CodeInvalid, "the artifact would have expired on %s", a.ExpiresAt.UTC().Format(time.RFC3339))
	}
	a.ExpiresAt = a.ExpiresAt.UTC()
	return nil
}

// Held answers an error unless the bytes of an artifact are still kept.
func Held(a *cairn.Artifact) error {
	switch a.Gone {
	case "":
		return nil
	case cairn.ArtifactExpired:
		return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d expired on %s", a.Name, a.Run, a.ExpiresAt.UTC().Format(time.DateOnly)).
			WithHint("run the workflow again, and keep what must last: retention-days of upload-artifact, or cairn data create")
	}
	return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d was deleted on %s", a.Name, a.Run, a.GoneAt.UTC().Format(time.DateOnly))
}

// ArtifactByID finds an artifact by its number; one that is gone is answered too.
func (s *Service) ArtifactByID(ctx context.Context, id int64) (*cairn.Artifact, error) {
	a, err := s.o.Store.ArtifactByID(ctx, id)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// DeleteArtifact ends an artifact by hand, or by a job of its run. Its bytes are
// removed where nothing else needs them; its name stays for traces.
func (s *Service) DeleteArtifact(ctx context.Context, a cairn.Artifact, actor cairn.Principal) error {
	if actor.Job != 0 && actor.Run != a.Run {
		return cairn.Errorf(cairn.CodeForbidden, "a job may delete the artifacts of its own run; %q is of run %d", a.Name, a.Run)
	}
	ok, err := s.o.Store.EndArtifact(ctx, a.ID, cairn.ArtifactDeleted, s.o.Now(), ended(actor))
	if err == nil && !ok {
		return cairn.Errorf(cairn.CodeNotFound, "artifact %q of run %d is not kept any more", a.Name, a.Run)
	}
	return err
}

// Expire ends the artifacts whose time is over, and says how many those are.
func (s *Service) Expire(ctx context.Context) (int, error) {
	n := 0
	for {
		now := s.o.Now()
		due, err := s.o.Store.ArtifactsExpired(ctx, now, 500)
		if err != nil || len(due) == 0 {
			return n, err
		}
		for _, a := range due {
			ok, err := s.o.Store.EndArtifact(ctx, a.ID, cairn.ArtifactExpired, now, ended(cairn.Principal{Name: "retention"}))
			if err != nil {
				return n, err
			}
			if ok {
				n++
			}
		}
	}
}

func ended(actor cairn.Principal) func(a cairn.Artifact) cairn.Change {
	return func(a cairn.Artifact) cairn.Change {
		e := event(cairn.EvAssetChanged, a.Ref(), actor, a)
		e.Run = a.Run
		return cairn.Change{By: actor.Name, Events: []cairn.Event{e}}
	}
}
