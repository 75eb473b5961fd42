package layer

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFolders: whatever is set and removed, what is known is what a plain map with
// prefixes would know.
func TestFolders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f, want := newFolders(), map[string]int64{}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ab", "b"}), 1, 4).Draw(t, "path"), "/")
			if rapid.Bool().Draw(t, "set") {
				f.set(p, &tar.Header{Mode: int64(i)})
				want[p] = int64(i)
				continue
			}
			f.forget(p)
			for q := range want {
				if q == p || strings.HasPrefix(q, p+"/") {
					delete(want, q)
				}
			}
		}
		got := f.paths()
		if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Fatalf("%q, want %v", got, want)
		}
		for _, p := range got {
			if m, ok := want[p]; !ok || f.known[p].mode != m {
				t.Fatalf("%s: %+v, want %v", p, f.known[p], want)
			}
		}
	})
}
