package query

import "strings"

// expr is an expression as the argument of a function.
type expr struct{ n *node }

// Search evaluates the expression over a value.
func (e *Expression) Search(v any) (any, error) {
	out, err := visit(e.root, v)
	if err == nil && e.exprefs && escaped(out, map[any]bool{}) {
		return nil, notJSON()
	}
	return out, err
}

// notJSON is the error for an &expression where a value has to be.
func notJSON() error { return wrong("Object of type _Expression is not JSON serializable") }

// escaped reports whether there is an &expression in a value. What was seen is not looked
// at again: a value may hold the same list many times over.
func escaped(v any, seen map[any]bool) bool {
	if id := Identity(v); id != nil {
		if seen[id] {
			return false
		}
		seen[id] = true
	}
	switch x := v.(type) {
	case expr:
		return true
	case []any:
		for _, e := range x {
			if escaped(e, seen) {
				return true
			}
		}
	case *Object:
		for _, k := range x.keys {
			if escaped(x.values[k], seen) {
				return true
			}
		}
	}
	return false
}

// falsy is what counts as false.
func falsy(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case *Object:
		return x.Len() == 0
	}
	return false
}

func visit(n *node, v any) (any, error) {
	switch n.kind {
	case identityNode:
		return v, nil
	case literalNode:
		return n.value, nil
	case fieldNode:
		if o, ok := v.(*Object); ok {
			x, _ := o.Get(n.name)
			return x, nil
		}
		return nil, nil
	case exprefNode:
		return expr{n.children[0]}, nil
	case callNode:
		return call(n, v)
	case subNode, indexedNode, pipeNode:
		return chain(n.children, v)
	case indexNode:
		list, ok := v.([]any)
		if !ok {
			return nil, nil
		}
		i := n.value.(int64)
		if i < 0 {
			i += int64(len(list))
		}
		if i < 0 || i >= int64(len(list)) {
			return nil, nil
		}
		return list[i], nil
	case sliceNode:
		list, ok := v.([]any)
		if !ok {
			return nil, nil
		}
		return slice(list, n.slice)
	case projectionNode, valuesNode, filterNode:
		return project(n, v)
	case flattenNode:
		base, err := visit(n.children[0], v)
		list, ok := base.([]any)
		if err != nil || !ok {
			return nil, err
		}
		out := newList()
		for _, x := range list {
			if inner, ok := x.([]any); ok {
				out = append(out, inner...)
			} else {
				out = append(out, x)
			}
		}
		return out, nil
	case listNode, hashNode:
		return selected(n, v)
	case orNode, andNode:
		left, err := visit(n.children[0], v)
		if err != nil || falsy(left) == (n.kind == andNode) {
			return left, err
		}
		return visit(n.children[1], v)
	case notNode:
		x, err := visit(n.children[0], v)
		return falsy(x), err
	case compareNode:
		return compare(n, v)
	}
	return nil, wrong("an expression that is not known")
}

func chain(ns []*node, v any) (any, error) {
	for _, n := range ns {
		var err error
		if v, err = visit(n, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func project(n *node, v any) (any, error) {
	base, err := visit(n.children[0], v)
	if err != nil {
		return nil, err
	}
	var list []any
	switch b := base.(type) {
	case []any:
		if n.kind == valuesNode {
			return nil, nil
		}
		list = b
	case *Object:
		if n.kind != valuesNode {
			return nil, nil
		}
		for _, k := range b.keys {
			list = append(list, b.values[k])
		}
	default:
		return nil, nil
	}
	out := newList()
	for _, x := range list {
		if n.kind == filterNode {
			keep, err := visit(n.children[2], x)
			if err != nil {
				return nil, err
			}
			if falsy(keep) {
				continue
			}
		}
		y, err := visit(n.children[1], x)
		if err != nil {
			return nil, err
		}
		if y != nil {
			out = append(out, y)
		}
	}
	return out, nil
}

func selected(n *node, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	list, hash := newList(), NewObject()
	hash.Hash = true
	for i, c := range n.children {
		x, err := visit(c, v)
		if err != nil {
			return nil, err
		}
		if n.kind == hashNode {
			hash.Set(n.keys[i], x)
		} else {
			list = append(list, x)
		}
	}
	if n.kind == hashNode {
		return hash, nil
	}
	return list, nil
}

func compare(n *node, v any) (any, error) {
	a, err := visit(n.children[0], v)
	if err != nil {
		return nil, err
	}
	b, err := visit(n.children[1], v)
	if err != nil {
		return nil, err
	}
	if n.op == eq || n.op == ne {
		same := equal(a, b) && !mixed(a, b)
		return same == (n.op == eq), nil
	}
	x, xs := a.(string)
	y, ys := b.(string)
	switch {
	case isNumber(a) && isNumber(b):
		if nan(a) || nan(b) {
			return false, nil
		}
		return ordered(n.op, compareNumbers(a, b)), nil
	case xs && ys:
		return ordered(n.op, strings.Compare(x, y)), nil
	case (xs || isNumber(a)) && (ys || isNumber(b)):
		return nil, notSupported(map[kind]string{lt: "<", lte: "<=", gt: ">", gte: ">="}[n.op], a, b)
	}
	return nil, nil
}

// mixed reports whether one is 0 or 1 and the other a truth value: for Python they are
// equal.
func mixed(a, b any) bool {
	_, x := a.(bool)
	_, y := b.(bool)
	return x != y
}

func ordered(op kind, c int) bool {
	switch op {
	case lt:
		return c < 0
	case lte:
		return c <= 0
	case gt:
		return c > 0
	}
	return c >= 0
}

// slice is Python's list[from:to:step].
func slice(list []any, parts [3]*int64) (any, error) {
	n, step := int64(len(list)), int64(1)
	if parts[2] != nil {
		step = *parts[2]
	}
	if step == 0 {
		return nil, wrong("slice step cannot be zero")
	}
	low, high := int64(0), n
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(p *int64, def int64) int64 {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			i += n
		}
		return max(low, min(high, i))
	}
	from, to := bound(parts[0], low), bound(parts[1], high)
	if step < 0 {
		from, to = bound(parts[0], high), bound(parts[1], low)
	}
	out := newList()
	for i := from; step > 0 && i < to || step < 0 && i > to; {
		out = append(out, list[i])
		if step > n || step < -n {
			break // the next is outside, and the sum may not fit
		}
		i += step
	}
	return out, nil
}
