package cairn_test

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestParseActionUses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]cairn.ActionUses{
		"actions/checkout@v4":                       {Repository: "actions/checkout", Ref: "v4"},
		"o/r/a/b@feature/x":                         {Repository: "o/r", Path: "a/b", Ref: "feature/x"},
		"O.x/r-1/.github/actions/a@refs/heads/main": {Repository: "O.x/r-1", Path: ".github/actions/a", Ref: "refs/heads/main"},
		"o/r/a/@v1":                                 {Repository: "o/r", Path: "a", Ref: "v1"},
		"o/r@a@b":                                   {Repository: "o/r", Ref: "a@b"},
	} {
		if got, err := cairn.ParseActionUses(text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "o", "o/r", "o/r@", "@v1", "o//r@v1", "../r@v1", "o/..@v1", "-o/r@v1", "o/r/../x@v1", "o/r/./x@v1", "o/r/a//b@v1", "o/r/.git/x@v1",
		"o/r@-x", "o/r@a\nb", "o/r/a\\b@v1", "o/r/\x00@v1", "o r/x@v1", "o/r@" + strings.Repeat("x", 2000), "https://x/y@v1",
	} {
		if got, err := cairn.ParseActionUses(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

// Whatever is taken names a place inside of one repository, and means the same when
// it is written again.
func FuzzParseActionUses(f *testing.F) {
	for _, s := range []string{"actions/checkout@v4", "o/r/a/b@x", "o/r/../../x@v1", "o/r@--upload-pack=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := cairn.ParseActionUses(s)
		if err != nil {
			return
		}
		if strings.HasPrefix(u.Ref, "-") || strings.Contains("/"+u.Path+"/", "/../") || strings.Contains("/"+u.Repository+"/", "/../") || strings.Count(u.Repository, "/") != 1 {
			t.Fatalf("%q is %+v", s, u)
		}
		if again, err := cairn.ParseActionUses(u.String()); err != nil || again != u {
			t.Fatalf("%q is %+v, then %+v %v", s, u, again, err)
		}
	})
}
