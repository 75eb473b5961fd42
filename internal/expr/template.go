package expr

import (
	"fmt"
	"math"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Segment is a piece of a scalar: plain text, or the inside of one ${{ }}.
type Segment struct {
	Text   string
	Offset int // of Text within the scalar
	IsExpr bool
}

const (
	opening = "${{"
	closing = "}}"
)

// HasExpression reports whether text holds the start of an expression.
func HasExpression(text string) bool { return strings.Contains(text, opening) }

// Split cuts text at its expressions. A ${{ without its }} is an error.
func Split(text string) ([]Segment, error) {
	var out []Segment
	for pos := 0; pos < len(text); {
		i := strings.Index(text[pos:], opening)
		if i < 0 {
			return append(out, Segment{Text: text[pos:], Offset: pos}), nil
		}
		if i > 0 {
			out = append(out, Segment{Text: text[pos : pos+i], Offset: pos})
		}
		start := pos + i + len(opening)
		end := closeOf(text, start)
		if end < 0 {
			return nil, errorAt(Lexing, pos+i, min(len(text), pos+i+len(opening)), "the expression that starts here is not closed").
				hint("every ${{ needs its }}")
		}
		out = append(out, Segment{Text: text[start:end], Offset: start, IsExpr: true})
		pos = end + len(closing)
	}
	return out, nil
}

// closeOf finds the }} of an expression: not inside 'text'.
func closeOf(text string, from int) int {
	quoted := false
	for i := from; i < len(text); i++ {
		switch {
		case text[i] == '\'':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], closing):
			return i
		}
	}
	return -1
}

// EvalTemplate evaluates every expression in t. A scalar that is one ${{ }} and
// nothing else keeps the type of its value; other text becomes a string.
func EvalTemplate(t cairn.Template, env *Env) (Value, error) {
	switch t.Kind {
	case "", cairn.TemplateNull:
		return Value{}, nil
	case cairn.TemplateBool:
		return Bool(t.Bool), nil
	case cairn.TemplateNumber:
		// Infinities and NaN have no place in the JSON of a plan: the text has them.
		if t.Num == 0 && t.Text != "" {
			return Number(yamlNumber(t.Text)), nil
		}
		return Number(t.Num), nil
	case cairn.TemplateString:
		return String(t.Text), nil
	case cairn.TemplateExpr:
		return evalText(t, env)
	case cairn.TemplateSeq:
		items := make([]Value, len(t.Items))
		for i, item := range t.Items {
			v, err := EvalTemplate(item, env)
			if err != nil {
				return Value{}, err
			}
			items[i] = v
		}
		return Array(items...), nil
	case cairn.TemplateMap:
		fields := make([]Field, len(t.Pairs))
		for i, p := range t.Pairs {
			name, err := EvalString(p.Key, env)
			if err != nil {
				return Value{}, err
			}
			v, err := EvalTemplate(p.Value, env)
			if err != nil {
				return Value{}, err
			}
			fields[i] = Field{Name: name, Value: v}
		}
		return Object(fields...), nil
	default:
		return Value{}, fmt.Errorf("unknown kind of template %q", t.Kind)
	}
}

// yamlNumber reads the number that a file wrote where JSON cannot carry it.
func yamlNumber(s string) float64 {
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case ".inf":
		if strings.HasPrefix(s, "-") {
			return math.Inf(-1)
		}
		return math.Inf(1)
	case ".nan":
		return math.NaN()
	}
	return 0
}

func evalText(t cairn.Template, env *Env) (Value, error) {
	segments, err := Split(t.Text)
	if err != nil {
		return Value{}, located(err, t, 0)
	}
	if len(segments) == 1 && segments[0].IsExpr {
		v, err := Eval(segments[0].Text, env)
		return v, located(err, t, segments[0].Offset)
	}
	var b strings.Builder
	for _, s := range segments {
		if !s.IsExpr {
			b.WriteString(s.Text)
			continue
		}
		v, err := Eval(s.Text, env)
		if err != nil {
			return Value{}, located(err, t, s.Offset)
		}
		b.WriteString(v.ToString())
		if b.Len() > maxResult {
			return Value{}, located(tooLarge("this text"), t, 0)
		}
	}
	return String(b.String()), nil
}

// located makes an error of an expression one that people can place: in the
// line of the file that the template came from.
func located(err error, t cairn.Template, offset int) error {
	if err == nil {
		return nil
	}
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	c := *e
	c.Offset += offset
	c.End += offset
	out := &cairn.Error{Code: cairn.CodeInvalid, Message: c.Message, Hint: c.Hint, Err: &c}
	if t.Line > 0 {
		out.Position = &cairn.Position{Line: t.Line, Column: t.Col}
	}
	return out
}

// EvalString evaluates t to text. A number or boolean of the file is written as
// its value, not as the file spells it: 3.10 is 3.1, as on GitHub.
func EvalString(t cairn.Template, env *Env) (string, error) {
	if t.Kind == cairn.TemplateString {
		return t.Text, nil
	}
	v, err := EvalTemplate(t, env)
	if err != nil {
		return "", err
	}
	if !v.Primitive() {
		return "", wrongType(t, "text", v)
	}
	return v.ToString(), nil
}

// EvalBool evaluates t, which must give true or false. A template that was not
// given is false: callers with another default ask IsZero first.
func EvalBool(t cairn.Template, env *Env) (bool, error) {
	if t.IsZero() {
		return false, nil
	}
	v, err := EvalTemplate(t, env)
	if err != nil {
		return false, err
	}
	switch {
	case v.kind == KindBool:
		return v.Bool(), nil
	case v.kind == KindString && v.str == "true":
		return true, nil
	case v.kind == KindString && v.str == "false":
		return false, nil
	}
	return false, wrongType(t, "true or false", v)
}

// EvalNumber evaluates t, which must give a number. A template that was not
// given is 0: callers with another default ask IsZero first.
func EvalNumber(t cairn.Template, env *Env) (float64, error) {
	if t.IsZero() {
		return 0, nil
	}
	v, err := EvalTemplate(t, env)
	if err != nil {
		return 0, err
	}
	if v.kind == KindNumber || v.kind == KindString && strings.TrimSpace(v.str) != "" {
		if f := v.ToNumber(); !math.IsNaN(f) {
			return f, nil
		}
	}
	return 0, wrongType(t, "a number", v)
}

func wrongType(t cairn.Template, want string, got Value) error {
	what := strings.ToLower(got.kind.String())
	if got.Primitive() && !got.IsNull() {
		what = show(got.ToString())
	}
	return located(evalError(want+" was expected, but the value is "+what, ""), t, 0)
}

// Condition evaluates the text of an if, without ${{ }}: nothing means
// success(), and a text that asks no status function means success() && (text).
func Condition(src string, env *Env) (bool, error) {
	n, err := env.ParseCondition(src)
	if err != nil {
		return false, err
	}
	v, err := n.Eval(env)
	return v.Truthy(), err
}

// ParseCondition parses the text of an if for evaluation by Eval, success()
// added where the text asks for no status. Offsets stay those of src.
func ParseCondition(src string) (*Node, error) { return parseCondition(src, nil) }

func parseCondition(src string, env *Env) (*Node, error) {
	success := &Node{kind: nodeCall, name: "success", lower: "success"}
	if strings.TrimSpace(src) == "" {
		return success, nil
	}
	n, err := parse(src, env)
	if err != nil || UsesStatusFunction(n) {
		return n, err
	}
	return &Node{kind: nodeLogical, op: tokAnd, off: n.off, end: n.end, args: []*Node{success, n}}, nil
}
