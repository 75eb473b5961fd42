package run_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
)

// answer does what people and the evaluator of gates do between two looks; it
// reports whether they did anything.
func answer(a *cairn.Approval, set *setup, key string, rule cairn.Environment) bool {
	if a.Gate != nil && a.Gate.State == cairn.GateAsked && len(set.Gates[key]) > 0 {
		g := set.Gates[key][0]
		set.Gates[key] = set.Gates[key][1:]
		g.Expr, g.Done = a.Gate.Expr, a.Gate.Done
		a.Gate = &g
		return true
	}
	switch {
	case a.State != run.ApprovalPending:
		return false
	case len(set.Votes[key]) > 0:
		v := set.Votes[key][0]
		set.Votes[key] = set.Votes[key][1:]
		a.Votes = append(slices.Clone(a.Votes), v)
		switch {
		case !v.Approve:
			a.State, a.By, a.Comment = run.ApprovalRejected, v.By, v.Comment
		case len(a.Approvers()) >= cairn.Needed(rule.Reviewers, rule.Required):
			a.State, a.By = run.ApprovalApproved, v.By
		}
		return true
	}
	a.State, a.By = set.Approvals[key], "ana"
	return true
}

// shownPermissions is "contents: read, packages: write"; nothing at all is the
// default, which stands in no row.
func shownPermissions(p cairn.Permissions) string {
	if p == nil {
		return "(default)"
	}
	var out []string
	for _, scope := range slices.Sorted(maps.Keys(p)) {
		out = append(out, scope+": "+p[scope])
	}
	return strings.Join(out, ", ")
}
