package git_test

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

func TestParseRemote(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, url, scheme, host, path, name string }{
		{"https://github.com/o/r", "https://github.com/o/r", "https", "github.com", "o/r", "o/r"},
		{"https://GitHub.com/o/r.git/", "https://github.com/o/r.git", "https", "github.com", "o/r", "o/r"},
		{"http://127.0.0.1:3000/team/app", "http://127.0.0.1:3000/team/app", "http", "127.0.0.1:3000", "team/app", "team/app"},
		{"https://gitlab.com/a/b/c.git", "https://gitlab.com/a/b/c.git", "https", "gitlab.com", "a/b/c", "b/c"},
		{"git@host.example:team/app.git", "git@host.example:team/app.git", "ssh", "host.example", "team/app", "team/app"},
		{"ssh://git@host.example:2222/team/app.git", "ssh://git@host.example:2222/team/app.git", "ssh", "host.example:2222", "team/app", "team/app"},
		{"git://host.example/app.git", "git://host.example/app.git", "git", "host.example", "app", "local/app"},
		{"file:///srv/git/app.git", "file:///srv/git/app.git", "file", "", "/srv/git/app.git", "local/app"},
		{"/srv/git/app.git/", "/srv/git/app.git", "file", "", "/srv/git/app.git", "local/app"},
	} {
		r, err := git.ParseRemote(c.in)
		want := git.RemoteURL{URL: c.url, Scheme: c.scheme, Host: c.host, Path: c.path, Name: c.name}
		if err != nil || r != want {
			t.Errorf("%s: %+v %v", c.in, r, err)
		}
	}
	for in, part := range map[string]string{
		"":                               "not the address",
		"-oProxyCommand=x":               "not the address",
		"https://u:secret@host/o/r":      "user name or a password",
		"https://token@host/o/r":         "user name or a password",
		"ssh://u:secret@host/o/r":        "user name or a password",
		"ext::sh -c id":                  "not the address",
		"ext::id":                        "not the address",
		"ftp://host/o/r":                 "not a way to reach",
		"ssh://-oProxyCommand=x/o":       "names no host",
		"ssh://-l@host/o":                "names no host",
		"-x@host:o/r":                    "not the address",
		"git@-host:o/r":                  "not the address",
		"https://host":                   "no repository there",
		"https:///o/r":                   "names no host",
		"https://host/o/r?x=1":           "is a page",
		"file://elsewhere/srv":           "not a folder",
		"o/r":                            "not the address",
		"a\nb:c":                         "not the address",
		"https://ho st/x":                "not the address",
		"https://host/%zz":               "cannot be read",
		strings.Repeat("a", 3000) + ":b": "not the address",
	} {
		_, err := git.ParseRemote(in)
		if cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// mirrored is a bare repository at the other end and a hosted one here.
func mirrored(t *testing.T) (u *user, bare string, h *git.Host) {
	u = newUser(t).repo()
	bare = filepath.Join(t.TempDir(), "there.git")
	u.git("clone", "-q", "--bare", u.dir, bare)
	u.git("remote", "add", "origin", bare)
	h = u.host()
	must(t, h.Create(t.Context(), "o/r"))
	return u, bare, h
}

func TestRemoteRefsAndFetch(t *testing.T) {
	t.Parallel()
	u, bare, h := mirrored(t)
	ctx := t.Context()
	u.git("tag", "-a", "-m", "one", "v1")
	u.git("push", "-q", "origin", "v1", "main:refs/heads/a/b", "main:refs/pull/7/head")
	for _, url := range []string{bare, "file://" + bare} {
		r := cairn.Remote{URL: url}
		got, err := h.RemoteRefs(ctx, r, "HEAD")
		must(t, err)
		head := u.git("rev-parse", "HEAD")
		if got.Head != "refs/heads/main" || got.Refs["refs/heads/main"] != head || got.Refs["refs/tags/v1"] != u.git("rev-parse", "v1") || len(got.Refs) != 3 {
			t.Errorf("%s: %+v", url, got)
		}
		if got, err = h.RemoteRefs(ctx, r); err != nil || got.Head != "" || len(got.Refs) != 3 {
			t.Errorf("%s: %+v %v", url, got, err)
		}
		if got, err = h.RemoteRefs(ctx, r, "HEAD", "refs/pull/*/head"); err != nil || got.Refs["refs/pull/7/head"] != head {
			t.Errorf("%s: %+v %v", url, got, err)
		}
		must(t, h.FetchRemote(ctx, "o/r", r, "refs/heads/main", "refs/heads/a/b", "refs/tags/v1"))
	}
	here, err := h.RefsBelow(ctx, "o/r", "refs/heads", "refs/tags")
	must(t, err)
	if len(here) != 3 {
		t.Fatalf("%v", here)
	}
	// A branch that was rewritten moves, and one that is in the way goes first.
	u.git("commit", "-q", "--amend", "-m", "Rewritten")
	u.git("push", "-q", "-f", "origin", "main", ":a/b", "main:refs/heads/a")
	must(t, h.DeleteRefs(ctx, "o/r", "refs/heads/a/b", "refs/heads/never"))
	must(t, h.FetchRemote(ctx, "o/r", cairn.Remote{URL: bare}, "refs/heads/main", "refs/heads/a"))
	here, err = h.RefsBelow(ctx, "o/r", "refs/heads")
	must(t, err)
	if here["refs/heads/main"] != u.git("rev-parse", "HEAD") || here["refs/heads/a"] == "" || here["refs/heads/a/b"] != "" {
		t.Errorf("%v", here)
	}
	must(t, h.SetHead(ctx, "o/r", "refs/heads/a"))
	if c, err := h.Commit(ctx, "o/r", "HEAD"); err != nil || c.Subject != "Rewritten" {
		t.Errorf("%+v %v", c, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(bare), "*", "objects", "pack", "tmp_*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRemoteTrouble(t *testing.T) {
	t.Parallel()
	u, _, h := mirrored(t)
	for url, code := range map[string]cairn.Code{
		filepath.Join(t.TempDir(), "nothing"):        cairn.CodeNotFound,
		"file://" + t.TempDir():                      cairn.CodeNotFound,
		"http://127.0.0.1:1/o/r":                     cairn.CodeUnavailable,
		"https://no-such-host.invalid/o/r":           cairn.CodeUnavailable,
		"ssh://git@127.0.0.1:1/o/r":                  cairn.CodeUnavailable,
		"git://127.0.0.1:1/o/r":                      cairn.CodeUnavailable,
		"https://user:secret@no-such-host.invalid/x": cairn.CodeInvalid,
	} {
		_, err := h.RemoteRefs(t.Context(), cairn.Remote{URL: url})
		e := cairn.AsError(err)
		if err == nil || e.Code != code || e.Hint == "" || strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: %v (%v) hint %q", url, err, cairn.CodeOf(err), e)
		}
	}
	// A folder of an empty repository has no refs, which is no error.
	empty := filepath.Join(t.TempDir(), "empty.git")
	u.git("init", "-q", "--bare", empty)
	if refs, err := h.RemoteRefs(t.Context(), cairn.Remote{URL: empty}); err != nil || len(refs.Refs) != 0 {
		t.Errorf("%+v %v", refs, err)
	}
	// SHA-256 repositories are named as what they are.
	other := filepath.Join(t.TempDir(), "sha256")
	if _, err := u.tryGit(t.TempDir(), "init", "-q", "--object-format=sha256", other); err == nil {
		u.gitIn(other, "commit", "-q", "--allow-empty", "-m", "x")
		if _, err := h.RemoteRefs(t.Context(), cairn.Remote{URL: other}); cairn.CodeOf(err) != cairn.CodeUnsupported {
			t.Errorf("SHA-256: %v", err)
		}
	}
}

// backendHandler is git http-backend.
func backendHandler(t *testing.T, root string) http.Handler {
	t.Helper()
	exe, err := exec.LookPath("git")
	must(t, err)
	return &cgi.Handler{Path: exe, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}}
}

// stalled takes so much of an answer and then waits for the client to go.
type stalled struct {
	http.ResponseWriter
	left int
	gone <-chan struct{}
}

func (w *stalled) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		<-w.gone
		return 0, io.ErrClosedPipe
	}
	n, err := w.ResponseWriter.Write(p)
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	return n, err
}

// backend is git http-backend behind a password.
func backend(t *testing.T, root, password string) *httptest.Server {
	t.Helper()
	all := backendHandler(t, root)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, p, _ := r.BasicAuth(); password != "" && p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		all.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRemoteToken(t *testing.T) {
	t.Parallel()
	u, bare, h := mirrored(t)
	ctx := t.Context()
	s := backend(t, filepath.Dir(bare), "s3cr3t-token")
	url := s.URL + "/there.git"
	if _, err := h.RemoteRefs(ctx, cairn.Remote{URL: url}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("without a token: %v", err)
	}
	if _, err := h.RemoteRefs(ctx, cairn.Remote{URL: url, User: "x", Token: "wrong"}); cairn.CodeOf(err) != cairn.CodeForbidden || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with another token: %v", err)
	}
	r := cairn.Remote{URL: url, User: "x-access-token", Token: "s3cr3t-token"}
	refs, err := h.RemoteRefs(ctx, r)
	must(t, err)
	if refs.Refs["refs/heads/main"] != u.git("rev-parse", "HEAD") {
		t.Errorf("%+v", refs)
	}
	must(t, h.FetchRemote(ctx, "o/r", r, "refs/heads/main"))
	dir, err := h.Dir("o/r")
	must(t, err)
	for name, text := range listing(t, dir) {
		if strings.Contains(text, "s3cr3t-token") {
			t.Errorf("%s holds the token", name)
		}
	}
	// Beyond this machine it is only sent encrypted.
	if _, err := h.RemoteRefs(ctx, cairn.Remote{URL: "http://git.example/o/r", Token: "s3cr3t-token"}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("in plain text: %v", err)
	}
}

// A host that sends elsewhere does not make git show the token there.
func TestRemoteTokenStaysWithItsHost(t *testing.T) {
	t.Parallel()
	_, _, h := mirrored(t)
	var shown []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, r.Header.Get("Authorization"))
		w.Header().Set("WWW-Authenticate", `Basic realm="give it to me"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer other.Close()
	here := httptest.NewServer(http.RedirectHandler(other.URL+"/there.git/info/refs?service=git-upload-pack", http.StatusFound))
	defer here.Close()
	_, err := h.RemoteRefs(t.Context(), cairn.Remote{URL: here.URL + "/there.git", User: "x", Token: "s3cr3t-token"})
	if err == nil || len(shown) == 0 {
		t.Fatalf("%v %v", err, shown)
	}
	for _, a := range shown {
		if a != "" {
			t.Errorf("the other host was shown %q", a)
		}
	}
}

func TestFetchIsBounded(t *testing.T) {
	t.Parallel()
	u, bare, h := mirrored(t)
	var noise strings.Builder // which does not get smaller when packed
	for sum := sha256.Sum256(nil); noise.Len() < 1<<20; sum = sha256.Sum256(sum[:]) {
		noise.Write(sum[:])
	}
	u.write(map[string]string{"noise": noise.String()})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "Noise")
	u.git("push", "-q", "origin", "main")
	h.SetFetchLimit(1000)
	all := backendHandler(t, filepath.Dir(bare))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.ServeHTTP(&stalled{w, 512 << 10, r.Context().Done()}, r)
	}))
	defer s.Close()
	if err := h.FetchRemote(t.Context(), "o/r", cairn.Remote{URL: s.URL + "/there.git"}, "refs/heads/main"); cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Errorf("%v", err)
	}
	dir, err := h.Dir("o/r")
	must(t, err)
	if left, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Many packs become few, and what no ref names any more stays.
func TestPacksAreJoined(t *testing.T) {
	t.Parallel()
	u, bare, h := mirrored(t)
	h.SetPackLimit(4)
	dir, err := h.Dir("o/r")
	must(t, err)
	var all []string
	for range 12 {
		u.git("commit", "-q", "--amend", "--allow-empty", "-m", "Another "+u.git("rev-parse", "HEAD"))
		all = append(all, u.git("rev-parse", "HEAD"))
		u.git("push", "-q", "-f", "origin", "main")
		must(t, h.FetchRemote(t.Context(), "o/r", cairn.Remote{URL: bare}, "refs/heads/main"))
	}
	packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil || len(packs) > 4 {
		t.Errorf("%d packs %v", len(packs), err)
	}
	for _, id := range all {
		if _, err := h.Commit(t.Context(), "o/r", id); err != nil {
			t.Error(err)
		}
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, bare, h := mirrored(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.FetchRemote(ctx, "o/r", cairn.Remote{URL: bare}, "refs/heads/main"); err == nil {
		t.Error("it was fetched")
	}
	if err := h.FetchRemote(t.Context(), "o/r", cairn.Remote{URL: bare}, "refs/heads/ma in"); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
	if err := h.FetchCommit(t.Context(), "o/r", cairn.Remote{URL: bare}, "main"); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
}
