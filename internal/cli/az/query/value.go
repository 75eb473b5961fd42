package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Object is a JSON object that keeps the order of its keys.
type Object struct {
	keys   []string
	values map[string]any
	// Hash says that a multi-select hash made it: its order is meant.
	Hash bool
}

// NewObject makes an empty one.
func NewObject() *Object { return &Object{values: map[string]any{}} }

// Get is the value of a key.
func (o *Object) Get(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

// Set adds a key at the end, or changes the value of one that is there.
func (o *Object) Set(key string, v any) {
	if _, there := o.values[key]; !there {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// Keys are the keys in their order. The slice is the object's own.
func (o *Object) Keys() []string { return o.keys }

// Len is how many keys there are.
func (o *Object) Len() int { return len(o.keys) }

// MarshalJSON writes it in its order.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		v, err := o.member(k)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// member writes the value of a key; a float stays one.
func (o *Object) member(k string) ([]byte, error) {
	if f, ok := o.values[k].(float64); ok && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return []byte(FloatText(f)), nil
	}
	return json.Marshal(o.values[k])
}

// newList is an empty list that Identity tells from other empty lists.
func newList() []any { return make([]any, 0, 1) }

// Identity tells lists and objects that are one and the same from those that are merely
// equal: it is the same for the former alone, and nil for what is neither.
func Identity(v any) any {
	switch x := v.(type) {
	case *Object:
		return x
	case []any:
		if cap(x) > 0 {
			return struct {
				first *any
				n     int
			}{&x[:1][0], len(x)}
		}
	}
	return nil
}

// FromAny turns what encoding/json can write into a value. What is a value already stays
// what it is, so that 1.0 does not become 1 on the way.
func FromAny(v any) (any, error) {
	switch x := v.(type) {
	case nil, bool, string, int64, float64:
		return v, nil
	case json.Number:
		if !json.Valid([]byte(x)) {
			return nil, fmt.Errorf("%q is no number", string(x))
		}
		return number(string(x)), nil
	case []any:
		out := newList()
		for _, e := range x {
			e, err := FromAny(e)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	case *Object:
		if x == nil {
			return nil, nil
		}
		out := NewObject()
		out.Hash = x.Hash
		for _, k := range x.keys {
			e, err := FromAny(x.values[k])
			if err != nil {
				return nil, err
			}
			out.Set(k, e)
		}
		return out, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return FromJSON(b)
}

// maxDepth bounds documents and expressions.
const maxDepth = 1000

// FromJSON reads one JSON value.
func FromJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := read(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more than one JSON value")
	}
	return v, nil
}

func read(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the JSON is nested more than %d deep", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return number(string(t)), nil
	case json.Delim:
		if t == '[' {
			list := newList()
			for d.More() {
				v, err := read(d, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := d.Token()
			return list, err
		}
		o := NewObject()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := read(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.Set(k.(string), v)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil // nil, bool, string
}

// equal compares two values as Python's == does.
func equal(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() || x.Hash && y.Hash && !slices.Equal(x.keys, y.keys) {
			return false
		}
		for _, k := range x.keys {
			v, there := y.Get(k)
			if !there || !equal(x.values[k], v) {
				return false
			}
		}
		return true
	case expr:
		return false
	}
	if n, ok := arithmetic(a); ok {
		m, ok := arithmetic(b)
		return ok && !nan(n) && !nan(m) && compareNumbers(n, m) == 0
	}
	return a == b
}
