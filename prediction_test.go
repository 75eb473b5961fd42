package cairn

import "testing"

func TestPathMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/a", "/a", true}, {"/a", "/a/", false}, {"/static/*", "/static/x/y.css", true}, {"/static/*", "/static", false},
		{"*.css", "/x.css", true}, {"/health*", "/healthz", true}, {"/a*b*c", "/aXbYc", true}, {"/a*b*c", "/aXcYb", false},
		{"/a*a", "/a", false}, {"*", "/", true},
	} {
		if got := PathMatches(c.pattern, c.path); got != c.want {
			t.Errorf("%s %s: %v", c.pattern, c.path, got)
		}
	}
}
