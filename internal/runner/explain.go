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
	st.seenValues(n.Explain(env), c)
	return c
}

// seenValues keeps the contexts and calls of an expression with what they came to,
// masked.
func (st *step) seenValues(x expr.Explained, c *cairn.Condition) {
	call := strings.HasSuffix(x.Text, ")") && isCall(x.Text)
	if len(c.Values) < maxSeen && !x.Skipped && x.Err == nil && (call || len(x.Parts) == 0) && !strings.HasPrefix(strings.ToLower(x.Text), "secrets") {
		v := cairn.ConditionValue{
			Expr: clipText(x.Text, maxSeenValue), Value: clipText(st.x.masks.String(valueText(x.Value)), maxSeenValue),
		}
		known := x.Text == valueText(x.Value)
		for _, have := range c.Values {
			known = known || have.Expr == v.Expr
		}
		if !known {
			c.Values = append(c.Values, v)
		}
	}
	for _, p := range x.Parts {
		st.seenValues(p, c)
	}
}

// isCall reports whether a part begins like the call of a function.
func isCall(text string) bool {
	name, _, ok := strings.Cut(text, "(")
	return ok && name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz") == ""
}

func valueText(v expr.Value) string {
	if v.Kind() == expr.KindString {
		return "'" + v.ToString() + "'"
	}
	return string(v.JSON())
}

func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
