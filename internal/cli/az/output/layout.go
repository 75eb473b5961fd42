package output

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// minPadding is what headers have beside them.
const minPadding = 2

// grid is what tabulate looks at before it lays a table out.
type grid struct {
	lines     bool           // some cell has more than one line
	invisible *regexp.Regexp // what sets colours; nil: there is nothing of it
}

// layout is tabulate's format "simple": columns as wide as their widest line, apart by two
// spaces, what stands in them on the left, without white space around it. It takes lines
// apart in one way to measure them and in another to write them, as there.
func layout(b *bytes.Buffer, columns []string, rows []row) {
	var g grid
	look := func(s string) {
		g.lines = g.lines || strings.ContainsAny(s, "\r\n")
		if g.invisible == nil && strings.Contains(s, "\x1b") {
			if codes := ansiCodes(); codes.MatchString(s) {
				g.invisible = codes
			}
		}
	}
	for _, c := range columns {
		look(c)
		for i := range rows {
			look(rows[i].cells[c])
		}
	}
	wide := make([]int, len(columns))
	heads, cells := make([][]string, len(columns)), make([][][]string, len(rows))
	for j, c := range columns {
		wide[j] = g.widest(c) + minPadding
		texts := make([]string, len(rows))
		for i := range rows {
			texts[i] = strings.TrimFunc(rows[i].cells[c], query.IsSpace)
			wide[j] = max(wide[j], g.widest(texts[i]))
		}
		most := wide[j]
		for i, s := range texts {
			lines := g.padded(s, most)
			for _, l := range lines {
				wide[j] = max(wide[j], g.width(l))
			}
			cells[i] = append(cells[i], lines)
		}
		for _, h := range g.split(c) {
			heads[j] = append(heads[j], g.pad(h, wide[j]))
		}
		if g.lines {
			heads[j] = splitLines(strings.Join(heads[j], "\n"))
		}
	}
	g.write(b, heads, wide)
	var rule []string
	for _, n := range wide {
		rule = append(rule, strings.Repeat("-", n))
	}
	b.WriteString(strings.Join(rule, "  ") + "\n")
	for _, r := range cells {
		g.write(b, r, wide)
	}
}

// write writes a row: as many lines as its cell with the most has.
func (g grid) write(b *bytes.Buffer, cells [][]string, wide []int) {
	most := 0
	for _, lines := range cells {
		most = max(most, len(lines))
	}
	for n := range most {
		from := b.Len()
		for j, lines := range cells {
			if j > 0 {
				b.WriteString("  ")
			}
			if n < len(lines) {
				b.WriteString(lines[n])
			} else {
				b.WriteString(strings.Repeat(" ", wide[j]))
			}
		}
		b.Truncate(from + len(bytes.TrimRightFunc(b.Bytes()[from:], query.IsSpace)))
		b.WriteByte('\n')
	}
}

// split takes apart what is measured.
func (g grid) split(s string) []string {
	if !g.lines {
		return []string{s}
	}
	return strings.Split(strings.ReplaceAll(s, "\r", "\n"), "\n")
}

func (g grid) widest(s string) int {
	n := 0
	for _, l := range g.split(s) {
		n = max(n, g.width(l))
	}
	return n
}

// padded takes apart what is written, each line with spaces behind it.
func (g grid) padded(s string, wide int) []string {
	if !g.lines {
		return []string{g.pad(s, wide)}
	}
	lines := splitLines(s)
	if g.invisible == nil {
		for i, l := range lines {
			lines[i] = g.pad(l, wide)
		}
		return lines
	}
	measured := g.split(s)
	lines = lines[:min(len(lines), len(measured))]
	for i, l := range lines {
		behind := wide - g.width(measured[i]) + utf8.RuneCountInString(measured[i]) - utf8.RuneCountInString(l)
		lines[i] = l + strings.Repeat(" ", max(behind, 0))
	}
	return lines
}

func (g grid) pad(s string, wide int) string {
	return s + strings.Repeat(" ", max(wide-g.width(s), 0))
}

// width is how many characters of a text are seen: tabulate counts no wide ones without
// wcwidth, which azure-cli does not have.
func (g grid) width(s string) int {
	if g.invisible != nil {
		s = g.invisible.ReplaceAllString(s, "$4")
	}
	return utf8.RuneCountInString(s)
}

// ansiCodes finds what sets colours, and links.
func ansiCodes() *regexp.Regexp {
	return regexp.MustCompile("(\x1b\\[[\\x30-\\x3f]*[\\x20-\\x2f]*[\\x40-\\x7e]|\x1b\\]8;(\\w+=\\w+:?)*;([^\x1b]+)\x1b\\\\([^\x1b]+)\x1b\\]8;;\x1b\\\\)")
}

// splitLines is Python's str.splitlines.
func splitLines(s string) []string {
	text := strings.ReplaceAll(s, "\r\n", "\n")
	var out []string
	start := 0
	for i, r := range text {
		if strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) {
			out = append(out, text[start:i])
			start = i + utf8.RuneLen(r)
		}
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
