package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

func value(t testing.TB, src string) expr.Value {
	t.Helper()
	v, err := expr.FromJSON(json.RawMessage(src))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestExpandMatrix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, matrix, want string }{
		{"product, last fastest", `{"arch":["x64","x86"],"os":["l","w"]}`,
			`x64, l {"arch":"x64","os":"l"}; x64, w {"arch":"x64","os":"w"}; x86, l {"arch":"x86","os":"l"}; x86, w {"arch":"x86","os":"w"}`},
		{"types stay", `{"v":[10,"10",1.5,true]}`, `10 {"v":10}; 10 #2 {"v":"10"}; 1.5 {"v":1.5}; true {"v":true}`},
		{"exclude", `{"a":[1,2],"b":["x","Y"],"exclude":[{"a":2,"b":"y"}]}`, `1, x {"a":1,"b":"x"}; 1, Y {"a":1,"b":"Y"}; 2, x {"a":2,"b":"x"}`},
		{"include adds", `{"a":[1,2],"include":[{"a":1,"p":true}]}`, `1 {"a":1,"p":true}; 2 {"a":2}`},
		{"include new", `{"a":[1],"include":[{"a":3,"p":1}]}`, `1 {"a":1}; 3, 1 {"a":3,"p":1}`},
		{"include to all", `{"a":[1,2],"include":[{"color":"green"},{"color":"pink","a":2}]}`, `1 {"a":1,"color":"green"}; 2 {"a":2,"color":"pink"}`},
		{"the documented example", `{"fruit":["apple","pear"],"animal":["cat","dog"],"include":[{"color":"green"},{"color":"pink","animal":"cat"},{"fruit":"apple","shape":"circle"},{"fruit":"banana"},{"fruit":"banana","animal":"cat"}]}`,
			`apple, cat {"fruit":"apple","animal":"cat","color":"pink","shape":"circle"}; apple, dog {"fruit":"apple","animal":"dog","color":"green","shape":"circle"}; ` +
				`pear, cat {"fruit":"pear","animal":"cat","color":"pink"}; pear, dog {"fruit":"pear","animal":"dog","color":"green"}; banana {"fruit":"banana"}; banana, cat {"fruit":"banana","animal":"cat"}`},
		{"only include", `{"include":[{"site":"p","dc":1},{"site":"s"}]}`, `p, 1 {"site":"p","dc":1}; s {"site":"s"}`},
		{"maps", `{"v":[{"py":"3.9","os":"l"},{"py":"3.10"}],"exclude":[{"v":{"py":"3.9"}}]}`, `3.10 {"v":{"py":"3.10"}}`},
		{"null", `{"v":[null,1]}`, `#1 {"v":null}; 1 {"v":1}`},
		{"empty", `{"v":[]}`, `error: matrix.v is an empty list`},
		{"not a list", `{"v":"x"}`, `error: matrix.v is not a list: it is 'x'`},
		{"not a map", `[1]`, `error: a matrix is a map of lists, but the value is an array`},
		{"all excluded", `{"v":[1],"exclude":[{"v":1}]}`, `error: the matrix has no combination left`},
		{"exclude unknown", `{"os":[1],"exclude":[{"so":1}]}`, `error: matrix.exclude names 'so', which is not a key of the matrix`},
		{"too many", `{"a":[1,2,3,4,5,6,7],"b":[1,2,3,4,5,6,7],"c":[1,2,3,4,5,6,7]}`, `error: the matrix gives more than 256 jobs`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, err := ExpandMatrix(value(t, c.matrix))
			var parts []string
			for _, i := range in {
				parts = append(parts, i.Key+" "+string(i.Matrix))
			}
			got := strings.Join(parts, "; ")
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Whatever the matrix: no panic, at most 256 instances, and keys that differ.
func TestExpandMatrixProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scalar := rapid.SampledFrom([]expr.Value{expr.Null(), expr.Bool(true), expr.Number(1), expr.String("1"), expr.String("a"), expr.Array(expr.Number(1))})
		name := rapid.SampledFrom([]string{"a", "A", "b", "c", "include", "exclude"})
		item := rapid.Custom(func(t *rapid.T) expr.Value {
			var fs []expr.Field
			for range rapid.IntRange(0, 3).Draw(t, "fields") {
				fs = append(fs, expr.Field{Name: name.Draw(t, "name"), Value: scalar.Draw(t, "value")})
			}
			return expr.Object(fs...)
		})
		var fields []expr.Field
		for range rapid.IntRange(0, 4).Draw(t, "keys") {
			n := name.Draw(t, "key")
			g := rapid.SliceOfN(scalar, 0, 6)
			if n == "include" || n == "exclude" {
				g = rapid.SliceOfN(item, 0, 4)
			}
			fields = append(fields, expr.Field{Name: n, Value: expr.Array(g.Draw(t, "list")...)})
		}
		in, err := ExpandMatrix(expr.Object(fields...))
		if err != nil {
			if cairn.CodeOf(err) != cairn.CodeInvalid {
				t.Fatalf("%v", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, i := range in {
			if seen[i.Key] || i.Key == "" {
				t.Fatalf("key %q twice or empty", i.Key)
			}
			seen[i.Key] = true
		}
		if len(in) == 0 || len(in) > MaxInstances {
			t.Fatalf("%d instances", len(in))
		}
	})
}

func TestBindInputs(t *testing.T) {
	t.Parallel()
	decls := []cairn.InputDecl{
		{Name: "flag", Type: "boolean", Default: cairn.Template{Kind: cairn.TemplateBool, Bool: true, Text: "true"}},
		{Name: "n", Type: "number"},
		{Name: "s", Type: "string", Required: true},
	}
	for _, c := range []struct{ given, want string }{
		{`{"s":"x"}`, `{"flag":true,"n":0,"s":"x"}`},
		{`{"S":5,"flag":"false","n":"0x10"}`, `{"flag":false,"n":16,"s":"5"}`},
		{`{}`, `input 's' is required`},
		{`{"s":"","n":"many"}`, `input 'n': a number was expected, but the value is 'many'`},
		{`{"s":"","flag":1}`, `input 'flag': a boolean was expected, but the value is '1'`},
		{`{"s":[1]}`, `input 's': text was expected, but the value is an array`},
		{`{"s":"","x":1}`, `the called workflow has no input 'x'`},
	} {
		got, err := BindInputs(decls, value(t, c.given))
		if err != nil {
			got = json.RawMessage(err.Error())
		}
		if string(got) != c.want {
			t.Errorf("%s: got %s, want %s", c.given, got, c.want)
		}
	}
	env := &expr.Env{Contexts: map[string]expr.Value{"github": value(t, `{"actor":"ada"}`)}}
	got, err := BindInputsIn([]cairn.InputDecl{{Name: "who", Type: "string", Default: cairn.Expr("by ${{ github.actor }}")}}, expr.Null(), env)
	if fmt.Sprint(string(got), err) != `{"who":"by ada"}<nil>` {
		t.Errorf("%s %v", got, err)
	}
}
