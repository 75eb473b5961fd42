package output

import (
	"bytes"
	"strconv"
	"strings"
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

// capital makes the first letter a capital; that of ß is two letters in Python.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case n == 0:
		return s
	case r == 'ß':
		return "SS" + s[n:]
	}
	return strings.ToUpper(string(r)) + s[n:]
}
