package trigger

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// Files are what changed with an event, for path filters. The zero value asks no
// path filter.
type Files struct {
	Known bool
	Paths []string
}

// maxFiles is how many changed files the path filters look at, and maxCommits how
// many commits of a push let it pass them all, as on GitHub.
const (
	maxFiles   = 300
	MaxCommits = 1000
)

// Decide says whether an event starts a workflow. message is that of the newest
// commit.
func Decide(w *workflow.Workflow, e *cairn.TriggerEvent, files Files, message string) workflow.Verdict {
	on, ok := w.Event(e.Event)
	if !ok {
		return w.Match(workflow.Moment{Event: e.Event})
	}
	refuse := func(format string, args ...any) workflow.Verdict {
		return workflow.Verdict{Why: fmt.Sprintf(format, args...), Pos: on.Pos}
	}
	switch {
	case e.Workflow != "" && e.Workflow != w.Path:
		return refuse("the event is for %s alone", e.Workflow)
	case e.Event == "workflow_run" && e.Chain > cairn.MaxChain:
		return refuse("%d workflow_run events came before it; at most %d may follow each other", e.Chain-1, cairn.MaxChain)
	case e.Event == "pull_request" && e.Conflict:
		return refuse("the pull request conflicts with its base branch: there is no merge commit to run")
	}
	if by, skip := Skips(e.Event, message); skip {
		return refuse("the commit's message says %s", by)
	}
	m := workflow.Moment{Event: e.Event, Action: e.Action, Ref: filterRef(e), Workflow: e.WorkflowName}
	if files.Known {
		m.Total = len(files.Paths)
		m.Changed = append([]string{}, files.Paths[:min(m.Total, maxFiles)]...)
	}
	return w.Match(m)
}

// filterRef is what branches and tags are compared with.
func filterRef(e *cairn.TriggerEvent) string {
	switch e.Event {
	case "pull_request", "pull_request_target":
		return e.BaseRef
	case "workflow_run":
		return e.HeadRef
	}
	return e.Ref
}

// OwnToken says why an event that the token of a job caused starts nothing; "" for
// the two events that do. Without it a workflow that pushes would start itself for
// ever.
func OwnToken(event string) string {
	switch event {
	case "workflow_dispatch", "repository_dispatch":
		return ""
	case "workflow_run", "schedule": // no token causes these, whoever began what they are about
		return ""
	}
	return "a job's own token caused it: that starts no runs, save by workflow_dispatch and repository_dispatch"
}
