package workflow

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// eventInfo is what on may say about one event.
type eventInfo struct {
	name  string
	types string // activities; "" when it has none
	keys  string // filters beside types
}

const (
	prTypes = "assigned unassigned labeled unlabeled opened edited closed reopened synchronize converted_to_draft locked unlocked " +
		"enqueued dequeued milestoned demilestoned ready_for_review review_requested review_request_removed auto_merge_enabled " +
		"auto_merge_disabled stacked"
	refFilters = "branches branches-ignore"
	allFilters = "branches branches-ignore paths paths-ignore"
	madeTypes  = "created edited deleted"
)

var events = []eventInfo{
	{"branch_protection_rule", madeTypes, ""},
	{"check_run", "completed created rerequested requested_action", ""},
	{"check_suite", "completed", ""},
	{"create", "", ""},
	{"delete", "", ""},
	{"deployment", "", ""},
	{"deployment_status", "", ""},
	{"discussion", "created edited deleted transferred pinned unpinned labeled unlabeled locked unlocked category_changed answered unanswered", ""},
	{"discussion_comment", madeTypes, ""},
	{"fork", "", ""},
	{"gollum", "", ""},
	{"image_version", "created ready deleted", "names versions"},
	{"issue_comment", madeTypes, ""},
	{"issues", "opened edited deleted transferred pinned unpinned closed reopened assigned unassigned labeled unlabeled locked unlocked " +
		"milestoned demilestoned field_added field_removed typed untyped", ""},
	{"label", madeTypes, ""},
	{"merge_group", "checks_requested", refFilters},
	{"milestone", "created closed opened edited deleted", ""},
	{"page_build", "", ""},
	{"project", "created closed reopened edited deleted", ""},
	{"project_card", "created moved converted edited deleted", ""},
	{"project_column", "created updated moved deleted", ""},
	{"public", "", ""},
	{"pull_request", prTypes, allFilters},
	{"pull_request_comment", madeTypes, ""},
	{"pull_request_review", "submitted edited dismissed", ""},
	{"pull_request_review_comment", madeTypes, ""},
	{"pull_request_target", prTypes, allFilters},
	{"push", "", allFilters + " tags tags-ignore"},
	{"registry_package", "published updated", ""},
	{"release", "published unpublished created edited deleted prereleased released", ""},
	{"repository_dispatch", "*", ""}, // any type
	{"schedule", "", ""},
	{"status", "", ""},
	{"watch", "started", ""},
	{"workflow_call", "", "inputs outputs secrets"},
	{"workflow_dispatch", "", "inputs"},
	{"workflow_run", "requested completed in_progress", "workflows branches branches-ignore"},
}

// EventNames are the events that on may name.
func EventNames() []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.name
	}
	return names
}

// CheckEvent says what is wrong with an event that somebody typed, and with its
// activity ("" for none), in the words that the reader of files has for them.
func CheckEvent(name, activity string) error {
	i := slices.IndexFunc(events, func(e eventInfo) bool { return e.name == name })
	if i < 0 {
		e := cairn.Errorf(cairn.CodeInvalid, "there is no event %s", quote(name))
		if near := cairn.Nearest(name, EventNames()); near != "" {
			return e.WithHint("did you mean %s? %s", near, usualEvents)
		}
		return e.WithHint("%s", usualEvents)
	}
	known := strings.Fields(events[i].types)
	switch {
	case activity == "" || slices.Contains(known, activity) || events[i].types == "*":
		return nil
	case len(known) == 0:
		return cairn.Errorf(cairn.CodeInvalid, "%s has no activities", name).WithHint("leave %s out", quote(activity))
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%s has no activity %s", name, quote(activity))
	if near := cairn.Nearest(activity, known); near != "" {
		return e.WithHint("did you mean %s? known: %s", near, strings.Join(known, ", "))
	}
	return e.WithHint("known: %s", strings.Join(known, ", "))
}

// usualEvents is for those who look for an event's name.
const usualEvents = "events used most: push, pull_request, workflow_dispatch, workflow_call, schedule"

// on reads the events in any of the three forms.
func (r *reader) on(n *yaml.Node) []Event {
	var out []Event
	switch n.Kind {
	case yaml.MappingNode:
		r.each(n, func(k, v *yaml.Node) {
			if info := r.event(k); info != nil {
				out = append(out, r.eventBody(info, k, v))
			}
		})
	case yaml.SequenceNode:
		for _, item := range n.Content {
			item = r.deref(item)
			if info := r.event(item); info != nil {
				out = append(out, r.bareEvent(info, item))
			}
		}
	default:
		if info := r.event(n); info != nil {
			out = append(out, r.bareEvent(info, n))
		}
	}
	if len(out) == 0 && !cairn.HasErrors(r.problems) {
		r.fail("event", n, "for example: on: push", "on names no event")
	}
	return out
}

func (r *reader) bareEvent(info *eventInfo, n *yaml.Node) Event {
	if info.name == "schedule" {
		r.fail("missing-key", n, "write on: schedule: with a list of - cron: '…'", "schedule needs a time table")
	}
	return Event{Name: info.name, Pos: r.src.place(n)}
}

func (r *reader) event(n *yaml.Node) *eventInfo {
	name := keyText(n)
	i := slices.IndexFunc(events, func(e eventInfo) bool { return e.name == name })
	if i >= 0 {
		return &events[i]
	}
	hint := usualEvents
	if near := cairn.Nearest(name, EventNames()); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	r.fail("event", n, "this is no event; "+hint, "Unexpected value %s", quote(name))
	return nil
}

func (r *reader) eventBody(info *eventInfo, k, v *yaml.Node) Event {
	e := Event{Name: info.name, Pos: r.src.place(k)}
	if info.name == "schedule" {
		if r.accepts(v, "schedule", wantList, nil) {
			r.schedule(v, &e)
		}
		return e
	}
	if v.Kind == yaml.MappingNode && info.types+info.keys == "" {
		r.warn("unknown-key", v, "it is ignored: "+info.name+" takes no filters", "A mapping was not expected")
		return e
	}
	if !r.accepts(v, info.name, wantMap|wantNull, nil) || v.Kind != yaml.MappingNode {
		return e
	}
	s := schema[Event]{lenient: true}
	if info.types != "" {
		s.keys = append(s.keys, key[Event]{name: "types", want: wantWord | wantTexts, set: func(r *reader, e *Event, v value) {
			e.Types = r.texts(v.node)
			r.activities(info, e.Types)
		}})
	}
	for _, name := range strings.Fields(info.keys) {
		s.keys = append(s.keys, eventKey(name, info.name))
	}
	readMap(r, v, "on."+info.name, &s, &e)
	r.twins(&e)
	return e
}

func (r *reader) activities(info *eventInfo, types []Text) {
	known := strings.Fields(info.types)
	for _, t := range types {
		if info.types == "*" || slices.Contains(known, t.Value) {
			continue
		}
		hint := "known: " + strings.Join(known, ", ")
		if near := cairn.Nearest(t.Value, known); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		r.report(cairn.SeverityError, "event", t.Pos, info.name+" has no such activity; "+hint, "Unexpected value %s", quote(t.Value))
	}
}

// eventKey is the schema line of one filter or declaration.
func eventKey(name, event string) key[Event] {
	k := key[Event]{name: name, want: wantWord | wantTexts}
	list := func(field func(*Event) *[]Text) func(*reader, *Event, value) {
		return func(r *reader, e *Event, v value) {
			ts := r.texts(v.node)
			*field(e) = ts
			r.globs(name, ts)
		}
	}
	switch name {
	case "branches":
		k.set = list(func(e *Event) *[]Text { return &e.Branches })
	case "branches-ignore":
		k.set = list(func(e *Event) *[]Text { return &e.BranchesIgnore })
	case "tags":
		k.set = list(func(e *Event) *[]Text { return &e.Tags })
	case "tags-ignore":
		k.set = list(func(e *Event) *[]Text { return &e.TagsIgnore })
	case "paths":
		k.set = list(func(e *Event) *[]Text { return &e.Paths })
	case "paths-ignore":
		k.set = list(func(e *Event) *[]Text { return &e.PathsIgnore })
	case "workflows":
		k.set = func(r *reader, e *Event, v value) { e.Workflows = r.texts(v.node) }
	case "inputs":
		k.want = wantMap | wantNull
		k.set = func(r *reader, e *Event, v value) { e.Inputs = r.inputs(v.node, event) }
	case "outputs":
		k.want = wantMap
		k.set = func(r *reader, e *Event, v value) { e.Outputs = r.callOutputs(v.node) }
	case "secrets":
		k.want = wantMap
		k.set = func(r *reader, e *Event, v value) { e.Secrets = r.callSecrets(v.node) }
	}
	return k
}

// globs checks the patterns of a filter.
func (r *reader) globs(name string, patterns []Text) {
	positive := false
	ignore := strings.HasSuffix(name, "-ignore")
	for _, p := range patterns {
		if _, err := compileGlob(p.Value); err != nil {
			r.report(cairn.SeverityError, "glob", p.Pos, "* and ** match many characters, ? and + repeat the one before, [a-z] is a set; \\ takes one as it is",
				"%s is not a pattern: %s", quote(p.Value), err)
		}
		switch negative := strings.HasPrefix(p.Value, "!"); {
		case !negative:
			positive = true
		case ignore:
			r.report(cairn.SeverityError, "glob", p.Pos, "use "+strings.TrimSuffix(name, "-ignore")+" with ! patterns instead", "%s cannot hold a ! pattern", name)
		}
	}
	if !positive && !ignore && len(patterns) > 0 {
		r.report(cairn.SeverityError, "glob", patterns[0].Pos, "add a pattern without !, such as '**'", "%s has only ! patterns: nothing could match", name)
	}
}

// twins refuses a filter beside its -ignore form.
func (r *reader) twins(e *Event) {
	for _, t := range []struct {
		name string
		a, b []Text
	}{{"branches", e.Branches, e.BranchesIgnore}, {"tags", e.Tags, e.TagsIgnore}, {"paths", e.Paths, e.PathsIgnore}} {
		if len(t.a) > 0 && len(t.b) > 0 {
			r.report(cairn.SeverityError, "event", t.b[0].Pos, "use "+t.name+" alone, with ! before what to leave out",
				"you may only define one of `%s` and `%s-ignore` for a single event", t.name, t.name)
		}
	}
}

func (r *reader) schedule(n *yaml.Node, e *Event) {
	for _, item := range n.Content {
		var c Cron
		readMap(r, item, "a schedule", &schema[Cron]{keys: []key[Cron]{
			{name: "cron", want: wantWord, must: true, set: func(r *reader, c *Cron, v value) {
				c.Expr = r.text(v.node)
				if reason := CronReason(c.Expr.Value); reason != "" {
					r.fail("cron", v.node, reason+"; five fields: minute (0-59) hour (0-23) day of month (1-31) month (1-12) day of week (0-6), for example '30 5 * * 1-5'",
						"Invalid cron expression. Expected format: '* * * * *' (minute hour day month weekday)")
				}
			}},
			{name: "timezone", want: wantWord, set: func(r *reader, c *Cron, v value) { c.Timezone = r.text(v.node) }},
		}}, &c)
		e.Schedule = append(e.Schedule, c)
	}
	if len(n.Content) == 0 {
		r.fail("missing-key", n, "add - cron: '30 5 * * *'", "schedule has no time table")
	}
}
