package workflow_test

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

func TestCheckEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ event, activity, want string }{
		{"push", "", ""},
		{"pull_request", "labeled", ""},
		{"repository_dispatch", "whatever", ""},
		{"pul_request", "", "there is no event 'pul_request' | did you mean pull_request?"},
		{"", "", "there is no event '' | events used most: push"},
		{"push", "opened", "push has no activities | leave 'opened' out"},
		{"release", "publishd", "release has no activity 'publishd' | did you mean published? known: published"},
		{"workflow_run", "x", "workflow_run has no activity 'x' | known: requested, completed, in_progress"},
	} {
		got := ""
		if err := workflow.CheckEvent(c.event, c.activity); err != nil {
			e := cairn.AsError(err)
			got = e.Message + " | " + e.Hint
		}
		if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s %s: %q, want %q", c.event, c.activity, got, c.want)
		}
	}
}
