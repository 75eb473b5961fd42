package output

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// row is one line of a table: columns in their order.
type row struct {
	names []string
	cells map[string]string
}

func (r *row) set(name string, v any) {
	if r.cells == nil {
		r.cells = map[string]string{}
	}
	if _, there := r.cells[name]; !there {
		r.names = append(r.names, name)
	}
	text := ""
	if v != nil {
		text = query.Text(v)
	}
	r.cells[name] = text
}

// writeTable writes the columns that are plain values.
func writeTable(b *bytes.Buffer, v any, o Options) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		b.WriteByte('\n')
		return
	}
	var rows []row
	var columns []string
	seen := map[string]bool{}
	for _, item := range list {
		r := rowOf(item, o)
		rows = append(rows, r)
		for _, n := range r.names {
			if !seen[n] {
				seen[n] = true
				columns = append(columns, n)
			}
		}
	}
	if len(columns) == 0 {
		b.WriteByte('\n')
		return
	}
	layout(b, columns, rows)
}

func rowOf(item any, o Options) row {
	var r row
	switch x := item.(type) {
	case *query.Object:
		keys := x.Keys()
		if !o.Query {
			keys = sortedKeys(x)
		}
		for _, k := range keys {
			v, _ := x.Get(k)
			if k == "id" || k == "type" || k == "etag" || v == nil {
				continue
			}
			switch v.(type) {
			case []any, *query.Object:
				continue
			}
			r.set(capital(k), v)
		}
	case []any:
		for i, v := range x {
			switch v.(type) {
			case []any, *query.Object:
				r.set("Column"+strconv.Itoa(i+1), query.Repr(v))
			default:
				r.set("Column"+strconv.Itoa(i+1), v)
			}
		}
	default:
		r.set("Result", item)
	}
	return r
}

// capital makes the first letter a capital.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return strings.ToUpper(string(r)) + s[n:]
}

// layout is tabulate's format "simple": columns as wide as their widest line, apart by two
// spaces, what stands in them on the left, without white space around it.
func layout(b *bytes.Buffer, columns []string, rows []row) {
	const minPadding = 2 // of headers, as there
	several := false     // whether a cell has several lines
	for i := range rows {
		for _, c := range columns {
			text := strings.TrimFunc(rows[i].cells[c], unicode.IsSpace)
			several = several || strings.ContainsAny(rows[i].cells[c], "\r\n")
			if rows[i].cells != nil {
				rows[i].cells[c] = text
			}
		}
	}
	wide := make([]int, len(columns))
	cells := make([][][]string, len(rows)) // lines of each cell
	for i := range rows {
		for j, c := range columns {
			lines := []string{rows[i].cells[c]}
			if several {
				lines = splitLines(rows[i].cells[c])
			}
			cells[i] = append(cells[i], lines)
			for _, l := range lines {
				wide[j] = max(wide[j], width(l))
			}
		}
	}
	for j, c := range columns {
		wide[j] = max(wide[j], width(c)+minPadding)
	}
	line := func(parts []string) {
		var out []string
		for j, p := range parts {
			out = append(out, p+strings.Repeat(" ", wide[j]-width(p)))
		}
		b.WriteString(strings.TrimRightFunc(strings.Join(out, "  "), unicode.IsSpace) + "\n")
	}
	line(columns)
	var rule []string
	for _, n := range wide {
		rule = append(rule, strings.Repeat("-", n))
	}
	b.WriteString(strings.Join(rule, "  ") + "\n")
	for i := range rows {
		most := 0 // of a table with several lines, a row with nothing in it has none
		for _, lines := range cells[i] {
			most = max(most, len(lines))
		}
		for n := range most {
			parts := make([]string, len(columns))
			for j, lines := range cells[i] {
				if n < len(lines) {
					parts[j] = lines[n]
				}
			}
			line(parts)
		}
	}
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

// width is how many characters of a text are seen: tabulate counts no wide ones without
// wcwidth, and none of what sets colours.
func width(s string) int {
	n := utf8.RuneCountInString(s)
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return n
		}
		end := i + 2
		for end < len(s) && s[end] >= 0x20 && s[end] < 0x40 {
			end++
		}
		if end == len(s) || s[end] < 0x40 || s[end] > 0x7e {
			s = s[i+2:]
			continue
		}
		n -= end + 1 - i
		s = s[end+1:]
	}
}
