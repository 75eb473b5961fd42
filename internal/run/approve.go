package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Approve is what a reviewer says of an environment of a run's current attempt.
// It goes on once as many as its rules ask for have approved; one who rejects it
// is enough to end it.
func (e *Engine) Approve(ctx context.Context, id cairn.RunID, environment string, approve bool, by, comment string) error {
	_, err := e.change(ctx, id, func(snap *cairn.RunSnapshot) (b cairn.RunBatch, ch cairn.Change, err error) {
		if snap.Run.Status == cairn.StatusCompleted {
			return b, ch, cairn.Errorf(cairn.CodeConflict, "run %d is completed already (%s)", id, snap.Run.Conclusion)
		}
		a, err := asked(snap, environment)
		if err != nil {
			return b, ch, err
		}
		rule := cairn.Environment{Name: a.Environment}
		for _, r := range snap.Rules {
			if strings.EqualFold(r.Name, a.Environment) {
				rule = r
			}
		}
		if len(rule.Reviewers) > 0 && !isIn(rule.Reviewers, by) {
			return b, ch, cairn.Errorf(cairn.CodeForbidden, "%s may not decide on environment %s", by, a.Environment).
				WithHint("its reviewers: %s", strings.Join(rule.Reviewers, ", "))
		}
		if err := selfReview(&rule, approve, by, snap); err != nil {
			return b, ch, err
		}
		needed := cairn.Needed(rule.Reviewers, rule.Required)
		if approve && slices.ContainsFunc(a.Approvers(), func(v cairn.Vote) bool { return strings.EqualFold(v.By, by) }) {
			return b, ch, cairn.Errorf(cairn.CodeConflict, "%s approved environment %s of run %d already", by, a.Environment, id).
				WithHint("it waits for %s", cairn.Awaited(rule.Reviewers, needed, a.Approvers(), nil))
		}
		v := cairn.Vote{By: by, Approve: approve, Comment: clip(comment, 2000), At: e.now().UTC()}
		a.Votes = append(slices.Clone(a.Votes), v)
		switch {
		case !approve:
			a.State = ApprovalRejected
		case len(a.Approvers()) >= needed:
			a.State = ApprovalApproved
		}
		if a.State != ApprovalPending {
			a.By, a.Comment, a.DecidedAt = by, v.Comment, v.At
		}
		b.Approvals = []cairn.Approval{a}
		return b, cairn.Change{By: by, Links: voteLinks(snap, &a, &v)}, nil
	})
	return err
}

// asked is the open question about an environment.
func asked(snap *cairn.RunSnapshot, environment string) (cairn.Approval, error) {
	id := snap.Run.ID
	var open []string
	for _, a := range snap.Approvals {
		switch {
		case a.State == ApprovalOpen:
		case !strings.EqualFold(a.Environment, environment):
			open = append(open, a.Environment)
		case a.State != ApprovalPending:
			return a, cairn.Errorf(cairn.CodeConflict, "environment %s of run %d was %s by %s already", a.Environment, id, a.State, a.By)
		default:
			return a, nil
		}
	}
	hint := "it waits for no approval"
	if len(open) > 0 {
		hint = "it asks for: " + strings.Join(open, ", ")
	}
	return cairn.Approval{}, cairn.Errorf(cairn.CodeNotFound, "run %d does not wait for environment %q", id, environment).WithHint("%s", hint)
}

// voteLinks tie a vote to the run, and to each job that it lets on or ends.
func voteLinks(snap *cairn.RunSnapshot, a *cairn.Approval, v *cairn.Vote) []cairn.Link {
	relation := cairn.RelApproved
	if !v.Approve {
		relation = cairn.RelRejected
	}
	note := fmt.Sprintf("environment %s, attempt %d", a.Environment, a.Attempt)
	if v.Comment != "" {
		note += ": " + v.Comment
	}
	user := cairn.NewRef(cairn.KindUser, v.By)
	links := []cairn.Link{{From: cairn.RunRef(snap.Run.ID), Relation: relation, To: user, Note: note}}
	for _, j := range snap.Jobs {
		if strings.EqualFold(j.Environment, a.Environment) && j.Status != cairn.StatusCompleted {
			links = append(links, cairn.Link{From: cairn.JobRef(j.ID), Relation: relation, To: user, Note: note})
		}
	}
	return links
}

// selfReview refuses the approval of whoever started the run, or this attempt of
// it, where the environment asks for somebody else. Anybody may stop a run.
func selfReview(rule *cairn.Environment, approve bool, by string, snap *cairn.RunSnapshot) error {
	if !approve || !rule.NoSelfReview || !strings.EqualFold(by, snap.Run.Actor) && !strings.EqualFold(by, snap.Attempt.By) {
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(rule.Reviewers), func(r string) bool { return strings.EqualFold(r, by) })
	err := cairn.Errorf(cairn.CodeForbidden, "%s started run %d, and environment %s lets nobody approve what they started", by, snap.Run.ID, rule.Name)
	if len(others) == 0 {
		return err.WithHint("it has no other reviewer: add one to its rules")
	}
	return err.WithHint("it can be approved by %s", strings.Join(others, " or "))
}
