package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Moment is what the filters under on look at.
type Moment struct {
	Event string
	// Action is the event's activity, "" when it has none.
	Action string
	// Ref is for push the full ref that moved (refs/heads/main, refs/tags/v1), for
	// pull requests the base branch, for workflow_run the branch of the other run.
	Ref string
	// Changed are the changed files. Nil means that no path filter is asked: they
	// are not known, or too many.
	Changed []string
	// Total is how many files changed, where Changed holds only the first of them.
	Total int
	// Workflow names the workflow that a workflow_run event is about.
	Workflow string
}

// Verdict says whether an event starts a workflow, in one sentence, and which
// line of the file decided.
type Verdict struct {
	Starts bool
	Why    string
	Filter string // types, branches, paths-ignore, …; "" where none decided
	Pos    cairn.Position
}

// Match asks every filter that on has for the event.
func (w *Workflow) Match(m Moment) Verdict {
	e, ok := w.Event(m.Event)
	if !ok {
		names := make([]string, len(w.On))
		for i, on := range w.On {
			names[i] = on.Name
		}
		v := Verdict{Why: fmt.Sprintf("it does not run on %s; it runs on %s", m.Event, strings.Join(names, ", "))}
		if len(w.On) > 0 {
			v.Pos = w.On[0].Pos
		}
		return v
	}
	for _, ask := range []func(*Moment) *Verdict{e.matchAction, e.matchWorkflow, e.matchRef, e.matchPaths} {
		if v := ask(&m); v != nil {
			return *v
		}
	}
	why := "on." + m.Event + " matches"
	if strings.HasPrefix(m.Ref, "refs/tags/") {
		why += " " + m.Ref
	}
	return Verdict{Starts: true, Why: why, Pos: e.Pos}
}

// refuse makes the verdict of a filter; its place is the event's where no pattern
// decided.
func (e *Event) refuse(filter string, at *Text, format string, args ...any) *Verdict {
	v := &Verdict{Why: fmt.Sprintf(format, args...), Filter: filter, Pos: e.Pos}
	if at != nil {
		v.Pos = at.Pos
	}
	return v
}

// DefaultTypes are the activities that start a workflow whose on names none; nil
// stands for all.
func DefaultTypes(event string) []string {
	if event == "pull_request" || event == "pull_request_target" {
		return []string{"opened", "synchronize", "reopened"}
	}
	return nil
}

func (e *Event) matchAction(m *Moment) *Verdict {
	if m.Action == "" {
		return nil
	}
	types, at := DefaultTypes(e.Name), (*Text)(nil)
	if len(e.Types) > 0 {
		types, at = texts(e.Types), &e.Types[0]
	}
	if len(types) == 0 || slices.Contains(types, m.Action) {
		return nil
	}
	return e.refuse("types", at, "activity %s is not among the types %s", m.Action, strings.Join(types, ", "))
}

// matchWorkflow compares the names that workflow_run waits for: patterns, as on
// GitHub.
func (e *Event) matchWorkflow(m *Moment) *Verdict {
	if e.Name != "workflow_run" || len(e.Workflows) == 0 || m.Workflow == "" {
		return nil
	}
	for _, t := range e.Workflows {
		if t.Value == m.Workflow { // a name may hold what would be a pattern
			return nil
		}
	}
	if ok, _ := compileGlobs(e.Workflows).decide(m.Workflow); ok {
		return nil
	}
	return e.refuse("workflows", &e.Workflows[0], "workflow %s is not among %s", m.Workflow, join(e.Workflows))
}

func (e *Event) matchRef(m *Moment) *Verdict {
	branches := len(e.Branches)+len(e.BranchesIgnore) > 0
	tags := len(e.Tags)+len(e.TagsIgnore) > 0
	if tag, ok := strings.CutPrefix(m.Ref, "refs/tags/"); ok {
		switch {
		case e.Name == "push" && tags:
			return e.filter("tag", "tags", tag, e.Tags, e.TagsIgnore)
		case branches:
			return e.refuse("branches", first(e.Branches, e.BranchesIgnore), "only branches are asked for, and %s is a tag", tag)
		}
		return nil
	}
	branch := strings.TrimPrefix(m.Ref, "refs/heads/")
	switch {
	case branches:
		return e.filter("branch", "branches", branch, e.Branches, e.BranchesIgnore)
	case tags:
		return e.refuse("tags", first(e.Tags, e.TagsIgnore), "only tags are asked for, and %s is a branch", branch)
	}
	return nil
}

func first(lists ...[]Text) *Text {
	for _, l := range lists {
		if len(l) > 0 {
			return &l[0]
		}
	}
	return nil
}

func (e *Event) filter(what, key, name string, want, ignore []Text) *Verdict {
	if len(want) > 0 {
		if ok, by := compileGlobs(want).decide(name); !ok && by != nil {
			return e.refuse(key, by, "%s %s is left out by %s", what, name, by.Value)
		} else if !ok {
			return e.refuse(key, &want[0], "%s %s matches none of %s", what, name, join(want))
		}
	}
	if ok, by := compileGlobs(ignore).decide(name); ok {
		return e.refuse(key+"-ignore", by, "%s %s is ignored by %s", what, name, by.Value)
	}
	return nil
}

// matchPaths is not asked for tags, nor where no files are known.
func (e *Event) matchPaths(m *Moment) *Verdict {
	if m.Changed == nil || len(e.Paths)+len(e.PathsIgnore) == 0 || strings.HasPrefix(m.Ref, "refs/tags/") {
		return nil
	}
	n := len(m.Changed)
	files := fmt.Sprintf("the %d changed files", n)
	switch {
	case n == 0:
		return e.refuse(pathFilter(e), first(e.Paths, e.PathsIgnore), "no files changed, and %s asks for some", pathFilter(e))
	case m.Total > n:
		files = fmt.Sprintf("the first %d of %d changed files", n, m.Total)
	}
	if len(e.Paths) > 0 {
		ps := compileGlobs(e.Paths)
		if slices.ContainsFunc(m.Changed, ps.match) {
			return nil
		}
		return e.refuse("paths", &e.Paths[0], "none of %s matches %s", files, join(e.Paths))
	}
	ps := compileGlobs(e.PathsIgnore)
	if slices.ContainsFunc(m.Changed, func(f string) bool { return !ps.match(f) }) {
		return nil
	}
	return e.refuse("paths-ignore", &e.PathsIgnore[0], "all of %s are ignored by %s", files, join(e.PathsIgnore))
}

func pathFilter(e *Event) string {
	if len(e.Paths) > 0 {
		return "paths"
	}
	return "paths-ignore"
}

// HasPaths reports whether any path filter is asked for the event, so that files
// have to be compared.
func (w *Workflow) HasPaths(event string) bool {
	e, ok := w.Event(event)
	return ok && len(e.Paths)+len(e.PathsIgnore) > 0
}

func texts(ts []Text) []string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.Value
	}
	return out
}

func join(ts []Text) string { return strings.Join(texts(ts), ", ") }
