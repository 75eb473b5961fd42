package trigger

import (
	"slices"
	"strings"
)

// OnDefaultBranch reports whether an event runs the default branch's newest commit
// with the workflow files that it has, whatever it is about.
func OnDefaultBranch(event string) bool {
	switch event {
	case "push", "pull_request", "create", "release", "workflow_dispatch", "workflow_call", "merge_group",
		"deployment", "deployment_status", "registry_package", "pull_request_review", "pull_request_review_comment":
		return false
	}
	return true // schedule, workflow_run, repository_dispatch, delete, pull_request_target, issues, …
}

// fired are the events that something here causes.
var fired = [...]string{
	"create", "delete", "pull_request", "pull_request_target", "push", "release", "repository_dispatch", "schedule",
	"workflow_call", "workflow_dispatch", "workflow_run",
}

// Fires reports whether anything here causes an event.
func Fires(event string) bool { return slices.Contains(fired[:], event) }

// NeverFires is what is said of an event that nothing here causes.
func NeverFires(event string) (message, hint string) {
	return "nothing fires " + event + " here: Cairn has no " + subject(event),
		"start it by hand with the payload that it would have: cairn run --event " + event + " --payload FILE"
}

// subject is what an event is about.
func subject(event string) string {
	switch {
	case strings.HasPrefix(event, "issue"), event == "milestone", event == "label":
		return "issues"
	case strings.HasPrefix(event, "discussion"):
		return "discussions"
	case strings.HasPrefix(event, "project"):
		return "project boards"
	case strings.HasPrefix(event, "pull_request_"):
		return "reviews or comments"
	case strings.HasPrefix(event, "check_"), event == "status":
		return "check suites of other services"
	case strings.HasPrefix(event, "deployment"):
		return "deployments made through GitHub's interface"
	}
	switch event {
	case "merge_group":
		return "merge queue"
	case "page_build":
		return "pages"
	case "gollum":
		return "wiki"
	case "watch":
		return "stars"
	case "fork":
		return "forks made by a button"
	case "public":
		return "public repositories"
	case "branch_protection_rule":
		return "branch protection"
	case "registry_package":
		return "packages of GitHub's registry"
	case "image_version":
		return "runner images"
	}
	return "such thing"
}
