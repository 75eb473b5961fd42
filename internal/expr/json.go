package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of JSON that comes from outside.
const maxJSONDepth = 128

// FromJSON reads one JSON value. Order of keys is kept.
func FromJSON(b json.RawMessage) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeJSON(d, 0)
	if err != nil {
		return Value{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return Value{}, fmt.Errorf("more text after the JSON value at byte %d", d.InputOffset())
	}
	return v, nil
}

func decodeJSON(d *json.Decoder, depth int) (Value, error) {
	tok, err := d.Token()
	if err == io.EOF {
		return Value{}, io.ErrUnexpectedEOF
	}
	if err != nil {
		return Value{}, err
	}
	switch t := tok.(type) {
	case nil:
		return Value{}, nil
	case bool:
		return Bool(t), nil
	case string:
		return String(t), nil
	case json.Number:
		f, _ := strconv.ParseFloat(t.String(), 64) // beyond the range: ±Infinity
		return Number(f), nil
	}
	if depth++; depth > maxJSONDepth {
		return Value{}, fmt.Errorf("JSON is nested deeper than %d", maxJSONDepth)
	}
	if tok == json.Delim('[') {
		items := []Value{}
		for d.More() {
			v, err := decodeJSON(d, depth)
			if err != nil {
				return Value{}, err
			}
			items = append(items, v)
		}
		_, err := d.Token()
		return Array(items...), err
	}
	var fields []Field
	at := map[string]int{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return Value{}, err
		}
		v, err := decodeJSON(d, depth)
		if err != nil {
			return Value{}, err
		}
		name, _ := key.(string)
		// The very same key again replaces the value, as in every JSON reader.
		if i, again := at[name]; again {
			fields[i].Value = v
			continue
		}
		at[name] = len(fields)
		fields = append(fields, Field{Name: name, Value: v})
	}
	_, err = d.Token()
	return Object(fields...), err
}

// FromGo converts what encoding/json produces and consumes, and the usual Go
// maps and slices; keys of Go maps are sorted. Other types become null.
func FromGo(x any) Value {
	switch t := x.(type) {
	case nil:
		return Value{}
	case Value:
		return t
	case bool:
		return Bool(t)
	case string:
		return String(t)
	case float64:
		return Number(t)
	case int:
		return Number(float64(t))
	case int64:
		return Number(float64(t))
	case json.Number:
		return Number(parseNumber(t.String()))
	case json.RawMessage:
		v, _ := FromJSON(t)
		return v
	case []string:
		items := make([]Value, len(t))
		for i, s := range t {
			items[i] = String(s)
		}
		return Array(items...)
	case []any:
		items := make([]Value, len(t))
		for i, e := range t {
			items[i] = FromGo(e)
		}
		return Array(items...)
	case []Value:
		return Array(t...)
	case map[string]string:
		fields := make([]Field, 0, len(t))
		for _, k := range slices.Sorted(maps.Keys(t)) {
			fields = append(fields, Field{Name: k, Value: String(t[k])})
		}
		return Object(fields...)
	case map[string]Value:
		fields := make([]Field, 0, len(t))
		for _, k := range slices.Sorted(maps.Keys(t)) {
			fields = append(fields, Field{Name: k, Value: t[k]})
		}
		return Object(fields...)
	case map[string]any:
		fields := make([]Field, 0, len(t))
		for _, k := range slices.Sorted(maps.Keys(t)) {
			fields = append(fields, Field{Name: k, Value: FromGo(t[k])})
		}
		return Object(fields...)
	default:
		return Value{}
	}
}

// JSON writes v without blanks. NaN and infinities, which JSON lacks, become
// null.
func (v Value) JSON() []byte { return v.appendJSON(nil, -1, 0) }

// Indented writes v as toJSON does: two blanks per level.
func (v Value) Indented() []byte { return v.appendJSON(nil, 0, 0) }

// MarshalJSON makes Value usable inside Go structs.
func (v Value) MarshalJSON() ([]byte, error) { return v.JSON(), nil }

// UnmarshalJSON makes Value usable inside Go structs.
func (v *Value) UnmarshalJSON(b []byte) error {
	x, err := FromJSON(b)
	*v = x
	return err
}

// appendJSON writes v; level < 0 means without line breaks. It gives up behind
// limit bytes, 0 for none: indents make a deep value much longer than it was.
func (v Value) appendJSON(b []byte, level, limit int) []byte {
	switch v.kind {
	case KindNull:
		return append(b, "null"...)
	case KindBool:
		return strconv.AppendBool(b, v.num != 0)
	case KindNumber:
		if math.IsNaN(v.num) || math.IsInf(v.num, 0) {
			return append(b, "null"...)
		}
		return append(b, jsNumber(v.num)...)
	case KindString:
		return appendQuoted(b, v.str)
	}
	opening, closing := byte('['), byte(']')
	if v.kind == KindObject {
		opening, closing = '{', '}'
	}
	b = append(b, opening)
	inner := level
	if level >= 0 {
		inner = level + 1
	}
	for i, item := range v.ref.items {
		if limit > 0 && len(b) > limit {
			return b
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = newline(b, inner)
		if v.kind == KindObject {
			b = appendQuoted(b, v.ref.keys[i])
			b = append(b, ':')
			if level >= 0 {
				b = append(b, ' ')
			}
		}
		b = item.appendJSON(b, inner, limit)
	}
	if len(v.ref.items) > 0 {
		b = newline(b, level)
	}
	return append(b, closing)
}

func newline(b []byte, level int) []byte {
	if level < 0 {
		return b
	}
	b = append(b, '\n')
	for range level {
		b = append(b, "  "...)
	}
	return b
}

// appendQuoted writes a JSON string with only the escapes that JSON demands.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // bytes that are not UTF-8 become U+FFFD
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c < 0x20:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}
