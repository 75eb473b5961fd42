package git_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// history is a repository with five commits, two branches, a merge and tags, as it
// is hosted after a push.
func history(t *testing.T) (*user, cairn.CodeRef) {
	u := newUser(t).repo()
	for _, n := range []string{"two", "three"} {
		u.write(map[string]string{"src/" + n + ".py": n, "docs/" + n + ".md": n})
		u.git("add", "-A")
		u.git("commit", "-q", "-m", n)
	}
	u.git("tag", "-a", "v1", "-m", "one")
	u.git("tag", "light")
	u.git("checkout", "-q", "-b", "feature/x", "HEAD~1")
	u.write(map[string]string{"side.txt": "s"})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "side")
	u.git("checkout", "-q", "main")
	u.git("merge", "-q", "--no-ff", "-m", "merged", "feature/x")
	h := u.host()
	must(t, h.Create(t.Context(), "ana/x"))
	dir, err := h.Dir("ana/x")
	must(t, err)
	u.git("push", "-q", "--tags", dir, "main", "feature/x", "main:refs/heads/v1", "HEAD:refs/pull/3/merge")
	return u, cairn.CodeRef{Repository: "ana/x", GitDir: dir, Commit: u.git("rev-parse", "HEAD"), TreeGit: u.git("rev-parse", "HEAD^{tree}"), Ref: "refs/heads/main"}
}

// TestCheckoutDepth: what git log shows is what a fetch of that depth brings.
func TestCheckoutDepth(t *testing.T) {
	t.Parallel()
	u, code := history(t)
	for _, depth := range []int{1, 2, 3, 4, 9} {
		dir, plain := t.TempDir(), t.TempDir()
		_, err := u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: depth, Clean: true})
		must(t, err)
		u.gitIn(plain, "init", "-q")
		u.gitIn(plain, "fetch", "-q", "--no-tags", "--depth", string(rune('0'+depth)), "file://"+code.GitDir, code.Commit)
		want := u.gitIn(plain, "log", "--format=%H %s", "FETCH_HEAD")
		if got := u.gitIn(dir, "log", "--format=%H %s"); got != want {
			t.Errorf("depth %d:\n%s\nwant\n%s", depth, got, want)
		}
		if got, want := u.gitIn(dir, "rev-parse", "--is-shallow-repository"), u.gitIn(plain, "rev-parse", "--is-shallow-repository"); got != want {
			t.Errorf("depth %d: shallow %s, want %s", depth, got, want)
		}
		if refs := u.gitIn(dir, "for-each-ref", "--format=%(refname)"); refs != "refs/heads/main\nrefs/remotes/origin/main" {
			t.Errorf("depth %d: %s", depth, refs)
		}
		u.gitIn(dir, "fsck", "--connectivity-only")
	}
}

// TestCheckoutHead: where HEAD is, by what is asked for.
func TestCheckoutHead(t *testing.T) {
	t.Parallel()
	u, code := history(t)
	tagObject := u.git("rev-parse", "v1")
	for _, c := range []struct {
		name, ref string
		o         git.CheckoutOptions
		head      string // of git status -b, first line
		at        string // which commit, in the user's repository
		refs      string
	}{
		{"the run's", "", git.CheckoutOptions{Depth: 1}, "## main...origin/main", "main", "refs/heads/main refs/remotes/origin/main"},
		{"detached", "", git.CheckoutOptions{Depth: 1, Detach: true}, "## HEAD (no branch)", "main", ""},
		{"a branch", "feature/x", git.CheckoutOptions{Depth: 1}, "## feature/x...origin/feature/x", "feature/x", "refs/heads/feature/x refs/remotes/origin/feature/x"},
		{"a branch before a tag", "v1", git.CheckoutOptions{Depth: 1}, "## v1...origin/v1", "main", "refs/heads/v1 refs/remotes/origin/v1"},
		{"a tag", "refs/tags/v1", git.CheckoutOptions{Depth: 1}, "## HEAD (no branch)", "v1^{commit}", "refs/tags/v1"},
		{"a light tag", "light", git.CheckoutOptions{Depth: 1}, "## HEAD (no branch)", "light", "refs/tags/light"},
		{"a commit", u.git("rev-parse", "main~1"), git.CheckoutOptions{Depth: 1}, "## HEAD (no branch)", "main~1", ""},
		{"a pull request", "refs/pull/3/merge", git.CheckoutOptions{Depth: 1}, "## HEAD (no branch)", "main", "refs/remotes/pull/3/merge"},
		{"tags", "", git.CheckoutOptions{Depth: 1, Tags: true}, "## main...origin/main", "main", "refs/heads/main refs/remotes/origin/main refs/tags/light refs/tags/v1"},
		{"all", "", git.CheckoutOptions{}, "## main...origin/main", "main",
			"refs/heads/main refs/remotes/origin/feature/x refs/remotes/origin/main refs/remotes/origin/v1 refs/tags/light refs/tags/v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.o.Ref, c.o.Clean = c.ref, true
			_, err := u.g.Checkout(t.Context(), code, dir, c.o)
			must(t, err)
			if got := u.gitIn(dir, "status", "-sb"); got != c.head {
				t.Errorf("status %q", got)
			}
			if got, want := u.gitIn(dir, "rev-parse", "HEAD"), u.git("rev-parse", c.at); got != want {
				t.Errorf("HEAD %s, want %s", got, want)
			}
			if got := strings.Join(strings.Fields(u.gitIn(dir, "for-each-ref", "--format=%(refname)")), " "); got != c.refs {
				t.Errorf("refs %s", got)
			}
			if strings.Contains(c.refs, "refs/tags/v1") {
				if got := u.gitIn(dir, "rev-parse", "refs/tags/v1"); got != tagObject {
					t.Errorf("the tag is not annotated any more: %s", got)
				}
			}
		})
	}
}

func TestCheckoutSparse(t *testing.T) {
	t.Parallel()
	u, code := history(t)
	for _, c := range []struct {
		lines []string
		cone  bool
		want  string
	}{
		{[]string{"src"}, true, ".gitignore README.md side.txt src/a.py src/three.py src/two.py"},
		{[]string{"."}, true, ".gitignore README.md side.txt"},
		{[]string{"*.md", "!/docs/two.md"}, false, "README.md docs/three.md"},
		{nil, true, ".gitignore README.md docs/three.md docs/two.md side.txt src/a.py src/three.py src/two.py"},
	} {
		dir := t.TempDir()
		// The second time over the first: as a step that checks out again.
		for range 2 {
			_, err := u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: 1, Sparse: c.lines, Cone: c.cone, Clean: true})
			must(t, err)
			var got []string
			for p := range workFiles(t, dir) {
				if fi, err := os.Stat(filepath.Join(dir, p)); err == nil && !fi.IsDir() {
					got = append(got, p)
				}
			}
			slices.Sort(got)
			if have := strings.Join(got, " "); have != c.want {
				t.Errorf("%q: %s", c.lines, have)
			}
			if st := u.gitIn(dir, "status", "--porcelain"); st != "" {
				t.Errorf("%q: %s", c.lines, st)
			}
		}
	}
}

// TestCheckoutAgain: what a second checkout into the same folder keeps.
func TestCheckoutAgain(t *testing.T) {
	t.Parallel()
	u, code := history(t)
	dir := filepath.Join(t.TempDir(), "ws")
	_, err := u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: 1})
	must(t, err)
	u.gitIn(dir, "config", "user.name", `A "b" \ c`)
	u.gitIn(dir, "config", "filter.evil.smudge", "touch "+filepath.Join(t.TempDir(), "evil"))
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("safe"), 0o600))
	must(t, os.Remove(filepath.Join(dir, ".git/HEAD")))
	must(t, os.Symlink(victim, filepath.Join(dir, ".git/HEAD")))
	must(t, os.WriteFile(filepath.Join(dir, "made.log"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("changed"), 0o600))
	_, err = u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: 0, Ref: "feature/x"})
	must(t, err)
	if b, _ := os.ReadFile(victim); string(b) != "safe" {
		t.Errorf("a link that a step left in .git was written through: %s", b)
	}
	if got := u.gitIn(dir, "config", "user.name"); got != `A "b" \ c` {
		t.Errorf("user.name %q", got)
	}
	if out, err := u.tryGit(dir, "config", "filter.evil.smudge"); err == nil {
		t.Errorf("a filter was taken along: %s", out)
	}
	if got := u.gitIn(dir, "status", "--porcelain"); got != "" {
		t.Errorf("status %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "made.log")); err != nil {
		t.Error("clean: false keeps what is not tracked")
	}
	_, err = u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: 1, Clean: true})
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "made.log")); err == nil {
		t.Error("clean: true removes what is not tracked")
	}
	if got := u.gitIn(dir, "log", "--format=%s"); got != "merged" {
		t.Errorf("log %s", got)
	}
	// Of another remote everything goes.
	must(t, os.WriteFile(filepath.Join(dir, "made.log"), nil, 0o600))
	_, err = u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: 1, RemoteURL: "http://127.0.0.1:1/git/ana/x.git"})
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "made.log")); err == nil {
		t.Error("a work tree of another remote is emptied")
	}
}

// TestCheckoutOwn: a work tree that needs the hosted repository no more, as in a container.
func TestCheckoutOwn(t *testing.T) {
	t.Parallel()
	u, code := history(t)
	for _, depth := range []int{0, 1, 2} {
		dir := t.TempDir()
		_, err := u.g.Checkout(t.Context(), code, dir, git.CheckoutOptions{Depth: depth, Clean: true, Own: true})
		must(t, err)
		away := code.GitDir + ".away"
		must(t, os.Rename(code.GitDir, away))
		if st := u.gitIn(dir, "status", "--porcelain"); st != "" {
			t.Errorf("depth %d: %s", depth, st)
		}
		u.gitIn(dir, "fsck")
		if log := u.gitIn(dir, "log", "--format=%s"); strings.Contains(log, "First") != (depth == 0) {
			t.Errorf("depth %d: %s", depth, log)
		}
		must(t, os.Rename(away, code.GitDir))
	}
}

func TestSibling(t *testing.T) {
	t.Parallel()
	_, code := history(t)
	other, err := git.Sibling(code, "ana/x")
	if err != nil || other.GitDir != code.GitDir || other.Ref != "refs/heads/main" || other.Commit != "" {
		t.Errorf("%+v %v", other, err)
	}
	if other, err = git.Sibling(code, "Ana/X"); err != nil || other.GitDir != code.GitDir || other.Repository != "ana/x" {
		t.Errorf("%+v %v", other, err)
	}
	_, err = git.Sibling(code, "ana/nope")
	wantCode(t, err, cairn.CodeNotFound)
	for _, bad := range []string{"../x", "ana", "a/b/c", "ana/x.git", "-a/b"} {
		_, err = git.Sibling(code, bad)
		wantCode(t, err, cairn.CodeInvalid)
	}
}
