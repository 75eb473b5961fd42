package output

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
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
}

const (
	bestIndent = 2
	bestWidth  = 80
	maxKey     = 128 // of a key that stands before a colon
)

func writeYAML(b *bytes.Buffer, v any, color bool) {
	e := &emitter{b: b, color: color, indent: -1, whitespace: true, indention: true, plain: newPlainTexts()}
	open := e.node(v, context{root: true})
	if e.column > 0 {
		e.line()
	}
	if open {
		b.WriteString("...\n")
	}
}

// context is where a node stands.
type context struct{ root, mapping, key bool }

// node writes a value, and reports whether the document stays open behind it.
func (e *emitter) node(v any, c context) bool {
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
	e.b.WriteByte('\n')
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
		e.scalar(c, func() { e.single(s, !c.key) })
	default:
		e.scalar(c, func() { e.double(s, !c.key) })
	}
	return false
}

// write writes a plain scalar.
func (e *emitter) write(s string, c context) bool {
	e.scalar(c, func() { e.unquoted(s, !c.key) })
	return c.root
}

func (e *emitter) scalar(c context, do func()) {
	e.indents = append(e.indents, e.indent)
	if e.indent < 0 {
		e.indent = bestIndent
	} else {
		e.indent += bestIndent
	}
	if e.color {
		color := green
		if c.key {
			color = blue
		}
		if !e.whitespace {
			e.put(" ")
			e.whitespace = true
		}
		e.b.WriteString(color)
		defer e.b.WriteString(plain)
	}
	do()
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
		if last || escaped(ch) {
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

func escaped(r rune) bool {
	return strings.ContainsRune("\"\\\u0085\u2028\u2029\ufeff", r) || !(r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd)
}

func escape(r rune) string {
	if s, ok := map[rune]string{0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 0x1b: "e", '"': `"`, '\\': `\`, 0x85: "N", 0xa0: "_", 0x2028: "L", 0x2029: "P"}[r]; ok {
		return `\` + s
	}
	switch {
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}

// analysis says in which styles a text may be written.
type analysis struct{ plain, single, multiline bool }

func analyze(s string) analysis {
	if s == "" {
		return analysis{plain: true, single: true}
	}
	const spaces = "\x00 \t\r\n\u0085\u2028\u2029"
	r := []rune(s)
	var breaks, special, atEnds, breakSpace, spaceBreak bool
	indicators := strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...")
	before, wasSpace, wasBreak := true, false, false
	for i, ch := range r {
		followed := i+1 >= len(r) || strings.ContainsRune(spaces, r[i+1])
		if i == 0 {
			indicators = indicators || strings.ContainsRune("#,[]{}&*!|>'\"%@`", ch) || (ch == '?' || ch == ':' || ch == '-') && followed
		} else {
			indicators = indicators || ch == ':' && followed || ch == '#' && before
		}
		breaks = breaks || isBreak(ch)
		if ch != '\n' && (ch < 0x20 || ch > 0x7e) {
			ok := ch == 0x85 || ch >= 0xa0 && ch <= 0xd7ff || ch >= 0xe000 && ch <= 0xfffd || ch >= 0x10000 && ch < 0x10ffff
			special = special || !ok || ch == 0xfeff
		}
		edge := i == 0 || i == len(r)-1
		switch {
		case ch == ' ':
			atEnds = atEnds || edge
			breakSpace = breakSpace || wasBreak
			wasSpace, wasBreak = true, false
		case isBreak(ch):
			atEnds = atEnds || edge
			spaceBreak = spaceBreak || wasSpace
			wasSpace, wasBreak = false, true
		default:
			wasSpace, wasBreak = false, false
		}
		before = strings.ContainsRune(spaces, ch)
	}
	return analysis{
		plain:     !indicators && !breaks && !special && !atEnds && !breakSpace && !spaceBreak,
		single:    !special && !breakSpace && !spaceBreak,
		multiline: breaks,
	}
}

// plainTexts tells texts that stay texts without quotes from what YAML 1.1 reads as
// something else.
type plainTexts struct{ other *regexp.Regexp }

func newPlainTexts() plainTexts {
	return plainTexts{regexp.MustCompile(`^(?:` + strings.Join([]string{
		`yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF`,
		`[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
		`[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+`,
		`<<|=|!|&|\*|~|null|Null|NULL|`,
		`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
		`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9][0-9]:[0-9][0-9](?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?`,
	}, "|") + `)$`)}
}

func (p plainTexts) text(s string) bool { return !p.other.MatchString(s) }
