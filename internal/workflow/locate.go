package workflow

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// source is the text of a file with its lines found.
type source struct {
	path  string
	text  string
	lines []int // byte offset of each line
	last  cursor
	col   column
}

// column remembers the last column that position counted.
type column struct {
	start, from int // offsets of the line and of the place
	column      int
}

// cursor remembers the last place that within found, so that places asked for
// in order cost one pass over a long scalar, not one each.
type cursor struct {
	node *yaml.Node
	from int // offset in the node's value
	at   int // where that is in the file
}

func newSource(path string, src []byte) *source {
	s := &source{path: path, text: string(src)}
	s.lines = make([]int, 1, strings.Count(s.text, "\n")+1)
	for i := 0; ; {
		n := strings.IndexByte(s.text[i:], '\n')
		if n < 0 {
			return s
		}
		i += n + 1
		s.lines = append(s.lines, i)
	}
}

// line returns the text of line n (from 1) without its end.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	t := s.text[s.lines[n-1]:]
	if i := strings.IndexByte(t, '\n'); i >= 0 {
		t = t[:i]
	}
	return strings.TrimSuffix(t, "\r")
}

// offset returns the byte offset of a line and column (in characters, from 1).
func (s *source) offset(line, column int) int {
	if line < 1 || line > len(s.lines) {
		return len(s.text)
	}
	at := s.lines[line-1]
	if line == 1 {
		at += len(bom(s.text))
	}
	for ; column > 1 && at < len(s.text) && s.text[at] != '\n'; column-- {
		_, n := utf8.DecodeRuneInString(s.text[at:])
		at += n
	}
	return at
}

func bom(s string) string {
	if strings.HasPrefix(s, "\ufeff") {
		return "\ufeff"
	}
	return ""
}

// position turns a byte range into a place; the range is cut at the line's end.
func (s *source) position(from, to int) cairn.Position {
	lo, hi := 0, len(s.lines)
	for lo+1 < hi {
		if mid := (lo + hi) / 2; s.lines[mid] <= from {
			lo = mid
		} else {
			hi = mid
		}
	}
	start, end := s.lines[lo], len(s.text)
	if lo+1 < len(s.lines) {
		end = s.lines[lo+1] - 1
	}
	if end > start && s.text[end-1] == '\r' {
		end--
	}
	from = min(from, len(s.text))
	// Places in one long line mostly come in order: count on from the last one.
	if s.col.start != start || s.col.from > from || s.col.column == 0 {
		s.col = column{start: start, from: start, column: 1}
	}
	s.col.column += utf8.RuneCountInString(s.text[s.col.from:from])
	s.col.from = from
	p := cairn.Position{File: s.path, Line: lo + 1, Column: s.col.column}
	if to = min(to, end); to > from {
		p.EndColumn = p.Column + utf8.RuneCountInString(s.text[from:to])
	}
	return p
}

// place is where n starts; for a scalar on one line also where it ends.
func (s *source) place(n *yaml.Node) cairn.Position {
	p := cairn.Position{File: s.path, Line: n.Line, Column: n.Column}
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 { // the value, not what is said of it
		at := s.position(s.start(n), 0)
		p.Line, p.Column = at.Line, at.Column
	}
	if n.Kind != yaml.ScalarNode || n.Value == "" || strings.Contains(n.Value, "\n") {
		return p
	}
	from := s.body(n)
	width := utf8.RuneCountInString(n.Value)
	if end := from + len(n.Value); end <= len(s.text) && s.text[from:end] == n.Value {
		start := s.offset(p.Line, p.Column)
		p.EndColumn = p.Column + utf8.RuneCountInString(s.text[start:from]) + width
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			p.EndColumn++
		}
	}
	return p
}

// start is the byte offset where a value begins, behind its anchor and tag.
func (s *source) start(n *yaml.Node) int {
	at := s.offset(n.Line, n.Column)
	for at < len(s.text) && (s.text[at] == '&' || s.text[at] == '!') {
		for at < len(s.text) && !unicode.IsSpace(rune(s.text[at])) {
			at++
		}
		if n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 {
			break // nothing follows
		}
		for at < len(s.text) && (unicode.IsSpace(rune(s.text[at])) || s.text[at] == '#') {
			if s.text[at] == '#' { // a comment goes to the end of its line
				at += strings.IndexByte(s.text[at:]+"\n", '\n')
				continue
			}
			at++
		}
	}
	return min(at, len(s.text))
}

// body is the byte offset where the content of a scalar begins: behind its
// anchor, tag, quote or block indicator.
func (s *source) body(n *yaml.Node) int {
	at := s.start(n)
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		at++
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		if i := strings.IndexByte(s.text[min(at, len(s.text)):], '\n'); i >= 0 {
			at += i + 1
		}
	}
	return min(at, len(s.text))
}

// within is the place of bytes from..to of the value of n. The value is not the
// file's text (quotes, escapes, folding, indentation); what both have in common
// is the order of everything that is not blank, so that is counted.
func (s *source) within(n *yaml.Node, from, to int) cairn.Position {
	if n.Kind != yaml.ScalarNode {
		return s.place(n)
	}
	if from > len(n.Value) || to > len(n.Value) || from > to {
		return s.place(n)
	}
	solid := func(part string) (count int) {
		for _, r := range part {
			if !unicode.IsSpace(r) {
				count++
			}
		}
		return count
	}
	known, at := 0, 0
	if s.last.node == n && s.last.from <= from {
		known, at = s.last.from, s.last.at
	} else {
		at = s.body(n)
	}
	before, length := solid(n.Value[known:from]), solid(n.Value[from:to])
	start := -1
	for at < len(s.text) {
		width, visible := s.unit(n, at)
		if visible {
			if before == 0 && start < 0 {
				start = at
				s.last = cursor{node: n, from: from, at: at}
			}
			if start >= 0 {
				if length--; length <= 0 {
					return s.position(start, at+width)
				}
			}
			before--
		}
		at += width
	}
	return s.place(n)
}

// unit measures one character of the content at a byte offset: how long it is
// written, and whether it stands for something that is not blank.
func (s *source) unit(n *yaml.Node, at int) (width int, visible bool) {
	r, w := utf8.DecodeRuneInString(s.text[at:])
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0 && r == '\'' && strings.HasPrefix(s.text[at+1:], "'"):
		return 2, true
	case n.Style&yaml.DoubleQuotedStyle != 0 && r == '\\' && at+1 < len(s.text):
		switch s.text[at+1] {
		case 'n', 't', 'r', 'v', 'f', ' ', '\t', '\n', '\r', '_', 'N', 'L', 'P':
			return 2, false
		case 'x':
			return 4, true
		case 'u':
			return 6, true
		case 'U':
			return 10, true
		}
		return 2, true
	}
	return w, !unicode.IsSpace(r)
}
