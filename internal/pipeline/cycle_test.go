package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

func TestKnots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ graph, want string }{
		{"a:b b:c c:", ""},
		{"a:b b:a", "a → b → a"},
		{"a:b b:c c:a", "a → b → c → a"},
		{"c:b b:c a:d d:a", "c → b → c; a → d → a"},
		{"x:a a:b b:a y:b", "a → b → a"},
		// One knot of two cycles is told once, by the way that is short.
		{"a:b,c b:c c:d d:a", "a → c → d → a"},
		{"a:b b:a,c c:d d:c,a", "a → b → a"},
		{"c:a a:b b:c,d d:e e:d", "c → a → b → c; d → e → d"},
	} {
		var names []string
		after := map[string][]string{}
		for _, node := range strings.Fields(c.graph) {
			name, next, _ := strings.Cut(node, ":")
			names = append(names, name)
			if next != "" {
				after[name] = strings.Split(next, ",")
			}
		}
		var got []string
		for _, k := range knots(names, after) {
			got = append(got, pathText(shortestCycle(k, after)))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: %q, want %q", c.graph, s, c.want)
		}
	}
}

func TestPathTextIsShort(t *testing.T) {
	t.Parallel()
	var cycle []string
	for i := range 1000 {
		cycle = append(cycle, fmt.Sprint("n", i))
	}
	if got, want := pathText(cycle), "n0 → n1 → n2 → n3 → n4 → n5 → n6 → n7 → n8 → n9 → n10 → n11 → … (988 more) → n0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
