package query

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes documents and expressions over them; the same seed makes the same.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 11))} }

func (g generator) pick(xs ...string) string { return xs[g.IntN(len(xs))] }

func (g generator) key() string {
	return g.pick("a", "b", "name", "value", "tags", "n", "x y", "\u00e9", "list", "on", "")
}

func (g generator) text() string {
	return g.pick("", "x", "a", "b", "ab", "name", "hello world", "true", "null", "1", "1.0", " 12 ", "1_000", "1_", "_1", "1__0", "+5", "--1", "1e5", ".5", "5.", "inf", "-nan", "0x1f", "1e400",
		"it's", `say "hi"`, `it's "both"`, "tab\there", "line\nbreak", "\u00e9t\u00e9", "\u65e5\u672c", "\U0001f600", "\x7f", "\u00a0", "\\", "`", "123456789012345678901234567890")
}

func (g generator) number() json.Number {
	return json.Number(g.pick("0", "1", "-1", "2", "3", "10", "1.0", "0.0", "-0.0", "0.5", "-2.25", "1e16", "1e-7", "3.0e10", "9007199254740993", "9007199254740992.0", "9223372036854775807", "-9223372036854775808",
		"9223372036854775808", "123456789012345678901234567890", "123456789012345678901234567891", "1e300", fmt.Sprint(g.IntN(30))))
}

func (g generator) value(depth int) any {
	switch n := g.IntN(11); {
	case n < 3:
		return g.text()
	case n < 5:
		return g.number()
	case n == 5:
		return g.IntN(2) == 0
	case n == 6:
		return nil
	case depth <= 0:
		return g.number()
	case n == 7: // of one kind, for what asks for it
		out := []any{}
		texts := g.IntN(2) == 0
		for range g.IntN(5) {
			if texts {
				out = append(out, g.text())
			} else {
				out = append(out, g.number())
			}
		}
		return out
	case n == 8:
		out := []any{}
		for range g.IntN(4) {
			out = append(out, g.value(depth-1))
		}
		return out
	}
	o := NewObject()
	for range g.IntN(5) {
		o.Set(g.key(), g.value(depth-1))
	}
	return o
}

// document is mostly what services answer: a list of objects that are alike.
func (g generator) document() any {
	if g.IntN(3) == 0 {
		return g.value(3)
	}
	out := []any{}
	for range g.IntN(5) {
		o := NewObject()
		for _, k := range []string{"name", "value", "on", "tags", "n"} {
			switch {
			case g.IntN(8) == 0:
			case k == "name":
				o.Set(k, g.text())
			case k == "n":
				o.Set(k, g.number())
			default:
				o.Set(k, g.value(2))
			}
		}
		out = append(out, o)
	}
	return out
}

func (g generator) field() string {
	k := g.key()
	if k == "" || strings.ContainsAny(k, " \u00e9") || g.IntN(8) == 0 {
		return `"` + k + `"`
	}
	return k
}

func (g generator) leaf() string {
	return g.pick(g.field(), g.field(), g.field(), "@", "*", "[]", "[0]", "[*]", "[-1]", "[:2]", "[::-1]", "[1:]", "[99999999999999999999]", "[-99999999999999999999:]",
		"`1`", "`1.0`", "`0`", "'x'", "'it\\'s'", "`\"a\"`", "`null`", "`[1, 2]`", "`x`", "` lead`", "`true`", "`{\"b\": 1, \"a\": [2]}`", "``", "`\\``", "`[]`", "''", `"\u0061"`, `"a\nb"`)
}

// call makes a call of a function, mostly with what it may be called with.
func (g generator) call(e func() string) string {
	switch g.IntN(7) {
	case 0:
		return g.pick("contains", "starts_with", "ends_with", "join", "not_null", "merge") + "(" + e() + ", " + e() + ")"
	case 1:
		return g.pick("sort_by", "max_by", "min_by") + "(" + g.pick("@", e()) + ", &" + g.pick("name", "n", e()) + ")"
	case 2:
		return "map(&" + e() + ", " + g.pick("@", e()) + ")"
	case 3:
		return g.pick("sort", "max", "min", "sum", "avg", "length", "reverse") + "(" + g.pick("[].name", "[].n", "[*].value", e()) + ")"
	case 4:
		return "join(" + g.pick("', '", "''") + ", " + g.pick("[].name", "map(&to_string(@), @)", e()) + ")"
	case 5:
		return g.pick("length", "not_null", "merge", "sort_by", "nope", "map") + "(" + g.pick("", e(), e()+", "+e()+", "+e(), e()+" "+e()) + ")"
	}
	return g.pick("length", "keys", "values", "sort", "reverse", "max", "min", "sum", "avg", "abs", "ceil", "floor", "to_string", "to_number", "to_array", "type", "not_null", "merge") + "(" + e() + ")"
}

func (g generator) expression(depth int) string {
	if depth <= 0 {
		return g.leaf()
	}
	e := func() string { return g.expression(depth - 1 - g.IntN(2)) }
	switch g.IntN(21) {
	case 0:
		return e() + "." + e()
	case 1:
		return e() + "[" + g.pick("0", "1", "-1", "*", ":1", "1:", "::2", "::-1", "-2:", "5", "::0", "2::-1", ":-1:", "::", "?"+e(), "?"+e()) + "]"
	case 2:
		return e() + "[]"
	case 3:
		return e() + " | " + e()
	case 4:
		return e() + g.pick(" == ", " != ", " < ", " >= ", "==", ">", "<=") + e()
	case 5:
		return e() + g.pick(" && ", " || ") + e()
	case 6:
		return "!" + e()
	case 7:
		return "(" + e() + ")"
	case 8:
		return "[" + e() + ", " + e() + "]"
	case 9:
		return "{" + g.field() + ": " + e() + ", " + g.field() + ": " + e() + "}"
	case 10:
		return "[].{" + g.field() + ":" + e() + "," + g.field() + ":" + e() + "}"
	case 11:
		return "[?" + e() + g.pick("==", "!=", "<") + e() + "]" + g.pick("", ".name", ".[name,value]", "[]", " | [0]")
	case 12, 13, 14, 15:
		return g.call(e)
	case 16:
		return "[*]." + e()
	case 17:
		return e() + ".*"
	case 18, 19:
		return g.spoilt(e())
	}
	return e() + "." + g.field()
}

// spoilt puts something into an expression, or cuts it short.
func (g generator) spoilt(s string) string {
	r := []rune(s)
	i := g.IntN(len(r) + 1)
	if g.IntN(4) == 0 {
		return string(r[:i])
	}
	return string(r[:i]) + g.pick(" ", "[", "]", ".", "&", "|", "'", "`", "\"", "(", ")", "{", "}", "-", "=", "==", "#", ":", ",", "*", "@", "!", "[?", "[]", " 007", "\\", "\u00e9", "\t", `"\x"`, `"\u12"`) + string(r[i:])
}
