package follow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/follow"
)

// hub is a host whose interface takes statuses.
type hub struct {
	*httptest.Server
	mu    sync.Mutex
	got   []string
	heads []http.Header
	reply func(w http.ResponseWriter, r *http.Request) bool // true: it answered
}

func newHub(t *testing.T) *hub {
	h := &hub{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.heads = append(h.heads, r.Header.Clone())
		if h.reply != nil && h.reply(w, r) {
			return
		}
		var in map[string]string
		if err := json.Unmarshal(b, &in); err != nil {
			t.Errorf("%s %s: %v", r.Method, b, err)
		}
		h.got = append(h.got, fmt.Sprintf("%s %s %s | %s%s | %s | %s", r.Method, r.URL.EscapedPath(), in["state"], in["context"], in["name"], in["description"], in["target_url"]))
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "{}")
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) said() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func (h *hub) answers(f func(w http.ResponseWriter, r *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reply = f
}

// ran writes a run as the engine does.
func (r *rig) ran(run cairn.Run) cairn.Run {
	r.t.Helper()
	ctx := context.Background()
	id, err := r.store.Reserve(ctx, "run", 1)
	if err != nil {
		r.t.Fatal(err)
	}
	plan := []byte(`{}`)
	run.ID, run.Workspace, run.Plan, run.Attempt, run.Status = cairn.RunID(id), "default", cairn.SumBytes(plan), 1, cairn.StatusQueued
	run.CreatedAt = r.clock.now()
	if run, err = r.store.CreateRun(ctx, run, cairn.Attempt{Run: run.ID, Number: 1}, plan, cairn.Change{By: "x"}); err != nil {
		r.t.Fatal(err)
	}
	return run
}

func (r *rig) becomes(run cairn.Run, change func(*cairn.Run)) cairn.Run {
	r.t.Helper()
	change(&run)
	if err := r.store.ApplyRun(context.Background(), cairn.RunBatch{ID: run.ID, Version: run.Version, Run: &run}, cairn.Change{By: "x"}); err != nil {
		r.t.Fatal(err)
	}
	run.Version++
	return run
}

func (r *rig) write() time.Duration {
	r.t.Helper()
	wait, err := r.s.WriteStatuses(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return wait
}

func (r *rig) addStatuses(h *hub, kind string) {
	r.t.Helper()
	r.m.push("refs/heads/main", "a")
	r.add(h.URL+"/o/r", follow.Change{Token: ptr("s3cr3t-token\n"), Status: ptr(kind)})
}

func TestStatusGitHub(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHub(t)
	r.addStatuses(h, cairn.HostGitHub)
	run := r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	r.ran(cairn.Run{Repository: "o/other", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("z")}, Dirty: true})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("z")}, WorkDir: "/x"})
	r.write()
	run = r.becomes(run, func(x *cairn.Run) { x.Status, x.StartedAt = cairn.StatusRunning, r.clock.now() })
	r.write()
	r.write()
	r.clock.pass(12 * time.Second)
	r.becomes(run, func(x *cairn.Run) {
		x.Status, x.Conclusion, x.FinishedAt, x.Reason = cairn.StatusCompleted, cairn.Failure, r.clock.now(), "job test\nfailed"
	})
	pr := r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "pull_request", Commit: cairn.Commit{SHA: sha("merge")},
		Payload: []byte(`{"pull_request":{"head":{"sha":"` + sha("h") + `"}}}`)})
	r.becomes(pr, func(x *cairn.Run) { x.Status, x.Conclusion = cairn.StatusCompleted, cairn.Success })
	r.write()
	at := "POST /api/v3/repos/o/r/statuses/" + sha("a")
	target := fmt.Sprintf("http://cairn.example/runs/%d", run.ID)
	want := []string{
		at + " pending | cairn / build | Queued | " + target,
		at + " pending | cairn / build | In progress | " + target,
		at + " failure | cairn / build | Failed in 12s: job test failed | " + target,
		// What came and went between two writes is written as it is now.
		"POST /api/v3/repos/o/r/statuses/" + sha("h") + fmt.Sprintf(" success | cairn / build (pull_request) | Successful | http://cairn.example/runs/%d", pr.ID),
	}
	if got := h.said(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, x := range h.heads {
		if x.Get("Authorization") != "Bearer s3cr3t-token" || x.Get("X-GitHub-Api-Version") != "2022-11-28" || x.Get("Accept") != "application/vnd.github+json" || x.Get("User-Agent") == "" {
			t.Errorf("%v", x)
		}
	}
	// Whoever looks sees that there is a token, and not which.
	b, err := json.Marshal(r.show("o/r"))
	if err != nil || strings.Contains(string(b), "s3cr3t") || !strings.Contains(string(b), `"has_token":true`) {
		t.Errorf("%s %v", b, err)
	}
}

func TestStatusGiteaAndGitLab(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct{ header, value, path, failed string }{
		cairn.HostGitea:  {"Authorization", "token s3cr3t-token", "/api/v1/repos/o/r/statuses/", "error"},
		cairn.HostGitLab: {"PRIVATE-TOKEN", "s3cr3t-token", "/api/v4/projects/o%2Fr/statuses/", "failed"},
	} {
		r, h := newRig(t), newHub(t)
		r.addStatuses(h, kind)
		run := r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
		r.becomes(run, func(x *cairn.Run) { x.Status, x.Conclusion = cairn.StatusCompleted, cairn.Cancelled })
		r.write()
		if got := h.said(); len(got) != 1 || !strings.HasPrefix(got[0], "POST "+c.path+sha("a")+" "+c.failed+" | cairn / build |") || h.heads[0].Get(c.header) != c.value {
			t.Errorf("%s: %q %v", kind, got, h.heads)
		}
	}
}

// A newer run counts, whatever becomes of an older one later.
func TestStatusOfTheNewestRun(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHub(t)
	r.addStatuses(h, cairn.HostGitHub)
	old := r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "build", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	r.write()
	r.becomes(old, func(x *cairn.Run) { x.Status, x.Conclusion = cairn.StatusCompleted, cairn.Failure })
	r.write()
	if got := h.said(); len(got) != 1 || !strings.Contains(got[0], "pending") {
		t.Errorf("%q", got)
	}
}

func TestStatusPatience(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply func(r *rig, w http.ResponseWriter)
		wait  time.Duration
	}{
		"Retry-After": {func(_ *rig, w http.ResponseWriter) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusForbidden)
		}, 90 * time.Second},
		"X-RateLimit-Reset": {func(r *rig, w http.ResponseWriter) {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(r.clock.now().Add(10*time.Minute).Unix(), 10))
			w.WriteHeader(http.StatusForbidden)
		}, 10 * time.Minute},
		"429 alone": {func(_ *rig, w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }, time.Minute},
		"trouble":   {func(_ *rig, w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, 5 * time.Second},
		"far too long": {func(_ *rig, w http.ResponseWriter) {
			w.Header().Set("Retry-After", "2000000000")
			w.WriteHeader(http.StatusTooManyRequests)
		}, 24 * time.Hour},
	} {
		r, h := newRig(t), newHub(t)
		r.addStatuses(h, cairn.HostGitHub)
		h.answers(func(w http.ResponseWriter, _ *http.Request) bool { c.reply(r, w); return true })
		for i := range 3 {
			r.ran(cairn.Run{Repository: "o/r", Workflow: fmt.Sprint("w", i), Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
		}
		r.write()
		r.write()
		if len(h.heads) != 1 {
			t.Errorf("%s: asked %d times", name, len(h.heads))
		}
		if f := r.show("o/r"); len(f.Waiting) != 3 || f.StatusTrouble != "" {
			t.Errorf("%s: %+v", name, f)
		}
		h.answers(nil)
		r.clock.pass(c.wait - time.Second)
		if r.write(); len(h.said()) != 0 {
			t.Errorf("%s: asked too early", name)
		}
		r.clock.pass(2 * time.Second)
		if r.write(); len(h.said()) != 3 {
			t.Errorf("%s: %q", name, h.said())
		}
	}
}

func TestStatusRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		r, h := newRig(t), newHub(t)
		r.addStatuses(h, cairn.HostGitHub)
		h.answers(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			io.WriteString(w, `{"message":"Not Found, or so"}`)
			return true
		})
		for i := range 3 {
			r.ran(cairn.Run{Repository: "o/r", Workflow: fmt.Sprint("w", i), Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
		}
		r.write()
		r.clock.pass(time.Hour)
		r.write()
		f := r.show("o/r")
		if len(h.heads) != 1 || !strings.Contains(f.StatusTrouble, strconv.Itoa(status)) || len(f.Waiting) != 0 || strings.Contains(f.StatusTrouble, "s3cr3t") {
			t.Errorf("%d: asked %d times, %+v", status, len(h.heads), f)
		}
		// Another token, and it goes on with what comes.
		h.answers(nil)
		if _, err := r.s.Set(t.Context(), "o/r", follow.Change{Token: ptr("other")}); err != nil {
			t.Fatal(err)
		}
		r.ran(cairn.Run{Repository: "o/r", Workflow: "w", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
		if r.write(); len(h.said()) != 1 {
			t.Errorf("%d: %q", status, h.said())
		}
	}
}

// What the host does not understand is tried some times, and keeps nothing else.
func TestStatusNotUnderstood(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHub(t)
	r.addStatuses(h, cairn.HostGitHub)
	h.answers(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, sha("lost")) {
			return false
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"message":"No commit found for SHA"}`)
		return true
	})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "w", Event: "push", Commit: cairn.Commit{SHA: sha("lost")}})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "w", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	for range 6 {
		r.write()
		r.clock.pass(time.Minute)
	}
	if f := r.show("o/r"); len(h.said()) != 1 || len(h.heads) != 4 || len(f.Waiting) != 0 || f.StatusTrouble != "" {
		t.Errorf("%q, asked %d times, %+v", h.said(), len(h.heads), f)
	}
}

// The token goes to its host alone.
func TestStatusTokenStaysWithItsHost(t *testing.T) {
	t.Parallel()
	r, h, other := newRig(t), newHub(t), newHub(t)
	r.addStatuses(h, cairn.HostGitHub)
	h.answers(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "w", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	r.write()
	if f := r.show("o/r"); len(other.heads) != 0 || !strings.Contains(f.StatusTrouble, "another host") {
		t.Errorf("%v %+v", other.heads, f)
	}
	// On the same host it moves along: a repository was renamed.
	if _, err := r.s.Set(t.Context(), "o/r", follow.Change{Status: ptr("github")}); err != nil {
		t.Fatal(err)
	}
	h.answers(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/repositories/7/") {
			return false
		}
		w.Header().Set("Location", "/api/v3/repositories/7/statuses/"+sha("a"))
		w.WriteHeader(http.StatusMovedPermanently)
		return true
	})
	r.ran(cairn.Run{Repository: "o/r", Workflow: "w", Event: "push", Commit: cairn.Commit{SHA: sha("a")}})
	if r.write(); len(h.said()) != 1 || !strings.HasPrefix(h.said()[0], "POST /api/v3/repositories/7/") {
		t.Errorf("%q", h.said())
	}
}

// Pull requests are seen by looks where the host's interface tells of them.
func TestLooksSeePullRequests(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHub(t)
	r.m.push("refs/pull/1/head", "long ago")
	r.addStatuses(h, cairn.HostGitHub)
	states := map[string]string{"2": "open", "3": "closed"}
	h.answers(func(w http.ResponseWriter, req *http.Request) bool {
		n := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
		r.m.mu.Lock()
		head := r.m.there["refs/pull/"+n+"/head"]
		r.m.mu.Unlock()
		fmt.Fprintf(w, `{"number":%s,"state":%q,"user":{"login":"mallory"},"base":{"ref":"main","sha":%q,"repo":{"full_name":"o/r"}},"head":{"ref":"topic","sha":%q,"repo":{"full_name":"mallory/r"}}}`,
			n, states[n], sha("a"), head)
		return true
	})
	r.m.push("refs/pull/2/head", "b", sha("a"))
	r.m.push("refs/pull/3/head", "c", sha("a"))
	r.sync("o/r")
	r.m.push("refs/pull/2/head", "d", sha("a"))
	r.store.mu.Lock()
	r.store.fails = 1
	r.store.mu.Unlock()
	if _, err := r.s.Sync(t.Context(), "o/r"); err == nil {
		t.Error("nothing was killed")
	}
	r.sync("o/r")
	r.sync("o/r")
	var got []string
	for _, e := range r.runs.events {
		if e.Event == "pull_request" {
			got = append(got, fmt.Sprintf("%s %.4s %v %s", e.Action, e.SHA, e.Untrusted, e.By))
		}
	}
	want := []string{fmt.Sprintf("opened %.4s true mallory", sha("b")), fmt.Sprintf("synchronize %.4s true mallory", sha("d"))}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !strings.Contains(string(r.runs.events[0].Payload), `"full_name":"o/r"`) {
		t.Errorf("%s", r.runs.events[0].Payload)
	}
	if len(h.heads) != 4 { // 2 and 3, 2 that was killed, 2 again
		t.Errorf("asked %d times", len(h.heads))
	}
}
