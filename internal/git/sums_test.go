package git_test

import (
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestFileSums(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	h := u.host()
	snap, err := h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
	repo, c := "local/x", snap.Commit.SHA
	const gone = "0123456789012345678901234567890123456789"
	es, err := h.ListDir(t.Context(), repo, c, "")
	if err != nil || len(es) == 0 {
		t.Fatal(es, err)
	}
	var file string
	for _, e := range es {
		if e.Size >= 0 {
			file = e.ID
		}
	}
	got, err := h.FileSums(t.Context(), repo, c, []string{file, gone})
	if err != nil || !got[file] || got[gone] {
		t.Errorf("%v, %v", got, err)
	}
	for _, ask := range [][2]string{{"no/such", c}, {repo, gone}} {
		if got, err := h.FileSums(t.Context(), ask[0], ask[1], []string{file}); err != nil || len(got) != 0 {
			t.Errorf("%v: %v, %v", ask, got, err)
		}
	}
	if _, err := h.FileSums(t.Context(), repo, "--help", []string{file}); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
}
