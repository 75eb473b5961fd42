package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// function is one of the built-in functions: what each argument may be ("array-number" is
// an array of numbers; none is anything), whether the last may be repeated, and what it
// does.
type function struct {
	types    [][]string
	variadic bool
	do       func(args []any) (any, error)
}

// lookup finds a function.
func lookup(name string) (function, bool) {
	t := func(types ...string) []string { return types }
	one := func(do func(any) (any, error), types ...string) function {
		return function{types: [][]string{types}, do: func(a []any) (any, error) { return do(a[0]) }}
	}
	numbersOrTexts := t("array-number", "array-string")
	switch name {
	case "abs":
		return one(func(v any) (any, error) {
			if n, ok := v.(int64); ok {
				return max(n, -n), nil
			}
			return math.Abs(float(v)), nil
		}, "number"), true
	case "avg":
		return one(func(v any) (any, error) {
			list := v.([]any)
			if len(list) == 0 {
				return nil, nil
			}
			return float(sum(list)) / float64(len(list)), nil
		}, "array-number"), true
	case "ceil":
		return one(func(v any) (any, error) { return whole(v, math.Ceil) }, "number"), true
	case "floor":
		return one(func(v any) (any, error) { return whole(v, math.Floor) }, "number"), true
	case "contains":
		return function{types: [][]string{t("array", "string"), t()}, do: contains}, true
	case "ends_with":
		return function{types: [][]string{t("string"), t("string")}, do: func(a []any) (any, error) { return strings.HasSuffix(a[0].(string), a[1].(string)), nil }}, true
	case "starts_with":
		return function{types: [][]string{t("string"), t("string")}, do: func(a []any) (any, error) { return strings.HasPrefix(a[0].(string), a[1].(string)), nil }}, true
	case "join":
		return function{types: [][]string{t("string"), t("array-string")}, do: func(a []any) (any, error) {
			var parts []string
			for _, x := range a[1].([]any) {
				parts = append(parts, x.(string))
			}
			return strings.Join(parts, a[0].(string)), nil
		}}, true
	case "keys":
		return one(func(v any) (any, error) {
			out := []any{}
			for _, k := range v.(*Object).keys {
				out = append(out, k)
			}
			return out, nil
		}, "object"), true
	case "values":
		return one(func(v any) (any, error) {
			out := []any{}
			for _, k := range v.(*Object).keys {
				out = append(out, v.(*Object).values[k])
			}
			return out, nil
		}, "object"), true
	case "length":
		return one(func(v any) (any, error) {
			switch x := v.(type) {
			case string:
				return int64(utf8.RuneCountInString(x)), nil
			case []any:
				return int64(len(x)), nil
			}
			return int64(v.(*Object).Len()), nil
		}, "string", "array", "object"), true
	case "map":
		return function{types: [][]string{t("expref"), t("array")}, do: func(a []any) (any, error) {
			out := []any{}
			for _, x := range a[1].([]any) {
				y, err := visit(a[0].(expr).n, x)
				if err != nil {
					return nil, err
				}
				out = append(out, y)
			}
			return out, nil
		}}, true
	case "max", "min":
		return one(func(v any) (any, error) {
			return extreme(v.([]any), name == "max", func(x any) (any, error) { return x, nil })
		}, numbersOrTexts...), true
	case "max_by", "min_by":
		return function{types: [][]string{t("array"), t("expref")}, do: func(a []any) (any, error) {
			return extreme(a[0].([]any), name == "max_by", by(a[1].(expr), name, "number", "string"))
		}}, true
	case "merge":
		return function{types: [][]string{t("object")}, variadic: true, do: func(a []any) (any, error) {
			out := NewObject()
			for _, x := range a {
				o, ok := x.(*Object)
				if list, is := x.([]any); !ok && (x == "" || is && len(list) == 0) {
					continue // as there: what is empty adds nothing
				} else if !ok {
					return nil, wrong("cannot merge what is no object")
				}
				for _, k := range o.keys {
					out.Set(k, o.values[k])
				}
			}
			return out, nil
		}}, true
	case "not_null":
		return function{types: [][]string{t()}, variadic: true, do: func(a []any) (any, error) {
			for _, x := range a {
				if x != nil {
					return x, nil
				}
			}
			return nil, nil
		}}, true
	case "reverse":
		return one(func(v any) (any, error) {
			if s, ok := v.(string); ok {
				r := []rune(s)
				slices.Reverse(r)
				return string(r), nil
			}
			out := slices.Clone(v.([]any))
			slices.Reverse(out)
			return out, nil
		}, "array", "string"), true
	case "sort":
		return one(func(v any) (any, error) {
			return sorted(v.([]any), func(x any) (any, error) { return x, nil })
		}, "array-string", "array-number"), true
	case "sort_by":
		return function{types: [][]string{t("array"), t("expref")}, do: sortBy}, true
	case "sum":
		return one(func(v any) (any, error) { return sum(v.([]any)), nil }, "array-number"), true
	case "to_array":
		return one(func(v any) (any, error) {
			if _, ok := v.([]any); ok {
				return v, nil
			}
			return []any{v}, nil
		}), true
	case "to_number":
		return one(toNumber), true
	case "to_string":
		return one(func(v any) (any, error) {
			if _, ok := v.(string); ok {
				return v, nil
			}
			var b bytes.Buffer
			err := compact(&b, v)
			return b.String(), err
		}), true
	case "type":
		return one(func(v any) (any, error) { return typeOf(v), nil }), true
	}
	return function{}, false
}

// call calls a function.
func call(n *node, v any) (any, error) {
	args := make([]any, len(n.children))
	for i, c := range n.children {
		var err error
		if args[i], err = visit(c, v); err != nil {
			return nil, err
		}
	}
	f, ok := lookup(n.name)
	if !ok {
		return nil, wrong("Unknown function: %s()", n.name)
	}
	if f.variadic && len(args) < len(f.types) {
		return nil, wrong("Expected at least %d %s for function %s(), received %d", len(f.types), plural("argument", len(f.types)), n.name, len(args))
	}
	if !f.variadic && len(args) != len(f.types) {
		return nil, wrong("Expected %d %s for function %s(), received %d", len(f.types), plural("argument", len(f.types)), n.name, len(args))
	}
	for i := range f.types {
		if err := check(n.name, args[i], f.types[i]); err != nil {
			return nil, err
		}
	}
	return f.do(args)
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case *Object:
		return "object"
	case expr:
		return "expref"
	}
	return "number"
}

// check refuses an argument that is none of the types.
func check(name string, v any, types []string) error {
	if len(types) == 0 {
		return nil
	}
	var of []string
	ok := false
	for _, t := range types {
		kind, elements, _ := strings.Cut(t, "-")
		ok = ok || kind == typeOf(v)
		if elements != "" {
			of = append(of, elements)
		}
	}
	if !ok {
		return badType(name, v, types)
	}
	list, isList := v.([]any)
	if !isList || len(of) == 0 || len(list) == 0 {
		return nil
	}
	want := of[0]
	if len(of) > 1 {
		if want = typeOf(list[0]); !slices.Contains(of, want) {
			return badType(name, list[0], types)
		}
	}
	for _, x := range list {
		if typeOf(x) != want {
			return badType(name, x, types)
		}
	}
	return nil
}

func badType(name string, v any, types []string) error {
	shown := "<jmespath.visitor._Expression object>"
	if _, ok := v.(expr); !ok {
		shown = Repr(v)
		if s, ok := v.(string); ok {
			shown = s
		}
	}
	list := make([]any, len(types))
	for i, t := range types {
		list[i] = t
	}
	return wrong("In function %s(), invalid type for value: %s, expected one of: %s, received: \"%s\"", name, shown, Repr(list), typeOf(v))
}

// sum adds whole numbers exactly, as long as they fit.
func sum(list []any) any {
	var n int64
	f, isWhole := 0.0, true
	for _, x := range list {
		i, ok := x.(int64)
		isWhole = isWhole && ok && (i >= 0) == (n+i >= n)
		n += i
		f += float(x)
	}
	if isWhole {
		return n
	}
	return f
}

func whole(v any, round func(float64) float64) (any, error) {
	if n, ok := v.(int64); ok {
		return n, nil
	}
	f := round(float(v))
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, wrong("cannot convert %s to integer", FloatText(f))
	}
	return number(strconv.FormatFloat(f, 'f', 0, 64)), nil
}

func contains(a []any) (any, error) {
	if s, ok := a[0].(string); ok {
		part, ok := a[1].(string)
		if !ok {
			return nil, wrong("'in <string>' requires string as left operand, not %s", typeOf(a[1]))
		}
		return strings.Contains(s, part), nil
	}
	return slices.ContainsFunc(a[0].([]any), func(x any) bool { return equal(x, a[1]) }), nil
}

// by is what an expression finds in an element, of one of the types.
func by(e expr, name string, types ...string) func(any) (any, error) {
	return func(x any) (any, error) {
		v, err := visit(e.n, x)
		if err == nil && !slices.Contains(types, typeOf(v)) {
			err = badType(name, v, types)
		}
		return v, err
	}
}

// keyed are the elements of a list with what they are compared by: all numbers, or all
// texts.
type keyed struct{ v, key any }

func keys(list []any, key func(any) (any, error)) ([]keyed, error) {
	out := make([]keyed, len(list))
	for i, x := range list {
		k, err := key(x)
		if err != nil {
			return nil, err
		}
		if i > 0 && typeOf(k) != typeOf(out[0].key) {
			return nil, wrong("a text and a number are compared")
		}
		out[i] = keyed{x, k}
	}
	return out, nil
}

func order(a, b any) int {
	if s, ok := a.(string); ok {
		return strings.Compare(s, b.(string))
	}
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	}
	switch x, y := float(a), float(b); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func extreme(list []any, most bool, key func(any) (any, error)) (any, error) {
	ks, err := keys(list, key)
	if err != nil || len(ks) == 0 {
		return nil, err
	}
	best := ks[0]
	for _, k := range ks[1:] {
		if c := order(k.key, best.key); most && c > 0 || !most && c < 0 {
			best = k
		}
	}
	return best.v, nil
}

func sorted(list []any, key func(any) (any, error)) (any, error) {
	ks, err := keys(list, key)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(ks, func(a, b keyed) int { return order(a.key, b.key) })
	out := make([]any, len(ks))
	for i := range ks {
		out[i] = ks[i].v
	}
	return out, nil
}

func sortBy(a []any) (any, error) {
	list, e := a[0].([]any), a[1].(expr)
	if len(list) == 0 {
		return list, nil
	}
	first, err := visit(e.n, list[0])
	if err != nil {
		return nil, err
	}
	t := typeOf(first)
	if t != "number" && t != "string" {
		return nil, badType("sort_by", list[0], []string{"string", "number"})
	}
	return sorted(list, by(e, "sort_by", t))
}

// toNumber reads a text as Python's int, else float, do.
func toNumber(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		if isNumber(v) {
			return v, nil
		}
		return nil, nil
	}
	s = strings.TrimSpace(s)
	if strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.ContainsAny(s, "xXpP") {
		return nil, nil
	}
	s = strings.ReplaceAll(s, "_", "")
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	digits := strings.TrimLeft(s, "+-")
	if digits != "" && len(s)-len(digits) <= 1 && strings.Trim(digits, "0123456789") == "" {
		return json.Number(strings.TrimPrefix(s, "+")), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil || math.IsInf(f, 0) && digits != "" {
		return f, nil
	}
	return nil, nil
}

// compact writes JSON as Python's json.dumps does, without spaces and with ASCII alone.
func compact(b *bytes.Buffer, v any) error {
	switch x := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, x)
	case int64:
		fmt.Fprint(b, x)
	case json.Number:
		b.WriteString(string(x))
	case float64:
		switch {
		case math.IsNaN(x):
			b.WriteString("NaN")
		case math.IsInf(x, 0):
			b.WriteString(strings.Replace(FloatText(x), "inf", "Infinity", 1))
		default:
			b.WriteString(FloatText(x))
		}
	case string:
		QuoteASCII(b, x)
	case []any:
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := compact(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case *Object:
		b.WriteByte('{')
		for i, k := range x.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			QuoteASCII(b, k)
			b.WriteByte(':')
			if err := compact(b, x.values[k]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return wrong("Object of type _Expression is not JSON serializable")
	}
	return nil
}

// QuoteASCII writes a text as JSON with escapes for all that is not ASCII.
func QuoteASCII(b *bytes.Buffer, s string) {
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
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}
