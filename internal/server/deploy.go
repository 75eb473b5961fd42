package server

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/run"
)

// openDeploys makes the room of stages, which serves on this machine.
func (s *Server) openDeploys(exe string) error {
	target, err := s.localTarget(exe)
	if err != nil {
		return err
	}
	s.deploys = deploy.New(deploy.Options{
		Store: s.store, Images: s.images, Code: &deployCode{s}, Target: target, Workspace: Workspace, MatchRef: run.MatchRef, Gates: newGates(s),
		FirstPort: s.config.StagePort, Log: s.log,
	})
	return nil
}

// deployCode reads the hosted repositories for the room of stages.
type deployCode struct{ s *Server }

func (c *deployCode) ReadFile(ctx context.Context, repository, revision, path string) ([]byte, error) {
	if revision == "" {
		var err error
		if revision, err = c.newest(ctx, repository); err != nil {
			return nil, err
		}
	}
	return c.s.host.ReadFile(ctx, repository, revision, path)
}

func (c *deployCode) Commit(ctx context.Context, repository, sha string) (cairn.Commit, error) {
	return c.s.host.Commit(ctx, repository, sha)
}

// newest is the code of the newest run of the default branch: what was taken in
// from a work tree moves no branch of the hosted repository. Without such a run it
// is what was pushed there.
func (c *deployCode) newest(ctx context.Context, repository string) (string, error) {
	f := cairn.RunFilter{Workspace: Workspace, Repository: repository, Limit: 1}
	repo, err := c.s.store.Repository(ctx, Workspace, repository)
	switch {
	case err == nil:
		f.Branch = repo.DefaultBranch
	case cairn.CodeOf(err) != cairn.CodeNotFound:
		return "", err
	}
	runs, err := c.s.store.Runs(ctx, f)
	if err != nil {
		return "", err
	}
	if len(runs) == 0 {
		return "HEAD", nil
	}
	return runs[0].TreeGit, nil
}

// PendingApprovals lists what waits for somebody's decision: environments of
// runs, and deployments.
func (s *Server) PendingApprovals(ctx context.Context, actor cairn.Principal) ([]cairn.PendingApproval, error) {
	active, err := s.store.ActiveRuns(ctx)
	if err != nil {
		return nil, err
	}
	var out []cairn.PendingApproval
	for id := range active {
		r, err := s.store.Run(ctx, id)
		if err != nil {
			return nil, err
		}
		some, err := s.pendingOfRun(ctx, &r, actor)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	some, err := s.deploys.Pending(ctx, actor)
	out = append(out, some...)
	slices.SortFunc(out, func(a, b cairn.PendingApproval) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(string(a.What)+a.Environment, string(b.What)+b.Environment)
	})
	return out, err
}

func (s *Server) pendingOfRun(ctx context.Context, r *cairn.Run, actor cairn.Principal) ([]cairn.PendingApproval, error) {
	asked, err := s.store.Approvals(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	attempts, err := s.store.Attempts(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	started := strings.EqualFold(r.Actor, actor.Name) || slices.ContainsFunc(attempts, func(a cairn.Attempt) bool {
		return a.Number == r.Attempt && strings.EqualFold(a.By, actor.Name)
	})
	var out []cairn.PendingApproval
	for _, a := range asked {
		if a.Attempt != r.Attempt || a.State != run.ApprovalPending {
			continue
		}
		e, err := s.store.Environment(ctx, r.Repository, a.Environment)
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
		mine := slices.ContainsFunc(e.Reviewers, func(n string) bool { return strings.EqualFold(n, actor.Name) })
		voted := slices.ContainsFunc(a.Votes, func(v cairn.Vote) bool { return strings.EqualFold(v.By, actor.Name) })
		if a.Environment == r.Ask { // whoever may write decides on it
			mine = actor.Job == 0 && (actor.Role == cairn.RoleWriter || actor.Role == cairn.RoleAdmin)
		}
		if e.NoSelfReview && started || voted {
			mine = false
		}
		if len(e.Reviewers) > 0 && len(a.Approvers()) >= cairn.Needed(e.Reviewers, e.Required) {
			continue // fewer are asked for since
		}
		out = append(out, cairn.PendingApproval{
			What: cairn.RunRef(r.ID), Repository: r.Repository, Environment: a.Environment, Title: r.Title,
			Reviewers: e.Reviewers, Required: e.Required, Votes: a.Votes, Since: a.AskedAt, By: r.Actor, Mine: mine,
		})
	}
	return out, nil
}
