package git_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// refs is a RefStore in memory.
type refs struct {
	mu   sync.Mutex
	rows map[string]cairn.RecordedRef
	chs  []cairn.Change
	fail error
}

func (r *refs) RecordedRefs(_ context.Context, repo string) (map[string]cairn.RecordedRef, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]cairn.RecordedRef{}
	for k, v := range r.rows {
		if ref, ok := strings.CutPrefix(k, repo+" "); ok {
			out[ref] = v
		}
	}
	return out, nil
}

func (r *refs) SetRef(_ context.Context, repo, ref, sha string, version int64, ch cairn.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	if r.rows[repo+" "+ref].Version != version {
		return cairn.Errorf(cairn.CodeConflict, "moved meanwhile")
	}
	r.rows[repo+" "+ref] = cairn.RecordedRef{SHA: sha, Version: version + 1}
	r.chs = append(r.chs, ch)
	return nil
}

type rig struct {
	host   *git.Host
	refs   *refs
	server *git.Server
	url    string
	mu     sync.Mutex
	pushes []git.Push
	fail   error
	bad    string // the only ref that fails; "" for all
}

func newRig(t *testing.T, u *user) *rig {
	r := &rig{host: u.host(), refs: &refs{rows: map[string]cairn.RecordedRef{}}}
	type key struct{}
	r.server = r.host.Server(git.HandlerOptions{
		Refs:      r.refs,
		Principal: func(ctx context.Context) string { who, _ := ctx.Value(key{}).(string); return who },
		Allow: func(ctx context.Context, repo string, write bool) error {
			switch who := ctx.Value(key{}); {
			case who == nil:
				return cairn.Errorf(cairn.CodeUnauthenticated, "who are you?")
			case who == "reader" && write:
				return cairn.Errorf(cairn.CodeForbidden, "readers cannot push")
			}
			return nil
		},
		Create: func(_ context.Context, repo string) error {
			if strings.HasPrefix(repo, "other/") {
				return cairn.Errorf(cairn.CodeForbidden, "no repositories of others")
			}
			return nil
		},
		OnPush: func(_ context.Context, p git.Push) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.pushes = append(r.pushes, p)
			if r.bad != "" && r.bad != p.Ref {
				return nil
			}
			return r.fail
		},
		Message: func(_ context.Context, ps []git.Push) string {
			return "run 1 started for " + ps[0].Ref + "\nsecond line"
		},
	})
	ts := httptest.NewServer(http.StripPrefix("/git", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if name, pass, ok := req.BasicAuth(); ok && pass == "token" {
			req = req.WithContext(context.WithValue(req.Context(), key{}, name))
		}
		r.server.ServeHTTP(w, req)
	})))
	t.Cleanup(ts.Close)
	r.url = strings.Replace(ts.URL, "http://", "http://ana:token@", 1) + "/git/"
	return r
}

func (r *rig) take() []git.Push {
	r.mu.Lock()
	defer r.mu.Unlock()
	ps := r.pushes
	r.pushes = nil
	return ps
}

const zeros = "0000000000000000000000000000000000000000"

func TestPush(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	r := newRig(t, u)
	u.git("remote", "add", "cairn", r.url+"local/digits")
	out := u.git("push", "cairn", "main")
	if !strings.Contains(out, "remote: run 1 started for refs/heads/main") || !strings.Contains(out, "remote: second line") {
		t.Errorf("push says:\n%s", out)
	}
	first := u.git("rev-parse", "HEAD")
	ps := r.take()
	if len(ps) != 1 || ps[0].Ref != "refs/heads/main" || !ps[0].Created() || ps[0].New != first || ps[0].By != "ana" || ps[0].Repo != "local/digits" || ps[0].ID == "" {
		t.Fatalf("%+v", ps)
	}
	if ch := r.refs.chs[0]; ch.By != "ana" || len(ch.Events) != 1 || !strings.Contains(string(ch.Events[0].Data), first) {
		t.Errorf("%+v", ch)
	}
	// Nothing moved: no hook.
	u.git("push", "cairn", "main")
	must(t, r.server.Reconcile(t.Context()))
	if ps := r.take(); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
	// Branch and tag in one push; a large file, so that the body is chunked and packed.
	u.write(map[string]string{"big": strings.Repeat("0123456789 large ", 1<<17)})
	u.git("add", "-A")
	u.git("commit", "-q", "-m", "Second")
	u.git("tag", "v1")
	u.git("push", "cairn", "main", "v1", "main:feature/x")
	ps = r.take()
	if len(ps) != 3 || ps[0].Ref != "refs/heads/feature/x" || ps[1].Old != first || ps[2].Ref != "refs/tags/v1" {
		t.Errorf("%+v", ps)
	}
	// Back and forth: every move has an id of its own.
	ids := map[string]bool{}
	for range 2 {
		u.git("push", "-f", "cairn", first+":main")
		u.git("push", "-f", "cairn", "main:main")
		for _, p := range r.take() {
			ids[p.ID] = true
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d ids for 4 moves", len(ids))
	}
	u.git("push", "cairn", ":feature/x")
	if ps = r.take(); len(ps) != 1 || !ps[0].Deleted() {
		t.Errorf("%+v", ps)
	}
	// Clone, fetch and shallow clone; with and without protocol version 2.
	for _, args := range [][]string{{"-c", "protocol.version=2"}, {"-c", "protocol.version=0"}, {"-c", "protocol.version=1"}} {
		dir := filepath.Join(t.TempDir(), "clone")
		u.gitIn(u.home, append(args, "clone", "-q", r.url+"local/digits.git", dir)...)
		if got := u.gitIn(dir, "rev-parse", "HEAD", "v1"); got != u.git("rev-parse", "main", "main") {
			t.Errorf("%v: %s", args, got)
		}
		u.gitIn(dir, append(args, "fetch", "-q")...)
		u.gitIn(u.home, append(args, "clone", "-q", "--depth=1", r.url+"local/digits", dir+"2")...)
	}
	s, err := r.host.Snapshot(t.Context(), "local/digits", "main")
	if err != nil || s.Ref != "refs/heads/main" || s.Commit.Subject != "Second" {
		t.Errorf("%+v, %v", s, err)
	}
	// What runs took along is not shown, and cannot be pushed.
	_, err = r.host.Import(t.Context(), "local/digits", u.dir, "")
	must(t, err)
	if got := u.git("ls-remote", "cairn"); strings.Contains(got, "refs/cairn") {
		t.Errorf("shown:\n%s", got)
	}
	if out, err := u.tryGit(u.dir, "push", "cairn", "main:refs/cairn/keep/x"); err == nil {
		t.Errorf("pushed:\n%s", out)
	}
	u.git("push", "cairn", "main:master2")
	r.take()
}

// A first push of another branch makes that the one that a clone checks out.
func TestPushMaster(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	r := newRig(t, u)
	u.git("push", "-q", r.url+"local/m", "main:trunk")
	dir := filepath.Join(t.TempDir(), "c")
	u.gitIn(u.home, "clone", "-q", r.url+"local/m", dir)
	if got := u.gitIn(dir, "rev-parse", "--abbrev-ref", "HEAD"); got != "trunk" {
		t.Errorf("checked out %s", got)
	}
}

// A kill between push and hook, or between hook and record, loses no push.
func TestReconcile(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	r := newRig(t, u)
	r.fail = cairn.Errorf(cairn.CodeUnavailable, "the engine is down")
	out := u.git("push", r.url+"local/digits", "main")
	if !strings.Contains(out, "the engine is down") {
		t.Errorf("push says:\n%s", out)
	}
	first := r.take()
	if err := r.server.Reconcile(t.Context()); err == nil {
		t.Error("no error although the hook fails")
	}
	r.fail = nil
	r.refs.fail = errors.New("killed")
	if err := r.server.Reconcile(t.Context()); err == nil {
		t.Error("no error although nothing can be recorded")
	}
	r.refs.fail = nil
	must(t, r.server.Reconcile(t.Context()))
	must(t, r.server.Reconcile(t.Context()))
	ps := r.take()
	if len(first) != 1 || len(ps) != 3 {
		t.Fatalf("%d, %d calls", len(first), len(ps))
	}
	for _, p := range ps {
		if p.ID != first[0].ID || p.By != "ana" {
			t.Errorf("%+v, first %+v", p, first[0])
		}
	}
}

// A ref whose hook fails keeps no other one waiting, and stays that of who moved it.
func TestPushesOfTwo(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	r := newRig(t, u)
	r.fail, r.bad = cairn.Errorf(cairn.CodeUnavailable, "the engine is down"), "refs/heads/a"
	u.git("push", r.url+"local/digits", "main:a")
	u.git("push", strings.Replace(r.url, "ana:", "bob:", 1)+"local/digits", "main:b", "main:c")
	r.fail = nil
	must(t, r.server.Reconcile(t.Context()))
	must(t, r.server.Reconcile(t.Context()))
	calls := map[string]int{}
	for _, p := range r.take() {
		calls[p.Ref+" of "+p.By]++
	}
	want := map[string]int{"refs/heads/a of ana": 3, "refs/heads/b of bob": 1, "refs/heads/c of bob": 1}
	if !maps.Equal(calls, want) {
		t.Errorf("%v, want %v", calls, want)
	}
}

func TestHTTPRefuses(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	r := newRig(t, u)
	u.git("push", "-q", r.url+"local/digits", "main")
	r.take()
	reader := strings.Replace(r.url, "ana:", "reader:", 1)
	nobody := strings.Replace(r.url, "ana:token@", "", 1)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"reader pushes":  {[]string{"push", reader + "local/digits", "main:x"}, "readers cannot push"},
		"nobody":         {[]string{"ls-remote", nobody + "local/digits"}, "terminal prompts disabled"},
		"not there":      {[]string{"clone", r.url + "local/digts", "x"}, "did you mean local/digits"},
		"not to be made": {[]string{"push", r.url + "other/digits", "main"}, "no repositories of others"},
		"bad name":       {[]string{"push", r.url + "a/b/c", "main"}, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := append([]string{"-c", "core.askPass=", "-c", "credential.helper="}, c.args...)
			out, err := u.tryGitEnv(u.dir, []string{"GIT_TERMINAL_PROMPT=0"}, cmd...)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v\n%s\nwant %q", err, out, c.want)
			}
		})
	}
	if ps := r.take(); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
	for _, c := range []struct {
		method, path, kind, enc string
		body                    []byte
		want                    int
	}{
		{"GET", "local/digits/info/refs", "", "", nil, 403},
		{"GET", "local/digits/info/refs?service=git-evil", "", "", nil, 403},
		{"POST", "local/digits/info/refs?service=git-upload-pack", "", "", nil, 405},
		{"GET", "local/digits/git-upload-pack", "", "", nil, 405},
		{"POST", "local/digits/git-upload-pack", "text/plain", "", nil, 415},
		{"POST", "local/digits/git-upload-pack", "application/x-git-upload-pack-request", "gzip", []byte("no"), 400},
		{"POST", "local/digits/git-upload-pack", "application/x-git-upload-pack-request", "br", []byte("no"), 400},
		{"GET", "local/digits/HEAD", "", "", nil, 404},
		{"GET", "local/digits/objects/info/packs", "", "", nil, 404},
		{"GET", "../../etc/passwd", "", "", nil, 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, r.url+c.path, bytes.NewReader(c.body))
		must(t, err)
		req.SetBasicAuth("ana", "token")
		req.Header.Set("Content-Type", c.kind)
		if c.enc != "" {
			req.Header.Set("Content-Encoding", c.enc)
		}
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.want)
		}
	}
}

// A gzip bomb ends at the limit.
func TestHTTPBounded(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	h := u.host()
	must(t, h.Create(t.Context(), "local/x"))
	s := h.Server(git.HandlerOptions{Refs: &refs{rows: map[string]cairn.RecordedRef{}}, MaxBytes: 1 << 16})
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Write([]byte("00a50000000000000000000000000000000000000000 1111111111111111111111111111111111111111 refs/heads/x\x00 report-status"))
	z.Write(make([]byte, 50<<20))
	z.Close()
	req := httptest.NewRequest("POST", "/local/x/git-receive-pack", &body)
	req.Header.Set("Content-Type", "application/x-git-receive-pack-request")
	req.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	if rs, err := h.Refs(t.Context(), "local/x"); err != nil || len(rs) != 0 {
		t.Errorf("%v, %v", rs, err)
	}
	files := listing(t, func() string { d, _ := h.Dir("local/x"); return filepath.Join(d, "objects") }())
	if len(files) != 0 {
		t.Errorf("left %v", maps.Keys(files))
	}
}

func (u *user) tryGitEnv(dir string, more []string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, append(env(u.home), more...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestHTTPPushTwice(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	r := newRig(t, u)
	u.git("push", "-q", r.url+"local/digits", "main")
	var wg sync.WaitGroup
	for _, b := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			if out, err := u.tryGit(u.dir, "push", r.url+"local/digits", "main:"+b); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	if ps := r.take(); len(ps) != 5 {
		t.Errorf("%d calls of the hook for 5 refs", len(ps))
	}
}
