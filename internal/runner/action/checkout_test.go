package action

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/runner"
)

// lab is a Cairn's host of repositories with a server before it, and a person.
type lab struct {
	t     *testing.T
	home  string
	g     *git.Git
	host  *git.Host
	url   string
	token string
}

func newLab(t *testing.T) *lab {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on this machine")
	}
	l := &lab{t: t, home: t.TempDir(), token: "cairn_j9e1_secret"}
	l.g = git.New(git.Options{Env: l.env()})
	var err error
	if l.host, err = l.g.OpenHost(filepath.Join(t.TempDir(), "repositories")); err != nil {
		t.Fatal(err)
	}
	srv := l.host.Server(git.HandlerOptions{
		Refs: noRefs{},
		Allow: func(ctx context.Context, repo string, write bool) error {
			if ctx.Value(tokenKey{}) != l.token {
				return cairn.Errorf(cairn.CodeUnauthenticated, "a token is needed")
			}
			return nil
		},
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		r = r.WithContext(context.WithValue(r.Context(), tokenKey{}, password))
		http.StripPrefix("/git", srv).ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	l.url = web.URL
	return l
}

type tokenKey struct{}

type noRefs struct{}

func (noRefs) RecordedRefs(context.Context, string) (map[string]cairn.RecordedRef, error) {
	return nil, nil
}
func (noRefs) SetRef(context.Context, string, string, string, int64, cairn.Change) error { return nil }

func (l *lab) env() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=a@b.c",
		"GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=a@b.c", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z"}
}

func (l *lab) git(dir string, args ...string) string {
	l.t.Helper()
	out, err := l.tryGit(dir, args...)
	if err != nil {
		l.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (l *lab) tryGit(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir, cmd.Env = dir, l.env()
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// work makes a person's repository with files of the given names.
func (l *lab) work(names ...string) string {
	dir := l.t.TempDir()
	l.git(dir, "init", "-q", "-b", "main")
	files(l.t, dir, names...)
	l.commit(dir, "first")
	return dir
}

func (l *lab) commit(dir, message string) {
	l.git(dir, "add", "-A")
	l.git(dir, "commit", "-q", "--allow-empty", "-m", message)
}

// push hosts a repository under a name.
func (l *lab) push(dir, name string) cairn.CodeRef {
	l.t.Helper()
	if err := l.host.Create(l.t.Context(), name); err != nil {
		l.t.Fatal(err)
	}
	to, err := l.host.Dir(name)
	if err != nil {
		l.t.Fatal(err)
	}
	l.git(dir, "push", "-q", to, "--all")
	l.git(dir, "push", "-q", to, "--tags")
	return cairn.CodeRef{Repository: name, GitDir: to, Commit: l.git(dir, "rev-parse", "HEAD"), TreeGit: l.git(dir, "rev-parse", "HEAD^{tree}"), Ref: "refs/heads/main"}
}

// step is a step of a job on code, that runs real processes.
func (l *lab) step(ws string, code cairn.CodeRef, with ...string) (*runner.StepContext, *bytes.Buffer) {
	c, log := step(l.t, nil, ws, with...)
	c.Spec.Code = code
	c.Dirs.Temp = l.t.TempDir()
	c.Env = map[string]string{"PATH": os.Getenv("PATH"), "HOME": c.Dirs.Home, "GIT_CONFIG_NOSYSTEM": "1", "CAIRN_URL": l.url, "CAIRN_TOKEN": l.token, "RUNNER_TEMP": c.Dirs.Temp}
	c.Exec = realExec(c)
	return c, log
}

// realExec runs processes as a machine does.
func realExec(c *runner.StepContext) func(context.Context, runner.Process) (int, error) {
	return func(ctx context.Context, p runner.Process) (int, error) {
		env := p.Env
		if env == nil {
			env = c.Env
		}
		program := p.Args[0]
		if found := lookPath(program, env["PATH"]); found != "" {
			program = found
		}
		cmd := exec.CommandContext(ctx, program, p.Args[1:]...)
		for k, v := range env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, p.Stdout, p.Stderr
		if cmd.Dir == "" {
			cmd.Dir = c.Dirs.Workspace
		}
		if p.Stdout == nil {
			cmd.Stdout = c.Log
		}
		if p.Stderr == nil {
			cmd.Stderr = c.Log
		}
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), nil
		}
		return 0, err
	}
}

func (l *lab) deps() Deps {
	return Deps{
		Checkout: func(ctx context.Context, code cairn.CodeRef, dir string, o CheckoutOptions) (cairn.Commit, error) {
			return l.g.Checkout(ctx, code, dir, git.CheckoutOptions(o))
		},
		Other: git.Sibling,
	}
}

// run does a step and, with post, its end.
func (l *lab) run(uses, ws string, code cairn.CodeRef, with ...string) (*runner.StepContext, *bytes.Buffer) {
	l.t.Helper()
	c, log := l.step(ws, code, with...)
	if err := act(l.t, uses, l.deps()).Run(l.t.Context(), c); err != nil {
		l.t.Fatalf("%s %v: %v %s\n%s", uses, with, err, cairn.AsError(err).Hint, log)
	}
	return c, log
}

func TestCheckoutOptions(t *testing.T) {
	t.Parallel()
	const all, one = 0, 1
	for _, c := range []struct {
		uses string
		with []string
		want CheckoutOptions
	}{
		{"actions/checkout@v1", nil, CheckoutOptions{Depth: all, Clean: true, Detach: true}},
		{"actions/checkout@v1", []string{"fetch-depth", "3", "clean", "false"}, CheckoutOptions{Depth: 3, Detach: true}},
		{"actions/checkout@v2", nil, CheckoutOptions{Depth: one, Clean: true}},
		{"actions/checkout@v3", []string{"fetch-depth", "0", "fetch-tags", "true"}, CheckoutOptions{Depth: all, Tags: true, Clean: true, Cone: true}},
		{"actions/checkout@v4", []string{"ref", "v1", "sparse-checkout", "a\nb\n", "sparse-checkout-cone-mode", "false"}, CheckoutOptions{Ref: "v1", Depth: one, Clean: true, Sparse: []string{"a", "b"}}},
		{"actions/checkout@v6", []string{"fetch-depth", "some", "clean", "maybe"}, CheckoutOptions{Depth: all, Cone: true}},
		{"actions/checkout@main", []string{"fetch-depth", "-1"}, CheckoutOptions{Depth: all, Clean: true, Cone: true}},
	} {
		var got CheckoutOptions
		d := Deps{Checkout: func(_ context.Context, _ cairn.CodeRef, _ string, o CheckoutOptions) (cairn.Commit, error) {
			got = o
			return cairn.Commit{SHA: strings.Repeat("a", 40), Author: "Ana", Subject: "Begin"}, nil
		}}
		s, log := step(t, nil, t.TempDir(), c.with...)
		if err := act(t, c.uses, d).Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%s %v: %+v", c.uses, c.with, got)
		}
		if !strings.Contains(log.String(), "HEAD is at aaaaaaa Begin") {
			t.Error(log.String())
		}
		outputs := s.Outputs["commit"] != ""
		if want := !strings.HasSuffix(c.uses, "v1") && !strings.HasSuffix(c.uses, "v2") && !strings.HasSuffix(c.uses, "v3"); outputs != want {
			t.Errorf("%s: outputs %v", c.uses, s.Outputs)
		}
	}
	ws := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(ws, "link")); err != nil {
		t.Fatal(err)
	}
	for _, with := range []string{"path=../..", "path=/etc", "path=link/x", "repository=abc", "repository=a/b/c"} {
		k, v, _ := strings.Cut(with, "=")
		s, _ := step(t, nil, ws, k, v)
		if err := act(t, "actions/checkout@v4", Deps{}).Run(t.Context(), s); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s: %v", with, err)
		}
	}
}

// TestCheckoutOther: a second checkout of another repository, below the first.
func TestCheckoutOther(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.push(l.work("app.py"), "ana/app")
	lib := l.work("lib.py")
	l.git(lib, "tag", "v1")
	files(t, lib, "new.py")
	l.commit(lib, "second")
	l.git(lib, "branch", "-m", "trunk")
	l.push(lib, "ana/lib")
	dir, _ := l.host.Dir("ana/lib")
	l.git(dir, "symbolic-ref", "HEAD", "refs/heads/trunk")
	ws := t.TempDir()
	l.run("actions/checkout@v4", ws, code)
	c, _ := l.run("actions/checkout@v4", ws, code, "repository", "Ana/Lib", "path", "vendor/lib")
	at := filepath.Join(ws, "vendor/lib")
	if got := l.git(at, "status", "-sb"); got != "## trunk...origin/trunk" || c.Outputs["ref"] != "refs/heads/trunk" {
		t.Errorf("the default branch: %s %v", got, c.Outputs)
	}
	if got := l.git(at, "remote", "get-url", "origin"); got != l.url+"/git/ana/lib.git" {
		t.Errorf("origin %s", got)
	}
	l.run("actions/checkout@v4", ws, code, "repository", "ana/lib", "path", "old", "ref", "v1")
	for name, want := range map[string]bool{"app.py": true, "vendor/lib/new.py": true, "old/lib.py": true, "old/new.py": false} {
		if _, err := os.Stat(filepath.Join(ws, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The first one again takes away what lies in it, as git clean -ffdx does.
	l.run("actions/checkout@v4", ws, code)
	if _, err := os.Stat(at); err == nil {
		t.Error("clean leaves repositories inside")
	}
	s, _ := l.step(ws, code, "repository", "ana/lib", "ref", "nowhere")
	if err := act(t, "actions/checkout@v4", l.deps()).Run(t.Context(), s); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

// TestCheckoutPush: with persisted credentials a step pushes as the job; afterwards
// nothing of them is left.
func TestCheckoutPush(t *testing.T) {
	t.Parallel()
	for _, uses := range []string{"actions/checkout@v2", "actions/checkout@v5", "actions/checkout@v6"} {
		t.Run(uses, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			work := l.work("a.txt")
			l.commit(work, "second")
			code := l.push(work, "ana/app")
			ws := t.TempDir()
			c, log := l.run(uses, ws, code)
			basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + l.token))
			files(t, ws, "b.txt")
			l.commit(ws, "by a job")
			if out, err := l.tryGit(ws, "push", "origin", "HEAD:refs/heads/main"); err != nil {
				t.Fatalf("%v %s %s", err, out, log)
			}
			if got := l.git(code.GitDir, "log", "--format=%s", "refs/heads/main"); got != "by a job\nsecond\nfirst" {
				t.Errorf("hosted: %s", got)
			}
			config := func() string {
				b, err := os.ReadFile(filepath.Join(ws, ".git/config"))
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			if own := uses != "actions/checkout@v6"; strings.Contains(config(), basic) != own {
				t.Errorf("the header in .git/config: want %v\n%s", own, config())
			}
			temp, _ := os.ReadDir(c.Dirs.Temp)
			for _, e := range temp {
				if fi, _ := e.Info(); fi.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v", e.Name(), fi.Mode())
				}
			}
			if err := act(t, uses, l.deps()).(runner.PostAction).Post(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if temp, _ = os.ReadDir(c.Dirs.Temp); len(temp) != 0 || strings.Contains(config(), basic) || strings.Contains(config(), "git-credentials") {
				t.Errorf("left: %v\n%s", temp, config())
			}
			if out, err := l.tryGit(ws, "fetch", "origin"); err == nil {
				t.Errorf("fetches without credentials: %s", out)
			}
			if strings.Contains(log.String(), l.token) || strings.Contains(log.String(), basic) {
				t.Error("the token is in the log")
			}
		})
	}
	l := newLab(t)
	code := l.push(l.work("a.txt"), "ana/app")
	for _, with := range [][]string{{"persist-credentials", "false"}, {"token", "ghp_of_github", "persist-credentials", "true"}} {
		ws := t.TempDir()
		c, _ := l.run("actions/checkout@v6", ws, code, with...)
		temp, _ := os.ReadDir(c.Dirs.Temp)
		if kept := with[1] != "false"; (len(temp) > 0) != kept {
			t.Errorf("%v: %v", with, temp)
		}
		if out, err := l.tryGit(ws, "fetch", "origin"); (err == nil) != (with[1] != "false") {
			t.Errorf("%v: %v %s", with, err, out)
		}
	}
	// The first version kept none.
	ws := t.TempDir()
	c, _ := l.run("actions/checkout@v1", ws, code)
	if temp, _ := os.ReadDir(c.Dirs.Temp); len(temp) > 0 {
		t.Errorf("v1: %v", temp)
	}
}

// TestCheckoutSubmodules: relative ones of hosted repositories, absolute ones that
// are hosted here, local paths, and nested ones.
func TestCheckoutSubmodules(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	inner := l.work("inner.py")
	l.push(inner, "ana/inner")
	lib := l.work("lib.py")
	l.git(lib, "submodule", "add", "-q", inner, "inner")
	l.git(lib, "config", "-f", ".gitmodules", "submodule.inner.url", "../inner.git")
	l.commit(lib, "with inner")
	l.push(lib, "ana/lib")
	local := l.work("local.py")
	app := l.work("app.py")
	l.git(app, "submodule", "add", "-q", lib, "vendor/lib")
	l.git(app, "config", "-f", ".gitmodules", "submodule.vendor/lib.url", "../lib.git")
	l.git(app, "submodule", "add", "-q", inner, "github")
	l.git(app, "config", "-f", ".gitmodules", "submodule.github.url", "git@github.com:ana/inner.git")
	l.git(app, "submodule", "add", "-q", local, "local")
	l.commit(app, "with modules")
	code := l.push(app, "ana/app")
	has := func(ws, name string) bool {
		_, err := os.Stat(filepath.Join(ws, name))
		return err == nil
	}
	for _, c := range []struct {
		name, submodules string
		work             string
		want, not        []string
	}{
		{"none", "", "", nil, []string{"vendor/lib/lib.py", "github/inner.py"}},
		{"true", "true", "", []string{"vendor/lib/lib.py", "github/inner.py", "local/local.py"}, []string{"vendor/lib/inner/inner.py"}},
		{"recursive", "recursive", "", []string{"vendor/lib/lib.py", "vendor/lib/inner/inner.py", "github/inner.py"}, nil},
		{"from the working tree", "true", app, []string{"vendor/lib/lib.py", "github/inner.py", "local/local.py"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := t.TempDir()
			code := code
			code.WorkDir = c.work
			s, log := l.run("actions/checkout@v4", ws, code, "submodules", c.submodules)
			for _, n := range c.want {
				if !has(ws, n) {
					t.Errorf("%s is not there\n%s", n, log)
				}
			}
			for _, n := range c.not {
				if has(ws, n) {
					t.Errorf("%s is there", n)
				}
			}
			if c.submodules == "" {
				if !strings.Contains(log.String(), "submodules: true") {
					t.Error(log)
				}
				return
			}
			if st := l.git(ws, "status", "--porcelain"); st != "" {
				t.Errorf("status: %s", st)
			}
			if err := act(t, "actions/checkout@v4", l.deps()).(runner.PostAction).Post(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			out, _ := exec.Command("grep", "-rl", headerPrefix, filepath.Join(ws, ".git")).Output()
			if len(out) > 0 {
				t.Errorf("credentials are left in %s", out)
			}
		})
	}
	// One whose address leads nowhere.
	l.git(app, "config", "-f", ".gitmodules", "submodule.local.url", filepath.Join(t.TempDir(), "gone"))
	l.commit(app, "gone")
	s, _ := l.step(t.TempDir(), l.push(app, "ana/app"), "submodules", "true")
	if err := act(t, "actions/checkout@v4", l.deps()).Run(t.Context(), s); cairn.CodeOf(err) != cairn.CodeFailed || !strings.Contains(cairn.AsError(err).Hint, "cairn repo add") {
		t.Error(err)
	}
}

// TestCheckoutRemote: a repository that Cairn does not have is fetched as the
// original does, from the server that the step names.
func TestCheckoutRemote(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.push(l.work("app.py"), "ana/app")
	far := newLab(t) // another server, with a token of its own
	far.token = "ghp_far"
	work := far.work("src/a.py", "docs/b.md")
	far.git(work, "tag", "v1")
	far.git(work, "checkout", "-q", "-b", "release/2")
	files(t, work, "two.py")
	far.commit(work, "second")
	far.push(work, "them/tool")
	sha := far.git(work, "rev-parse", "main")
	server := far.url + "/git"
	for _, c := range []struct {
		with   []string
		head   string
		file   string
		ref    string
		gone   string
		commit string
	}{
		{nil, "## main...origin/main", "src/a.py", "refs/heads/main", "two.py", sha},
		{[]string{"ref", "release/2"}, "## release/2...origin/release/2", "two.py", "release/2", "", ""},
		{[]string{"ref", "v1"}, "## HEAD (no branch)", "src/a.py", "v1", "two.py", sha},
		{[]string{"ref", sha, "fetch-depth", "0"}, "## HEAD (no branch)", "src/a.py", "", "two.py", sha},
		{[]string{"sparse-checkout", "src"}, "## main...origin/main", "src/a.py", "refs/heads/main", "docs/b.md", sha},
	} {
		ws := t.TempDir()
		s, log := l.run("actions/checkout@v6", ws, code, append([]string{"repository", "them/tool", "path", "tool", "token", "ghp_far", "github-server-url", server}, c.with...)...)
		dir := filepath.Join(ws, "tool")
		if got := l.git(dir, "status", "-sb"); got != c.head {
			t.Errorf("%v: %s", c.with, got)
		}
		if _, err := os.Stat(filepath.Join(dir, c.file)); err != nil {
			t.Errorf("%v: %v", c.with, err)
		}
		if _, err := os.Stat(filepath.Join(dir, c.gone)); c.gone != "" && err == nil {
			t.Errorf("%v: %s is there", c.with, c.gone)
		}
		if s.Outputs["ref"] != c.ref || c.commit != "" && s.Outputs["commit"] != c.commit {
			t.Errorf("%v: %v", c.with, s.Outputs)
		}
		if strings.Contains(log.String(), "ghp_far") {
			t.Error("the token is in the log")
		}
	}
	// The job's own token goes to Cairn alone.
	s, log := l.step(t.TempDir(), code, "repository", "them/tool", "github-server-url", server, "token", l.token)
	if err := act(t, "actions/checkout@v6", l.deps()).Run(t.Context(), s); cairn.CodeOf(err) != cairn.CodeFailed {
		t.Errorf("%v %s", err, log)
	}
	for _, with := range [][]string{{"ref", "--upload-pack=x"}, {"ref", "a b"}} {
		s, _ := l.step(t.TempDir(), code, append([]string{"repository", "them/tool", "github-server-url", server, "token", "ghp_far"}, with...)...)
		if err := act(t, "actions/checkout@v6", l.deps()).Run(t.Context(), s); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%v: %v", with, err)
		}
	}
	s, _ = l.step(t.TempDir(), code, "repository", "them/tool", "github-server-url", "file:///tmp")
	if err := act(t, "actions/checkout@v6", l.deps()).Run(t.Context(), s); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
}

// TestCheckoutLFS: files come from the working tree's LFS objects, whole or not at all.
func TestCheckoutLFS(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	work := l.work(".gitattributes")
	big := []byte(strings.Repeat("large ", 1000))
	sum := sha256.Sum256(big)
	oid := hex.EncodeToString(sum[:])
	pointerText := fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(big))
	if err := os.WriteFile(filepath.Join(work, "model.bin"), []byte(pointerText), 0o644); err != nil {
		t.Fatal(err)
	}
	l.commit(work, "pointer")
	code := l.push(work, "ana/app")
	code.WorkDir = work
	ws := t.TempDir()
	s, _ := l.step(ws, code, "lfs", "true")
	err := act(t, "actions/checkout@v4", l.deps()).Run(t.Context(), s)
	if cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "model.bin") {
		t.Fatal(err)
	}
	store := filepath.Join(work, ".git/lfs/objects", oid[:2], oid[2:4])
	if err := errors.Join(os.MkdirAll(store, 0o755), os.WriteFile(filepath.Join(store, oid), []byte("damaged"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s, _ = l.step(ws, code, "lfs", "true")
	if err := act(t, "actions/checkout@v4", l.deps()).Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(store, oid), big, 0o644); err != nil {
		t.Fatal(err)
	}
	_, log := l.run("actions/checkout@v4", ws, code, "lfs", "true")
	if b, _ := os.ReadFile(filepath.Join(ws, "model.bin")); !bytes.Equal(b, big) {
		t.Errorf("%d bytes\n%s", len(b), log)
	}
	if st := l.git(ws, "status", "--porcelain"); st != "" {
		t.Errorf("status: %s", st)
	}
	l.run("actions/checkout@v4", ws, code)
	if b, _ := os.ReadFile(filepath.Join(ws, "model.bin")); string(b) != pointerText {
		t.Errorf("without lfs it is a pointer: %d bytes", len(b))
	}
}

// TestCheckoutInContainer: the repository needs nothing that the container lacks, and
// git there takes the folder for a safe one.
func TestCheckoutInContainer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.push(l.work("a.txt"), "ana/app")
	ws := t.TempDir()
	c, _ := l.step(ws, code)
	c.InContainer = true
	if err := act(t, "actions/checkout@v4", l.deps()).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(ws, ".git/objects/info/alternates")); err == nil {
		t.Error("objects are borrowed")
	}
	if st := l.git(ws, "status", "--porcelain"); st != "" {
		t.Errorf("status: %s", st)
	}
	if b, err := os.ReadFile(filepath.Join(c.Dirs.Home, ".gitconfig")); err != nil || !strings.Contains(string(b), ws) {
		t.Errorf("%v %s", err, b)
	}
}

// TestCheckoutUnsafe: code of a fork is refused where the original refuses it.
func TestCheckoutUnsafe(t *testing.T) {
	t.Parallel()
	sha := strings.Repeat("b", 40)
	event := func(name, fork string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"event_name":%q,"repository":"ana/digits","event":{"pull_request":{"head":{"sha":%q,"repo":{"full_name":%q}}}}}`, name, sha, fork))
	}
	for _, c := range []struct {
		uses, event, fork, ref, allow string
		refused                       bool
	}{
		{"actions/checkout@v6", "pull_request_target", "eve/digits", sha, "", true},
		{"actions/checkout@v6", "pull_request_target", "eve/digits", "refs/pull/3/merge", "", true},
		{"actions/checkout@v6", "pull_request_target", "eve/digits", sha, "true", false},
		{"actions/checkout@v6", "pull_request_target", "eve/digits", "", "", false},
		{"actions/checkout@v6", "pull_request_target", "ana/digits", sha, "", false},
		{"actions/checkout@v6", "pull_request", "eve/digits", sha, "", false},
		{"actions/checkout@v4", "pull_request_target", "eve/digits", sha, "", false},
	} {
		d := Deps{Checkout: func(context.Context, cairn.CodeRef, string, CheckoutOptions) (cairn.Commit, error) {
			return cairn.Commit{SHA: sha}, nil
		}}
		s, _ := step(t, nil, t.TempDir(), "ref", c.ref, "allow-unsafe-pr-checkout", c.allow)
		s.Spec.Contexts = map[string]json.RawMessage{"github": event(c.event, c.fork)}
		err := act(t, c.uses, d).Run(t.Context(), s)
		if (cairn.CodeOf(err) == cairn.CodeForbidden) != c.refused || !c.refused && err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestCheckoutUntrusted: untrusted code sees no other repository of this Cairn, whatever
// event started it.
func TestCheckoutUntrusted(t *testing.T) {
	t.Parallel()
	for _, untrusted := range []bool{false, true} {
		asked := false
		d := Deps{
			Checkout: func(context.Context, cairn.CodeRef, string, CheckoutOptions) (cairn.Commit, error) {
				return cairn.Commit{}, nil
			},
			Other: func(cairn.CodeRef, string) (cairn.CodeRef, error) {
				asked = true
				return cairn.CodeRef{Repository: "ana/lib"}, nil
			},
		}
		s, _ := step(t, nil, t.TempDir(), "repository", "ana/lib", "github-server-url", "http://127.0.0.1:1", "ref", "main")
		s.Spec.Untrusted = untrusted
		s.Exec = func(context.Context, runner.Process) (int, error) { return 128, nil } // git reaches nothing
		err := act(t, "actions/checkout@v4", d).Run(t.Context(), s)
		if asked == untrusted || (err == nil) == untrusted {
			t.Errorf("untrusted %v: asked %v, %v", untrusted, asked, err)
		}
	}
}

// TestCheckoutHostileModules: what .gitmodules says leads nowhere else.
func TestCheckoutHostileModules(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	inner := l.work("inner.py")
	l.push(inner, "ana/inner")
	outside := t.TempDir()
	for name, text := range map[string]string{
		"out of the work tree":  "[submodule \"x\"]\n\tpath = ../../x\n\turl = ../inner.git\n",
		"a program as address":  "[submodule \"x\"]\n\tpath = x\n\turl = ext::touch " + outside + "/made\n",
		"an option as address":  "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch " + outside + "/made\n",
		"a program as update":   "[submodule \"x\"]\n\tpath = x\n\turl = ../inner.git\n\tupdate = !touch " + outside + "/made\n",
		"a name that leads out": "[submodule \"../../x\"]\n\tpath = x\n\turl = ../inner.git\n",
		"without a path":        "[submodule \"x\"]\n\turl = ../inner.git\n",
		"not a configuration":   "[submodule \x00",
	} {
		t.Run(name, func(t *testing.T) {
			app := l.work("app.py")
			l.git(app, "submodule", "add", "-q", inner, "x")
			if err := os.WriteFile(filepath.Join(app, ".gitmodules"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			l.commit(app, "hostile")
			base, repo := t.TempDir(), "ana/"+strings.ReplaceAll(name, " ", "-")
			if err := l.host.Create(t.Context(), repo); err != nil {
				t.Fatal(err)
			}
			dir, _ := l.host.Dir(repo)
			l.git(dir, "config", "receive.fsckObjects", "false") // a push of most of them is refused
			c, log := l.step(filepath.Join(base, "a/ws"), l.push(app, repo), "submodules", "recursive")
			err := act(t, "actions/checkout@v4", l.deps()).Run(t.Context(), c)
			made, _ := os.ReadDir(outside)
			beside, _ := os.ReadDir(filepath.Join(base, "a"))
			if len(made) > 0 || len(beside) != 1 {
				t.Errorf("%v %v %v\n%s", made, beside, err, log)
			}
		})
	}
}

func TestModuleName(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"../lib.git": "ana/lib", "../../bo/lib": "bo/lib", "./x": "", "https://github.com/a/b.git": "a/b", "https://u:p@host/a/b/": "a/b",
		"git@github.com:a/b.git": "a/b", "ssh://git@host:22/a/b": "a/b", "/srv/lib": "", "file:///srv/a/b": "", "https://host/a/b/c": "", "../../../x": "", "lib": "",
	} {
		if got, _ := moduleName("ana/app", address); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}
