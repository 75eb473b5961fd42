package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawn is a generator whose seed rapid draws, so that it finds a small one that fails.
func drawn(t *rapid.T) generator { return newGenerator(rapid.Uint64().Draw(t, "seed")) }

// shown is a value as JSON, or the error.
func shown(v any, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var b bytes.Buffer
	if err := compact(&b, v); err != nil {
		return "error: " + err.Error()
	}
	return b.String()
}

func found(expr string, doc any) string {
	e, err := Compile(expr)
	if err != nil {
		return "error: " + err.Error()
	}
	return shown(e.Search(doc))
}

// TestSearchProperties holds what is true of any expression over any document.
func TestSearchProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawn(t)
		doc, err := FromAny(g.document())
		if err != nil {
			t.Fatal(err)
		}
		expr := g.expression(g.IntN(5))
		e, err := Compile(expr)
		if err != nil {
			return
		}
		before := shown(doc, nil)
		first := shown(e.Search(doc))
		if again := shown(e.Search(doc)); again != first {
			t.Fatalf("%s of %s: %s, then %s", expr, before, first, again)
		}
		if after := shown(doc, nil); after != before {
			t.Fatalf("%s changes %s to %s", expr, before, after)
		}
		for _, same := range []string{expr + " | @", "(" + expr + ")", "@ | " + expr} {
			if got := found(same, doc); got != first {
				t.Fatalf("%s of %s: %s, but %s: %s", expr, before, first, same, got)
			}
		}
	})
}

// TestSlices compares slices with a model that asks of every index whether it is taken.
func TestSlices(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 8).Draw(t, "n")
		part := func(name string) (int, bool, string) {
			i := rapid.IntRange(-12, 12).Draw(t, name)
			if rapid.Bool().Draw(t, name+" given") {
				return i, true, fmt.Sprint(i)
			}
			return 0, false, ""
		}
		from, hasFrom, f := part("from")
		to, hasTo, u := part("to")
		step, hasStep, s := part("step")
		if !hasStep {
			step = 1
		}
		if step == 0 {
			return
		}
		at := func(i int) int {
			if i < 0 {
				return i + n
			}
			return i
		}
		taken := func(i int) bool {
			if step > 0 {
				return (!hasFrom || i >= at(from)) && (!hasTo || i < at(to))
			}
			return (!hasFrom || i <= at(from)) && (!hasTo || i > at(to))
		}
		var list, within, want []int
		for i := range n {
			list = append(list, i)
		}
		for k := range n {
			i := k
			if step < 0 {
				i = n - 1 - k
			}
			if taken(i) {
				within = append(within, i)
			}
		}
		for k := 0; k < len(within); k += max(step, -step) {
			want = append(want, within[k])
		}
		doc, err := FromAny(append([]int{}, list...))
		if err != nil {
			t.Fatal(err)
		}
		expr := fmt.Sprintf("[%s:%s:%s]", f, u, s)
		w, _ := json.Marshal(append([]int{}, want...))
		if got := found(expr, doc); got != string(w) {
			t.Fatalf("%s of %v: %s, want %s", expr, list, got, w)
		}
	})
}

// TestOrderIsKept reads and writes objects whose keys are in no order.
func TestOrderIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := NewObject()
		for _, k := range rapid.SliceOf(rapid.String()).Draw(t, "keys") {
			o.Set(k, int64(o.Len()))
		}
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		v, err := FromJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := v.(*Object).MarshalJSON(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%s becomes %s, %v", text, again, err)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"[?a=='b'].{c:d[0],e:f.*} | [0]", "sort_by(@,&n)[::-1]", "`{\"a\":1}`.a || 'x'", "!a && b[].c[*].\"d\"", "[1:2:-1]", "[&a, @]", "map(&[0], @)", "to_number('1_0')"} {
		f.Add(s)
	}
	g := newGenerator(1)
	for range 200 {
		f.Add(g.expression(4))
	}
	v, err := FromJSON([]byte(cloud))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Compile(s)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		_, _ = e.Search(v) // it may fail, and must not crash
	})
}

func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{cloud, "1.0", "-0", "1e400", `"\ud800"`, `{"a":1,"a":2}`, "[[[]]]", "nul"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := FromJSON(text)
		if (err == nil) != json.Valid(text) && !strings.Contains(fmt.Sprint(err), "nested more than") {
			t.Fatalf("%q is read: %v", text, err)
		}
		if err == nil && shown(v, nil) != shown(FromAny(v)) {
			t.Fatalf("%q becomes %s, then %s", text, shown(v, nil), shown(FromAny(v)))
		}
	})
}

func benchmark(b *testing.B, expr string) {
	item := `{"name":"model","version":"12","tags":{"stage":"test"},"n":3,"on":true},`
	doc, err := FromJSON([]byte("[" + strings.Repeat(item, 99) + `{"name":"last","version":"1","n":7,"on":false}]`))
	if err != nil {
		b.Fatal(err)
	}
	e, err := Compile(expr)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Search(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	b.Run("newest", func(b *testing.B) { benchmark(b, "[0].version") })
	b.Run("filter", func(b *testing.B) { benchmark(b, "[?n > `5` && name == 'last'].{name: name, version: version}") })
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("[?n > `5` && name == 'last'].{name: name, version: version}"); err != nil {
			b.Fatal(err)
		}
	}
}
