package query

import (
	"bytes"
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

// What jmespath.py says, as TestOracle compares it at large.
func TestWrong(t *testing.T) {
	t.Parallel()
	const dotted = "Expecting: ['quoted_identifier', 'unquoted_identifier', 'lbracket', 'lbrace'], got: "
	for expr, want := range map[string]string{
		"":          "Invalid JMESPath expression: cannot be empty.",
		"[?":        "Invalid jmespath expression: Incomplete expression:\n\"[?\"\n   ^",
		"a[":        "Invalid jmespath expression: Incomplete expression:\n\"a[\"\n   ^",
		"a.":        dotted + "eof: Parse error at column 2, token \"\" (EOF), for expression:\n\"a.\"\n   ^",
		"a.'b'":     dotted + "literal: Parse error at column 2, token \"b\" (LITERAL), for expression:\n\"a.'b'\"\n   ^",
		"a b":       "Unexpected token: b: Parse error at column 2, token \"b\" (UNQUOTED_IDENTIFIER), for expression:\n\"a b\"\n   ^",
		"'é' 07":    "Unexpected token: 7: Parse error at column 4, token \"7\" (NUMBER), for expression:\n\"'é' 07\"\n     ^",
		"'x":        "Bad jmespath expression: Unclosed ' delimiter:\n'x\n^",
		"a.`":       "Bad jmespath expression: Unclosed ` delimiter:\na.`\n  ^",
		"`\"\\x\"`": "Bad jmespath expression: Bad token \"\\x\":\n`\"\\x\"`\n^",
		`"\x"`:      "Bad jmespath expression: Invalid \\escape:\n\"\\x\"\n^",
		"a = b":     "Bad jmespath expression: Unknown token '=':\na = b\n  ^",
		"é#":        "Bad jmespath expression: Unknown token é:\né#\n^",
		"a -":       "Bad jmespath expression: Unknown token '-':\na -\n  ^",
		"{a}":       "Expecting: colon, got: rbrace: Parse error at column 2, token \"}\" (RBRACE), for expression:\n\"{a}\"\n   ^",
		"{`1`:a}":   "Expecting: ['quoted_identifier', 'unquoted_identifier'], got: literal: Parse error at column 1, token \"1\" (LITERAL), for expression:\n\"{`1`:a}\"\n  ^",
		"a*":        "invalid token: Parse error at column 1, token \"*\" (STAR), for expression:\n\"a*\"\n  ^",
		"[1:2:3:4]": "syntax error: Parse error at column 6, token \":\" (COLON), for expression:\n\"[1:2:3:4]\"\n       ^",
		"@(a)":      "Invalid function name '@': Parse error at column 0, token \"@\" (CURRENT), for expression:\n\"@(a)\"\n ^",
		`"a"(b)`:    "Quoted identifier not allowed for function names.: Parse error at column 0, token \"(\" (LPAREN), for expression:\n\"\"a\"(b)\"\n ^",

		"nope(@)":                  "Unknown function: nope()",
		"length()":                 "Expected 1 argument for function length(), received 0",
		"not_null()":               "Expected at least 1 argument for function not_null(), received 0",
		"keys([].on)":              "In function keys(), invalid type for value: [True, False], expected one of: ['object'], received: \"array\"",
		"join('-', [].n)":          "In function join(), invalid type for value: 2, expected one of: ['array-string'], received: \"int\"",
		"sort([].tags)":            "In function sort(), invalid type for value: {'x': '1', 'y': None}, expected one of: ['array-string', 'array-number'], received: \"dict\"",
		"sort([].[n][])":           "",
		"sum([].{n:n})":            "In function sum(), invalid type for value: OrderedDict([('n', 2)]), expected one of: ['array-number'], received: \"OrderedDict\"",
		"sort_by(@, &on)":          "In function sort_by(), invalid type for value: {'name': 'b', 'n': 2, 'on': True, 'tags': {'x': '1', 'y': None}}, expected one of: ['string', 'number'], received: \"boolean\"",
		"max_by(@, &on)":           "In function max_by(), invalid type for value: True, expected one of: ['number', 'string'], received: \"boolean\"",
		"max_by(`[1, \"x\"]`, &@)": "'>' not supported between instances of 'str' and 'int'",
		"contains('a', `1`)":       "'in <string>' requires string as left operand, not int",
		"[0].n < 'x'":              "'<' not supported between instances of 'int' and 'str'",
		"[::0]":                    "slice step cannot be zero",
		"&a":                       "Object of type _Expression is not JSON serializable",
		"{a: [&b]}":                "Object of type _Expression is not JSON serializable",

		strings.Repeat("(", 5000):    "the expression is nested more than 1000 deep",
		strings.Repeat("a.", 40_000): "the expression has more than 65536 bytes",
	} {
		got, err := search(t, expr, cloud)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%.60q: %s\n%v\nwant\n%s", expr, got, err, want)
		}
	}
	for _, text := range []string{"", "[", "1 2", "nul", strings.Repeat("[", 5000)} {
		if _, err := FromJSON([]byte(text)); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}

// Numbers are Python's: whole ones of any size, and compared by their exact values.
func TestNumbers(t *testing.T) {
	t.Parallel()
	const doc = `[123456789012345678901234567890,9007199254740993,9007199254740992.0,1.0,-9223372036854775808,1e5,-0,-0.0]`
	for expr, want := range map[string]string{
		"@":                         `[123456789012345678901234567890,9007199254740993,9007199254740992.0,1.0,-9223372036854775808,100000.0,0,-0.0]`,
		"[1] == [2]":                "false",
		"[1] > [2]":                 "true",
		"[0] > [1]":                 "true",
		"[3] == `1`":                "true",
		"[3] == `true`":             "false",
		"contains(@, `true`)":       "true",
		"abs([4])":                  "9223372036854775808",
		"sum([0:2])":                "123456789012354686100489308883",
		"sum([1:3])":                "1.8014398509481984e+16",
		"avg([0:1])":                "1.2345678901234568e+29",
		"ceil([0])":                 "123456789012345678901234567890",
		"floor(`1e20`)":             "100000000000000000000",
		"max([:4])":                 "123456789012345678901234567890",
		"[99999999999999999999]":    "null",
		"[-99999999999999999999:1]": "[123456789012345678901234567890]",
		"to_number(' 1_000 ')":      "1000",
		"to_number('1__0')":         "null",
		"to_number('_1')":           "null",
		"to_number('.5')":           "0.5",
		"to_number('0x1f')":         "null",
		"to_number('1e400')":        "Infinity",
		"to_number('123456789012345678901234567890')": "123456789012345678901234567890",
		"to_string([2])": `"9007199254740992.0"`,
		"!`0`":           "false",
	} {
		v, err := FromJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		e, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if v, err = e.Search(v); err == nil {
			err = compact(&b, v)
		}
		if err != nil || b.String() != want {
			t.Errorf("%s: %s %v, want %s", expr, b.String(), err, want)
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
