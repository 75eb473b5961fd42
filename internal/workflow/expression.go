package workflow

import (
	"errors"
	"slices"
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
		r.report(cairn.SeverityError, "expression", r.src.place(n), "every ${{ needs its }}",
			"The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.")
		return
	}
	for _, s := range segments {
		if s.IsExpr && !r.stopped {
			r.expression(n, s.Text, s.Offset, scope)
		}
	}
}

// expression parses and checks one expression at an offset of the value of n.
// Of several faults the first is told, as GitHub does.
func (r *reader) expression(n *yaml.Node, text string, offset int, scope *expr.Scope) {
	if scope == nil {
		scope = scopeNothing
	}
	body := strings.TrimSpace(text)
	offset += strings.Index(text, body)
	node, err := expr.Parse(body)
	if err != nil {
		if earlier := unknownBefore(body, err, scope); earlier != nil {
			r.badExpression(n, body, offset, earlier, true)
			return
		}
		r.badExpression(n, body, offset, err, false)
		return
	}
	if faults := node.Check(*scope); len(faults) > 0 {
		first := slices.MinFunc(faults, func(a, b *expr.Error) int { return a.Offset - b.Offset })
		r.badExpression(n, body, offset, first, true)
		return
	}
	for _, ref := range node.References() {
		r.uses = append(r.uses, use{ref: ref, node: n, offset: offset, job: r.job, step: r.step})
	}
}

func (r *reader) badExpression(n *yaml.Node, text string, offset int, err error, parsed bool) {
	if r.full(cairn.SeverityError) {
		return // the place costs more than the message is worth
	}
	var e *expr.Error
	if !errors.As(err, &e) {
		r.fail("expression", n, "", "%s", err)
		return
	}
	code, message := fault(text, e, parsed)
	from, to := offset+e.Offset, offset+e.End
	if e.Offset >= len(text) && len(text) > 0 { // the end of the expression: its last character
		from, to = offset+len(text)-1, offset+len(text)
	}
	hint := e.Hint
	if strings.Contains(e.Message, "is not available here") { // there is one of that name, elsewhere
		hint = strings.TrimSuffix(e.Message+"; "+hint, "; ")
	}
	r.report(cairn.SeverityError, code, r.src.within(n, from, to), hint, "%s", message)
}

// fault words what is wrong with an expression as GitHub does. parsed says that
// the syntax was fine.
func fault(text string, e *expr.Error, parsed bool) (code, message string) {
	from, to := min(e.Offset, len(text)), min(e.End, len(text))
	what, code := "", "expression"
	token := text[from:to]
	said := strings.ToLower(e.Message)
	switch {
	case text == "":
		return code, "An expression was expected"
	case len(text) > expr.MaxLength && !parsed && e.Kind == expr.Lexing:
		return code, "Exceeded max expression length " + strconv.Itoa(expr.MaxLength)
	case strings.HasPrefix(said, "the expression is nested deeper"), strings.HasPrefix(said, "exceeded max expression depth"):
		what = "Exceeded max expression depth " + strconv.Itoa(expr.MaxDepth)
	case strings.HasPrefix(said, "too few "):
		what = "Too few parameters supplied"
	case strings.HasPrefix(said, "too many "):
		what = "Too many parameters supplied"
	case countsArguments(e):
		what = "Even number of parameters supplied, requires an odd number of parameters"
	case !parsed && from == to:
		what = "Unexpected end of expression"
		from = lastToken(text)
		token = text[from:]
	case !parsed:
		what = "Unexpected symbol"
	case strings.HasPrefix(strings.TrimSpace(text[to:]), "("):
		what, code = "Unrecognized function", "unknown-function"
	default:
		what, code = "Unrecognized named-value", "unknown-context"
	}
	return code, what + ": " + quote(token) + ". Located at position " + strconv.Itoa(from+1) + " within expression: " + text
}

// unknownBefore finds a name that is not available in front of a syntax error:
// GitHub looks names up while it parses, and tells what it meets first.
func unknownBefore(text string, err error, scope *expr.Scope) *expr.Error {
	var syntax *expr.Error
	if !errors.As(err, &syntax) || len(text) > expr.MaxLength || syntax.Kind == expr.Lexing {
		return nil // the lexer has seen the whole text before the parser starts
	}
	end := min(syntax.Offset, len(text))
	if countsArguments(syntax) { // the arguments themselves come first
		end = callEnd(text, end)
	}
	for at := 0; at < end; {
		switch c := text[at]; {
		case c == '\'':
			at++
			for at < end && text[at] != '\'' {
				at++
			}
			at++
		case isLetter(c):
			from := at
			for at < len(text) && (isLetter(text[at]) || '0' <= text[at] && text[at] <= '9' || text[at] == '-') {
				at++
			}
			name := text[from:at]
			if strings.HasSuffix(strings.TrimSpace(text[:from]), ".") {
				continue
			}
			if strings.HasPrefix(strings.TrimSpace(text[at:]), "(") {
				name += "()"
			}
			if node, err := expr.Parse(name); err == nil {
				for _, e := range node.Check(*scope) {
					if !countsArguments(e) {
						e.Offset, e.End = from, at
						return e
					}
				}
			}
		case '0' <= c && c <= '9': // 0x1F is no name
			for at < end && (isLetter(text[at]) || '0' <= text[at] && text[at] <= '9') {
				at++
			}
		default:
			at++
		}
	}
	return nil
}

// countsArguments reports whether a call has too few or too many of them.
func countsArguments(e *expr.Error) bool {
	said := strings.ToLower(e.Message)
	for _, start := range []string{"too few ", "too many ", "case takes an odd number", "even number of parameters"} {
		if strings.HasPrefix(said, start) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }

// callEnd is where the call that starts at a place ends.
func callEnd(text string, at int) int {
	depth, quoted := 0, false
	for ; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return at
			}
		}
	}
	return at
}

// lastToken is where the last token of an expression starts.
func lastToken(text string) int {
	word := func(c byte) bool {
		return c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	i := len(text) - 1
	switch c := text[i]; {
	case c == '\'':
		if at := strings.LastIndexByte(text[:i], '\''); at >= 0 {
			return at
		}
	case c == '.' || c == '-': // a sign that nothing follows
	case word(c):
		for i > 0 && word(text[i-1]) && text[i-1] != '.' {
			i--
		}
	case c != '(' && c != ')' && i > 0 && strings.IndexByte("&|=<>!", c) >= 0 && strings.IndexByte("&|=<>!", text[i-1]) >= 0:
		return i - 1
	}
	return i
}

// literal turns ${{ 'text' }} into the text, as GitHub does before it looks at
// what a value is for.
func literal(n *yaml.Node) {
	inner, ok := strings.CutPrefix(n.Value, "${{")
	if !ok || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return
	}
	if inner, ok = strings.CutSuffix(inner, "}}"); !ok {
		return
	}
	inner = strings.TrimSpace(inner)
	if len(inner) < 2 || inner[0] != '\'' || inner[len(inner)-1] != '\'' {
		return
	}
	text := strings.ReplaceAll(inner[1:len(inner)-1], "''", "")
	if strings.Contains(text, "'") {
		return
	}
	n.Value, n.Style = strings.ReplaceAll(inner[1:len(inner)-1], "''", "'"), yaml.SingleQuotedStyle
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
		r.expressions(n, v.scope)
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
			r.fail("expression", n, "", "An expression was expected")
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
