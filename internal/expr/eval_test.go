package expr

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

const testContexts = `{
	"github": {"ref":"refs/heads/main","event_name":"push","event":{"commits":[{"id":1,"files":["a","b"]},{"id":2,"files":["c"]},{"id":null}]},"Actor":"Ada"},
	"inputs": {"data_prep":true,"n":10,"s":""},
	"needs": {"a":{"result":"success","outputs":{"x":"1"}},"b":{"result":"skipped","outputs":{}}},
	"matrix": {"a":{"b":{"c":1}},"list":[[1,2],[3]],"objs":[{"x":1},{"x":null},{"y":2},5]}
}`

func testEnv() *Env {
	all, err := FromJSON(json.RawMessage(testContexts))
	if err != nil {
		panic(err)
	}
	contexts := map[string]Value{}
	for _, f := range all.Fields() {
		contexts[f.Name] = f.Value
	}
	return &Env{
		Contexts: contexts,
		Functions: map[string]Func{
			"success": func([]Value) (Value, error) { return Bool(true), nil },
			"failure": func([]Value) (Value, error) { return Bool(false), nil },
			"always":  func([]Value) (Value, error) { return Bool(true), nil },
			"boom":    func([]Value) (Value, error) { return Null(), errors.New("no such file") },
		},
	}
}

// evalCases: want is the JSON of the value, or "kind: message" of an error.
var evalCases = []struct{ src, want string }{
	// Literals.
	{`true`, `true`}, {`null`, `null`}, {`'it''s'`, `"it's"`}, {`''`, `""`}, {`42`, `42`}, {`-1.5e2`, `-150`}, {`+1`, `1`},
	{`.5`, `0.5`}, {`5.`, `5`}, {`0xff`, `255`}, {`0o17`, `15`}, {`-0`, `0`}, {`NaN`, `null`}, {`Infinity`, `null`}, {`-Infinity < 0`, `true`},
	{`9007199254740993`, `9007199254740992`}, {`True`, `parsing: unknown context 'True'`},
	// Order of operations.
	{`2 == 2 != 0`, `true`}, {`1 < 2 == true`, `true`}, {`3 > 2 > 1`, `false`}, {`!false == true`, `true`}, {`!(1 == 1)`, `false`},
	{`false && false || true`, `true`}, {`true || false && false`, `true`}, {`1 == 1 && 2 == 2`, `true`}, {`!!'x'`, `true`},
	// && and || give operands.
	{`'a' && 'b'`, `"b"`}, {`'' || 'b'`, `"b"`}, {`0 && 'b'`, `0`}, {`'' || 0 || null`, `null`}, {`inputs.s || 'default'`, `"default"`},
	// Coercion.
	{`'1' == 1`, `true`}, {`'' == 0`, `true`}, {`null == 0`, `true`}, {`null == ''`, `true`}, {`true == 1`, `true`}, {`true == 'true'`, `false`},
	{`' 0x10 ' == 16`, `true`}, {`'1_0' == 10`, `false`}, {`'inf' == Infinity`, `false`}, {`'Infinity' == Infinity`, `true`}, {`NaN == NaN`, `false`},
	{`null <= null`, `true`}, {`null < 1`, `true`}, {`'b' > 'A'`, `true`}, {`'ABC' == 'abc'`, `true`}, {`'é' == 'É'`, `true`}, {`'ı' == 'I'`, `false`},
	{`'10' < '9'`, `true`}, {`10 < '9'`, `false`}, {`'x' < 1`, `false`}, {`'x' >= 1`, `false`},
	// Arrays and objects are equal by identity.
	{`github.event == github.event`, `true`}, {`fromJSON('[]') == fromJSON('[]')`, `false`}, {`github.event >= github.event`, `true`},
	// Steps.
	{`github.REF`, `"refs/heads/main"`}, {`github['actor']`, `"Ada"`}, {`github.none.x`, `null`}, {`matrix.a.b.c`, `1`}, {`matrix.list[1][0]`, `3`},
	{`matrix.list['1'][0]`, `3`}, {`matrix.list[1.9][0]`, `3`}, {`matrix.list[-1]`, `null`}, {`matrix.list[9]`, `null`}, {`matrix.list[null]`, `[1,2]`},
	{`github.ref.x`, `null`}, {`(github).ref`, `"refs/heads/main"`}, {`fromJSON('{"true":1}').true`, `1`},
	// Filters.
	{`github.event.commits.*.id`, `[1,2,null]`}, {`github.event.commits[*].id`, `[1,2,null]`}, {`github.event.commits.*.files.*`, `["a","b","c"]`},
	{`matrix.objs.*.x`, `[1,null]`}, {`matrix.list.*[0]`, `[1,3]`}, {`needs.*.result`, `["success","skipped"]`}, {`inputs.s.*`, `[]`},
	{`contains(needs.*.result, 'failure')`, `false`}, {`contains(needs.*.result, 'SKIPPED')`, `true`},
	// Functions.
	{`contains('Hello', 'ELL')`, `true`}, {`contains('a', '')`, `true`}, {`contains(fromJSON('[1,"x"]'), 'X')`, `true`}, {`contains(github, 'x')`, `false`},
	{`startsWith('abc', 'AB')`, `true`}, {`endsWith('abc', 'BC')`, `true`}, {`startsWith(123, 12)`, `true`}, {`startsWith(github, 'O')`, `false`},
	{`join(fromJSON('[1,null,"x",true,[]]'))`, `"1,,x,true,Array"`}, {`join(fromJSON('[1,2]'), ' - ')`, `"1 - 2"`}, {`join('a', 'b')`, `"a"`}, {`join(github)`, `""`},
	{`format('{0} {1} {0} {{}}', 'a', 1)`, `"a 1 a {}"`}, {`format('x')`, `"x"`},
	{`format('}x')`, `evaluation: the format string '}x' is not valid`}, {`format('{0')`, `evaluation: the format string '{0' is not valid`},
	{`format('{1}', 'a')`, `evaluation: the format string '{1}' names {1}, but 1 values were given`},
	{`fromJSON('{"a":[1,2.5,"x"],"A":2}').a[1]`, `2.5`}, {`fromJSON('1e400')`, `null`}, {`fromJSON('')`, `evaluation: fromJSON was given an empty text`},
	{`fromJSON('{x}')`, `evaluation: fromJSON was given text that is not JSON: '{x}'`}, {`fromJSON('1 2')`, `evaluation: fromJSON was given text that is not JSON: '1 2'`},
	{`toJSON(fromJSON('{"a":[],"b":{},"c":[1,{"d":"\u00e9\n<"}]}'))`, `"{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": \"é\\n<\"\n    }\n  ]\n}"`},
	{`toJSON(null)`, `"null"`}, {`toJSON('x"y')`, `"\"x\\\"y\""`}, {`toJSON(-0)`, `"0"`}, {`toJSON(1e21)`, `"1e+21"`}, {`toJSON(0.1)`, `"0.1"`},
	{`case(false, 1, true, 2, 3)`, `2`}, {`case(false, 1, 'x')`, `"x"`}, {`case(true, 1, fromJSON(''))`, `1`},
	{`case('x', 1, 2)`, `evaluation: condition 1 of case is String, not a boolean`},
	{`case(true, 1)`, `parsing: too few arguments for case: 2 given`}, {`case(true, 1, false, 2)`, `parsing: case takes an odd number of arguments: 4 given`},
	{`SUCCESS()`, `true`}, {`boom()`, `evaluation: boom: no such file`},
	// Errors.
	{``, `parsing: an expression was expected, but there is none`}, {`  `, `parsing: an expression was expected, but there is none`},
	{`1 +`, `lexing: unexpected symbol '+'`}, {`a = b`, `lexing: unexpected symbol '='`}, {`'x`, `lexing: unexpected symbol ''x'`}, {`"x"`, `lexing: unexpected symbol '"x"'`},
	{`github.`, `parsing: unexpected end of the expression`}, {`github..ref`, `lexing: unexpected symbol '.ref'`}, {`(1`, `parsing: unexpected end of the expression`},
	{`1)`, `parsing: unexpected symbol ')'`}, {`contains(1,)`, `parsing: unexpected symbol ')'`}, {`foo.bar`, `parsing: unknown context 'foo'`},
	{`nope()`, `parsing: unknown function 'nope'`}, {`github.1`, `parsing: unexpected symbol '1'`}, {`github.a@b`, `lexing: unexpected symbol 'a@b'`},
	{`'a'.b`, `lexing: unexpected symbol '.b'`}, {`1 2`, `parsing: unexpected symbol '2'`}, {`[1]`, `parsing: unexpected symbol '['`}, {`&& 1`, `parsing: unexpected symbol '&&'`},
	{`a-b`, `parsing: unknown context 'a-b'`}, {`1-2`, `lexing: unexpected symbol '1-2'`}, {strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60), `parsing: the expression is nested deeper than 50 levels`},
	{strings.Repeat(" ", 21001), `lexing: the expression is longer than 21000 characters`}, {strings.Repeat("!", 100) + "true", `parsing: the expression is nested deeper than 50 levels`},
}

func TestEval(t *testing.T) {
	t.Parallel()
	for _, c := range evalCases {
		v, err := Eval(c.src, testEnv())
		got := string(v.JSON())
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: %T", c.src, err)
			}
			got = e.Kind + ": " + e.Message
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// Errors in GitHub's words: these are what its own evaluator answers.
func TestStandard(t *testing.T) {
	t.Parallel()
	at := func(what string, position int, src string) string {
		return what + ". Located at position " + strconv.Itoa(position) + " within expression: " + src
	}
	for _, c := range []struct {
		src, kind, what string
		position        int // 0: the message has none
	}{
		{"1 + 2", Lexing, "Unexpected symbol: '+'", 3},
		{"github.b@r", Lexing, "Unexpected symbol: 'b@r'", 8},
		{"'open", Lexing, "Unexpected symbol: ''open'", 1},
		{"'😀' == \"x\"", Lexing, "Unexpected symbol: '\"x\"'", 9},
		{"nope && 'open", Lexing, "Unexpected symbol: ''open'", 9},
		{"github.1", Parsing, "Unexpected symbol: '1'", 8},
		{"github.", Parsing, "Unexpected symbol: 'EOF'", 7},
		{"github[ ", Parsing, "Unexpected end of expression: '['", 7},
		{"1 == ", Parsing, "Unexpected end of expression: '=='", 3},
		{"(1\n&& 'it''s'", Parsing, "Unexpected end of expression: 'it's'", 7},
		{"format('x'", Parsing, "Unexpected symbol: 'EOF'", 8},
		{"1 ''", Parsing, "Unexpected symbol: ''", 3},
		{"true || githb.ref", Parsing, "Unrecognized named-value: 'githb'", 9},
		{"Nope(githb)", Parsing, "Unrecognized named-value: 'githb'", 6},
		{"Nope(1)", Parsing, "Unrecognized function: 'Nope'", 1},
		{"!Contains(1)", Parsing, "Too few parameters supplied: 'Contains'", 2},
		{"toJSON(1, 2)", Parsing, "Too many parameters supplied: 'toJSON'", 1},
		{"case(true, 1, false, 2)", Parsing, "Even number of parameters supplied, requires an odd number of parameters: 'case'", 1},
		{strings.Repeat("!", 50) + "1", Parsing, "Exceeded max expression depth 50: '1'", 51},
		{strings.Repeat("a", 21001), Lexing, "Exceeded max expression length 21000", 0},
		{"fromJSON(' ')", Evaluation, "empty input", 0},
		{"fromJSON('{')", Evaluation, "Error parsing JSON when evaluating fromJson", 0},
		{"format('{')", Evaluation, "The following format string is invalid: {", 0},
		{"format('{1}', 0)", Evaluation, "The following format string references more arguments than were supplied: {1}", 0},
		{"format('{0:x}', 0)", Evaluation, "The format specifiers 'x' are not valid for objects of type 'Number'", 0},
		{"case(1, 2, 3)", Evaluation, "case predicate must evaluate to a boolean value", 0},
		{"boom()", Evaluation, "boom: no such file", 0},
	} {
		_, err := Eval(c.src, testEnv())
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		want := c.what
		if c.position > 0 {
			want = at(c.what, c.position, c.src)
		}
		if got := e.Standard(c.src); got != want || e.Kind != c.kind {
			t.Errorf("%.60s\n got %s %s\nwant %s %s", c.src, e.Kind, got, c.kind, want)
		}
	}
}

// What does not decide the result is not evaluated, so it cannot fail.
func TestLazy(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"true || boom()", "false && boom()", "case(true, 1, boom())", "case(false, boom(), 1)", "format('x', boom())", "format('{1}', boom(), 1)",
		"join('x', boom())", "join(fromJSON('[1]'), boom())", "contains(github, boom())", "contains(fromJSON('[]'), boom())", "startsWith(github, boom())",
		"endsWith(github, boom())", "github.none[boom()]", "'x' && github.ref[boom()]",
	} {
		if v, err := Eval(src, testEnv()); err != nil {
			t.Errorf("%s: %s %v", src, v.JSON(), err)
		}
	}
	for _, src := range []string{"format('{0}', boom())", "join(fromJSON('[1,2]'), boom())", "contains('', boom())", "github[boom()]", "github.*[boom()]"} {
		if v, err := Eval(src, testEnv()); err == nil {
			t.Errorf("%s gave %s", src, v.JSON())
		}
	}
}

// What an expression makes is bounded, however it is made.
func TestResultIsBounded(t *testing.T) {
	t.Parallel()
	env := testEnv()
	env.Contexts["big"] = String(strings.Repeat("x", 6<<20))
	deep := strings.Repeat("[", maxJSONDepth-1) + strings.Repeat("1,", 100_000) + "1" + strings.Repeat("]", maxJSONDepth-1)
	env.Contexts["deep"], _ = FromJSON(json.RawMessage(deep))
	for _, src := range []string{"format('{0}{0}', big)", "join(fromJSON(format('[{0},{0}]', toJSON(big))))", "toJSON(deep)"} {
		_, err := Eval(src, env)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Evaluation || !strings.Contains(e.Message, "larger than 10 MB") {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	env := testEnv()
	n, err := env.Parse("(github.ref == 'x') || fromJSON('{') && inputs.n")
	if err != nil {
		t.Fatal(err)
	}
	x := n.Explain(env)
	if x.Err == nil || len(x.Parts) != 2 || x.Parts[0].Text != "github.ref == 'x'" || x.Parts[0].Value.Bool() || x.Parts[1].Err == nil {
		t.Fatalf("%+v", x)
	}
	if last := x.Parts[1].Parts[1]; last.Text != "inputs.n" || !last.Skipped {
		t.Errorf("%+v", last)
	}
}

func TestFormatNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "0"}, {1, "1"}, {-1.5, "-1.5"}, {0.1 + 0.2, "0.3"}, {1e21, "1e+21"}, {1e20, "100000000000000000000"},
		{123456789012345680000, "123456789012345680000"}, {1e-7, "1e-7"}, {1.5e-7, "1.5e-7"}, {1e-16, "0"}, {-1e-16, "0"}, {1.0 / 65536, "0.000015258789063"},
		{-1.0 / 65536, "-0.000015258789063"}, {1.0 / 3, "0.333333333333333"}, {1e300, "1e+300"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
		{math.NaN(), "NaN"}, {2251799813685249.5, "2251799813685249.5"}, {0.000001, "0.000001"}, {1.1, "1.1"},
	} {
		if got := FormatNumber(c.f); got != c.want {
			t.Errorf("%v: got %s, want %s", c.f, got, c.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	env := testEnv()
	for _, c := range []struct {
		in   cairn.Template
		want string
	}{
		{cairn.Expr("${{ inputs.n }}"), `10`},
		{cairn.Expr("n=${{ inputs.n }}"), `"n=10"`},
		{cairn.Expr("${{ inputs.n }}${{ inputs.data_prep }}"), `"10true"`},
		{cairn.Expr("${{ 'a}}b' }}!"), `"a}}b!"`},
		{cairn.Template{Kind: cairn.TemplateNumber, Text: "1.10", Num: 1.1}, `1.1`},
		{cairn.Template{Kind: cairn.TemplateMap, Pairs: []cairn.TemplateField{{Key: cairn.Expr("${{ 'k' }}"), Value: cairn.Template{Kind: cairn.TemplateSeq, Items: []cairn.Template{cairn.Str("x"), {Kind: cairn.TemplateNull}}}}}}, `{"k":["x",null]}`},
		{cairn.Template{}, `null`},
	} {
		v, err := EvalTemplate(c.in, env)
		if err != nil || string(v.JSON()) != c.want {
			t.Errorf("%s: got %s %v, want %s", c.in.Text, v.JSON(), err, c.want)
		}
	}
	for _, src := range []string{"${{ inputs", "${{ }}", "${{ nope }}", "a ${{ 'x }} b"} {
		if v, err := EvalTemplate(cairn.Template{Kind: cairn.TemplateExpr, Text: src, Line: 3, Col: 5}, env); err == nil {
			t.Errorf("%s gave %s", src, v.JSON())
		} else if e := cairn.AsError(err); e.Code != cairn.CodeInvalid || e.Position == nil || e.Position.Line != 3 {
			t.Errorf("%s: %#v", src, e)
		}
	}
	if s, err := EvalString(cairn.Template{Kind: cairn.TemplateNumber, Text: "3.10", Num: 3.1}, env); s != "3.1" || err != nil {
		t.Error(s, err)
	}
	if _, err := EvalString(cairn.Expr("${{ github.event }}"), env); err == nil {
		t.Error("an object became text")
	}
	if b, err := EvalBool(cairn.Expr("${{ inputs.data_prep }}"), env); !b || err != nil {
		t.Error(b, err)
	}
	if _, err := EvalBool(cairn.Expr("${{ inputs.n }}"), env); err == nil {
		t.Error("a number became a boolean")
	}
	if f, err := EvalNumber(cairn.Expr("${{ '0x1f' }}"), env); f != 31 || err != nil {
		t.Error(f, err)
	}
	if _, err := EvalNumber(cairn.Str("many"), env); err == nil {
		t.Error("text became a number")
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	env := testEnv()
	calls := 0
	env.Functions["success"] = func([]Value) (Value, error) { calls++; return Bool(false), nil }
	for _, c := range []struct {
		src  string
		want bool
	}{
		{"", false}, {"true", false}, {"always()", true}, {"always() && inputs.data_prep", true}, {"!failure()", true},
		{"contains('always()', 'x') || true", false}, {"github.ref == 'refs/heads/main' && success()", false},
	} {
		if got, err := Condition(c.src, env); got != c.want || err != nil {
			t.Errorf("%q: %v %v", c.src, got, err)
		}
	}
	if calls != 4 {
		t.Errorf("success was asked %d times", calls)
	}
	if _, err := Condition("nope ||", env); err == nil {
		t.Error("no error")
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	n, err := Parse("needs.build.outputs.x == secrets['TOKEN'] && fromJSON(vars.A)[env.B].c && inputs[matrix.k].y && github.event.*.id || (steps.a).outcome")
	if err != nil {
		t.Fatal(err)
	}
	want := "needs.build.outputs.x secrets.TOKEN vars.A env.B inputs matrix.k github.event.*.id steps.a.outcome"
	if got := strings.Join(References(n), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, r := range n.References() {
		if len(r.Spans) != len(r.Path) || r.Offset != r.Spans[0][0] {
			t.Errorf("%v", r)
		}
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	var fields []Field
	for _, k := range strings.Fields("A b C d E f G h I j K") {
		fields = append(fields, Field{k, String(k)}, Field{strings.ToLower(k), String("second")})
	}
	v := Object(fields...)
	if v.Len() != 11 {
		t.Errorf("%d fields", v.Len())
	}
	if x, _ := v.Get("k"); x.ToString() != "K" {
		t.Error(x)
	}
	exact := ExactObject(fields...)
	if x, _ := exact.Get("k"); x.ToString() != "second" {
		t.Error(x)
	}
	if x := v.With("a", Number(1)).Path("A"); x.ToNumber() != 1 {
		t.Error(x)
	}
	if x := Null().With("a", Number(1)).With("b", Null()); string(x.JSON()) != `{"a":1,"b":null}` {
		t.Errorf("%s", x.JSON())
	}
	if got := string(FromGo(map[string]any{"b": []any{1.5, nil, "x"}, "a": map[string]string{"k": "v"}}).JSON()); got != `{"a":{"k":"v"},"b":[1.5,null,"x"]}` {
		t.Error(got)
	}
	if _, err := FromJSON(json.RawMessage(strings.Repeat("[", 200) + strings.Repeat("]", 200))); err == nil {
		t.Error("no limit of depth")
	}
}

func BenchmarkEval(b *testing.B) {
	n, err := ParseCondition("always() && (needs.a.result == 'success' || needs.b.result == 'skipped') && inputs.data_prep")
	if err != nil {
		b.Fatal(err)
	}
	env := testEnv()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Eval(env); err != nil {
			b.Fatal(err)
		}
	}
}

// The if that most workflows have, from its text to its answer.
func BenchmarkTypicalIf(b *testing.B) {
	env := testEnv()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := Condition("github.event_name == 'push' && github.ref == 'refs/heads/main'", env); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("always() && (needs.a.result == 'success' || needs.b.result == 'skipped') && inputs.data_prep"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestGuardedReferences(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]bool{
		"vars.X":                     false,
		"vars.X || 'latest'":         true,
		"(vars.X) || 'latest'":       true,
		"'a' || vars.X":              false,
		"vars.X == ''":               true,
		"!vars.X":                    true,
		"vars.X && 'yes'":            true,
		"format('{0}', vars.X)":      false,
		"format('{0}', vars.X) || 1": false,
	} {
		n, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		if rs := n.References(); len(rs) != 1 || rs[0].Guarded != want {
			t.Errorf("%s: %+v, want guarded = %v", src, rs, want)
		}
	}
}
