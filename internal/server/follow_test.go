package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

const followed = `name: followed
on: [push, pull_request, create]
jobs:
  one:
    runs-on: ubuntu-latest
    env: {SECRET: "${{ secrets.SECRET }}"}
    steps:
      - run: echo "$GITHUB_EVENT_NAME $GITHUB_REF $GITHUB_ACTOR ${{ github.event.pusher.name }} ${{ github.event.marker }} [$SECRET]"
`

// elsewhere is a bare repository beside a working tree that pushes to it.
func elsewhere(t *testing.T) (work, bare string) {
	work = repository(t, map[string]string{".github/workflows/followed.yml": followed})
	bare = filepath.Join(t.TempDir(), "there.git")
	git(t, work, "clone", "-q", "--bare", work, bare)
	git(t, work, "remote", "add", "origin", bare)
	git(t, work, "config", "user.name", "Ana")
	git(t, work, "config", "user.email", "ana@example.com")
	return work, bare
}

// deliver posts an event to a webhook as a host does, from outside of everything
// that is trusted.
func deliver(t *testing.T, hook *cairn.NewHook, event, id string, payload any) int {
	t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	m := hmac.New(sha256.New, []byte(hook.Secret))
	m.Write(body)
	req, err := http.NewRequest(http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "cairn.example.com" // behind a proxy
	req.Header.Set("X-GitHub-Event", event)
	req.Header.Set("X-GitHub-Delivery", id)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// ends waits for the runs of a repository, all of them, in their order.
func ends(t *testing.T, c *client.Client, repo string, n int) []cairn.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		rs, err := c.Runs(ctx, client.RunFilter{Repository: repo})
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, r := range rs {
			if r.Status == cairn.StatusCompleted {
				done++
			}
		}
		if done == n && len(rs) == n {
			return rs
		}
		if len(rs) > n {
			t.Fatalf("%d runs", len(rs))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func said(t *testing.T, c *client.Client, id cairn.RunID) string {
	t.Helper()
	jobs, err := c.Jobs(context.Background(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, j := range jobs {
		for _, s := range j.Steps {
			all += readLog(t, c, j.ID, s.Number)
		}
	}
	return all
}

func TestFollowByWebhook(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	work, bare := elsewhere(t)
	every := time.Duration(0)
	a, err := c.AddFollow(ctx, client.FollowRequest{URL: bare, Name: "team/app", Every: &every, Hook: "on"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SyncFollow(ctx, "team/app"); err != nil {
		t.Fatal(err)
	}
	before := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Two")
	after := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	git(t, work, "push", "-q", "origin", "HEAD:main")
	payload := map[string]any{"ref": "refs/heads/main", "before": before, "after": after, "marker": "as the host says it",
		"pusher": map[string]any{"name": "octocat"}, "sender": map[string]any{"login": "octocat"}}
	bad := *a.Hook
	bad.Secret = "another"
	if code := deliver(t, &bad, "push", "1", payload); code != http.StatusUnauthorized {
		t.Errorf("with another secret: %d", code)
	}
	bad.URL = bad.URL[:len(bad.URL)-4] + "0000"
	if code := deliver(t, &bad, "push", "1", payload); code != http.StatusNotFound {
		t.Errorf("at another address: %d", code)
	}
	if code := deliver(t, a.Hook, "push", "1", payload); code != http.StatusAccepted {
		t.Errorf("%d", code)
	}
	if code := deliver(t, a.Hook, "push", "1", payload); code != http.StatusOK {
		t.Errorf("sent again: %d", code)
	}
	rs := ends(t, c, "team/app", 1)
	if log := said(t, c, rs[0].ID); !strings.Contains(log, "push refs/heads/main octocat octocat as the host says it []") {
		t.Errorf("%s", log)
	}
	if rs[0].Actor != "octocat" || rs[0].Commit.SHA != after || rs[0].Untrusted {
		t.Errorf("%+v", rs[0])
	}
}

// What comes from a fork runs without secrets, whoever it says to be.
func TestFollowForkIsUntrusted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	me, err := c.WhoAmI(ctx)
	if err != nil {
		t.Fatal(err)
	}
	work, bare := elsewhere(t)
	a, err := c.AddFollow(ctx, client.FollowRequest{URL: bare, Name: "team/app", Hook: "on"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetSecret(ctx, cairn.ScopeRepo("team/app"), "SECRET", "s3cr3t-value"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SyncFollow(ctx, "team/app"); err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Give it to me")
	head := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	git(t, work, "push", "-q", "origin", "HEAD:refs/pull/1/head", "HEAD:refs/pull/2/head")
	for n, from := range []string{"mallory/app", "team/app"} {
		side := func(ref, sha, repo string) map[string]any {
			return map[string]any{"ref": ref, "sha": sha, "repo": map[string]any{"full_name": repo}}
		}
		if code := deliver(t, a.Hook, "pull_request", fmt.Sprint(n), map[string]any{
			"action": "opened", "number": n + 1, "sender": map[string]any{"login": me.Name},
			"pull_request": map[string]any{"number": n + 1, "state": "open", "base": side("main", base, "team/app"), "head": side("topic", head, from)},
		}); code != http.StatusAccepted {
			t.Fatal(code)
		}
	}
	// Nothing of the fork starts before somebody looked at it.
	fork := waitsToBeLetIn(t, c, "team/app")
	if js, err := c.Jobs(ctx, fork.ID, 0); err != nil || len(js) > 0 {
		t.Errorf("%+v, %v", js, err)
	}
	if err := c.Approve(ctx, fork.ID, fork.Ask, "approved", "looks harmless"); err != nil {
		t.Fatal(err)
	}
	for _, r := range ends(t, c, "team/app", 2) {
		log := said(t, c, r.ID)
		if fork := strings.HasSuffix(r.Ref, "/1/merge"); r.Untrusted != fork || strings.Contains(log, "[***]") == fork || !strings.Contains(log, "pull_request refs/pull/") {
			t.Errorf("%s untrusted %v\n%s", r.Ref, r.Untrusted, log)
		}
		if r.HeadRef != "topic" || r.BaseRef != "main" || len(r.Commit.Parents) != 2 {
			t.Errorf("%+v", r)
		}
	}
}

// waitsToBeLetIn is the run of a fork that waits for somebody's yes.
func waitsToBeLetIn(t *testing.T, c *client.Client, repo string) cairn.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		rs, err := c.Runs(ctx, client.RunFilter{Repository: repo})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if r.Ask != "" && r.Status == cairn.StatusWaiting && strings.Contains(r.Reason, fmt.Sprintf("cairn approve %d", r.ID)) {
				return r
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A host with git and its interface behind one token: what runs is told to it, over
// a server that ends while the host has trouble.
func TestFollowStatusesOutliveTheServer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	work, bare := elsewhere(t)
	const token = "s3cr3t-token"
	exe, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: exe, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1"}}
	var up atomic.Bool
	var asked atomic.Int64
	got := make(chan string, 100)
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, ok := strings.CutPrefix(r.URL.Path, "/api/v3/repos/team/there/statuses/"); ok {
			asked.Add(1)
			if !up.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			var in map[string]string
			if json.NewDecoder(r.Body).Decode(&in) == nil && r.Header.Get("Authorization") == "Bearer "+token {
				got <- path + " " + in["state"] + " " + in["context"]
			}
			w.WriteHeader(http.StatusCreated)
			return
		}
		if _, password, _ := r.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="hub"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/team")
		backend.ServeHTTP(w, r)
	}))
	defer hub.Close()
	url, kind, wrong, right := hub.URL+"/team/there.git", "github", "another", token
	if _, err := c.AddFollow(ctx, client.FollowRequest{URL: url, Token: &wrong}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Fatalf("with another token: %v", err)
	}
	if _, err := c.AddFollow(ctx, client.FollowRequest{URL: url, Token: &right, Status: &kind}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SyncFollow(ctx, "team/there"); err != nil {
		t.Fatal(err)
	}
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Two")
	head := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	git(t, work, "push", "-q", "origin", "HEAD:main")
	if _, err := c.SyncFollow(ctx, "team/there"); err != nil {
		t.Fatal(err)
	}
	ends(t, c, "team/there", 1)
	for asked.Load() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if f, err := c.Follow(ctx, "team/there"); err != nil || len(f.Waiting) != 1 || f.StatusTrouble != "" {
		t.Errorf("%+v %v", f, err)
	}
	c.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	up.Store(true)
	start(t, home)
	for state := ""; state != "success"; {
		select {
		case line := <-got:
			f := strings.SplitN(line, " ", 3)
			if state = f[1]; f[0] != head || f[2] != "cairn / followed" {
				t.Errorf("%q", line)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("no status came")
		}
	}
	// Nowhere does the token lie in clear.
	if err := filepath.WalkDir(home, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // what ends right now
		}
		if b, err := os.ReadFile(p); err == nil && bytes.Contains(b, []byte(token)) {
			t.Errorf("%s holds the token", p)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
