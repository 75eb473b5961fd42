package run

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// What is kept of a condition.
const (
	maxSeen      = 12  // values, and jobs that did not succeed
	maxSeenValue = 100 // bytes of one
	maxSeenExpr  = 300 // bytes of the condition
)

// seen keeps what a job's condition looked at, whether it held or not.
func (d *decider) seen(sc *scope, s *nodeState, cond condition, env *expr.Env, result bool) *cairn.Condition {
	c := &cairn.Condition{
		Expr: clip(strings.Join(strings.Fields(cond.src), " "), maxSeenExpr), Result: result,
		Implicit: cond.bare != nil && !cond.asks,
	}
	if !cond.asks {
		c.Needs = blamed(sc, s)
	}
	if cond.bare != nil {
		for _, x := range cond.bare.Explain(env).Notable(maxSeen) {
			c.Values = append(c.Values, cairn.ConditionValue{Expr: clip(x.Text, maxSeenValue), Value: clip(x.Shown(), maxSeenValue)})
		}
		d.hide(c.Values)
	}
	return c
}

// hide takes out what an env file gave: its values are kept encrypted, rows are not.
func (d *decider) hide(vs []cairn.ConditionValue) {
	for i := range vs {
		at := strings.ToLower(vs[i].Expr)
		if vs[i].Value == "true" || vs[i].Value == "false" || !strings.Contains(at, "vars") {
			continue
		}
		for _, name := range d.f.Run.EnvNames {
			if at == "vars" || strings.Contains(at, strings.ToLower(name)) {
				vs[i].Value = "***"
			}
		}
	}
}

// blamed lists the jobs before a node that make success() false, the nearest first.
func blamed(sc *scope, s *nodeState) []cairn.ConditionNeed {
	var out []cairn.ConditionNeed
	for _, a := range s.ancestors(sc) {
		if a.result == cairn.Success || len(out) == maxSeen {
			continue
		}
		n := cairn.ConditionNeed{Job: a.node.ID, Result: a.result}
		if !slices.ContainsFunc(s.node.Needs, func(id string) bool { return strings.EqualFold(id, a.node.ID) }) {
			n.Via = via(sc, s, a)
		}
		out = append(out, n)
	}
	return out
}

// via is the need of s behind which another job stands.
func via(sc *scope, s, far *nodeState) string {
	for _, id := range s.node.Needs {
		if n := sc.find(id); n != nil && sc.states[n.ID] != nil && slices.Contains(sc.states[n.ID].ancestors(sc), far) {
			return n.ID
		}
	}
	return ""
}

// whyNot says in one line why a condition does not hold.
func whyNot(c *cairn.Condition) string {
	if len(c.Needs) > 0 {
		n := c.Needs[0]
		reason := "needs: " + n.Job + ": " + string(n.Result)
		if n.Via != "" {
			reason += ", behind " + n.Via
		}
		return reason
	}
	if c.Expr == "" {
		return "needs: not all succeeded"
	}
	var parts []string
	for _, v := range c.Values {
		if v.Expr != c.Expr && v.Expr != "always()" {
			parts = append(parts, v.Expr+" = "+v.Value)
		}
	}
	reason := "if: " + c.Expr + " is false"
	if len(parts) > 0 {
		reason += ": " + strings.Join(parts, ", ")
	}
	return clip(reason, maxReason)
}
