package workflow

import (
	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// workflowSchema is the root of a workflow file.
var workflowSchema = schema[Workflow]{
	keys: []key[Workflow]{
		{name: "name", want: wantText, set: func(r *reader, w *Workflow, v value) { w.Name = scalar(v.node).ToString() }},
		{name: "description", want: wantText},
		{name: "run-name", want: wantText, scope: scopeRoot, set: func(r *reader, w *Workflow, v value) {
			w.RunName = r.template(v.node, v.scope)
		}},
		{name: "on", want: wantWord | wantTexts | wantMap, must: true, set: func(r *reader, w *Workflow, v value) { w.On = r.on(v.node) }},
		{name: "permissions", want: wantWord | wantMap, set: func(r *reader, w *Workflow, v value) { w.Permissions = r.permissions(v) }},
		{name: "env", want: wantMap, scope: scopeRootEnv, set: func(r *reader, w *Workflow, v value) { w.Env = r.named(v, "env", v.scope) }},
		{name: "defaults", want: wantMap, set: func(r *reader, w *Workflow, v value) { w.Defaults = r.defaults(v, nil) }},
		{name: "concurrency", want: wantText | wantMap, scope: scopeRoot, set: func(r *reader, w *Workflow, v value) {
			w.Concurrency = r.concurrency(v)
		}},
		{name: "jobs", want: wantMap, must: true, set: func(r *reader, w *Workflow, v value) { w.Jobs = r.jobs(v) }},
	},
	misplaced: map[string]string{
		"environment": "environment belongs to a job; variables stand under env", "strategy": "strategy belongs to a job",
		"steps": "steps belong to a job, under jobs", "runs-on": "runs-on belongs to a job, under jobs",
		"inputs": "inputs belong to on.workflow_dispatch or on.workflow_call", "needs": "needs belongs to a job",
		"push": "events stand under on", "pull_request": "events stand under on", "workflow_dispatch": "events stand under on",
		"branches": "branches belongs to on.push or on.pull_request", "true": "write on: it stands for an event list, not for true",
		"secrets": "secrets are used as ${{ secrets.NAME }}", "runs": "this looks like an action.yml, not a workflow",
	},
}

type defaultsHolder struct{ run cairn.RunDefaults }

func runDefaultsSchema(scope *expr.Scope) *schema[cairn.RunDefaults] {
	return &schema[cairn.RunDefaults]{keys: []key[cairn.RunDefaults]{
		{name: "shell", want: wantWord, scope: scope, set: func(r *reader, d *cairn.RunDefaults, v value) { d.Shell = r.template(v.node, v.scope) }},
		{name: "working-directory", want: wantWord, scope: scope, set: func(r *reader, d *cairn.RunDefaults, v value) {
			d.WorkingDirectory = r.template(v.node, v.scope)
		}},
	}}
}

func (r *reader) defaults(v value, scope *expr.Scope) cairn.RunDefaults {
	var h defaultsHolder
	readMap(r, v.node, "defaults", &schema[defaultsHolder]{
		keys: []key[defaultsHolder]{{name: "run", want: wantMap, scope: scope, set: func(r *reader, h *defaultsHolder, v value) {
			if v.node.Kind != yaml.MappingNode {
				r.wholeExpression(v, "defaults.run")
				return
			}
			readMap(r, v.node, "defaults.run", runDefaultsSchema(scope), &h.run)
		}}},
		misplaced: map[string]string{"shell": "shell belongs under defaults.run", "working-directory": "working-directory belongs under defaults.run"},
	}, &h)
	return h.run
}

func (r *reader) permissions(v value) *Permissions {
	p := &Permissions{Pos: r.src.place(v.node)}
	if v.node.Kind == yaml.ScalarNode {
		switch v.node.Value {
		case "read-all":
			p.All = "read"
		case "write-all":
			p.All = "write"
		default:
			hint := "allowed here: read-all, write-all, or a map such as contents: read"
			if near := cairn.Nearest(v.node.Value, []string{"read-all", "write-all"}); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			r.fail("value", v.node, hint, "Unexpected value %s", quote(v.node.Value))
		}
		return p
	}
	s := schema[Permissions]{}
	for _, ps := range cairn.PermissionScopes() {
		allowed := allowedLevels(ps.Levels)
		s.keys = append(s.keys, key[Permissions]{name: ps.Name, want: wantWord, set: func(r *reader, p *Permissions, v value) {
			if r.oneOf(v.node, "permissions."+ps.Name, allowed) {
				p.Levels = append(p.Levels, cairn.NamedValue{Name: ps.Name, Value: r.template(v.node, nil)})
			}
		}})
	}
	readMap(r, v.node, "permissions", &s, p)
	return p
}

func allowedLevels(levels string) []string {
	switch levels {
	case "read":
		return []string{"read", "none"}
	case "write":
		return []string{"write", "none"}
	default:
		return []string{"read", "write", "none"}
	}
}

// oneOf checks a word against a list.
func (r *reader) oneOf(n *yaml.Node, name string, allowed []string) bool {
	got := scalar(n).ToString()
	hint := "allowed here: "
	for i, a := range allowed {
		if a == got {
			return true
		}
		if i > 0 {
			hint += ", "
		}
		hint += a
	}
	if near := cairn.Nearest(got, allowed); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	r.fail("value", n, name+": "+hint, "Unexpected value %s", quote(got))
	return false
}

func (r *reader) concurrency(v value) *Concurrency {
	c := &Concurrency{Pos: r.src.place(v.node)}
	if v.node.Kind == yaml.ScalarNode {
		c.Group = r.template(v.node, v.scope)
		return c
	}
	s := v.scope
	readMap(r, v.node, "concurrency", &schema[Concurrency]{keys: []key[Concurrency]{
		{name: "group", want: wantWord, scope: s, must: true, set: func(r *reader, c *Concurrency, v value) { c.Group = r.template(v.node, v.scope) }},
		{name: "cancel-in-progress", want: wantBool, scope: s, set: func(r *reader, c *Concurrency, v value) {
			c.CancelInProgress = r.template(v.node, v.scope)
		}},
		{name: "queue", want: wantWord, scope: s, set: func(r *reader, c *Concurrency, v value) {
			if expr.HasExpression(v.node.Value) {
				r.expressions(v.node, v.scope)
				r.fail("unsupported", v.node, "write single or max", "an expression for queue is not built")
				return
			}
			if r.oneOf(v.node, "concurrency.queue", []string{"single", "max"}) {
				c.Queue = v.node.Value
			}
		}},
	}}, c)
	// What an expression comes to is known to the run alone.
	if c.Queue == "max" && c.CancelInProgress.Kind == cairn.TemplateBool && c.CancelInProgress.Bool {
		r.fail("value", v.key, "leave one of the two away", "queue: max and cancel-in-progress exclude each other")
	}
	return c
}
