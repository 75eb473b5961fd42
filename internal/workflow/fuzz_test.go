package workflow

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cairn-ml/cairn"
)

// seeds are all workflow files of the tests.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for _, dir := range []string{"testdata/good", "testdata/broken", "testdata/corpus", "testdata/corpus/actions"} {
		files, err := filepath.Glob(dir + "/*.yml")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, src)
		}
	}
	return out
}

// check holds for every input: no panic, every problem with text and a place
// inside the file, and the same again the second time.
func check(t interface{ Fatalf(string, ...any) }, src []byte) {
	_, ps := Parse("f.yml", src)
	// The breaks of YAML 1.1.
	lines := len(regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]").FindAllIndex(src, -1)) + 1
	for _, p := range ps {
		if p.Message == "" || p.Code == "" || p.Line > lines || p.Line < 0 || p.Column < 0 || p.EndColumn != 0 && p.EndColumn < p.Column {
			t.Fatalf("%q: %+v", src, p)
		}
	}
	text := Render(ps, src)
	_, again := Parse("f.yml", src)
	if Render(again, src) != text {
		t.Fatalf("%q: findings differ:\n%s\n%s", src, text, Render(again, src))
	}
	if strings.ContainsRune(text, 0x1b) {
		t.Fatalf("%q: an escape character reaches the terminal", src)
	}
	_, ps = ParseAction("action.yml", src)
	Render(ps, src)
}

// Files that were damaged a little are read without a panic.
func TestMutatedProperty(t *testing.T) {
	t.Parallel()
	all := seeds(t)
	pieces := []string{"", "\t", "  ", "\n", ":", "- ", "{", "}", "[", "]", "'", "\"", "&a ", "*a", "<<: *a", "${{ ", " }}", "!!int ", "# ", "|", ">", "null", "\xff", "\x1b[31m", "on", "jobs", "é"}
	rapid.Check(t, func(t *rapid.T) {
		src := string(rapid.SampledFrom(all).Draw(t, "file"))
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			if len(src) == 0 {
				break
			}
			from := rapid.IntRange(0, len(src)-1).Draw(t, "from")
			to := min(len(src), from+rapid.IntRange(0, 20).Draw(t, "length"))
			src = src[:from] + rapid.SampledFrom(pieces).Draw(t, "piece") + src[to:]
		}
		check(t, []byte(src))
	})
}

func FuzzWorkflow(f *testing.F) {
	for _, s := range seeds(f) {
		if len(s) < 4000 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) { check(t, src) })
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	_, ps := Parse("big.yml", []byte("name: "+strings.Repeat("x", 1<<20)))
	if len(ps) != 1 || ps[0].Message != "the file has 1048582 bytes; at most 1048576 are allowed" {
		t.Errorf("%v", ps)
	}
	_, ps = Parse("long.yml", []byte("on: push\njobs: {a: {runs-on: x, steps: [{run: '"+strings.Repeat("é", 21001)+"'}]}}\n"))
	if len(ps) != 1 || ps[0].Message != "the script has 21001 characters; at most 21000 are allowed" {
		t.Errorf("%v", ps)
	}
}

// A hostile file costs little: one huge scalar with many expressions, and one
// that is aliased many times.
func TestHostileIsBounded(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("${{ secrets.A }} ", 20000)
	w, ps := Parse("f.yml", []byte("on: push\njobs: {a: {runs-on: x, steps: [{run: echo, env: {A: '"+many+"'}}]}}\n"))
	if cairn.HasErrors(ps) || len(w.References()) != 20000 {
		t.Errorf("%d references, %s", len(w.References()), Render(ps, nil))
	}
	last := w.References()[19999].Pos
	if want := strings.LastIndex("jobs: {a: {runs-on: x, steps: [{run: echo, env: {A: '"+many, "secrets") + 1; last.Column != want || last.Line != 2 {
		t.Errorf("%+v, want column %d", last, want)
	}
	src := "on: push\nname: &a '" + strings.ReplaceAll(many, "secrets", "github") + "'\njobs: {a: {runs-on: x, steps: [{run: echo}], strategy: {matrix: {x: [" + strings.Repeat("*a,", 50000) + "]}}}}\n"
	if _, ps = Parse("f.yml", []byte(strings.Replace(src, "name:", "run-name:", 1))); !strings.Contains(Render(ps, nil), "more than 10485760 bytes of text") {
		t.Error(Render(ps, nil))
	}
}

// The places of expressions in every style of scalar.
func TestExpressionPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scalar string
		line   int
	}{
		{"a ${{ bad }}", 5},
		{"'it''s é ${{ bad }}'", 5},
		{`"tab\t\"\u00e9 ${{ bad }}"`, 5},
		{"|\n          echo ${{ github.ref }}\n          echo  ${{ bad }}\n", 7},
		{"|2\n          x ${{ bad }}\n", 6},
		{">-\n          folded\n          text\n\n          ${{ bad }}\n", 9},
		{"&x plain\n          more ${{ bad }}", 6},
		{"!!str 'x ${{ bad }}'", 5},
	} {
		src := "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{}]\n"
		src = strings.Replace(src, "    steps: [{}]\n", "    name: "+c.scalar+"\n    steps: [{run: echo}]\n", 1)
		_, ps := Parse("f.yml", []byte(src))
		found := false
		for _, p := range ps {
			if strings.Contains(p.Message, "'bad'") {
				found = true
				if p.Line != c.line || p.EndColumn != p.Column+3 || string([]rune(p.Snippet)[p.Column-1:p.EndColumn-1]) != "bad" {
					t.Errorf("%q: %d:%d-%d, want line %d\n%s", c.scalar, p.Line, p.Column, p.EndColumn, c.line, Render([]cairn.Problem{p}, []byte(src)))
				}
			}
		}
		if !found {
			t.Errorf("%q: %s", c.scalar, Render(ps, nil))
		}
	}
}

// What is wrong with an expression is said in GitHub's words, whatever its names are.
func TestExpressionFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, want string }{
		{"depth", "Unrecognized named-value: 'depth'. Located at position 1 within expression: depth"},
		{"github depth", "Unexpected symbol: 'depth'. Located at position 8 within expression: github depth"},
		{"too.few arguments", "Unrecognized named-value: 'too'. Located at position 1 within expression: too.few arguments"},
		{"github.x == ", "Unexpected end of expression: '=='. Located at position 10 within expression: github.x =="},
		{"contains(github", "Unexpected end of expression: 'github'. Located at position 10 within expression: contains(github"},
		{"contains(nope)", "Unrecognized named-value: 'nope'. Located at position 10 within expression: contains(nope)"},
		{"contains('a')", "Too few parameters supplied: 'contains'. Located at position 1 within expression: contains('a')"},
		{"success('a', github) && nope()", "Unrecognized function: 'success'. Located at position 1 within expression: success('a', github) && nope()"},
		{"case(true, 1, 2, 3)", "Even number of parameters supplied, requires an odd number of parameters: 'case'. Located at position 1 within expression: case(true, 1, 2, 3)"},
		{"0x1F nope", "Unexpected symbol: 'nope'. Located at position 6 within expression: 0x1F nope"},
		{"", "An expression was expected"},
	} {
		_, ps := Parse("f.yml", []byte("on: push\nrun-name: a ${{ "+c.src+" }}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"))
		if len(ps) != 1 || ps[0].Message != c.want || ps[0].Line != 2 {
			t.Errorf("%s: %s", c.src, Render(ps, nil))
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src, err := os.ReadFile("testdata/good/large.yml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ps := Parse("large.yml", src); cairn.HasErrors(ps) {
			b.Fatal(Render(ps, src))
		}
	}
}
