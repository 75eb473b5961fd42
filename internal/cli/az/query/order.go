package query

import (
	"slices"
	"strings"
)

// by is what an expression finds in an element, of one of the types.
func by(e expr, name string, types ...string) func(any) (any, error) {
	return func(x any) (any, error) {
		v, err := visit(e.n, x)
		if err == nil && !slices.Contains(types, typeOf(v)) {
			err = badType(name, v, typeOf(v), types)
		}
		return v, err
	}
}

// keyed is an element of a list with what it is compared by, a number or a text.
type keyed struct{ v, key any }

func keys(list []any, key func(any) (any, error)) ([]keyed, error) {
	out := make([]keyed, len(list))
	for i, x := range list {
		k, err := key(x)
		if err != nil {
			return nil, err
		}
		out[i] = keyed{x, k}
	}
	return out, nil
}

// order compares two numbers or two texts.
func order(a, b any) int {
	if s, ok := a.(string); ok {
		return strings.Compare(s, b.(string))
	}
	return compareNumbers(a, b)
}

func extreme(list []any, most bool, key func(any) (any, error)) (any, error) {
	var best keyed
	for i, x := range list {
		k, err := key(x)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			sign := "<"
			if most {
				sign = ">"
			}
			if typeOf(k) != typeOf(best.key) {
				return nil, notSupported(sign, k, best.key)
			}
			if c := order(k, best.key); !(most && c > 0 || !most && c < 0) {
				continue
			}
		}
		best = keyed{x, k}
	}
	return best.v, nil
}

// notSupported is Python's error for a text that is compared with a number.
func notSupported(sign string, a, b any) error {
	return wrong("'%s' not supported between instances of '%s' and '%s'", sign, pyType(a), pyType(b))
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
		return nil, badType("sort_by", list[0], typeOf(first), []string{"string", "number"})
	}
	return sorted(list, by(e, "sort_by", t))
}
