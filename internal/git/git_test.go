package git_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// env is a user of git without any configuration of this machine.
func env(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05+01:00",
		"GIT_COMMITTER_NAME=Bo", "GIT_COMMITTER_EMAIL=bo@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05+01:00"}
}

// user is a person with a home and a repository.
type user struct {
	t    testing.TB
	home string
	dir  string
	g    *git.Git
}

func newUser(t testing.TB) *user {
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[protocol \"file\"]\n\tallow = always\n"), 0o600))
	return &user{t: t, home: home, g: git.New(git.Options{Env: env(home)})}
}

// repo makes a repository with one commit.
func (u *user) repo() *user {
	u.dir = filepath.Join(u.t.TempDir(), "my project")
	must(u.t, os.Mkdir(u.dir, 0o755))
	u.git("init", "-q", "-b", "main")
	u.write(map[string]string{"README.md": "hello\n", "src/a.py": "print(1)\n", ".gitignore": "*.log\n.env\n/data/\n"})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "First\n\nwith a body")
	return u
}

func (u *user) git(args ...string) string { return u.gitIn(u.dir, args...) }

func (u *user) gitIn(dir string, args ...string) string {
	u.t.Helper()
	out, err := u.tryGit(dir, args...)
	if err != nil {
		u.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func (u *user) tryGit(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, env(u.home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (u *user) write(files map[string]string) {
	u.t.Helper()
	for p, text := range files {
		p = filepath.Join(u.dir, p)
		must(u.t, errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)))
	}
}

// fingerprint is every file below .git with its content: nothing of the user's
// may change.
func (u *user) fingerprint() map[string]string { return listing(u.t, filepath.Join(u.dir, ".git")) }

func listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		fi, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			return nil
		}
		if e.Type()&fs.ModeSymlink != 0 {
			out[rel], err = os.Readlink(p)
			return err
		}
		b, err := os.ReadFile(p)
		out[rel] = fmt.Sprint(fi.Mode()&0o100 != 0, " ", string(b))
		return err
	}))
	return out
}

func (u *user) host() *git.Host {
	h, err := u.g.OpenHost(filepath.Join(u.t.TempDir(), "repos"))
	must(u.t, err)
	return h
}

// workFiles leaves the repository itself out.
func workFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := listing(t, dir)
	maps.DeleteFunc(out, func(p, _ string) bool { return strings.HasPrefix(p, ".git/") })
	return out
}

func TestFind(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	u.git("remote", "add", "origin", "https://me:secret@example.com/group/ana/my.project.git")
	sub := filepath.Join(u.dir, "src")
	before := u.fingerprint()
	wt, err := u.g.Find(t.Context(), sub)
	if !maps.Equal(before, u.fingerprint()) {
		t.Error("the repository was written to")
	}
	must(t, err)
	if wt.Root != u.dir || wt.Prefix != "src" || wt.Ref != "refs/heads/main" || wt.Dirty || wt.NoCommits || wt.Bare || wt.Linked || wt.Shallow {
		t.Errorf("%+v", wt)
	}
	if wt.Name != "ana/my.project" || strings.Contains(wt.Origin, "secret") || wt.DefaultBranch != "main" {
		t.Errorf("name %s, origin %s, default %s", wt.Name, wt.Origin, wt.DefaultBranch)
	}
	c := wt.Head
	if c.SHA != u.git("rev-parse", "HEAD") || c.Tree != u.git("rev-parse", "HEAD^{tree}") || c.Author != "Ana" || c.Email != "ana@example.com" ||
		c.Committer != "Bo" || c.Subject != "First" || c.Message != "First\n\nwith a body" || c.Date.UTC().Format("15:04:05") != "02:04:05" {
		t.Errorf("%+v", c)
	}
	u.write(map[string]string{"src/a.py": "2", "new file": "n", "x/line\nfeed ü": "", "trace.log": "ignored", "staged": "s"})
	u.git("add", "staged")
	u.git("rm", "-q", "--cached", "README.md")
	must(t, os.Remove(filepath.Join(u.dir, "README.md")))
	wt, err = u.g.Find(t.Context(), u.dir)
	must(t, err)
	var got []string
	for _, f := range wt.DirtyFiles {
		got = append(got, f.Status+" "+f.Path)
	}
	slices.Sort(got)
	want := []string{"added staged", "deleted README.md", "modified src/a.py", "untracked new file", "untracked x/line\nfeed ü"}
	if !slices.Equal(got, want) || wt.DirtyCount != 5 || wt.DirtyBytes != 3 {
		t.Errorf("dirty %q, %d bytes", got, wt.DirtyBytes)
	}
	u.git("reset", "-q", "--hard")
	must(t, os.RemoveAll(filepath.Join(u.dir, "x")))
	must(t, os.Remove(filepath.Join(u.dir, "new file")))
	u.git("checkout", "-q", "--detach")
	wt, err = u.g.Find(t.Context(), u.dir)
	if err != nil || wt.Ref != "" || wt.Dirty {
		t.Errorf("detached: %+v, %v", wt, err)
	}
}

func TestFindElsewhere(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, err := u.g.Find(t.Context(), u.home)
	wantCode(t, err, cairn.CodeInvalid)
	if !strings.Contains(cairn.AsError(err).Hint, "git init") {
		t.Errorf("hint: %v", cairn.AsError(err).Hint)
	}
	_, err = u.g.Find(t.Context(), filepath.Join(u.home, "none"))
	wantCode(t, err, cairn.CodeNotFound)
	u.repo()
	_, err = u.g.Find(t.Context(), filepath.Join(u.dir, ".git"))
	wantCode(t, err, cairn.CodeInvalid)

	linked := filepath.Join(t.TempDir(), "linked")
	u.git("worktree", "add", "-q", "-b", "side", linked)
	wt, err := u.g.Find(t.Context(), linked)
	if err != nil || !wt.Linked || wt.Ref != "refs/heads/side" || wt.Root != linked {
		t.Errorf("linked: %+v, %v", wt, err)
	}
	bare := filepath.Join(t.TempDir(), "b.git")
	u.git("clone", "-q", "--bare", u.dir, bare)
	wt, err = u.g.Find(t.Context(), bare)
	if err != nil || !wt.Bare || wt.Root != bare || wt.Ref != "refs/heads/main" || wt.Head.Subject != "First" {
		t.Errorf("bare: %+v, %v", wt, err)
	}
	broken := git.New(git.Options{Binary: filepath.Join(u.home, "no-git")})
	_, err = broken.Find(t.Context(), u.dir)
	wantCode(t, err, cairn.CodeUnavailable)
}

func TestDubiousOwnership(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	u := newUser(t).repo()
	must(t, os.Chown(u.dir, 12345, 12345))
	must(t, os.Chown(filepath.Join(u.dir, ".git"), 12345, 12345))
	_, err := u.g.Find(t.Context(), u.dir)
	wantCode(t, err, cairn.CodeForbidden)
	if hint := cairn.AsError(err).Hint; !strings.Contains(hint, "safe.directory "+u.dir) {
		t.Errorf("hint: %s", hint)
	}
	u.gitIn(u.home, "config", "--global", "--add", "safe.directory", u.dir)
	h := u.host()
	_, err = h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
}

func TestCheckoutOptions(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	u.git("tag", "-a", "v1.0", "-m", "one")
	u.git("checkout", "-q", "-b", "feature/x")
	u.write(map[string]string{"feature": "f"})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "Feature")
	h := u.host()
	feature, err := h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
	u.git("checkout", "-q", "main")
	u.write(map[string]string{"dirt": "d"})
	s, err := h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "leftover"), nil, 0o600))
	c, err := u.g.Checkout(t.Context(), s.CodeRef(), dir, git.CheckoutOptions{Clean: true, Tags: true, RemoteURL: "http://127.0.0.1:1/git/local/x.git"})
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "leftover")); err == nil {
		t.Error("not emptied")
	}
	if got := u.gitIn(dir, "describe", "--tags"); got != "v1.0" || c.SHA != s.Commit.SHA {
		t.Errorf("describe %q, commit %s", got, c.SHA)
	}
	if got := u.gitIn(dir, "remote", "get-url", "origin"); got != "http://127.0.0.1:1/git/local/x.git" {
		t.Errorf("origin %q", got)
	}
	// Another ref, and back again into the same folder.
	c, err = u.g.Checkout(t.Context(), s.CodeRef(), dir, git.CheckoutOptions{Ref: feature.Commit.SHA})
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "feature")); err != nil || c.Subject != "Feature" {
		t.Errorf("%v, %+v", err, c)
	}
	if _, err := os.Stat(filepath.Join(dir, "dirt")); err == nil {
		t.Error("uncommitted changes are in another ref's checkout")
	}
	if _, err = u.g.Checkout(t.Context(), s.CodeRef(), t.TempDir(), git.CheckoutOptions{Ref: "v1.0"}); err != nil {
		t.Error(err)
	}
	_, err = u.g.Checkout(t.Context(), s.CodeRef(), t.TempDir(), git.CheckoutOptions{Ref: "nowhere"})
	wantCode(t, err, cairn.CodeNotFound)
	_, err = u.g.Checkout(t.Context(), s.CodeRef(), t.TempDir(), git.CheckoutOptions{Ref: "--help"})
	wantCode(t, err, cairn.CodeInvalid)
	code := s.CodeRef()
	code.GitDir += ".gone"
	_, err = u.g.Checkout(t.Context(), code, t.TempDir(), git.CheckoutOptions{})
	wantCode(t, err, cairn.CodeNotFound)
}

func TestReads(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	h := u.host()
	u.write(map[string]string{".github/workflows/a.yml": "on: push\n", "src/a.py": "x", "empty dir/ü": ""})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "Second")
	s, err := h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
	ctx, repo, sha := t.Context(), "local/x", s.Commit.SHA
	if b, err := h.ReadFile(ctx, repo, s.TreeGit, ".github/workflows/a.yml"); err != nil || string(b) != "on: push\n" {
		t.Errorf("%q, %v", b, err)
	}
	es, err := h.ListDir(ctx, repo, sha, ".github/workflows")
	if err != nil || len(es) != 1 || es[0].Name != "a.yml" || es[0].Mode != git.GitFile || es[0].Size != 9 {
		t.Errorf("%+v, %v", es, err)
	}
	if es, err = h.ListDir(ctx, repo, sha, ""); err != nil || len(es) != 5 {
		t.Errorf("%+v, %v", es, err)
	}
	files, err := h.ChangedFiles(ctx, repo, s.Commit.Parents[0], sha)
	if err != nil || !slices.Equal(files, []string{".github/workflows/a.yml", "empty dir/ü", "src/a.py"}) {
		t.Errorf("%q, %v", files, err)
	}
	if same, err := h.ChangedFiles(ctx, repo, "", sha); err != nil || !slices.Equal(same, files) {
		t.Errorf("%q, %v", same, err)
	}
	if none, err := h.ChangedFiles(ctx, repo, sha, sha); err != nil || len(none) != 0 {
		t.Errorf("%q, %v", none, err)
	}
	if ids, err := h.ResolvePrefix(ctx, repo, sha[:7]); err != nil || !slices.Equal(ids, []string{sha}) {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := h.ResolvePrefix(ctx, repo, "0000"); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
	for want, call := range map[string]func() error{
		"no file":   func() error { _, err := h.ReadFile(ctx, repo, sha, "none"); return err },
		"no folder": func() error { _, err := h.ListDir(ctx, repo, sha, "none"); return err },
		"no repo":   func() error { _, err := h.ReadFile(ctx, "local/y", sha, "none"); return err },
		"no commit": func() error { _, err := h.Commit(ctx, repo, "none"); return err },
		"no from":   func() error { _, err := h.ChangedFiles(ctx, repo, strings.Repeat("1", 40), sha); return err },
	} {
		t.Run(want, func(t *testing.T) { wantCode(t, call(), cairn.CodeNotFound) })
	}
	for want, call := range map[string]func() error{
		"path":    func() error { _, err := h.ReadFile(ctx, repo, sha, "../x"); return err },
		"option":  func() error { _, err := h.Commit(ctx, repo, "--all"); return err },
		"name":    func() error { _, err := h.Dir("../../etc"); return err },
		"name 2":  func() error { return h.Create(ctx, "a/..") },
		"feed":    func() error { _, err := h.Commit(ctx, repo, "a\nb"); return err },
		"prefix":  func() error { _, err := h.ResolvePrefix(ctx, repo, "ab"); return err },
		"ls-tree": func() error { _, err := h.ListDir(ctx, repo, "--help", ""); return err },
	} {
		t.Run(want, func(t *testing.T) { wantCode(t, call(), cairn.CodeInvalid) })
	}
	for path, want := range map[string]bool{"x.log": true, "src/a.py": false, "data/deep/file": true, ".env": true} {
		if got, err := u.g.Ignored(ctx, u.dir, path); err != nil || got != want {
			t.Errorf("Ignored(%s) = %v, %v", path, got, err)
		}
	}
}

func TestRepoName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ origin, root, want string }{
		{"https://github.com/ana/digits.git", "/x", "ana/digits"}, {"git@github.com:ana/digits.git", "/x", "ana/digits"},
		{"ssh://git@host:22/ana/digits", "/x", "ana/digits"}, {"https://host/a/b/c/d.git/", "/x", "c/d"},
		{"", "/home/ana/my project", "local/my-project"}, {"/srv/git/digits.git", "/x", "local/digits"},
		{"file:///srv/git/digits.git", "/x", "local/digits"}, {"host:digits.git", "/x", "local/digits"},
		{"../up/digits", "/x", "local/digits"}, {"", "/", "local/repository"}, {"https://h/ü/ß", "/x", "repository/repository"},
		{"https://h/../..", "/x", "repository/repository"}, {"", "/a/.git", "local/a"}, {"https://h/a/x.lock", "/", "a/x"},
	} {
		got := git.RepoName(c.origin, c.root)
		if got != c.want || git.CheckRepo(got) != nil {
			t.Errorf("%q at %q: %q (%v), want %q", c.origin, c.root, got, git.CheckRepo(got), c.want)
		}
	}
	for _, bad := range []string{"", "a", "a/", "/a", "a/b/c", "../x", "a/..", "a/.", "-a/b", "a/-b", "a/b.git", "a b/c", "a/b\n"} {
		if git.CheckRepo(bad) == nil {
			t.Errorf("%q is taken for a name", bad)
		}
	}
	for ref, ok := range map[string]bool{
		"refs/heads/main": true, "refs/heads/a/b": true, "refs/heads/ü": true, "main": false, "refs/heads/a..b": false, "refs/heads/.a": false,
		"refs/heads/a.lock": false, "refs/heads/a b": false, "refs/heads/": false, "refs/heads//a": false, "refs/heads/a\n": false, "refs/heads/a@{1}": false,
	} {
		if (git.CheckRef(ref) == nil) != ok {
			t.Errorf("CheckRef(%q) is %v", ref, !ok)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, cairn.AsError(err).Hint)
	}
}

func wantCode(t *testing.T, err error, code cairn.Code) {
	t.Helper()
	if cairn.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, cairn.CodeOf(err), code)
	}
}

func TestWebURL(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://github.com/acme/api.git":           "https://github.com/acme/api",
		"https://ana:secret@github.com/acme/api":    "https://github.com/acme/api",
		"http://git.example.org:3000/acme/api.git/": "http://git.example.org:3000/acme/api",
		"git@github.com:acme/api.git":               "https://github.com/acme/api",
		"ssh://git@git.example.org:2222/acme/api":   "https://git.example.org/acme/api",
		"git://git.example.org/acme/api":            "https://git.example.org/acme/api",
		"/home/ana/api":                             "",
		"../api.git":                                "",
		"file:///home/ana/api":                      "",
		"ftp://example.org/acme/api":                "",
		"https://github.com/":                       "",
		"":                                          "",
	} {
		if got := git.WebURL(origin); got != want {
			t.Errorf("%q: %q, want %q", origin, got, want)
		}
	}
}
