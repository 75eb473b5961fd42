package git_test

import (
	"errors"
	"os"
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

func TestOpenHostRemovesUnfinished(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	dir := filepath.Join(t.TempDir(), "re[po]s*")
	h, err := u.g.OpenHost(dir)
	must(t, err)
	s, err := h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
	for _, left := range []string{"index-12", "objects/tmp_objdir-incoming-x"} {
		p := filepath.Join(s.GitDir, left)
		must(t, errors.Join(os.MkdirAll(p, 0o700), os.WriteFile(filepath.Join(p, "f"), nil, 0o600)))
	}
	h, err = u.g.OpenHost(dir)
	must(t, err)
	for _, left := range []string{"index-12", "objects/tmp_objdir-incoming-x"} {
		if _, err := os.Stat(filepath.Join(s.GitDir, left)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", left)
		}
	}
	if _, err := h.Commit(t.Context(), "local/x", s.Commit.SHA); err != nil {
		t.Error(err)
	}
}
