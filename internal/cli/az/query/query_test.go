package query

import (
	"encoding/json"
	"strings"
	"testing"
)

const cloud = `[{"name":"b","n":2,"on":true,"tags":{"x":"1","y":null}},{"name":"a","n":10,"on":false,"tags":{}},{"name":"c","n":-1.5,"tags":[1,[2]]}]`

func search(t testing.TB, expr, doc string) (string, error) {
	t.Helper()
	v, err := FromJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Compile(expr)
	if err != nil {
		return "", err
	}
	if v, err = e.Search(v); err != nil {
		return "", err
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func TestSearch(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"@": strings.ReplaceAll(cloud, " ", ""), "[0].name": `"b"`, "[-1].name": `"c"`, "[5]": "null", "[].name": `["b","a","c"]`, "[*].nope": "[]", "name": "null",
		"[?on].name": `["b"]`, "[?on] | [0].name": `"b"`, "[?n > `1`].name": `["b","a"]`, "[?name=='a' || n < `0`].n": "[10,-1.5]", "[?!on].name": `["a","c"]`,
		"[].{z:name,a:n}": `[{"z":"b","a":2},{"z":"a","a":10},{"z":"c","a":-1.5}]`, "[].[name,n]": `[["b",2],["a",10],["c",-1.5]]`, "[].tags.*": `[["1"],[]]`,
		"[2].tags[]": "[1,2]", "[::-1].name": `["c","a","b"]`, "[:2].name": `["b","a"]`, "[1:].name": `["a","c"]`, "length(@)": "3", "length([0].name)": "1",
		"sort_by(@, &n)[].name": `["c","b","a"]`, "max_by(@, &n).name": `"a"`, "min_by(@, &n).name": `"c"`, "sort([].name)": `["a","b","c"]`, "sum([].n)": "10.5", "avg([].n)": "3.5",
		"join('-', [].name)": `"b-a-c"`, "keys([0])": `["name","n","on","tags"]`, "contains([].name, 'a')": "true", "to_string([0].tags)": `"{\"x\":\"1\",\"y\":null}"`, "to_number('12')": "12",
		"to_number('1.50')": "1.5", "to_number('x')": "null", "type([0].on)": `"boolean"`, "not_null([0].nope, [0].name)": `"b"`, "map(&n, @)": "[2,10,-1.5]", "ceil([2].n)": "-1", "floor([2].n)": "-2",
		"abs([2].n)": "1.5", "merge([0].tags, `{\"z\":1}`)": `{"x":"1","y":null,"z":1}`, "reverse('ab')": `"ba"`, "to_array('x')": `["x"]`, "starts_with([0].name, 'b')": "true", "`foo`": `"foo"`, "`[1, 2]`[1]": "2",
		"'it\\'s'": `"it's"`, `"na\u006de"`: "null", "[0].on == `true`": "true", "[0].n == `true`": "false", "[0].tags.y == null": "true", "values([0].tags)": `["1",null]`, "[?tags.x=='1'] | length(@)": "1", "max(`[]`)": "null",
	} {
		if got, err := search(t, expr, cloud); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", expr, got, err, want)
		}
	}
}

func TestWrong(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"": "cannot be empty", "[?": "Incomplete expression", "a.": "Incomplete expression", "a b": "Parse error at column 2", "a[": "Incomplete expression", "'x": "Unclosed ' delimiter", "`": "Unclosed ` delimiter",
		"a = b": "Unknown token '='", "#": "Unknown token '#'", "a -": "Unknown token '-'", "{a}": "Parse error", "nope(@)": "Unknown function: nope()", "length()": "Expected 1 argument for function length(), received 0",
		"not_null()": "Expected at least 1 argument for function not_null(), received 0", "keys(@)": "expected one of: ['object'], received: \"array\"", "[::0]": "slice step cannot be zero", "sort([].n | [?@ > `0`] | [`1`, 'x'])": "invalid type for value",
		"join('-', [].n)": "In function join(), invalid type for value", `"a"(b)`: "Quoted identifier not allowed for function names.", "&a": "is not JSON serializable", "[0].n < 'x'": "a text and a number are compared",
		strings.Repeat("(", 5000): "nested more than", strings.Repeat("a.", 40_000): "has more than",
	} {
		if got, err := search(t, expr, cloud); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %s %v, want %s", expr, got, err, want)
		}
	}
	for _, text := range []string{"", "[", "1 2", "nul", strings.Repeat("[", 5000)} {
		if _, err := FromJSON([]byte(text)); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}

func TestFloatText(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{1: "1.0", 0.5: "0.5", 1e16: "1e+16", 1e15: "1000000000000000.0", 1e-5: "1e-05", 0.0001: "0.0001", -2.25: "-2.25", 1.5e300: "1.5e+300"} {
		if got := FloatText(f); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"[?a=='b'].{c:d[0],e:f.*} | [0]", "sort_by(@,&n)[::-1]", "`{\"a\":1}`.a || 'x'", "!a && b[].c[*].\"d\"", "[1:2:-1]"} {
		f.Add(s)
	}
	v, err := FromJSON([]byte(cloud))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := Compile(s); err == nil {
			_, _ = e.Search(v) // it may fail, and must not crash
		}
	})
}

func BenchmarkNewestVersion(b *testing.B) {
	v, err := FromJSON([]byte("[" + strings.Repeat(cloud+",", 30) + cloud + "]"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := Compile("[][].name | [0]")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Search(v); err != nil {
			b.Fatal(err)
		}
	}
}
