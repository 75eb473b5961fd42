package workflow

import (
	"fmt"
	"slices"
	"strings"
)

// Matches reports whether an event starts the workflow, and says why or why not.
// For push, ref is the full ref that moved (refs/heads/main, refs/tags/v1); for
// pull_request and merge_group it is the base branch. changed are the changed
// files; nil means that they are not known, and then every path filter lets
// pass. activity is the event's type, "" when it has none.
func (w *Workflow) Matches(event, ref string, changed []string, activity string) (bool, string) {
	e, ok := w.Event(event)
	if !ok {
		names := make([]string, len(w.On))
		for i, on := range w.On {
			names[i] = on.Name
		}
		return false, fmt.Sprintf("it does not run on %s; it runs on %s", event, strings.Join(names, ", "))
	}
	if ok, why := e.matchActivity(activity); !ok {
		return false, why
	}
	if ok, why := e.matchRef(ref); !ok {
		return false, why
	}
	if strings.HasPrefix(ref, "refs/tags/") {
		return true, "on." + event + " matches " + ref // paths are not asked for tags
	}
	if ok, why := e.matchPaths(changed); !ok {
		return false, why
	}
	return true, "on." + event + " matches"
}

func (e *Event) matchActivity(activity string) (bool, string) {
	if activity == "" {
		return true, ""
	}
	types := make([]string, len(e.Types))
	for i, t := range e.Types {
		types[i] = t.Value
	}
	if len(types) == 0 && (e.Name == "pull_request" || e.Name == "pull_request_target") {
		types = []string{"opened", "synchronize", "reopened"}
	}
	if len(types) > 0 && !slices.Contains(types, activity) {
		return false, fmt.Sprintf("activity %s is not among the types %s", activity, strings.Join(types, ", "))
	}
	return true, ""
}

func (e *Event) matchRef(ref string) (bool, string) {
	branches := len(e.Branches)+len(e.BranchesIgnore) > 0
	tags := len(e.Tags)+len(e.TagsIgnore) > 0
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok && e.Name == "push" {
		switch {
		case !tags && branches:
			return false, "only branches are asked for, and " + tag + " is a tag"
		case !tags:
			return true, ""
		}
		return filter("tag", tag, e.Tags, e.TagsIgnore)
	}
	branch := strings.TrimPrefix(ref, "refs/heads/")
	switch {
	case branches:
		return filter("branch", branch, e.Branches, e.BranchesIgnore)
	case tags:
		return false, "only tags are asked for, and " + branch + " is a branch"
	default:
		return true, ""
	}
}

func filter(what, name string, want, ignore []Text) (bool, string) {
	if len(want) > 0 && !compileGlobs(want).match(name) {
		return false, fmt.Sprintf("%s %s matches none of %s", what, name, join(want))
	}
	if len(ignore) > 0 && compileGlobs(ignore).match(name) {
		return false, fmt.Sprintf("%s %s is ignored by %s", what, name, join(ignore))
	}
	return true, ""
}

func (e *Event) matchPaths(changed []string) (bool, string) {
	if changed == nil || len(e.Paths)+len(e.PathsIgnore) == 0 {
		return true, ""
	}
	if len(e.Paths) > 0 {
		if ps := compileGlobs(e.Paths); !slices.ContainsFunc(changed, ps.match) {
			return false, fmt.Sprintf("none of the %d changed files matches %s", len(changed), join(e.Paths))
		}
		return true, ""
	}
	ps := compileGlobs(e.PathsIgnore)
	if !slices.ContainsFunc(changed, func(f string) bool { return !ps.match(f) }) {
		return false, fmt.Sprintf("all of the %d changed files are ignored by %s", len(changed), join(e.PathsIgnore))
	}
	return true, ""
}

func join(ts []Text) string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.Value
	}
	return strings.Join(out, ", ")
}
