package output

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// What the originals print, as TestOracle compares it at large.
func TestWrite(t *testing.T) {
	t.Parallel()
	const (
		list = `[{"name":"b","n":1.0,"on":true,"id":"x","tags":{}},{"name":"été","n":null,"more":"it's"}]`
		one  = `{"b":[1,{"c":null}],"a":"x: y","e":[],"o":{},"t":"yes"}`
	)
	for _, c := range []struct{ format, doc, want string }{
		{"json", one, "{\n  \"a\": \"x: y\",\n  \"b\": [\n    1,\n    {\n      \"c\": null\n    }\n  ],\n  \"e\": [],\n  \"o\": {},\n  \"t\": \"yes\"\n}\n"},
		{"jsonc", `"é\n"`, "\"é\\n\"\n"},
		{"yaml", one, "a: 'x: y'\nb:\n- 1\n- c: null\ne: []\no: {}\nt: 'yes'\n"},
		{"yaml", `"x"`, "x\n...\n"},
		{"yaml", `{"k":"` + strings.Repeat("word ", 20) + `end"}`, "k: word word word word word word word word word word word word word word word word\n  word word word word end\n"},
		{"yaml", `["a\nb","tab\t"," x"]`, "- 'a\n\n  b'\n- \"tab\\t\"\n- ' x'\n"},
		{"table", list, "N    Name    On    More\n---  ------  ----  ------\n1.0  b       True\n     été           it's\n"},
		{"table", `["x",true]`, "Result\n--------\nx\nTrue\n"},
		{"table", `[]`, "\n"},
		{"table", `[["x",1],["y",null]]`, "Column1    Column2\n---------  ---------\nx          1\ny\n"},
		{"tsv", list, "x\t1.0\tb\tTrue\t\nit's\tNone\tété\n"},
		{"tsv", `["a",true,null,1.0,[1,2],{"x":[1,2],"y":false}]`, "a\ntrue\nNone\n1.0\n1\t2\n2\tFalse\n"},
		{"table", `null`, "Result\n--------\n\n"},
		{"table", `[{"id":"x","tags":{}}]`, "\n"},
		{"table", `[{"a":"x\r\ny","b":"z"},{"b":" w "}]`, "A    B\n---  ---\nx    z\ny\n     w\n"},
		{"table", `[{"a":"\u001b[31mred\u001b[0m","b":1},{"a":"blue!","b":2}]`, "A      B\n-----  ---\n\x1b[31mred\x1b[0m    1\nblue!  2\n"},
		{"table", `[[[1,{"a":null}],"x"]]`, "Column1           Column2\n----------------  ---------\n[1, {'a': None}]  x\n"},
		{"table", `{"name":"x","etag":"y","tags":["z"],"n":1.0}`, "N    Name\n---  ------\n1.0  x\n"},
		{"tsv", `[]`, ""},
		{"tsv", `null`, "None\n"},
		{"tsv", `{"b":"x","a":[]}`, "0\tx\n"},
		{"json", `[]`, "[]\n"},
		{"json", `[1.0,123456789012345678901234567890,"\u00e9\u007f\u0001"]`, "[\n  1.0,\n  123456789012345678901234567890,\n  \"é\x7f\\u0001\"\n]\n"},
		{"yaml", `null`, "null\n...\n"},
		{"yaml", `[[],{},[[1]]]`, "- []\n- {}\n- - - 1\n"},
		{"yaml", `["yes","1_0","0x1","~","2026-11-26","12:30:45","1e5","=","y"]`, "- 'yes'\n- '1_0'\n- '0x1'\n- '~'\n- '2026-11-26'\n- '12:30:45'\n- 1e5\n- '='\n- y\n"},
		{"yaml", `{"` + strings.Repeat("k", 122) + `":1,"` + strings.Repeat("l", 123) + `":[2]}`, strings.Repeat("k", 122) + ": 1\n? " + strings.Repeat("l", 123) + "\n: - 2\n"},
		{"none", list, ""},
	} {
		v, err := query.FromJSON([]byte(c.doc))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Write(&b, c.format, v, Options{}); err != nil || b.String() != c.want {
			t.Errorf("%s of %.40s:\n%q %v\nwant\n%q", c.format, c.doc, b.String(), err, c.want)
		}
	}
	if err := Write(&bytes.Buffer{}, "xml", nil, Options{}); err == nil {
		t.Error("xml is a format")
	}
}

// What a query made keeps its order; what a command answers is sorted.
func TestOrder(t *testing.T) {
	t.Parallel()
	made := query.NewObject()
	made.Set("z", "1")
	made.Set("a", "2")
	sorted := query.NewObject()
	sorted.Set("z", "1")
	sorted.Set("a", "2")
	made.Hash = true
	for _, c := range []struct {
		format string
		v      any
		query  bool
		want   string
	}{
		{"tsv", made, true, "1\t2\n"},
		{"tsv", sorted, true, "2\t1\n"},
		{"table", made, true, "Z    A\n---  ---\n1    2\n"},
		{"table", sorted, true, "Z    A\n---  ---\n1    2\n"},
		{"table", sorted, false, "A    Z\n---  ---\n2    1\n"},
		{"json", made, true, "{\n  \"a\": \"2\",\n  \"z\": \"1\"\n}\n"},
		{"yaml", made, true, "a: '2'\nz: '1'\n"},
		{"yaml", []any{sorted, sorted}, true, "- &id001\n  a: '2'\n  z: '1'\n- *id001\n"},
		{"yaml", []any{made, made}, true, "- a: '2'\n  z: '1'\n- a: '2'\n  z: '1'\n"},
	} {
		var b bytes.Buffer
		if err := Write(&b, c.format, c.v, Options{Query: c.query}); err != nil || b.String() != c.want {
			t.Errorf("%s: %q %v, want %q", c.format, b.String(), err, c.want)
		}
	}
}

func TestColors(t *testing.T) {
	t.Parallel()
	v, err := query.FromJSON([]byte(`{"a":["x",1,null],"b":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		format, want string
		on           bool
	}{
		{"json", "{\n  \"a\": [\n    \"x\",\n    1,\n    null\n  ],\n  \"b\": {}\n}\n", true},
		{"jsonc", "{\n  \"a\": [\n    \"x\",\n    1,\n    null\n  ],\n  \"b\": {}\n}\n", false},
		{"jsonc", "{_#\n_  #T\"a\"#:_ #[_#\n_    #S\"x\"#,_#\n_    #N1#,_#\n_    #Nnull#_#\n_  #],_#\n_  #T\"b\"#:_ #{}_#\n}_#\n", true},
		{"yaml", "a:\n- x\n- 1\n- null\nb: {}\n", true},
		{"yamlc", "a:\n- x\n- 1\n- null\nb: {}\n", false},
		{"yamlc", "Ta#:\n- x\n- 1\n- null\nTb#: {}\n", true},
	} {
		var b bytes.Buffer
		want := strings.NewReplacer("#", plain, "_", gray, "T", brightBlue, "S", yellow, "N", blue).Replace(c.want)
		if err := Write(&b, c.format, v, Options{Color: c.on}); err != nil || b.String() != want {
			t.Errorf("%s, %v:\n%q %v\nwant\n%q", c.format, c.on, b.String(), err, want)
		}
	}
}

// TestYAMLIsRead writes values and reads them with another implementation, which folds
// those breaks of lines that only YAML 1.1 knows otherwise than PyYAML.
func TestYAMLIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := generator{rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 13)), new([]any)}
		o := query.NewObject()
		for i := range g.IntN(6) {
			o.Set("k"+strconv.Itoa(i), strings.NewReplacer("\u0085", "", "\u2028", "", "\u2029", "").Replace(g.text()))
		}
		var b bytes.Buffer
		if err := Write(&b, "yaml", o, Options{}); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		if err := yaml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", b.String(), err)
		}
		for _, k := range o.Keys() {
			if want, _ := o.Get(k); got[k] != want {
				t.Fatalf("%q is read as %q from\n%s", want, got[k], b.String())
			}
		}
	})
}

// FuzzWrite writes any JSON in all formats.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{`[{"a":"x","b":[1]}]`, `"a\nb"`, `[["\u001b[1m",null],1.5]`, `{"a b":"\r\n","":{}}`, `"\u001b]8;;u\u001b\\t\u001b]8;;\u001b\\"`} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, active bool) {
		v, err := query.FromJSON(text)
		if err != nil {
			return
		}
		for _, format := range Formats() {
			var b bytes.Buffer
			if err := Write(&b, format, v, Options{Query: active, Color: active}); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
				t.Fatalf("%s does not end its last line: %q", format, s)
			}
		}
		var b bytes.Buffer
		if err := Write(&b, "json", v, Options{}); err != nil {
			t.Fatal(err)
		}
		if s := b.Bytes(); !json.Valid(s) && !bytes.Contains(s, []byte("Infinity")) {
			t.Fatalf("no JSON: %s", s)
		}
	})
}

func BenchmarkTable(b *testing.B) {
	v, err := query.FromJSON([]byte("[" + strings.Repeat(`{"name":"model","version":"1","tags":{}},`, 99) + `{"name":"last"}]`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(&bytes.Buffer{}, "table", v, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
