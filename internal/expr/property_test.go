package expr

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// words make random text that is often nearly an expression.
var words = []string{
	"true", "null", "NaN", "Infinity", "1", "-1.5", "0x1f", "'a'", "''", "'it''s'", "'", "(", ")", "[", "]", ".", "*", ",", "!", "==", "!=", "<", "<=", ">", ">=",
	"&&", "||", "&", "=", " ", "github", "needs", "a", "_b-c", "contains", "format", "join", "case", "toJSON", "fromJSON", "success", "'{0}'", "'[1]'", "é", "\x00", "\xff", "}", "{", "\n",
}

func anyText(t *rapid.T) string {
	var s string
	for _, w := range rapid.SliceOfN(rapid.SampledFrom(words), 0, 25).Draw(t, "words") {
		s += w
	}
	return s
}

// anyTokens is anyText as a generator.
func anyTokens() *rapid.Generator[string] { return rapid.Custom(anyText) }

// anyTree makes text that parses.
func anyTree(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{"true", "null", "1", "-1.5", "1e21", "0.1", "'a'", "'it''s'", "''", "github.ref", "needs.*.result", "github.event.commits[0].id", "inputs['n']", "success()"})
	if depth == 0 {
		return leaf
	}
	sub := anyTree(depth - 1)
	return rapid.OneOf(leaf,
		rapid.Map(sub, func(s string) string { return "!" + "(" + s + ")" }),
		rapid.Map(sub, func(s string) string { return "(" + s + ")" }),
		rapid.Map(sub, func(s string) string { return "(" + s + ").x[*]" }),
		rapid.Map(sub, func(s string) string { return "toJSON(" + s + ")" }),
		rapid.Custom(func(t *rapid.T) string {
			op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">=", "&&", "||"}).Draw(t, "op")
			return sub.Draw(t, "left") + " " + op + " " + sub.Draw(t, "right")
		}),
		rapid.Custom(func(t *rapid.T) string {
			return "case(" + sub.Draw(t, "if") + " == 1, " + sub.Draw(t, "then") + ", " + sub.Draw(t, "else") + ")"
		}))
}

func checkText(t interface{ Fatalf(string, ...any) }, src string) {
	env := testEnv()
	n, err := Parse(src)
	if err != nil {
		e, ok := err.(*Error)
		if !ok || e.Offset < 0 || e.Offset > e.End || e.End > len(src) || e.Kind == Evaluation || e.Message == "" {
			t.Fatalf("%q: %#v", src, err)
		}
		return
	}
	if n.String() != mustParse(t, n.String()).String() {
		t.Fatalf("%q prints as %q, which reads as %q", src, n, mustParse(t, n.String()))
	}
	a, errA := n.Eval(env)
	b, errB := mustParse(t, n.String()).Eval(env)
	if (errA == nil) != (errB == nil) || string(a.JSON()) != string(b.JSON()) {
		t.Fatalf("%q: %s %v, printed %q: %s %v", src, a.JSON(), errA, n, b.JSON(), errB)
	}
	for _, r := range n.References() {
		if r.Offset < 0 || r.End > len(src) || r.Offset >= r.End {
			t.Fatalf("%q: reference %v", src, r)
		}
	}
}

func mustParse(t interface{ Fatalf(string, ...any) }, src string) *Node {
	n, err := Parse(src)
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	return n
}

func TestAnyTextProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkText(t, anyText(t)) })
}

func TestTreeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		src := anyTree(4).Draw(t, "expression")
		if _, err := Parse(src); err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		checkText(t, src)
	})
}

// JSON that was written reads back as the same text.
func TestJSONProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		f := rapid.Float64().Draw(t, "number")
		v := Object(Field{s, Array(Number(f), String(s), Bool(f > 0), Null())})
		back, err := FromJSON(v.JSON())
		if err != nil || string(back.JSON()) != string(v.JSON()) || string(back.Indented()) != string(v.Indented()) {
			t.Fatalf("%s: %s %v", v.JSON(), back.JSON(), err)
		}
		var x any
		if err := json.Unmarshal(v.Indented(), &x); err != nil {
			t.Fatal(err)
		}
		if !math.IsNaN(f) && math.Abs(f) < 1e300 && parseNumber(jsNumber(f)) != f {
			t.Fatalf("%v is written as %s", f, jsNumber(f))
		}
	})
}

// == is symmetric; < and > mirror each other.
func TestCompareProperty(t *testing.T) {
	t.Parallel()
	value := rapid.OneOf(
		rapid.Just(Null()), rapid.Map(rapid.Bool(), Bool), rapid.Map(rapid.Float64(), Number),
		rapid.Map(rapid.SampledFrom([]string{"", "1", "a", "A", "0x1", " 1 ", "ß", "é", "\U0001F600", "\uFFFD"}), String),
		rapid.Just(Array()), rapid.Just(Object()))
	rapid.Check(t, func(t *rapid.T) {
		a, b := value.Draw(t, "a"), value.Draw(t, "b")
		if Equal(a, b) != Equal(b, a) {
			t.Fatalf("%s == %s depends on the side", a.JSON(), b.JSON())
		}
		x, ok1 := compare(a, b)
		y, ok2 := compare(b, a)
		if ok1 != ok2 || x != -y || ok1 && (x == 0) != Equal(a, b) {
			t.Fatalf("%s, %s: %d %v, %d %v, equal %v", a.JSON(), b.JSON(), x, ok1, y, ok2, Equal(a, b))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a.b[*].c == 'x' && !f(1, 0x2)", "case(true, 1, 2)", "''''", "1e5", "a['b'].*[0]", "-Infinity"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		checkText(t, src)
		_, _ = Split("a ${{" + src + "}} b")
		_, _ = FromJSON(json.RawMessage(src))
	})
}
