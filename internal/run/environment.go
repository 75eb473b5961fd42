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
// job may go on, and says why where it may not.
func (d *decider) environment(l leg, row *cairn.Job) bool {
	key := strings.ToLower(row.Environment)
	rule, known := d.st.Rules[key]
	if !known {
		rule = DefaultEnvironment(d.f.Run.Repository, row.Environment)
		rule.CreatedAt = d.f.Now
		d.do(AddEnvironment{Environment: rule})
	}
	refuse := func(format string, args ...any) bool {
		d.do(Finish{Path: l.path, Conclusion: cairn.Failure, Reason: clip(fmt.Sprintf(format, args...), maxReason)})
		return false
	}
	if d.f.Run.Dirty && !rule.AllowDirty {
		return refuse("environment %s refuses code with uncommitted changes: commit them, or allow it for this environment", rule.Name)
	}
	if len(rule.Branches) > 0 && !slices.ContainsFunc(rule.Branches, func(p string) bool { return MatchRef(p, d.f.Run.Ref) }) {
		return refuse("environment %s does not take %s; allowed: %s", rule.Name, shortRef(d.f.Run.Ref), strings.Join(rule.Branches, ", "))
	}
	if len(rule.Reviewers) > 0 {
		a, asked := d.st.Approvals[key]
		if !asked {
			d.do(AskApproval{Environment: rule.Name})
		}
		switch a.State {
		case ApprovalApproved:
		case ApprovalRejected:
			why := ""
			if a.Comment != "" {
				why = ": " + a.Comment
			}
			return refuse("%s rejected environment %s%s", a.By, rule.Name, why)
		default:
			d.wait(d.st.Jobs[l.path], fmt.Sprintf("environment %s waits for the approval of %s", rule.Name, strings.Join(rule.Reviewers, " or ")))
			return false
		}
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
