package query

import (
	"bytes"
	"math"
	"slices"
	"strings"
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

// lookup finds a function; nil: there is none of that name.
func lookup(name string) *function {
	t := func(types ...string) []string { return types }
	one := func(do func(any) (any, error), types ...string) *function {
		return &function{types: [][]string{types}, do: func(a []any) (any, error) { return do(a[0]) }}
	}
	numbersOrTexts := t("array-number", "array-string")
	switch name {
	case "abs":
		return one(func(v any) (any, error) { return magnitude(v), nil }, "number")
	case "avg":
		return one(func(v any) (any, error) {
			list := v.([]any)
			if len(list) == 0 {
				return nil, nil
			}
			f, err := pyFloat(sum(list))
			return f / float64(len(list)), err
		}, "array-number")
	case "ceil":
		return one(func(v any) (any, error) { return rounded(v, math.Ceil) }, "number")
	case "floor":
		return one(func(v any) (any, error) { return rounded(v, math.Floor) }, "number")
	case "contains":
		return &function{types: [][]string{t("array", "string"), t()}, do: contains}
	case "ends_with":
		return &function{types: [][]string{t("string"), t("string")}, do: func(a []any) (any, error) { return strings.HasSuffix(a[0].(string), a[1].(string)), nil }}
	case "starts_with":
		return &function{types: [][]string{t("string"), t("string")}, do: func(a []any) (any, error) { return strings.HasPrefix(a[0].(string), a[1].(string)), nil }}
	case "join":
		return &function{types: [][]string{t("string"), t("array-string")}, do: func(a []any) (any, error) {
			var parts []string
			for _, x := range a[1].([]any) {
				parts = append(parts, x.(string))
			}
			return strings.Join(parts, a[0].(string)), nil
		}}
	case "keys":
		return one(func(v any) (any, error) {
			out := newList()
			for _, k := range v.(*Object).keys {
				out = append(out, k)
			}
			return out, nil
		}, "object")
	case "values":
		return one(func(v any) (any, error) {
			out := newList()
			for _, k := range v.(*Object).keys {
				out = append(out, v.(*Object).values[k])
			}
			return out, nil
		}, "object")
	case "length":
		return one(func(v any) (any, error) {
			switch x := v.(type) {
			case string:
				return int64(utf8.RuneCountInString(x)), nil
			case []any:
				return int64(len(x)), nil
			}
			return int64(v.(*Object).Len()), nil
		}, "string", "array", "object")
	case "map":
		return &function{types: [][]string{t("expref"), t("array")}, do: func(a []any) (any, error) {
			out := newList()
			for _, x := range a[1].([]any) {
				y, err := visit(a[0].(expr).n, x)
				if err != nil {
					return nil, err
				}
				out = append(out, y)
			}
			return out, nil
		}}
	case "max", "min":
		return one(func(v any) (any, error) {
			return extreme(v.([]any), name == "max", func(x any) (any, error) { return x, nil })
		}, numbersOrTexts...)
	case "max_by", "min_by":
		return &function{types: [][]string{t("array"), t("expref")}, do: func(a []any) (any, error) {
			return extreme(a[0].([]any), name == "max_by", by(a[1].(expr), name, "number", "string"))
		}}
	case "merge":
		return &function{types: [][]string{t("object")}, variadic: true, do: func(a []any) (any, error) {
			out := NewObject()
			for _, x := range a {
				o, ok := x.(*Object)
				if list, is := x.([]any); !ok && (x == "" || is && len(list) == 0) {
					continue // as there: what is empty adds nothing
				} else if !ok {
					return nil, wrong("cannot merge %s with an object", pyType(x))
				}
				for _, k := range o.keys {
					out.Set(k, o.values[k])
				}
			}
			return out, nil
		}}
	case "not_null":
		return &function{types: [][]string{t()}, variadic: true, do: func(a []any) (any, error) {
			for _, x := range a {
				if x != nil {
					return x, nil
				}
			}
			return nil, nil
		}}
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
		}, "array", "string")
	case "sort":
		return one(func(v any) (any, error) {
			return sorted(v.([]any), func(x any) (any, error) { return x, nil })
		}, "array-string", "array-number")
	case "sort_by":
		return &function{types: [][]string{t("array"), t("expref")}, do: sortBy}
	case "sum":
		return one(func(v any) (any, error) { return sum(v.([]any)), nil }, "array-number")
	case "to_array":
		return one(func(v any) (any, error) {
			if _, ok := v.([]any); ok {
				return v, nil
			}
			return []any{v}, nil
		})
	case "to_number":
		return one(toNumber)
	case "to_string":
		return one(func(v any) (any, error) {
			if _, ok := v.(string); ok {
				return v, nil
			}
			var b bytes.Buffer
			err := compact(&b, v)
			return b.String(), err
		})
	case "type":
		return one(func(v any) (any, error) {
			if _, ok := v.(expr); ok {
				return nil, nil
			}
			return typeOf(v), nil
		})
	}
	return nil
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
	f := n.function
	if f == nil {
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
		return badType(name, v, typeOf(v), types)
	}
	list, isList := v.([]any)
	if !isList || len(of) == 0 || len(list) == 0 {
		return nil
	}
	want := of[0]
	if len(of) > 1 {
		if want = typeOf(list[0]); !slices.Contains(of, want) {
			return badType(name, list[0], pyType(list[0]), types)
		}
	}
	for _, x := range list {
		if typeOf(x) != want {
			return badType(name, x, pyType(x), types)
		}
	}
	return nil
}

// badType is the error for an argument; an element of a list has its name in Python, as
// there.
func badType(name string, v any, is string, types []string) error {
	list := make([]any, len(types))
	for i, t := range types {
		list[i] = t
	}
	return wrong("In function %s(), invalid type for value: %s, expected one of: %s, received: \"%s\"", name, str(v), Repr(list), is)
}

func contains(a []any) (any, error) {
	if s, ok := a[0].(string); ok {
		part, ok := a[1].(string)
		if !ok {
			is := pyType(a[1])
			if is == "OrderedDict" {
				is = "collections.OrderedDict" // as this one error has it
			}
			return nil, wrong("'in <string>' requires string as left operand, not %s", is)
		}
		return strings.Contains(s, part), nil
	}
	return slices.ContainsFunc(a[0].([]any), func(x any) bool { return equal(x, a[1]) }), nil
}
