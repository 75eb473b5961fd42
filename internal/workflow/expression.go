package workflow

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// expressions parses every ${{ }} in the value of n and checks it.
func (r *reader) expressions(n *yaml.Node, scope *expr.Scope) {
	segments, err := expr.Split(n.Value)
	if err != nil {
		r.badExpression(n, 0, err)
		return
	}
	for _, s := range segments {
		if !s.IsExpr {
			continue
		}
		if scope == nil {
			r.report(cairn.SeverityError, "expression", r.src.within(n, s.Offset, s.Offset+len(s.Text)),
				"write the value itself", "no expression is allowed here")
			continue
		}
		r.expression(n, s.Text, s.Offset, scope)
	}
}

// expression parses and checks one expression at an offset of the value of n.
func (r *reader) expression(n *yaml.Node, text string, offset int, scope *expr.Scope) *expr.Node {
	node, err := expr.Parse(text)
	if err != nil {
		r.badExpression(n, offset, err)
		return nil
	}
	for _, e := range node.Check(*scope) {
		r.badExpression(n, offset, e)
	}
	for _, ref := range node.References() {
		r.uses = append(r.uses, use{ref: ref, node: n, offset: offset, job: r.job, step: r.step})
	}
	return node
}

func (r *reader) badExpression(n *yaml.Node, offset int, err error) {
	if r.full(cairn.SeverityError) {
		return // the place costs more than the message is worth
	}
	var e *expr.Error
	if !errors.As(err, &e) {
		r.fail("expression", n, "", "%s", err)
		return
	}
	from, to := offset+e.Offset, offset+e.End
	if from >= len(n.Value) && len(n.Value) > 0 { // the end of the expression: its last character
		from = len(strings.TrimRight(n.Value[:min(offset+e.Offset, len(n.Value))], " \t\n")) - 1
		to = from + 1
	}
	code := "expression"
	switch {
	case strings.Contains(e.Message, "context"):
		code = "unknown-context"
	case strings.Contains(e.Message, "function"):
		code = "unknown-function"
	}
	r.report(cairn.SeverityError, code, r.src.within(n, max(from, 0), max(to, 0)), e.Hint, "%s", e.Message)
}

// condition reads an if: text with or without ${{ }} around it.
func (r *reader) condition(v value) Condition {
	n := v.node
	if !r.enter(n) {
		return Condition{}
	}
	defer r.leave()
	val := scalar(n)
	text := val.ToString()
	if val.Kind() != expr.KindString {
		return Condition{Text: text, Pos: r.src.place(n)}
	}
	if !expr.HasExpression(text) {
		return r.conditionText(n, text, 0, v.scope)
	}
	segments, err := expr.Split(text)
	if err != nil {
		r.badExpression(n, 0, err)
		return Condition{}
	}
	var only *expr.Segment
	pieces := 0
	for i := range segments {
		if s := &segments[i]; s.IsExpr || strings.TrimSpace(s.Text) != "" {
			only, pieces = s, pieces+1
		}
	}
	if pieces == 1 {
		return r.conditionText(n, only.Text, only.Offset, v.scope)
	}
	// ${{ a }} && b is text to GitHub, and text that is not empty is true.
	r.expressions(n, v.scope)
	r.warn("always-true", n, "put ${{ }} around the whole condition, or leave it away",
		"text around ${{ }} makes this condition true, always")
	return Condition{Text: formatCall(segments), Pos: r.src.place(n)}
}

func (r *reader) conditionText(n *yaml.Node, text string, offset int, scope *expr.Scope) Condition {
	trimmed := strings.TrimSpace(text)
	offset += strings.Index(text, trimmed)
	if trimmed == "" {
		if expr.HasExpression(n.Value) {
			r.fail("expression", n, "", "the expression is empty")
		}
		return Condition{}
	}
	r.expression(n, trimmed, offset, scope)
	return Condition{Text: trimmed, Pos: r.src.within(n, offset, offset+len(trimmed))}
}

// formatCall writes mixed text as one expression: format('{0} && b', a).
func formatCall(segments []expr.Segment) string {
	var text, args strings.Builder
	count := 0
	for _, s := range segments {
		if s.IsExpr {
			text.WriteString("{" + strconv.Itoa(count) + "}")
			args.WriteString(", " + strings.TrimSpace(s.Text))
			count++
			continue
		}
		text.WriteString(strings.NewReplacer("'", "''", "{", "{{", "}", "}}").Replace(s.Text))
	}
	return "format('" + text.String() + "'" + args.String() + ")"
}

// scriptLength refuses what GitHub refuses: a script beyond 21,000 characters.
func (r *reader) scriptLength(n *yaml.Node) {
	if len(n.Value) > maxRun && utf8.RuneCountInString(n.Value) > maxRun {
		r.fail("too-large", n, "put the script into a file of the repository and run that",
			"the script has %d characters; at most %d are allowed", utf8.RuneCountInString(n.Value), maxRun)
	}
}
