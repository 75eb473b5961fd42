package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Decide is what a reviewer says of a deployment that waits for it. It goes on once
// as many as its stage asks for have approved; one who rejects it ends it.
func (s *Service) Decide(ctx context.Context, id cairn.DeploymentID, approve bool, comment string, actor cairn.Principal) (*cairn.Deployment, error) {
	for {
		d, err := s.o.Store.Deployment(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := s.mayDecide(ctx, &d, approve, actor); err != nil {
			return nil, err
		}
		comment = clip(comment, maxComment)
		if comment != "" {
			d.Comment = comment
		}
		v := cairn.Vote{By: actor.Name, Approve: approve, Comment: comment, At: s.now()}
		d.Votes = append(slices.Clone(d.Votes), v)
		ch := cairn.Change{By: actor.Name, Links: []cairn.Link{voteLink(&d, &v)}}
		needed := cairn.Needed(d.Reviewers, d.Required)
		switch {
		case approve && len(d.Votes) >= needed:
			d.ApprovedBy, d.Reason = voters(d.Votes), ""
		case approve:
			w, _ := gated(&d, s.now())
			d.Reason = w.Reason
		default:
			d.Status, d.RejectedBy, d.EndedAt = cairn.DeployRejected, actor.Name, s.now()
			d.Reason = "rejected by " + actor.Name
			if comment != "" {
				d.Reason += ": " + comment
			}
		}
		out, err := s.o.Store.PutDeployments(ctx, []cairn.Deployment{d}, nil, ch)
		if cairn.CodeOf(err) == cairn.CodeConflict {
			continue // somebody else decided, or its reason changed
		} else if err != nil {
			return nil, err
		}
		s.wake()
		return &out[0], nil
	}
}

func (s *Service) mayDecide(ctx context.Context, d *cairn.Deployment, approve bool, actor cairn.Principal) error {
	switch {
	case d.RejectedBy != "":
		return cairn.Errorf(cairn.CodeConflict, "deployment %d was rejected by %s already", d.ID, d.RejectedBy)
	case d.ApprovedBy != "":
		return cairn.Errorf(cairn.CodeConflict, "deployment %d was approved by %s already; it is %s", d.ID, d.ApprovedBy, d.Status)
	case d.Status != cairn.DeployWaiting:
		return cairn.Errorf(cairn.CodeConflict, "deployment %d waits for no approval: it is %s", d.ID, d.Status)
	case len(d.Reviewers) == 0:
		return cairn.Errorf(cairn.CodeConflict, "deployment %d waits for no approval: %s", d.ID, d.Reason)
	case actor.Job != 0:
		return cairn.Errorf(cairn.CodeForbidden, "a job may not decide on deployment %d: a person does", d.ID)
	}
	may, err := s.approvers(ctx, d)
	switch {
	case err != nil:
		return err
	case approve && slices.ContainsFunc(d.Votes, func(v cairn.Vote) bool { return strings.EqualFold(v.By, actor.Name) }):
		return cairn.Errorf(cairn.CodeConflict, "%s approved deployment %d already", actor.Name, d.ID).
			WithHint("it waits for %s", cairn.Awaited(d.Reviewers, cairn.Needed(d.Reviewers, d.Required), d.Votes, nil))
	case isIn(may, actor.Name), !approve && isIn(d.Reviewers, actor.Name): // anybody of them may stop it
		return nil
	case isIn(d.Reviewers, actor.Name):
		e := cairn.Errorf(cairn.CodeForbidden, "%s asked for deployment %d, and stage %s lets nobody approve what they started", actor.Name, d.ID, d.Stage)
		if len(may) == 0 {
			return e.WithHint("it has no other reviewer: add one to its rules")
		}
		return e.WithHint("it can be approved by %s", strings.Join(may, " or "))
	}
	return cairn.Errorf(cairn.CodeForbidden, "%s may not decide on stage %s", actor.Name, d.Stage).
		WithHint("its reviewers: %s", strings.Join(d.Reviewers, ", "))
}

// approvers are the reviewers who may approve a deployment: where the stage says
// so, not who started it.
func (s *Service) approvers(ctx context.Context, d *cairn.Deployment) ([]string, error) {
	c, err := s.o.Store.StageConfig(ctx, d.Config)
	if err != nil || !c.Rules.NoSelfReview {
		return d.Reviewers, err
	}
	starters := []string{d.By}
	if d.Run != 0 {
		r, err := s.o.Store.Run(ctx, d.Run)
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
		starters = append(starters, r.Actor)
		attempts, err := s.o.Store.Attempts(ctx, d.Run)
		if err != nil {
			return nil, err
		}
		for _, a := range attempts {
			if a.Number == d.Attempt {
				starters = append(starters, a.By)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(d.Reviewers), func(r string) bool { return isIn(starters, r) }), nil
}

// voters names those who approved, in their order.
func voters(votes []cairn.Vote) string {
	var out []string
	for _, v := range votes {
		if v.Approve {
			out = append(out, v.By)
		}
	}
	return strings.Join(out, ", ")
}

func isIn(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// Waiting lists the deployments that wait or come up, of all repositories, the
// oldest first.
func (s *Service) Waiting(ctx context.Context) ([]cairn.Deployment, error) {
	open, err := s.open(ctx)
	slices.Reverse(open)
	return open, err
}

// Pending lists the deployments that wait for somebody's approval, the oldest
// first, as actor sees them.
func (s *Service) Pending(ctx context.Context, actor cairn.Principal) ([]cairn.PendingApproval, error) {
	open, err := s.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	var out []cairn.PendingApproval
	for i := range open {
		d := &open[i]
		if d.Status != cairn.DeployWaiting || len(d.Reviewers) == 0 || d.ApprovedBy != "" {
			continue
		}
		may, err := s.approvers(ctx, d)
		if err != nil {
			return nil, err
		}
		r, err := s.o.Store.Release(ctx, s.o.Workspace, d.Release)
		if err != nil {
			return nil, err
		}
		out = append(out, cairn.PendingApproval{
			What: d.Ref(), Repository: d.Repository, Environment: d.Stage, Title: Describe(&r), Reviewers: d.Reviewers,
			Since: d.CreatedAt, By: d.By, Required: d.Required, Votes: d.Votes,
			Mine: actor.Job == 0 && isIn(may, actor.Name) && !slices.ContainsFunc(d.Votes, func(v cairn.Vote) bool { return strings.EqualFold(v.By, actor.Name) }),
		})
	}
	return out, nil
}
