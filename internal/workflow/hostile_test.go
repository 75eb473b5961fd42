package workflow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// hostile are files that somebody wrote to hurt the reader: each is small or
// just below the limit, and must be refused without much work.
func hostile() map[string]string {
	const job = "\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"
	const room = maxFile - 200
	const many = 8 // what is not deep or long, but a lot, is a file that the YAML parser needs its time for
	bomb := func(start string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "x0: &x0 %s\n", start)
		for i := 1; i < 12; i++ {
			fmt.Fprintf(&b, "x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
		}
		return b.String()
	}
	keys := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < room/many; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	return map[string]string{
		"alias bomb in a matrix": "on: push\n" + bomb("[a, b]") + "jobs: {a: {runs-on: x, strategy: {matrix: {v: *x11}}, steps: [{run: echo}]}}\n",
		"alias bomb of maps":     "on: push\nx: &a {k: v}\n" + "y: &b {a: *a, b: *a, c: *a, d: *a, e: *a, f: *a, g: *a}\nz: &c {a: *b, b: *b, c: *b, d: *b, e: *b, f: *b, g: *b}\nw: &d {a: *c, b: *c, c: *c, d: *c, e: *c, f: *c, g: *c}\nv: &e {a: *d, b: *d, c: *d, d: *d, e: *d, f: *d, g: *d}\nu: &f {a: *e, b: *e, c: *e, d: *e, e: *e, f: *e, g: *e}\nt: &g {a: *f, b: *f, c: *f, d: *f, e: *f, f: *f, g: *f}\njobs: {a: {runs-on: x, strategy: {matrix: {v: [*g, *g, *g, *g, *g]}}, steps: [{run: echo}]}}\n",
		"alias bomb of texts":    "on: push\nrun-name: &t '" + strings.Repeat("x", 500000) + "'\njobs: {a: {runs-on: x, strategy: {matrix: {v: [" + strings.Repeat("*t,", 5000) + "]}}, steps: [{run: echo}]}}\n",
		"alias of itself":        "on: push\njobs: &a {a: *a}\n",
		"deep lists":             strings.Repeat("[", room),
		"deep maps":              strings.Repeat("{a: ", room/4),
		"deep dashes":            strings.Repeat("- ", room/2),
		"deep questions":         strings.Repeat("? ", room/2),
		"deep in a matrix":       "on: push\njobs: {a: {runs-on: x, strategy: {matrix: {v: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}}, steps: [{run: echo}]}}\n",
		"deep blocks":            "on:\n" + deepBlocks(1000),
		"deep expression":        "on: push\nrun-name: ${{ " + strings.Repeat("(", room/2) + "1" + strings.Repeat(")", room/4) + " }}" + job,
		"huge plain text":        "on: push\nname: " + strings.Repeat("x ", room/2-100),
		"huge quoted text":       "on: push\nname: \"" + strings.Repeat(`\x41`, room/4-100) + "\"" + job,
		"huge script":            "on: push\njobs: {a: {runs-on: x, steps: [{run: '" + strings.Repeat("x", room-100) + "'}]}}\n",
		"huge expression":        "on: push\nrun-name: ${{ '" + strings.Repeat("x", room-100) + "' && github }}" + job,
		"many expressions":       "on: push\nrun-name: '" + strings.Repeat("${{ a }} ", room/9/many) + "'" + job,
		"many open expressions":  "on: push\nrun-name: '" + strings.Repeat("${{ ", room/4/many) + "'" + job,
		"many keys":              "on: push\n" + keys("k%d: 1\n"),
		"many ignored keys":      "on:\n  push:\n" + keys("    branch%d: 1\n") + job,
		"many equal keys":        "on: push\nenv:\n" + strings.Repeat("  A: 1\n", room/7/many) + job,
		"many env":               "on: push\nenv:\n" + keys("  K%d: 1\n") + job,
		"many jobs":              "on: push\njobs:\n" + keys("  j%d: {}\n"),
		"many needs":             "on: push\njobs:\n" + keys("  j%d: {runs-on: x, needs: [j0, nope], steps: [{run: x}]}\n"),
		"many anchors":           "on: push\nenv:\n" + keys("  - &a%d x\n"),
		"many documents":         strings.Repeat("---\n", room/4/many),
		"many comments":          strings.Repeat("#\n", room/2),
		"many tags":              "on: push\nenv: [" + strings.Repeat("!a b,", room/5/many) + "]" + job,
		"only tabs":              strings.Repeat("\t", room),
		"control characters":     strings.Repeat("\x01", room),
		"too large":              strings.Repeat("a: b\n", maxFile/4),
	}
}

func deepBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

// Nothing of it is accepted; what the reader does is counted, not timed.
func TestHostileIsRefused(t *testing.T) {
	t.Parallel()
	harmless := map[string]bool{"huge plain text": true, "huge quoted text": true, "many env": true, "many ignored keys": true}
	for name, src := range hostile() {
		r, root := open("f.yml", []byte(src), "a workflow")
		if root != nil {
			readMap(r, root, "the workflow", &workflowSchema, &Workflow{})
		}
		if r.nodes > maxNodes+1 || r.bytes > maxText+len(src) || len(r.problems) > 2*maxProblems+1 {
			t.Errorf("%s: %d values, %d bytes, %d problems", name, r.nodes, r.bytes, len(r.problems))
		}
		if _, ps := Parse("f.yml", []byte(src)); !cairn.HasErrors(ps) && !harmless[name] {
			t.Errorf("%s is accepted", name)
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, src := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				Parse("f.yml", []byte(src))
			}
		})
	}
}
