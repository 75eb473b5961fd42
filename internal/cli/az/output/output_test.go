package output

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// What the originals print, as TestQueryOracle of package az compares it at large.
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

func BenchmarkTable(b *testing.B) {
	v, err := query.FromJSON([]byte("[" + strings.Repeat(`{"name":"model","version":"1","tags":{}},`, 99) + `{"name":"last"}]`))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Write(&bytes.Buffer{}, "table", v, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
