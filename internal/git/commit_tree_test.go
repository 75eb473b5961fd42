package git_test

import (
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// one stores a commit of a remote and lists it.
func one(t *testing.T, h *git.Host, r cairn.Remote, ref, commit string, l git.TreeLimits) (*git.StoredTree, string, error) {
	t.Helper()
	s := &sink{blobs: map[cairn.Digest]string{}, dirs: map[cairn.Digest][]cairn.TreeEntry{}}
	st, err := h.StoreCommit(t.Context(), r, ref, commit, l, s)
	if err != nil {
		return nil, "", err
	}
	var b strings.Builder
	s.list(st.Root, "", &b)
	return st, b.String(), nil
}

func TestStoreCommit(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	first := u.git("rev-parse", "HEAD")
	u.git("tag", "-a", "v1", "-m", "one")
	u.git("branch", "v1")
	u.write(map[string]string{"action.yml": "name: x\n"})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "Second")
	second := u.git("rev-parse", "HEAD")
	h := u.host()
	r := cairn.Remote{URL: (&url.URL{Scheme: "file", Path: u.dir}).String()}
	for ref, want := range map[string][2]string{"v1": {"refs/tags/v1", first}, "main": {"refs/heads/main", second}, "refs/heads/v1": {"refs/heads/v1", first}} {
		full, commit, err := h.RemoteCommit(t.Context(), r, ref)
		if err != nil || full != want[0] || commit != want[1] {
			t.Errorf("%s: %s %s %v", ref, full, commit, err)
		}
	}
	for _, ref := range []string{"v2", "eads/main", first[:10]} {
		_, _, err := h.RemoteCommit(t.Context(), r, ref)
		wantCode(t, err, cairn.CodeNotFound)
	}
	for _, ref := range []string{"--upload-pack=x", "a b", "../x", "a..b", "x^{}", "@{-1}", "*"} {
		_, _, err := h.RemoteCommit(t.Context(), r, ref)
		if code := cairn.CodeOf(err); code != cairn.CodeInvalid && code != cairn.CodeNotFound {
			t.Errorf("%q: %v", ref, err)
		}
	}
	// By its ref, by its id alone, and an older one that no ref names.
	u.git("tag", "-d", "v1")
	u.git("branch", "-D", "v1")
	for ref, commit := range map[string]string{"refs/heads/main": second, "": second, "refs/heads/gone": first} {
		st, list, err := one(t, h, r, ref, commit, git.TreeLimits{})
		if err != nil || st.Commit != commit || strings.Contains(list, "action.yml") != (commit == second) || !strings.Contains(list, "src/a.py") {
			t.Errorf("%s %s: %v\n%s", ref, commit, err, list)
		}
	}
	_, _, err := one(t, h, r, "", strings.Repeat("ab", 20), git.TreeLimits{})
	wantCode(t, err, cairn.CodeNotFound)
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(u.home), "*", ".fetch-*"))
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What a killed process left on the way is removed by the next one.
func TestStoreCommitLeft(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, ".fetch-1", "objects"), 0o755))
	if _, err := u.g.OpenHost(dir); err != nil {
		t.Fatal(err)
	}
	if es, err := os.ReadDir(dir); err != nil || len(es) != 0 {
		t.Errorf("left: %v %v", es, err)
	}
}

func TestStoreCommitHostile(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	h := u.host()
	r := cairn.Remote{URL: (&url.URL{Scheme: "file", Path: u.dir}).String()}
	u.git("config", "core.symlinks", "true")
	link := func(target string) string {
		t.Helper()
		must(t, writeFileIn(u.dir, "target", target))
		id := u.git("hash-object", "-w", "target")
		u.git("update-index", "--add", "--cacheinfo", "120000,"+id+",links/"+strings.NewReplacer("/", "_", ".", "-").Replace(target))
		return id
	}
	link("/etc/passwd")
	link("../../out")
	link("../README.md")
	u.git("commit", "-q", "-m", "links")
	leads := errors.New("it leads away")
	st, list, err := one(t, h, r, "refs/heads/main", u.git("rev-parse", "HEAD"), git.TreeLimits{Link: func(target string, depth int) error {
		if strings.HasPrefix(target, "/") || strings.Count(target, "../") > depth {
			return leads
		}
		return nil
	}})
	if err != nil || len(st.Left) != 2 || !strings.Contains(list, "links/--_README-md") || strings.Contains(list, "passwd") {
		t.Errorf("links: %+v %v\n%s", st, err, list)
	}
	head := u.git("rev-parse", "HEAD")
	_, _, err = one(t, h, r, "refs/heads/main", head, git.TreeLimits{Files: 2})
	wantCode(t, err, cairn.CodeTooLarge)
	_, _, err = one(t, h, r, "refs/heads/main", head, git.TreeLimits{Bytes: 10})
	wantCode(t, err, cairn.CodeTooLarge)
	// Names that mean another place: git's own check refuses them on the way in.
	blob := u.git("hash-object", "-w", "README.md")
	id, err := hex.DecodeString(blob)
	must(t, err)
	for _, name := range []string{"..", ".git", "a/../b"} {
		must(t, writeFileIn(u.dir, "raw", "100644 "+name+"\x00"+string(id)))
		tree := u.git("hash-object", "-w", "-t", "tree", "--literally", "raw")
		commit := u.git("commit-tree", tree, "-m", "bad")
		u.git("update-ref", "refs/heads/bad", commit)
		if _, list, err := one(t, h, r, "refs/heads/bad", commit, git.TreeLimits{}); err == nil {
			t.Errorf("a tree with %q was taken: %s", name, list)
		}
	}
}

func writeFileIn(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
}
