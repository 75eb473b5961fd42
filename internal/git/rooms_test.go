package git_test

import (
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/store"
)

// The rooms meet by shape.
var (
	_ git.Sink     = (*cas.Store)(nil)
	_ git.RefStore = (*store.Store)(nil)
)

// The digest of a commit's tree is that of its files checked in from a folder.
func TestToTreeIsCheckIn(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	u.write(map[string]string{"a/b/c": "deep", "a/line\nfeed": "x", "empty": ""})
	blobs, err := cas.Open(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	must(t, err)
	h := u.host()
	s, dir := u.importAndCheck(h, "")
	root, err := h.ToTree(t.Context(), s.Repo, s.TreeGit, blobs)
	must(t, err)
	in, err := blobs.CheckIn(t.Context(), dir, cas.ScanOptions{Exclude: []string{".git"}})
	must(t, err)
	if in.Root != root {
		t.Errorf("%s from git, %s from the folder", root, in.Root)
	}
}
