package output

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// emitter writes block YAML as PyYAML's emitter does: its state decides where lines end.
type emitter struct {
	b       *bytes.Buffer
	color   bool
	indents []int
	indent  int // -1: not begun
	column  int
	// whitespace says that a space or a line's beginning was written last, indention that
	// nothing but indicators stands on the line.
	whitespace, indention bool
	plain                 plainTexts
	anchors               map[any]string // of what is written more than once
	written               map[any]bool
	painted               string // the colour that is on
}

const (
	bestIndent = 2
	bestWidth  = 80
	maxKey     = 123 // of a key that stands before a colon: 128, less the tag !!str
)

func writeYAML(b *bytes.Buffer, v any, color bool) {
	e := &emitter{b: b, color: color, indent: -1, whitespace: true, indention: true, plain: newPlainTexts(), anchors: anchors(v), written: map[any]bool{}}
	open := e.node(v, context{root: true})
	if e.column > 0 {
		e.line()
	}
	if open {
		e.paint(lineCyan)
		b.WriteString("...")
		e.paint("")
		b.WriteByte('\n')
	}
}

// anchors names the lists and objects that are met more than once, in the order in which
// they are met again. Where a query made an object, the original writes a copy of all, in
// which nothing is the same as something else.
func anchors(v any) map[any]string {
	seen, names, copied := map[any]bool{}, map[any]string{}, false
	var walk func(v any)
	walk = func(v any) {
		id := query.Identity(v)
		if id != nil && seen[id] {
			if names[id] == "" {
				names[id] = fmt.Sprintf("id%03d", len(names)+1)
			}
			return
		}
		if id != nil {
			seen[id] = true
		}
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case *query.Object:
			copied = copied || x.Hash
			for _, k := range sortedKeys(x) {
				e, _ := x.Get(k)
				walk(e)
			}
		}
	}
	if walk(v); copied {
		return nil
	}
	return names
}

// context is where a node stands.
type context struct{ root, mapping, key bool }

// node writes a value, and reports whether the document stays open behind it.
func (e *emitter) node(v any, c context) bool {
	if id := query.Identity(v); e.anchors[id] != "" {
		if e.written[id] {
			e.colored(red, func() { e.indicator("*"+e.anchors[id], true, false) })
			return false
		}
		e.written[id] = true
		e.indicator("&"+e.anchors[id], true, false)
	}
	switch x := v.(type) {
	case *query.Object:
		if x.Len() == 0 {
			e.indicator("{", true, false)
			e.indicator("}", false, false)
			return false
		}
		e.deeper(false)
		for _, k := range sortedKeys(x) {
			val, _ := x.Get(k)
			e.writeIndent()
			e.pair(k, val)
		}
		e.back()
		return false
	case []any:
		if len(x) == 0 {
			e.indicator("[", true, false)
			e.indicator("]", false, false)
			return false
		}
		e.deeper(c.mapping && !e.indention)
		for _, item := range x {
			e.writeIndent()
			e.indicator("-", true, true)
			e.node(item, context{})
		}
		e.back()
		return false
	case string:
		return e.text(x, c)
	}
	return e.write(yamlScalar(v), c)
}

// pair writes a key and its value.
func (e *emitter) pair(k string, v any) {
	if k != "" && utf8.RuneCountInString(k) < maxKey && !strings.ContainsAny(k, "\n\u0085\u2028\u2029") {
		e.text(k, context{key: true, mapping: true})
		e.indicator(":", false, false)
		e.node(v, context{mapping: true})
		return
	}
	e.indicator("?", true, true)
	e.text(k, context{mapping: true})
	e.writeIndent()
	e.indicator(":", true, true)
	e.node(v, context{mapping: true})
}

// deeper begins a collection; one without an indent of its own stands under its key.
func (e *emitter) deeper(indentless bool) {
	e.indents = append(e.indents, e.indent)
	if e.indent < 0 {
		e.indent = 0
	} else if !indentless {
		e.indent += bestIndent
	}
}

func (e *emitter) back() {
	e.indent = e.indents[len(e.indents)-1]
	e.indents = e.indents[:len(e.indents)-1]
}

func (e *emitter) put(s string) {
	e.column += utf8.RuneCountInString(s)
	e.b.WriteString(s)
}

func (e *emitter) line() {
	e.whitespace, e.indention, e.column = true, true, 0
	color := e.painted
	e.paint("")
	e.b.WriteByte('\n')
	e.paint(color)
}

// paint turns a colour on, or off with "".
func (e *emitter) paint(color string) {
	if !e.color || color == e.painted {
		return
	}
	if e.painted != "" {
		e.b.WriteString(plain)
	}
	e.b.WriteString(color)
	e.painted = color
}

// colored writes in a colour; the space before it has none.
func (e *emitter) colored(color string, do func()) {
	if e.color && !e.whitespace && color != "" {
		e.put(" ")
		e.whitespace = true
	}
	e.paint(color)
	do()
	e.paint("")
}

func (e *emitter) indicator(s string, needSpace, indention bool) {
	if !e.whitespace && needSpace {
		s = " " + s
	}
	e.whitespace, e.indention = false, e.indention && indention
	e.put(s)
}

func (e *emitter) writeIndent() {
	indent := max(e.indent, 0)
	if !e.indention || e.column > indent || e.column == indent && !e.whitespace {
		e.line()
	}
	if e.column < indent {
		e.whitespace = true
		e.put(strings.Repeat(" ", indent-e.column))
	}
}

// yamlScalar is a value that is no text.
func yamlScalar(v any) string {
	f, ok := v.(float64)
	switch {
	case !ok:
		return scalar(v)
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := query.FloatText(f)
	if !strings.Contains(s, ".") && strings.Contains(s, "e") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

// text writes a text in the style that it needs.
func (e *emitter) text(s string, c context) bool {
	a := analyze(s)
	switch {
	case a.plain && e.plain.text(s) && !(c.key && a.multiline):
		return e.write(s, c)
	case a.single && !(c.key && a.multiline):
		e.scalar(yellow, func() { e.single(s, !c.key) })
	default:
		e.scalar(yellow, func() { e.double(s, !c.key) })
	}
	return false
}

// write writes a plain scalar.
func (e *emitter) write(s string, c context) bool {
	color := ""
	if c.key && !strings.ContainsAny(s, "#,?[]{}\"'") { // else it is no key for pygments
		color = brightBlue
	}
	e.scalar(color, func() { e.unquoted(s, !c.key) })
	return c.root
}

func (e *emitter) scalar(color string, do func()) {
	e.indents = append(e.indents, e.indent)
	if e.indent < 0 {
		e.indent = bestIndent
	} else {
		e.indent += bestIndent
	}
	e.colored(color, do)
	e.back()
}

// unquoted writes a plain text, folded at spaces.
func (e *emitter) unquoted(s string, split bool) {
	if s == "" {
		return
	}
	if !e.whitespace {
		e.put(" ")
	}
	e.whitespace, e.indention = false, false
	r := []rune(s)
	for start, end := 0, 0; end < len(r); start = end {
		for end < len(r) && r[end] != ' ' {
			end++
		}
		e.put(string(r[start:end]))
		start = end
		for end < len(r) && r[end] == ' ' {
			end++
		}
		switch {
		case start == end:
		case start+1 == end && e.column > bestWidth && split:
			e.writeIndent()
			e.whitespace, e.indention = false, false
		default:
			e.put(string(r[start:end]))
		}
	}
}

func isBreak(r rune) bool { return r == '\n' || r == '\u0085' || r == '\u2028' || r == '\u2029' }

// single writes a text in single quotes.
func (e *emitter) single(s string, split bool) {
	e.indicator("'", true, false)
	r := []rune(s)
	for start, end := 0, 0; end < len(r); start = end {
		switch {
		case r[start] == ' ':
			for end < len(r) && r[end] == ' ' {
				end++
			}
			if start+1 == end && e.column > bestWidth && split && start != 0 && end != len(r) {
				e.writeIndent()
			} else {
				e.put(string(r[start:end]))
			}
		case isBreak(r[start]):
			for end < len(r) && isBreak(r[end]) {
				end++
			}
			if r[start] == '\n' {
				e.line()
			}
			for _, br := range r[start:end] {
				if br == '\n' {
					e.line()
				} else {
					e.whitespace, e.indention, e.column = true, true, 0
					e.b.WriteRune(br)
				}
			}
			e.writeIndent()
		case r[start] == '\'':
			end++
			e.put("''")
		default:
			for end < len(r) && r[end] != ' ' && r[end] != '\'' && !isBreak(r[end]) {
				end++
			}
			e.put(string(r[start:end]))
		}
	}
	e.indicator("'", false, false)
}

// double writes a text in double quotes, with escapes.
func (e *emitter) double(s string, split bool) {
	e.indicator(`"`, true, false)
	r := []rune(s)
	start := 0
	for end := 0; end <= len(r); end++ {
		last := end == len(r)
		var ch rune
		if !last {
			ch = r[end]
		}
		if last || isEscaped(ch) {
			if start < end {
				e.put(string(r[start:end]))
				start = end
			}
			if !last {
				e.put(escape(ch))
				start = end + 1
			}
		}
		if 0 < end && end < len(r)-1 && (ch == ' ' || start >= end) && e.column+(end-start) > bestWidth && split {
			text := `\`
			if start < end {
				text = string(r[start:end]) + `\`
				start = end
			}
			e.put(text)
			e.writeIndent()
			e.whitespace, e.indention = false, false
			if r[start] == ' ' {
				e.put(`\`)
			}
		}
	}
	e.indicator(`"`, false, false)
}
