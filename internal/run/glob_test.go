package run

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatchRef(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, ref string
		want         bool
	}{
		{"main", "refs/heads/main", true},
		{"main", "refs/heads/main2", false},
		{"release/*", "refs/heads/release/1", true},
		{"release/*", "refs/heads/release/1/2", false},
		{"release/**", "refs/heads/release/1/2", true},
		{"**/x", "refs/heads/a/b/x", true},
		{"*/x", "refs/heads/a/b/x", false},
		{"v?.*", "refs/tags/v1.2", true},
		{"v?", "refs/tags/v/", false},
		{"*", "", true},
		{"**b*c", "refs/heads/a/b/bxc", true},
		{"refs/tags/*", "refs/heads/main", false},
	} {
		if got := MatchRef(c.pattern, c.ref); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.ref, got)
		}
	}
}

// plainGlob says what a pattern means, in the slow way.
func plainGlob(p, s string) bool {
	if p == "" {
		return s == ""
	}
	if p[0] == '*' {
		rest := strings.TrimLeft(p, "*")
		for i := 0; i <= len(s); i++ {
			if plainGlob(rest, s[i:]) {
				return true
			}
			if i < len(s) && s[i] == '/' && !strings.HasPrefix(p, "**") {
				return false
			}
		}
		return false
	}
	return s != "" && (p[0] == s[0] || p[0] == '?' && s[0] != '/') && plainGlob(p[1:], s[1:])
}

func TestGlobMeansWhatThePlainOneDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringMatching(`[ab/*?]{0,10}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab/]{0,10}`).Draw(t, "text")
		if got, want := glob(p, s), plainGlob(p, s); got != want {
			t.Fatalf("glob(%q, %q) = %v", p, s, got)
		}
	})
}

// A pattern of many stars would take longer than anyone waits, tried one by one.
func TestGlobOfManyStarsEnds(t *testing.T) {
	t.Parallel()
	for _, star := range []string{"*", "**"} {
		if glob(strings.Repeat(star+"a", 40)+"b", strings.Repeat("a", 200)) {
			t.Error("it matches")
		}
	}
}
