package deploy

import (
	"fmt"

	"time"

	"github.com/cairn-ml/cairn"
)

// Facts are what Next needs to know beside the row.
type Facts struct {
	Now time.Time
	// Starting is another deployment of the stage that comes up; 0: none.
	Starting cairn.DeploymentID
	// Ahead is another one that waits for nothing but its turn, which is before
	// this one's; 0: none.
	Ahead cairn.DeploymentID
	// Checked says that the fixed checks were evaluated just now, against what is
	// live now; Failed is what the first that did not pass says.
	Checked bool
	Failed  string
}

// ActionKind is what follows for a deployment.
type ActionKind string

// The kinds of actions.
const (
	Nothing  ActionKind = "nothing"  // it is live or has ended
	Wait     ActionKind = "wait"     // and say why
	Evaluate ActionKind = "evaluate" // the fixed checks, then ask again
	Fail     ActionKind = "fail"
	Start    ActionKind = "start" // it is this one's turn
	Carry    ActionKind = "carry" // the target works on it until it is live or failed
)

// Action is what follows, with the reason in words; At is when a wait ends by
// itself.
type Action struct {
	Kind   ActionKind
	Reason string
	At     time.Time
}

// Next says what follows for a deployment. It never starts one whose gate has not
// been passed, whose checks have not just passed, or beside another one of the
// same stage.
func Next(d *cairn.Deployment, f Facts) Action {
	switch d.Status {
	case cairn.DeployStarting:
		return Action{Kind: Carry}
	case cairn.DeployWaiting:
	default:
		return Action{Kind: Nothing}
	}
	if a, ok := gated(d, f.Now); ok {
		return a
	}
	for _, other := range []cairn.DeploymentID{f.Starting, f.Ahead} {
		if other != 0 {
			return Action{Kind: Wait, Reason: fmt.Sprintf("deployment %d of %s is under way", other, d.Stage)}
		}
	}
	// Going back must work when nothing else does: what is gone back to has passed.
	if !d.Rollback {
		switch {
		case !f.Checked:
			return Action{Kind: Evaluate}
		case f.Failed != "":
			return Action{Kind: Fail, Reason: f.Failed}
		}
	}
	return Action{Kind: Start}
}

// gated reports whether a deployment waits for a person or for a time.
func gated(d *cairn.Deployment, now time.Time) (Action, bool) {
	if len(d.Reviewers) > 0 && d.ApprovedBy == "" {
		needed := cairn.Needed(d.Reviewers, d.Required)
		return Action{Kind: Wait, Reason: fmt.Sprintf("stage %s waits for %s", d.Stage, cairn.Awaited(d.Reviewers, needed, d.Votes, nil))}, true
	}
	if d.NotBefore.After(now) {
		return Action{Kind: Wait, At: d.NotBefore, Reason: fmt.Sprintf("stage %s waits until %s", d.Stage, d.NotBefore.UTC().Format(time.RFC3339))}, true
	}
	return Action{}, false
}

// before reports whether a's turn comes before b's: first those that go back,
// then by number.
func before(a, b *cairn.Deployment) bool {
	if a.Rollback != b.Rollback {
		return a.Rollback
	}
	return a.ID < b.ID
}

// factsOf are the facts for d among the open deployments of its stage.
func factsOf(d *cairn.Deployment, open []cairn.Deployment, now time.Time) Facts {
	f := Facts{Now: now}
	var first *cairn.Deployment
	for i := range open {
		o := &open[i]
		if o.ID == d.ID {
			continue
		}
		switch o.Status {
		case cairn.DeployStarting:
			f.Starting = o.ID
		case cairn.DeployWaiting:
			if _, waits := gated(o, now); !waits && before(o, d) && (first == nil || before(o, first)) {
				first = o
			}
		}
	}
	if first != nil {
		f.Ahead = first.ID
	}
	return f
}
