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
	if _, ok := v.(expr); ok {
		return "<jmespath.visitor._Expression object>"
	}
	return Text(v)
}

// str is str() of any value.
func str(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return Repr(v)
}

// pyType is the name of a value's type in Python.
func pyType(v any) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case float64:
		return "float"
	case []any:
		return "list"
	case *Object:
		if x.Hash {
			return "OrderedDict"
		}
		return "dict"
	case expr:
		return "_Expression"
	}
	return "int"
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
