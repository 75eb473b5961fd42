package git_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// check imports, checks out, and compares with the files of the work tree.
func (u *user) importAndCheck(h *git.Host, rev string) (*git.Snapshot, string) {
	u.t.Helper()
	before := u.fingerprint()
	s, err := h.Import(u.t.Context(), "local/x", u.dir, rev)
	must(u.t, err)
	if after := u.fingerprint(); !maps.Equal(before, after) {
		u.t.Error("the user's repository was written to")
	}
	u.gitIn(s.GitDir, "fsck", "--strict", "--connectivity-only")
	dir := filepath.Join(u.t.TempDir(), "work space")
	_, err = u.g.Checkout(u.t.Context(), s.CodeRef(), dir, git.CheckoutOptions{})
	must(u.t, err)
	if got := u.gitIn(dir, "rev-parse", "HEAD"); got != s.Commit.SHA {
		u.t.Errorf("HEAD of the checkout is %s, want %s", got, s.Commit.SHA)
	}
	return s, dir
}

func TestImportClean(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	u.write(map[string]string{"run.sh": "#!/bin/sh\n", "data/big": "ignored", ".env": "ignored"})
	must(t, os.Chmod(filepath.Join(u.dir, "run.sh"), 0o755))
	must(t, os.Symlink("README.md", filepath.Join(u.dir, "link")))
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "Second")
	u.git("tag", "v1")
	h := u.host()
	s, dir := u.importAndCheck(h, "")
	if s.Dirty || s.Ref != "refs/heads/main" || s.TreeGit != u.git("rev-parse", "HEAD^{tree}") {
		t.Errorf("%+v", s)
	}
	want, got := workFiles(t, u.dir), workFiles(t, dir)
	delete(want, "data/big")
	delete(want, ".env")
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for args, want := range map[string]string{
		"rev-parse --abbrev-ref HEAD": "main", "rev-list --count HEAD": "2", "status --porcelain": "",
		"log -1 --format=%an:%s": "Ana:Second", "rev-parse origin/main": s.Commit.SHA,
	} {
		if got := u.gitIn(dir, strings.Fields(args)...); got != want {
			t.Errorf("git %s in the checkout: %q, want %q", args, got, want)
		}
	}
	// Again: the commit is kept; an older one by name, tag and id.
	u.importAndCheck(h, "")
	first := u.git("rev-parse", "HEAD~1")
	for _, rev := range []string{first, "HEAD~1", first[:10]} {
		s, dir := u.importAndCheck(h, rev)
		if s.Commit.SHA != first || s.Ref != "" {
			t.Errorf("%s gives %s %q", rev, s.Commit.SHA, s.Ref)
		}
		if got := u.gitIn(dir, "rev-list", "--count", "HEAD"); got != "1" {
			t.Errorf("%s commits", got)
		}
	}
	if s, _ := u.importAndCheck(h, "v1"); s.Ref != "refs/tags/v1" {
		t.Errorf("tag: %q", s.Ref)
	}
	_, err := h.Import(t.Context(), "local/x", u.dir, "mian")
	wantCode(t, err, cairn.CodeNotFound)
	if !strings.Contains(cairn.AsError(err).Hint, "main") {
		t.Errorf("hint: %s", cairn.AsError(err).Hint)
	}
	_, err = h.Import(t.Context(), "local/x", u.dir, "--upload-pack=x")
	wantCode(t, err, cairn.CodeInvalid)
	// Self-contained: the user's repository may go.
	must(t, os.Rename(u.dir, u.dir+".gone"))
	c, err := h.Commit(t.Context(), "local/x", s.Commit.SHA)
	if err != nil || c.Subject != "Second" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = h.Commit(t.Context(), "local/x", "v1"); err != nil || c.SHA != s.Commit.SHA {
		t.Errorf("imported tag: %+v, %v", c, err)
	}
}

func TestImportDirty(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	h := u.host()
	u.write(map[string]string{
		"src/a.py": "changed", "new/untracked ü": "u", "line\nfeed": "l", "staged-only": "staged", "data/x": "ignored", "t.log": "ignored", "forced.log": "f",
	})
	u.git("add", "staged-only")
	u.git("add", "-f", "forced.log")
	must(t, os.Remove(filepath.Join(u.dir, "README.md")))
	s, dir := u.importAndCheck(h, "")
	if !s.Dirty || s.DirtyCount != 6 || s.TreeGit == s.Commit.Tree {
		t.Errorf("%+v", s)
	}
	got := workFiles(t, dir)
	want := map[string]string{
		".gitignore": "false *.log\n.env\n/data/\n", "src/a.py": "false changed", "new/untracked ü": "false u",
		"line\nfeed": "false l", "staged-only": "false staged", "forced.log": "false f",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if status := u.gitIn(dir, "status", "--porcelain", "-z"); !strings.Contains(status, "M  src/a.py") || !strings.Contains(status, "D  README.md") {
		t.Errorf("status in the checkout: %q", status)
	}
	again, _ := u.importAndCheck(h, "")
	if again.TreeGit != s.TreeGit {
		t.Error("another tree the second time")
	}
	// A commit asked for by name leaves the changes out.
	clean, dir := u.importAndCheck(h, "main")
	if clean.Dirty {
		t.Error("dirty")
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "src/a.py")); string(b) != "print(1)\n" {
		t.Errorf("%q", b)
	}
	// Self-contained, the staged content too.
	must(t, os.Rename(u.dir, u.dir+".gone"))
	if b, err := h.ReadFile(t.Context(), "local/x", s.TreeGit, "staged-only"); err != nil || string(b) != "staged" {
		t.Errorf("%q, %v", b, err)
	}
	u.gitIn(s.GitDir, "gc", "--prune=now", "-q")
	u.gitIn(s.GitDir, "fsck", "--strict")
	if _, err := h.ReadFile(t.Context(), "local/x", s.TreeGit, "new/untracked ü"); err != nil {
		t.Errorf("after gc: %v", err)
	}
}

func TestImportTouched(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	u.write(map[string]string{"README.md": "hello\n"}) // the same bytes, another time
	if s, _ := u.importAndCheck(u.host(), ""); s.Dirty {
		t.Errorf("%+v", s)
	}
}

func TestImportSpecial(t *testing.T) {
	t.Parallel()
	t.Run("no commits", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		u.dir = t.TempDir()
		u.git("init", "-q")
		u.write(map[string]string{"a": "b"})
		wt, err := u.g.Find(t.Context(), u.dir)
		if err != nil || !wt.NoCommits || !wt.Dirty {
			t.Errorf("%+v, %v", wt, err)
		}
		_, err = u.host().Import(t.Context(), "local/x", u.dir, "")
		wantCode(t, err, cairn.CodeInvalid)
		if e := cairn.AsError(err); !strings.Contains(e.Message, "has no commits yet") || !strings.Contains(e.Hint, "git commit") {
			t.Errorf("%s / %s", e.Message, e.Hint)
		}
	})
	t.Run("shallow", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		u.write(map[string]string{"b": "2"})
		u.git("add", "-A")
		u.git("commit", "-q", "-m", "Second")
		clone := filepath.Join(t.TempDir(), "clone")
		u.git("clone", "-q", "--depth", "1", "file://"+u.dir, clone)
		u.dir = clone
		u.write(map[string]string{"dirt": "3"})
		s, dir := u.importAndCheck(u.host(), "")
		if !s.Shallow || !s.Dirty {
			t.Errorf("%+v", s)
		}
		if n := u.gitIn(dir, "rev-list", "--count", "HEAD"); n != "1" {
			t.Errorf("%s commits", n)
		}
	})
	t.Run("detached and linked", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		linked := filepath.Join(t.TempDir(), "l")
		u.git("worktree", "add", "-q", "--detach", linked)
		main := u.dir
		u.dir = linked
		u.write(map[string]string{"only here": "x"})
		s, err := u.host().Import(t.Context(), "local/x", filepath.Join(linked, "src"), "")
		must(t, err)
		if s.Ref != "" || !s.Dirty || s.WorkTree.Prefix != "src" {
			t.Errorf("%+v", s)
		}
		dir := t.TempDir()
		_, err = u.g.Checkout(t.Context(), s.CodeRef(), dir, git.CheckoutOptions{Clean: true})
		must(t, err)
		if b, err := os.ReadFile(filepath.Join(dir, "only here")); err != nil || string(b) != "x" {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := os.Stat(filepath.Join(main, "only here")); err == nil {
			t.Error("written to the other work tree")
		}
	})
	t.Run("submodule", func(t *testing.T) {
		t.Parallel()
		inner, u := newUser(t).repo(), newUser(t).repo()
		u.git("submodule", "--quiet", "add", inner.dir, "libs/inner")
		u.git("commit", "-q", "-m", "With a submodule")
		u.write(map[string]string{"libs/inner/src/a.py": "changed inside"})
		s, dir := u.importAndCheck(u.host(), "")
		if !slices.Equal(s.Submodules, []string{"libs/inner"}) || s.Dirty {
			t.Errorf("%+v", s)
		}
		if es, _ := os.ReadDir(filepath.Join(dir, "libs/inner")); len(es) != 0 {
			t.Errorf("%v", es)
		}
	})
	t.Run("bare", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		bare := filepath.Join(t.TempDir(), "b.git")
		u.git("clone", "-q", "--bare", u.dir, bare)
		s, err := u.host().Import(t.Context(), "local/x", bare, "")
		must(t, err)
		if s.Dirty || s.Ref != "refs/heads/main" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("inner repository without commits", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		must(t, os.Mkdir(filepath.Join(u.dir, "inner"), 0o755))
		u.gitIn(filepath.Join(u.dir, "inner"), "init", "-q")
		u.write(map[string]string{"inner/f": "x"})
		_, err := u.host().Import(t.Context(), "local/x", u.dir, "")
		wantCode(t, err, cairn.CodeInvalid)
	})
	t.Run("environment of a hook", func(t *testing.T) {
		t.Parallel()
		u, other := newUser(t).repo(), newUser(t).repo()
		g := git.New(git.Options{Env: append(env(u.home), "GIT_DIR="+other.dir+"/.git", "GIT_INDEX_FILE=/nonexistent", "GIT_WORK_TREE=/")})
		wt, err := g.Find(t.Context(), u.dir)
		if err != nil || wt.Root != u.dir {
			t.Errorf("%+v, %v", wt, err)
		}
	})
	t.Run("hooks do not run", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		h := u.host()
		for _, name := range []string{"post-checkout", "post-index-change", "reference-transaction", "fsmonitor"} {
			p := filepath.Join(u.dir, ".git/hooks", name)
			must(t, os.WriteFile(p, []byte("#!/bin/sh\ntouch "+u.home+"/ran\n"), 0o755))
		}
		u.git("config", "core.fsmonitor", filepath.Join(u.dir, ".git/hooks/fsmonitor"))
		u.write(map[string]string{"dirt": "x"})
		_, err := h.Import(t.Context(), "local/x", u.dir, "")
		must(t, err)
		if _, err := os.Stat(filepath.Join(u.home, "ran")); err == nil {
			t.Error("a hook of the user's repository ran")
		}
	})
	t.Run("split index", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		u.git("config", "core.splitIndex", "true")
		u.git("update-index", "--split-index")
		u.write(map[string]string{"dirt": "x"})
		u.importAndCheck(u.host(), "")
	})
	t.Run("merge conflict", func(t *testing.T) {
		t.Parallel()
		u := newUser(t).repo()
		u.git("checkout", "-q", "-b", "side")
		u.write(map[string]string{"README.md": "side\n"})
		u.git("commit", "-q", "-am", "side")
		u.git("checkout", "-q", "main")
		u.write(map[string]string{"README.md": "main\n"})
		u.git("commit", "-q", "-am", "main")
		if _, err := u.tryGit(u.dir, "merge", "side"); err == nil {
			t.Fatal("no conflict")
		}
		s, _ := u.importAndCheck(u.host(), "")
		if !s.Dirty || s.DirtyFiles[0].Status != "conflict" {
			t.Errorf("%+v", s.DirtyFiles)
		}
	})
}

// TestImportWithinATick changes a file so soon after git add that its times are
// those of the index: only its content tells.
func TestImportWithinATick(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	tick := time.Now().Add(-time.Minute).Truncate(time.Second)
	file, index := filepath.Join(u.dir, "README.md"), filepath.Join(u.dir, ".git", "index")
	u.git("config", "core.trustctime", "false") // the one time that a test cannot set
	must(t, os.Chtimes(file, tick, tick))
	u.git("update-index", "--refresh")
	must(t, os.Chtimes(index, tick, tick))
	u.write(map[string]string{"README.md": "HELLO\n"})
	must(t, os.Chtimes(file, tick, tick))
	s, _ := u.importAndCheck(u.host(), "")
	if !s.Dirty || s.DirtyCount != 1 {
		t.Fatalf("the change was not seen: %+v", s)
	}
}
