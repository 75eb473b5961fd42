package stages

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// source is the text of a file by lines.
type source struct {
	path  string
	lines []string
}

func newSource(path string, src []byte) *source {
	lines := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return &source{path: path, lines: lines}
}

// line is line n, from 1.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// after is the rest of a line from a column on, both from 1 and in characters.
func (s *source) after(line, column int) string {
	text := s.line(line)
	for ; column > 1 && text != ""; column-- {
		_, n := utf8.DecodeRuneInString(text)
		text = text[n:]
	}
	return text
}

// at is a place of width characters.
func (s *source) at(line, column, width int) cairn.Position {
	p := cairn.Position{File: s.path, Line: line, Column: column}
	if width > 0 {
		p.EndColumn = column + width
	}
	return p
}

// place is where n starts; for a scalar that stands on one line as it is, also
// where it ends.
func (s *source) place(n *yaml.Node) cairn.Position {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return s.at(n.Line, n.Column, 0)
	}
	quote := 0
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		quote = 1
	}
	rest := s.after(n.Line, n.Column)
	if len(rest) < quote || !strings.HasPrefix(rest[quote:], n.Value) {
		return s.at(n.Line, n.Column, 0)
	}
	return s.at(n.Line, n.Column, utf8.RuneCountInString(n.Value)+2*quote)
}

// within is the place in the file of a place in the value of n: its line (from
// 1) and column (from 0), both in characters. Where the value is written other
// than it reads, it is the place of n.
func (s *source) within(n *yaml.Node, line, column int) cairn.Position {
	value := strings.Split(n.Value, "\n")
	if line < 1 || line > len(value) {
		return s.place(n)
	}
	if n.Style&yaml.LiteralStyle != 0 {
		at := n.Line + line
		text := s.line(at)
		indent := len(text) - len(strings.TrimLeft(text, " "))
		inner := len(value[line-1]) - len(strings.TrimLeft(value[line-1], " "))
		if strings.TrimSpace(text) == strings.TrimSpace(value[line-1]) && indent >= inner {
			return s.at(at, indent-inner+column+1, 1)
		}
		return s.place(n)
	}
	if p := s.place(n); p.EndColumn != 0 && line == 1 {
		quote := 0
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			quote = 1
		}
		return s.at(n.Line, min(n.Column+quote+column, p.EndColumn-1), 1)
	}
	return s.place(n)
}
