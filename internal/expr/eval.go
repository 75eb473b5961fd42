package expr

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Env is what an expression may see.
type Env struct {
	// Contexts by lower-case name. A context that is not here does not exist: to
	// name it is an error that lists the others.
	Contexts map[string]Value
	// Functions by lower-case name, beyond those of the language itself.
	Functions map[string]Func

	// watch is told what every part comes to: see Explain.
	watch func(n *Node, v Value, err error)
}

// Parse reads src as Parse does, and refuses contexts and functions that env
// lacks, also where evaluation would not come by: a || nope is wrong even when a
// is true.
func (env *Env) Parse(src string) (*Node, error) { return parse(src, env) }

// ParseCondition does for the text of an if what Parse does for an expression.
func (env *Env) ParseCondition(src string) (*Node, error) { return parseCondition(src, env) }

// Eval parses and evaluates src, an expression without ${{ }}.
func Eval(src string, env *Env) (Value, error) {
	n, err := env.Parse(src)
	if err != nil {
		return Value{}, err
	}
	return n.Eval(env)
}

// Eval evaluates the expression. A name that does not exist is an error only
// where evaluation comes by: files are checked by Check beforehand.
func (n *Node) Eval(env *Env) (Value, error) {
	v, err := n.eval(env)
	if env.watch != nil {
		env.watch(n, v, err)
	}
	return v, err
}

func (n *Node) eval(env *Env) (Value, error) {
	switch n.kind {
	case nodeLiteral:
		return n.value, nil
	case nodeContext:
		return n.context(env)
	case nodeGroup:
		return n.args[0].Eval(env)
	case nodeNot:
		v, err := n.args[0].Eval(env)
		return Bool(!v.Truthy()), err
	case nodeLogical:
		return n.logical(env)
	case nodeBinary:
		return n.binary(env)
	case nodeIndex:
		return n.index(env)
	case nodeStar:
		v, err := n.args[0].Eval(env)
		if err != nil {
			return Value{}, err
		}
		return star(v), nil
	default:
		return n.call(env)
	}
}

func (n *Node) context(env *Env) (Value, error) {
	if v, ok := env.Contexts[n.lower]; ok {
		return v, nil
	}
	for name, v := range env.Contexts {
		if strings.EqualFold(name, n.lower) {
			return v, nil
		}
	}
	return Value{}, unknownContext(n, slices.Sorted(maps.Keys(env.Contexts)))
}

func (n *Node) logical(env *Env) (v Value, err error) {
	for _, arg := range n.args {
		if v, err = arg.Eval(env); err != nil {
			return Value{}, err
		}
		if v.Truthy() == (n.op == tokOr) {
			break
		}
	}
	return v, nil
}

func (n *Node) binary(env *Env) (Value, error) {
	a, err := n.args[0].Eval(env)
	if err != nil {
		return Value{}, err
	}
	b, err := n.args[1].Eval(env)
	if err != nil {
		return Value{}, err
	}
	switch n.op {
	case tokEq:
		return Bool(Equal(a, b)), nil
	case tokNe:
		return Bool(!Equal(a, b)), nil
	}
	c, ordered := compare(a, b)
	switch n.op {
	case tokLt:
		return Bool(ordered && c < 0), nil
	case tokLe:
		return Bool(ordered && c <= 0), nil
	case tokGt:
		return Bool(ordered && c > 0), nil
	default:
		return Bool(ordered && c >= 0), nil
	}
}

func (n *Node) index(env *Env) (Value, error) {
	of, err := n.args[0].Eval(env)
	if err != nil || of.ref == nil {
		return Value{}, err // a step into what has no items: the index is not asked
	}
	key := n.args[1]
	at, folded := key.value, key.lower
	if key.kind != nodeLiteral {
		if at, err = key.Eval(env); err != nil {
			return Value{}, err
		}
	}
	if folded == "" && at.Primitive() {
		folded = foldKey(at.ToString())
	}
	if !of.ref.filtered {
		v, _ := element(of, at, folded)
		return v, nil
	}
	out := &composite{filtered: true}
	for _, item := range of.ref.items {
		if v, ok := element(item, at, folded); ok {
			out.items = append(out.items, v)
		}
	}
	return Value{kind: KindArray, ref: out}, nil
}

// element returns of[at]; false when there is none.
func element(of, at Value, folded string) (Value, bool) {
	switch of.kind {
	case KindObject:
		if at.Primitive() {
			if i := of.ref.find(at.ToString(), folded); i >= 0 {
				return of.ref.items[i], true
			}
		}
	case KindArray:
		f := math.Floor(at.ToNumber())
		if f >= 0 && f < float64(len(of.ref.items)) {
			return of.ref.items[int(f)], true
		}
	}
	return Value{}, false
}

// star returns all items of an array, or all values of an object, as a list
// whose further steps apply to each.
func star(of Value) Value {
	out := &composite{filtered: true}
	switch {
	case of.kind == KindArray && of.ref.filtered:
		for _, item := range of.ref.items {
			if item.ref != nil {
				out.items = append(out.items, item.ref.items...)
			}
		}
	case of.ref != nil:
		out.items = of.ref.items
	}
	return Value{kind: KindArray, ref: out}
}

func (n *Node) call(env *Env) (Value, error) {
	if n.fn != nil && n.fn.call == nil {
		if n.lower == "case" {
			return n.caseOf(env)
		}
		return n.format(env)
	}
	var few [4]Value
	args := few[:0]
	for i, a := range n.args {
		if i == 1 && n.fn != nil && n.fn.second != nil && !n.fn.second(args[0]) {
			args = append(args, Value{})
			continue
		}
		v, err := a.Eval(env)
		if err != nil {
			return Value{}, err
		}
		args = append(args, v)
	}
	if n.fn != nil {
		v, err := n.fn.call(args)
		return v, n.placed(err)
	}
	fn, ok := env.Functions[n.lower]
	if !ok {
		return Value{}, unknownFunction(n, slices.Sorted(maps.Keys(env.Functions)))
	}
	v, err := fn(args)
	return v, n.placed(err)
}

// caseOf evaluates case(condition, value, …, otherwise): only what it needs.
func (n *Node) caseOf(env *Env) (Value, error) {
	last := len(n.args) - 1
	for i := 0; i < last; i += 2 {
		v, err := n.args[i].Eval(env)
		if err != nil {
			return Value{}, err
		}
		if v.kind != KindBool {
			return Value{}, errorAt(Evaluation, n.args[i].off, n.args[i].end,
				"condition %d of case is %s, not a boolean", i/2+1, v.kind).
				hint("compare it: … == 'x', or … != ''").standard("case predicate must evaluate to a boolean value")
		}
		if v.Bool() {
			return n.args[i+1].Eval(env)
		}
	}
	return n.args[last].Eval(env)
}

// placed gives an error from a function the place of the call.
func (n *Node) placed(err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.End == 0 {
			c := *e
			c.Offset, c.End = n.off, n.end
			return &c
		}
		return e
	}
	out := errorAt(Evaluation, n.off, n.end, "%s: %s", n.name, err)
	if known := cairn.AsError(err); known.Hint != "" {
		out.Hint = known.Hint
	}
	return out
}
