package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// DefaultEnvironment are the rules of an environment that only a workflow names:
// production refuses uncommitted changes, nothing else is asked.
func DefaultEnvironment(repository, name string) cairn.Environment {
	return cairn.Environment{
		Repository: repository, Name: name,
		AllowDirty: !strings.EqualFold(name, "production"), From: cairn.EnvironmentFromDefault,
	}
}

// environment applies the rules of a job's environment: it reports whether the
// job may go on, and says why where it may not. What the rules refuse for good
// comes first, then the gate, and people only after it: nobody is asked about
// what cannot go on.
func (d *decider) environment(l leg, row *cairn.Job) bool {
	key := strings.ToLower(row.Environment)
	rule, known := d.st.Rules[key]
	if !known {
		rule = DefaultEnvironment(d.f.Run.Repository, row.Environment)
		rule.CreatedAt = d.f.Now
		d.do(AddEnvironment{Environment: rule})
	}
	if d.f.Run.Dirty && !rule.AllowDirty {
		return d.refuse(l, "environment %s refuses code with uncommitted changes: commit them, or allow it for this environment", rule.Name)
	}
	if !cairn.RefAllowed(MatchRef, rule.Branches, rule.Tags, d.f.Run.Ref) {
		return d.refuse(l, "environment %s does not take %s; allowed: %s", rule.Name, refWords(d.f.Run.Ref), cairn.AllowedRefs(rule.Branches, rule.Tags))
	}
	if rule.Gate != "" && !d.passesGate(l, row, &rule) || len(rule.Reviewers) > 0 && !d.approved(l, &rule) {
		return false
	}
	if rule.Wait > 0 {
		if until := row.QueuedAt.Add(rule.Wait); until.After(d.f.Now) {
			d.wakeAt(until)
			d.wait(d.st.Jobs[l.path], fmt.Sprintf("environment %s waits until %s", rule.Name, until.UTC().Format("2006-01-02T15:04:05Z")))
			return false
		}
	}
	return true
}

// refuse fails a job: one that may not have its environment does not go on
// without it.
func (d *decider) refuse(l leg, format string, args ...any) bool {
	d.do(Finish{Path: l.path, Conclusion: cairn.Failure, Reason: clip(fmt.Sprintf(format, args...), maxReason)})
	return false
}

// passesGate looks at what the condition of an environment came to, and asks for
// it where it was not evaluated yet. One that lacks a value waits as long as other
// jobs of the run may bring it.
func (d *decider) passesGate(l leg, row *cairn.Job, rule *cairn.Environment) bool {
	key := strings.ToLower(rule.Name)
	g := d.st.Approvals[key].Gate
	done := 0
	for _, j := range d.st.Jobs {
		if j.Status == cairn.StatusCompleted {
			done++
		}
	}
	if g == nil || g.Expr != rule.Gate || g.State == cairn.GateLacks && done > g.Done {
		d.do(AskGate{Environment: rule.Name, Expr: rule.Gate, Done: done})
		g = d.st.Approvals[key].Gate
	}
	switch g.State {
	case cairn.GatePassed:
		return true
	case cairn.GateFailed:
		return d.refuse(l, "environment %s: its gate does not hold: %s", rule.Name, g.Detail)
	case cairn.GateLacks:
		if !d.mayBring(row) {
			return d.refuse(l, "environment %s: its gate cannot be checked: %s", rule.Name, g.Detail)
		}
		d.wait(d.st.Jobs[l.path], fmt.Sprintf("environment %s: its gate waits: %s", rule.Name, g.Detail))
	default:
		d.wait(d.st.Jobs[l.path], fmt.Sprintf("environment %s: its gate is checked", rule.Name))
	}
	return false
}

// mayBring reports whether some other job is under way that could bring what a
// gate lacks. Those that wait for a gate themselves bring nothing.
func (d *decider) mayBring(row *cairn.Job) bool {
	for _, j := range d.st.Jobs {
		if j.Path == row.Path {
			continue
		}
		switch j.Status {
		case cairn.StatusRunning, cairn.StatusQueued:
			return true
		case cairn.StatusWaiting:
			g := d.st.Approvals[strings.ToLower(j.Environment)].Gate
			if j.Environment == "" || g == nil || g.State != cairn.GateLacks {
				return true
			}
		}
	}
	return false
}

// approved looks at what the reviewers of an environment said, and asks them
// where nobody did.
func (d *decider) approved(l leg, rule *cairn.Environment) bool {
	key := strings.ToLower(rule.Name)
	a := d.st.Approvals[key]
	if a.State == "" || a.State == ApprovalOpen {
		d.do(AskApproval{Environment: rule.Name})
	}
	needed := cairn.Needed(rule.Reviewers, rule.Required)
	switch {
	case a.State == ApprovalApproved, len(a.Approvers()) >= needed: // fewer may be asked for than when they voted
		return true
	case a.State == ApprovalRejected:
		why := ""
		if a.Comment != "" {
			why = ": " + a.Comment
		}
		return d.refuse(l, "%s rejected environment %s%s", a.By, rule.Name, why)
	}
	var starters []string
	if rule.NoSelfReview {
		starters = []string{d.f.Run.Actor, d.f.Attempt.By}
	}
	d.wait(d.st.Jobs[l.path], fmt.Sprintf("environment %s waits for %s", rule.Name, cairn.Awaited(rule.Reviewers, needed, a.Approvers(), starters)))
	return false
}

func isIn(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
