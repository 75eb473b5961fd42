package query

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Text is str() of a value that is not made of others.
func Text(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		return x
	case float64:
		return FloatText(x)
	case json.Number:
		return string(x)
	}
	return fmt.Sprint(v)
}

// Repr is a value as Python shows it.
func Repr(v any) string {
	switch x := v.(type) {
	case []any:
		var parts []string
		for _, e := range x {
			parts = append(parts, Repr(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Object:
		var parts []string
		for _, k := range x.keys {
			e := x.values[k]
			if x.Hash {
				parts = append(parts, "("+Repr(k)+", "+Repr(e)+")")
			} else {
				parts = append(parts, Repr(k)+": "+Repr(e))
			}
		}
		if x.Hash {
			if len(parts) == 0 {
				return "OrderedDict()"
			}
			return "OrderedDict([" + strings.Join(parts, ", ") + "])"
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case string:
		q := "'"
		if strings.Contains(x, "'") && !strings.Contains(x, `"`) {
			q = `"`
		}
		return q + escapes(x, q) + q
	}
	return Text(v)
}

// escapes writes a text as it stands between Python's quotes.
func escapes(s, quote string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\' || string(r) == quote:
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}
