package workflow

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// scalar resolves a scalar by the core schema of YAML 1.2, as GitHub does: yes,
// on and 0777 are not what YAML 1.1 makes of them.
func scalar(n *yaml.Node) expr.Value {
	if n.Style&yaml.TaggedStyle != 0 {
		switch n.Tag {
		case "!!str":
			return expr.String(n.Value)
		case "!!float", "!!int", "!!bool", "!!null":
			return plain(n.Value)
		}
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return expr.String(n.Value)
	}
	return plain(n.Value)
}

func plain(s string) expr.Value {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return expr.Null()
	case "true", "True", "TRUE":
		return expr.Bool(true)
	case "false", "False", "FALSE":
		return expr.Bool(false)
	}
	if f, ok := plainNumber(s); ok {
		return expr.Number(f)
	}
	return expr.String(s)
}

func plainNumber(s string) (float64, bool) {
	c := s[0]
	if c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') {
		return 0, false
	}
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		u, err := strconv.ParseUint(rest, 16, 64)
		return float64(u), err == nil
	}
	if rest, ok := strings.CutPrefix(s, "0o"); ok {
		u, err := strconv.ParseUint(rest, 8, 64)
		return float64(u), err == nil
	}
	switch strings.TrimLeft(s, "+-") {
	case ".inf", ".Inf", ".INF":
		if c == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), c == '.'
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && !strings.ContainsRune("+-.eE", rune(c)) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil || math.IsInf(f, 0)
}

// describe names what stands at n, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	v := scalar(n)
	switch v.Kind() {
	case expr.KindNull:
		return "nothing"
	case expr.KindBool:
		return "the boolean " + v.ToString()
	case expr.KindNumber:
		return "the number " + clip(n.Value, 40)
	default:
		if expr.HasExpression(n.Value) {
			return "an expression"
		}
		return "the text " + quote(clip(oneLine(n.Value), 60))
	}
}

// quote shows a piece of the file in a message.
func quote(s string) string { return "'" + s + "'" }

// oneLine makes a message fit for a terminal: it may repeat anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return '⏎'
		case r == '\t':
			return ' '
		case hidden(r):
			return '�'
		}
		return r
	}, s)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// template converts n; its expressions may use what scope allows. A nil scope
// allows none.
func (r *reader) template(n *yaml.Node, scope *expr.Scope) cairn.Template {
	n = r.deref(n)
	t := cairn.Template{Line: n.Line, Col: n.Column}
	if n.Kind == yaml.MappingNode {
		t.Kind = cairn.TemplateMap
		t.Pairs = make([]cairn.TemplateField, 0, len(n.Content)/2)
		r.each(n, func(k, v *yaml.Node) {
			if expr.HasExpression(k.Value) {
				r.computedKey(k, "a map")
				return
			}
			t.Pairs = append(t.Pairs, cairn.TemplateField{Key: r.keyTemplate(k, scope), Value: r.template(v, scope)})
		})
		return t
	}
	if !r.enter(n) {
		return t
	}
	defer r.leave()
	switch n.Kind {
	case yaml.SequenceNode:
		t.Kind = cairn.TemplateSeq
		t.Items = make([]cairn.Template, len(n.Content))
		for i, item := range n.Content {
			t.Items[i] = r.template(item, scope)
		}
		return t
	}
	v := scalar(n)
	switch v.Kind() {
	case expr.KindNull:
		t.Kind = cairn.TemplateNull
	case expr.KindBool:
		t.Kind, t.Bool, t.Text = cairn.TemplateBool, v.Bool(), n.Value
	case expr.KindNumber:
		t.Kind, t.Num, t.Text = cairn.TemplateNumber, v.ToNumber(), n.Value
		if math.IsInf(t.Num, 0) || math.IsNaN(t.Num) {
			t.Num = 0 // JSON has no such number; the text keeps it
		}
	default:
		t.Kind, t.Text = cairn.TemplateString, n.Value
		if expr.HasExpression(n.Value) {
			t.Kind = cairn.TemplateExpr
			r.expressions(n, scope)
		}
	}
	return t
}

// keyTemplate converts the key of a free map: text, whatever it looks like.
func (r *reader) keyTemplate(n *yaml.Node, scope *expr.Scope) cairn.Template {
	n = r.deref(n)
	t := cairn.Template{Kind: cairn.TemplateString, Text: keyText(n), Line: n.Line, Col: n.Column}
	if expr.HasExpression(n.Value) {
		t.Kind = cairn.TemplateExpr
		r.expressions(n, scope)
	}
	return t
}

// keyText is the name that a key gives: of a number or boolean, its value.
func keyText(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return ""
	}
	return scalar(n).ToString()
}
