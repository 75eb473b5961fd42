package expr

import (
	"strings"
	"unicode/utf8"
)

// Kind is the type of a Value.
type Kind uint8

// The kinds. The zero Value is null.
const (
	KindNull Kind = iota
	KindBool
	KindNumber
	KindString
	KindArray
	KindObject
)

// String names the kind as GitHub does; arrays and objects coerce to this text.
func (k Kind) String() string {
	switch k {
	case KindNull:
		return "Null"
	case KindBool:
		return "Boolean"
	case KindNumber:
		return "Number"
	case KindString:
		return "String"
	case KindArray:
		return "Array"
	default:
		return "Object"
	}
}

// Value is one value of the language. It is immutable. Arrays and objects have
// identity: == is true only for the very same one.
type Value struct {
	kind Kind
	num  float64 // number; bool: 0 or 1
	str  string
	ref  *composite
}

// composite is an array (keys nil) or an object.
type composite struct {
	items []Value
	keys  []string
	// index maps folded keys to positions; only built for larger objects.
	index map[string]int
	// exact makes lookups case-sensitive (the env context on Linux).
	exact bool
	// filtered marks the result of .* or [*]: further steps apply to each item.
	filtered bool
}

// Field is one entry of an object.
type Field struct {
	Name  string
	Value Value
}

// indexFrom is the object size from which a lookup table pays.
const indexFrom = 9

// Null is the null value.
func Null() Value { return Value{} }

// Bool makes a boolean.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Number makes a number.
func Number(f float64) Value { return Value{kind: KindNumber, num: f} }

// String makes a string.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Array makes an array with an identity of its own. It keeps items.
func Array(items ...Value) Value {
	return Value{kind: KindArray, ref: &composite{items: items}}
}

// Object makes an object whose keys are compared without case. Of keys that
// differ only in case, the first stays.
func Object(fields ...Field) Value { return makeObject(fields, false) }

// ExactObject makes an object whose keys are compared with case: the env
// context on systems where variable names differ by case.
func ExactObject(fields ...Field) Value { return makeObject(fields, true) }

func makeObject(fields []Field, exact bool) Value {
	c := &composite{
		items: make([]Value, 0, len(fields)),
		keys:  make([]string, 0, len(fields)),
		exact: exact,
	}
	if len(fields) >= indexFrom {
		c.index = make(map[string]int, len(fields))
	}
	for _, f := range fields {
		if c.find(f.Name, foldKey(f.Name)) >= 0 {
			continue
		}
		if c.index != nil {
			c.index[c.indexKey(f.Name)] = len(c.keys)
		}
		c.keys = append(c.keys, f.Name)
		c.items = append(c.items, f.Value)
	}
	return Value{kind: KindObject, ref: c}
}

func (c *composite) indexKey(name string) string {
	if c.exact {
		return name
	}
	return foldKey(name)
}

// find returns the position of a key, or -1. folded is foldKey(name), computed
// once by the caller.
func (c *composite) find(name, folded string) int {
	if c.index != nil {
		key := folded
		if c.exact {
			key = name
		}
		if i, ok := c.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range c.keys {
		if k == name || !c.exact && len(k) == len(folded) && foldKey(k) == folded {
			return i
		}
	}
	return -1
}

// foldKey lower-cases a key. Keys that are already lower case cost nothing.
func foldKey(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return strings.ToLower(s)
		}
	}
	return s
}

// Kind returns the type of v.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Primitive reports whether v is neither an array nor an object.
func (v Value) Primitive() bool { return v.kind < KindArray }

// Len is the number of items of an array or of fields of an object, else 0.
func (v Value) Len() int {
	if v.ref == nil {
		return 0
	}
	return len(v.ref.items)
}

// Items returns the items of an array or the values of an object, in order.
// They are shared: do not change them.
func (v Value) Items() []Value {
	if v.ref == nil {
		return nil
	}
	return v.ref.items
}

// Keys returns the names of an object's fields, in order; nil for other kinds.
func (v Value) Keys() []string {
	if v.kind != KindObject {
		return nil
	}
	return v.ref.keys
}

// Fields returns the fields of an object, in order.
func (v Value) Fields() []Field {
	if v.kind != KindObject {
		return nil
	}
	fs := make([]Field, len(v.ref.keys))
	for i, k := range v.ref.keys {
		fs[i] = Field{Name: k, Value: v.ref.items[i]}
	}
	return fs
}

// Get returns the field of an object; false when v has no such field.
func (v Value) Get(name string) (Value, bool) {
	if v.kind != KindObject {
		return Value{}, false
	}
	if i := v.ref.find(name, foldKey(name)); i >= 0 {
		return v.ref.items[i], true
	}
	return Value{}, false
}

// Path follows field names from v; null when one is missing.
func (v Value) Path(names ...string) Value {
	for _, n := range names {
		v, _ = v.Get(n)
	}
	return v
}

// Bool returns the value of a boolean; false for other kinds. Use Truthy for
// the language's own notion of truth.
func (v Value) Bool() bool { return v.kind == KindBool && v.num != 0 }

// With returns a copy of the object v with a field set (appended when new).
// A value of another kind counts as an empty object.
func (v Value) With(name string, value Value) Value {
	fields := v.Fields()
	for i := range fields {
		if fields[i].Name == name || !(v.ref != nil && v.ref.exact) && foldKey(fields[i].Name) == foldKey(name) {
			fields[i].Value = value
			return makeObject(fields, v.ref.exact)
		}
	}
	return makeObject(append(fields, Field{Name: name, Value: value}), v.ref != nil && v.ref.exact)
}
