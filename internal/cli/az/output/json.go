package output

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// writeJSON writes a value whose further lines begin with newline: a break and an indent.
func writeJSON(p painter, v any, newline string) {
	switch x := v.(type) {
	case []any:
		if len(x) == 0 {
			p.b.WriteString("[]")
			return
		}
		p.b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				p.b.WriteByte(',')
			}
			p.space(newline + "  ")
			writeJSON(p, e, newline+"  ")
		}
		p.space(newline)
		p.b.WriteByte(']')
	case *query.Object:
		if x.Len() == 0 {
			p.b.WriteString("{}")
			return
		}
		p.b.WriteByte('{')
		for i, k := range sortedKeys(x) {
			if i > 0 {
				p.b.WriteByte(',')
			}
			p.space(newline + "  ")
			p.text(brightBlue, quote(k))
			p.b.WriteByte(':')
			p.space(" ")
			e, _ := x.Get(k)
			writeJSON(p, e, newline+"  ")
		}
		p.space(newline)
		p.b.WriteByte('}')
	case string:
		p.text(yellow, quote(x))
	default:
		p.text(blue, scalar(v))
	}
}

// scalar is a value that is neither text nor made of others, as JSON.
func scalar(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case json.Number:
		return string(x)
	case float64:
		switch {
		case math.IsNaN(x):
			return "NaN"
		case math.IsInf(x, 1):
			return "Infinity"
		case math.IsInf(x, -1):
			return "-Infinity"
		}
		return query.FloatText(x)
	}
	return fmt.Sprint(v)
}

// quote writes a text as JSON, with escapes for what has to have them alone.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
