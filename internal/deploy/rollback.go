package deploy

import (
	"context"
	"fmt"
	"slices"

	"github.com/cairn-ml/cairn"
)

// RollbackRequest asks to go back; see client.RollbackRequest.
type RollbackRequest struct {
	Repository string
	Stage      string
	To         string // a release; "": the last good one before the live one
	Comment    string
	Key        string
}

// Rollback puts an earlier release back on a stage, with the configuration that
// it had there. No check and no approval stands before it: what is gone back to
// has passed them. It waits only for a deployment that is coming up.
func (s *Service) Rollback(ctx context.Context, r RollbackRequest, actor cairn.Principal) (*cairn.Deployment, error) {
	if d, err := s.again(ctx, actor, r.Key); d != nil || err != nil {
		return d, err
	}
	if actor.Job != 0 {
		return nil, cairn.Errorf(cairn.CodeForbidden, "a job may not go back to an earlier release: a person does").
			WithHint("it passes by the rules of the stage; deploy instead: cairn deploy --release RELEASE --to %s", clip(r.Stage, 100))
	}
	st, err := s.stage(ctx, r.Repository, r.Stage)
	if err != nil {
		return nil, err
	}
	history, err := s.history(ctx, &st)
	if err != nil {
		return nil, err
	}
	target, err := s.target(ctx, &st, history, r.To)
	if err != nil {
		return nil, err
	}
	c, err := s.o.Store.StageConfig(ctx, target.Config)
	if err != nil {
		return nil, err
	}
	return s.create(ctx, cairn.Deployment{
		Workspace: s.o.Workspace, Repository: st.Repository, Stage: st.Name, StageID: st.ID, Release: target.Release,
		Status: cairn.DeployWaiting, Rollback: true, Of: target.ID, Comment: clip(r.Comment, maxComment), URL: st.URL,
		By: actor.Name, CreatedAt: s.now(),
	}, r.Key, c)
}

// historyPages bounds how far back a stage is looked through.
const historyPages = 10

// history lists what was live on a stage, the oldest first.
func (s *Service) history(ctx context.Context, st *cairn.Stage) ([]cairn.Deployment, error) {
	f := cairn.DeploymentFilter{StageID: st.ID, WasLive: true, Limit: 1000}
	var out []cairn.Deployment
	for range historyPages {
		page, err := s.o.Store.Deployments(ctx, f)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	slices.Reverse(out)
	return out, nil
}

// target finds the deployment that is gone back to.
func (s *Service) target(ctx context.Context, st *cairn.Stage, history []cairn.Deployment, to string) (*cairn.Deployment, error) {
	if to == "" {
		if d := lastGood(history, st.Live); d != nil {
			return d, nil
		}
		if len(history) == 0 {
			return nil, cairn.Errorf(cairn.CodeConflict, "nothing to go back to: nothing was ever live on %s", st.Name)
		}
		name, others := "", false
		for _, d := range history {
			if r, err := s.o.Store.Release(ctx, s.o.Workspace, d.Release); d.ID == st.Live && err == nil {
				name = Describe(&r)
			}
			others = others || d.Release != history[0].Release
		}
		e := cairn.Errorf(cairn.CodeConflict, "nothing to go back to: no good release was live on %s before %s", st.Name, name)
		if others {
			return nil, e.WithHint("name one that was live: cairn rollback %s --to RELEASE", st.Name)
		}
		return nil, e.WithHint("cairn stop %s takes the stage down", st.Name)
	}
	r, err := s.FindRelease(ctx, st.Repository, to)
	if err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(history) {
		if d.Release != r.ID {
			continue
		}
		if d.ID == st.Live {
			return nil, cairn.Errorf(cairn.CodeConflict, "%s is live on %s already", Describe(r), st.Name)
		}
		return &d, nil
	}
	return nil, cairn.Errorf(cairn.CodeConflict, "%s was never live on %s: there is no going back to it", Describe(r), st.Name).
		WithHint("put it there: cairn deploy --release r%d --to %s", r.Seq, st.Name)
}

// lastGood finds what to go back to from what is live: the newest deployment
// before it that was not gone back from itself, with another release or
// configuration. Going back again so goes further back. Where nothing is live,
// it is the last good one of all.
func lastGood(history []cairn.Deployment, live cairn.DeploymentID) *cairn.Deployment {
	byID := map[cairn.DeploymentID]*cairn.Deployment{}
	for i := range history {
		byID[history[i].ID] = &history[i]
	}
	// origin is the deployment that a chain of rollbacks goes back to.
	origin := func(id cairn.DeploymentID) cairn.DeploymentID {
		for d := byID[id]; d != nil && d.Rollback && d.Of < id; d = byID[id] {
			id = d.Of
		}
		return id
	}
	bad := map[cairn.DeploymentID]bool{}
	for i := range history {
		if d := &history[i]; d.Rollback {
			bad[origin(d.Replaces)] = true
			delete(bad, origin(d.ID))
		}
	}
	now := byID[live]
	for i := len(history) - 1; i >= 0; i-- {
		d := &history[i]
		if now != nil && d.ID >= origin(now.ID) || bad[origin(d.ID)] {
			continue
		}
		if now != nil && d.Release == now.Release && d.Config == now.Config {
			continue
		}
		return d
	}
	return nil
}

// Describe names a release for people: "r3", "r3 (v1.2.3)".
func Describe(r *cairn.Release) string {
	if tag := versionOf(r); tag != "" {
		return fmt.Sprintf("r%d (%s)", r.Seq, tag)
	}
	return fmt.Sprintf("r%d", r.Seq)
}

// versionOf is the tag that a release is best known by: a version before others.
func versionOf(r *cairn.Release) string {
	best := ""
	for _, tag := range r.Tags {
		if best == "" || version.MatchString(tag) || !version.MatchString(best) {
			best = tag
		}
	}
	return best
}
