package stages

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

func ruleKeys() []key[stage] {
	return []key[stage]{
		{name: "reviewers", kind: "a list of users", def: "nobody need approve", doc: "One of them must approve: `cairn approve`. With none, the checks alone decide.", set: setReviewers},
		{name: "required", kind: "a number", def: "1", doc: "How many of the reviewers must approve. One who rejects is enough.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.whole(n, "required", 1, 50); ok {
					s.config.Rules.Required, s.required = v, n
				}
			}},
		{name: "self_review", kind: "true or false", def: "true", doc: "Whether who started it may approve it.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.boolean(n, "self_review"); ok {
					s.config.Rules.NoSelfReview = !v
				}
			}},
		{name: "wait", kind: "a duration, 0s to 30d", def: "0s", doc: "How long to wait before it goes on.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.duration(n, "wait", 0, 30*day); ok {
					s.config.Rules.Wait = v
				}
			}},
		{name: "branches", kind: "a list of patterns", def: "all", doc: "Branches that may go here: `main`, `release/*`; `**` crosses slashes.",
			set: func(r *reader, s *stage, n *yaml.Node) { s.config.Rules.Branches = r.refs(n, "branches") }},
		{name: "tags", kind: "a list of patterns", def: "all, or none where `branches` is given", doc: "Tags that may go here: `v*`.",
			set: func(r *reader, s *stage, n *yaml.Node) { s.config.Rules.Tags = r.refs(n, "tags") }},
		{name: "allow_dirty", kind: "true or false", def: "true, but false for `production`", doc: "Whether code with uncommitted changes may go here.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.boolean(n, "allow_dirty"); ok {
					s.config.Rules.AllowDirty = v
				}
			}},
		{name: "after", kind: "the name of a stage", doc: "The same release must have been live on that stage before.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if _, ok := r.oneLine(n, "after", 200); ok {
					s.after = n
				}
			}},
		{name: "gate", kind: "a condition in CEL", doc: "What must hold before a job of this environment begins; see Gates below.", set: setGate},
		{name: "checks", kind: "a list of conditions", doc: "Conditions in CEL that must hold each time; see below.", set: setChecks},
	}
}

func setReviewers(r *reader, s *stage, n *yaml.Node) {
	s.config.Rules.Reviewers = nil
	r.items(n, "reviewers", 50, func(n *yaml.Node) {
		v, ok := r.oneLine(n, "reviewers", 200)
		switch {
		case !ok:
		case !userName().MatchString(v):
			r.fail("value", n, "a reviewer is the name of one user; cairn user list shows them", "%s cannot be a user", quote(v))
		case slices.ContainsFunc(s.config.Rules.Reviewers, func(have string) bool { return strings.EqualFold(have, v) }):
			r.warn("value", n, "", "%s stands twice in reviewers", quote(v))
		default:
			s.config.Rules.Reviewers = append(s.config.Rules.Reviewers, v)
		}
	})
}

// refs reads patterns of branches or of tags.
func (r *reader) refs(n *yaml.Node, name string) []string {
	var out []string
	r.items(n, name, 100, func(n *yaml.Node) {
		v, ok := r.oneLine(n, name, 255)
		if !ok {
			return
		}
		hint := ""
		switch {
		case strings.HasPrefix(v, "!"):
			hint = "patterns only allow; leave out what may not go here"
		case strings.ContainsAny(v, "[]{}()+|"):
			hint = "only *, ** and ? have a meaning"
		case strings.ContainsAny(v, " ~^:\\") || strings.Contains(v, "..") || strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/"):
			hint = "git allows no such name"
		case strings.HasPrefix(v, "origin/"):
			hint = "leave origin/ out"
		default:
			out = append(out, v)
			return
		}
		r.fail("value", n, hint, "%s is no pattern of %s", quote(v), name)
	})
	return out
}

// setGate compiles the condition of the environment.
func setGate(r *reader, s *stage, n *yaml.Node) {
	if _, ok := r.text(n, "gate", maxExpr); !ok {
		return
	}
	if r.gate == nil {
		g, err := NewGate()
		if err != nil {
			r.fail("gate", n, "", "conditions cannot be compiled: %v", err)
			return
		}
		r.gate = g
	}
	text := strings.TrimSpace(n.Value)
	_, _, wrong := r.gate.compile(text)
	for _, f := range wrong {
		r.report(cairn.SeverityError, "gate", r.src.within(n, f.line, f.column), f.hint, "%s", f.message)
	}
	if len(wrong) == 0 {
		s.config.Rules.Gate = text
	}
}

// check is one entry of checks as a map.
type check struct {
	name string
	expr *yaml.Node
}

func checkKeys() []key[check] {
	return []key[check]{
		{name: "name", kind: "text", def: "the condition itself", doc: "What the condition is called in lists.",
			set: func(r *reader, c *check, n *yaml.Node) {
				if v, ok := r.oneLine(n, "name", 200); ok {
					c.name = v
				}
			}},
		{name: "cel", kind: "a condition in CEL", must: true, doc: "The condition.",
			set: func(r *reader, c *check, n *yaml.Node) {
				if _, ok := r.text(n, "cel", maxExpr); ok {
					c.expr = n
				}
			}},
	}
}

func setChecks(r *reader, s *stage, n *yaml.Node) {
	s.config.Rules.Checks = nil
	r.items(n, "checks", 50, func(n *yaml.Node) {
		var c check
		switch n.Kind {
		case yaml.MappingNode:
			readMap(r, n, n, "a check", checkKeys(), &c)
		default:
			if _, ok := r.text(n, "checks", maxExpr); ok {
				c.expr = n
			}
		}
		if c.expr == nil || !r.condition(c.expr) {
			return
		}
		text := strings.TrimSpace(c.expr.Value)
		s.config.Rules.Checks = append(s.config.Rules.Checks, cairn.StageCheck{Name: cmpOr(c.name, text), Expr: text, Pos: r.src.place(c.expr)})
	})
}

// condition compiles a check and reports what is wrong with it.
func (r *reader) condition(n *yaml.Node) bool {
	if r.checks == nil {
		c, err := NewChecker()
		if err != nil {
			r.fail("check", n, "", "conditions cannot be compiled: %v", err)
			return false
		}
		r.checks = c
	}
	_, faults := r.checks.compile(n.Value)
	for _, f := range faults {
		r.report(cairn.SeverityError, "check", r.src.within(n, f.line, f.column), f.hint, "%s", f.message)
	}
	return len(faults) == 0
}
