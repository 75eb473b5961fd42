package runner

import (
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// What is kept of a step's condition.
const (
	maxSeen      = 12
	maxSeenValue = 100
	maxSeenExpr  = 300
)

// conditionSeen is the step's condition with what it looked at; nil where it has
// none and nothing kept it from running.
func (st *step) conditionSeen(env *expr.Env, result bool) *cairn.Condition {
	if st.stage != stageMain || st.cond == "" && result || st.scope.outer != nil {
		return nil
	}
	c := &cairn.Condition{
		Expr: clipText(strings.Join(strings.Fields(st.cond), " "), maxSeenExpr), Result: result, Status: st.scope.result(),
	}
	if c.Expr == "" {
		return c
	}
	n, err := expr.Parse(st.cond)
	if err != nil {
		return c
	}
	c.Implicit = !expr.UsesStatusFunction(n)
	for _, x := range n.Explain(env).Notable(maxSeen) {
		if strings.HasPrefix(strings.ToLower(x.Text), "secrets") {
			continue
		}
		c.Values = append(c.Values, cairn.ConditionValue{
			Expr: clipText(x.Text, maxSeenValue), Value: clipText(st.x.masks.String(x.Shown()), maxSeenValue),
		})
	}
	return c
}

func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
