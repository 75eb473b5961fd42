package follow_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn/internal/follow"
)

// hook posts deliveries to a rig.
type hook struct {
	r      *rig
	path   string
	secret string
}

func (r *rig) addHooked(repo string, c follow.Change) *hook {
	r.t.Helper()
	c.Hook = "on"
	a := r.add("https://github.com/"+repo, c)
	return &hook{r, strings.TrimPrefix(a.Hook.URL, "http://cairn.example"), a.Hook.Secret}
}

func sign(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// post sends what GitHub would.
func (h *hook) post(event, id string, payload any) *httptest.ResponseRecorder {
	h.r.t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		h.r.t.Fatal(err)
	}
	return h.send(body, map[string]string{"X-GitHub-Event": event, "X-GitHub-Delivery": id, "X-Hub-Signature-256": sign(h.secret, body), "Content-Type": "application/json"})
}

func (h *hook) send(body []byte, headers map[string]string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, h.path, bytes.NewReader(body))
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.r.s.ServeHTTP(w, req)
	return w
}

func push(ref, before, after string) map[string]any {
	return map[string]any{
		"ref": ref, "before": before, "after": after, "sender": map[string]any{"login": "octocat"},
		"repository": map[string]any{"full_name": "o/r"}, "pusher": map[string]any{"name": "octocat"},
	}
}

func TestWebhookSignatures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	h := r.addHooked("o/r", follow.Change{})
	body := []byte(`{"zen":"Keep it simple.","repository":{"full_name":"o/r"}}`)
	good := sign(h.secret, body)
	bare := strings.TrimPrefix(good, "sha256=")
	for _, c := range []struct {
		name    string
		headers map[string]string
		want    int
	}{
		{"GitHub's", map[string]string{"X-Hub-Signature-256": good, "X-GitHub-Event": "ping", "X-GitHub-Delivery": "1"}, http.StatusOK},
		{"Gitea's", map[string]string{"X-Gitea-Signature": bare, "X-Gitea-Event": "ping", "X-Gitea-Delivery": "2"}, http.StatusOK},
		{"GitLab's", map[string]string{"X-Gitlab-Token": h.secret, "X-Gitlab-Event": "Issue Hook", "X-Gitlab-Event-UUID": "3"}, http.StatusOK},
		{"none", map[string]string{"X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"another", map[string]string{"X-Hub-Signature-256": sign("x", body), "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"that of another body", map[string]string{"X-Hub-Signature-256": sign(h.secret, []byte("{}")), "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"without its kind", map[string]string{"X-Hub-Signature-256": bare, "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"cut short", map[string]string{"X-Hub-Signature-256": good[:40], "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"empty", map[string]string{"X-Hub-Signature-256": "sha256=", "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"no hex", map[string]string{"X-Hub-Signature-256": "sha256=" + strings.Repeat("z", 64), "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"a wrong one beside a right token", map[string]string{"X-Hub-Signature-256": sign("x", body), "X-Gitlab-Token": h.secret, "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"SHA-1 alone", map[string]string{"X-Hub-Signature": "sha1=" + bare, "X-GitHub-Event": "ping"}, http.StatusUnauthorized},
		{"an empty token", map[string]string{"X-Gitlab-Token": "", "X-Gitlab-Event": "Push Hook"}, http.StatusUnauthorized},
		{"no event", map[string]string{"X-Hub-Signature-256": good}, http.StatusBadRequest},
	} {
		w := h.send(body, c.headers)
		if w.Code != c.want {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if w.Code == http.StatusUnauthorized && w.Body.String() != "unauthorized\n" {
			t.Errorf("%s says %q", c.name, w.Body)
		}
	}
}

func TestWebhookEdges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	h := r.addHooked("o/r", follow.Change{})
	ask := func(method, path string, body io.Reader) int {
		w := httptest.NewRecorder()
		r.s.ServeHTTP(w, httptest.NewRequest(method, path, body))
		return w.Code
	}
	for path, want := range map[string]int{
		"/hooks/" + strings.Repeat("0", 32): http.StatusNotFound, "/hooks/": http.StatusNotFound, "/hooks/../x": http.StatusNotFound,
		h.path + "/x": http.StatusNotFound, strings.ToUpper(h.path): http.StatusNotFound,
	} {
		if got := ask(http.MethodPost, path, strings.NewReader("{}")); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
	if got := ask(http.MethodGet, h.path, nil); got != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", got)
	}
	if got := ask(http.MethodPost, h.path, io.LimitReader(endless{}, follow.MaxDelivery+1)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", got)
	}
	for _, body := range []string{"", "[]", "null", "{", `"x"`} {
		headers := map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": sign(h.secret, []byte(body))}
		if w := h.send([]byte(body), headers); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", body, w.Code)
		}
	}
	// A form, as hosts send it unless told otherwise.
	next := r.m.push("refs/heads/main", "b")
	b, err := json.Marshal(push("refs/heads/main", sha("a"), next))
	if err != nil {
		t.Fatal(err)
	}
	form := []byte(url.Values{"payload": {string(b)}}.Encode())
	w := h.send(form, map[string]string{
		"X-GitHub-Event": "push", "X-GitHub-Delivery": "9", "X-Hub-Signature-256": sign(h.secret, form), "Content-Type": "application/x-www-form-urlencoded",
	})
	if r.sync("o/r"); w.Code != http.StatusAccepted || len(r.runs.pushes) != 1 {
		t.Errorf("a form: %d %s %v", w.Code, w.Body, r.runs.said())
	}
	// Of another repository, as the webhook of an organisation sends it.
	other := push("refs/heads/main", sha("a"), next)
	other["repository"] = map[string]any{"full_name": "o/other"}
	if w := h.post("push", "10", other); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "another repository") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// Another secret ends the one before.
	if _, err := r.s.Set(t.Context(), "o/r", follow.Change{Hook: "new"}); err != nil {
		t.Fatal(err)
	}
	if w := h.post("ping", "11", map[string]any{"zen": "x"}); w.Code != http.StatusNotFound {
		t.Errorf("the address before: %d", w.Code)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Each delivery counts once: sent again, sent twice at once, or under another id.
func TestWebhookReplays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	h := r.addHooked("o/r", follow.Change{})
	next := r.m.push("refs/heads/main", "b")
	codes := make([]int, 4)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = h.post("push", "one", push("refs/heads/main", sha("a"), next)).Code })
	}
	wg.Wait()
	taken := 0
	for _, c := range codes {
		if c == http.StatusAccepted {
			taken++
		} else if c != http.StatusOK {
			t.Errorf("%v", codes)
		}
	}
	if taken != 1 {
		t.Errorf("%v", codes)
	}
	r.sync("o/r")
	if w := h.post("push", "one", push("refs/heads/main", sha("a"), next)); w.Code != http.StatusOK {
		t.Errorf("sent again: %d", w.Code)
	}
	// The id and the name of the event are not signed.
	if w := h.post("push", "two", push("refs/heads/main", sha("a"), next)); w.Code != http.StatusOK {
		t.Errorf("under another id: %d", w.Code)
	}
	if w := h.post("repository_dispatch", "three", push("refs/heads/main", sha("a"), next)); w.Code != http.StatusOK {
		t.Errorf("as another event: %d", w.Code)
	}
	r.sync("o/r")
	if len(r.runs.pushes) != 1 || len(r.runs.events) != 0 {
		t.Errorf("%q %v", r.runs.said(), r.runs.events)
	}
	// The same dispatch twice is two.
	again := map[string]any{"action": "deploy", "client_payload": map[string]any{}, "repository": map[string]any{"full_name": "o/r"}, "sender": map[string]any{"login": "octocat"}}
	for _, id := range []string{"four", "five"} {
		if w := h.post("repository_dispatch", id, again); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
	r.sync("o/r")
	if len(r.runs.events) != 2 || r.runs.events[0].Action != "deploy" || r.runs.events[0].By != "octocat" {
		t.Errorf("%+v", r.runs.events)
	}
}

func TestWebhookPushIsThePayload(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	h := r.addHooked("o/r", follow.Change{})
	b := r.m.push("refs/heads/main", "b", sha("a"))
	c := r.m.push("refs/heads/main", "c", b)
	h.post("push", "1", push("refs/heads/main", sha("a"), b))
	h.post("push", "2", push("refs/heads/main", b, c))
	r.sync("o/r")
	if len(r.runs.pushes) != 2 {
		t.Fatalf("%q", r.runs.said())
	}
	for i, p := range r.runs.pushes {
		if p.By != "octocat" || !strings.Contains(string(p.Payload), `"pusher"`) || p.New != []string{b, c}[i] {
			t.Errorf("%+v", p)
		}
	}
	f := r.show("o/r")
	if len(f.Deliveries) != 2 || f.Deliveries[1].Note != "run 1" || f.Deliveries[0].Note != "run 2" {
		t.Errorf("%+v", f.Deliveries)
	}
	// A commit that is not given out any more starts nothing, and keeps nothing.
	lost := r.m.push("refs/heads/x", "lost")
	r.m.drop("refs/heads/x")
	r.m.gone[lost] = true
	h.post("push", "3", push("refs/heads/x", zero, lost))
	d := r.m.push("refs/heads/main", "d", c)
	h.post("push", "4", push("refs/heads/main", c, d))
	r.sync("o/r")
	if got := r.show("o/r").Deliveries; len(r.runs.pushes) != 3 || !strings.Contains(got[1].Note, "does not give out") {
		t.Errorf("%q %+v", r.runs.said(), got)
	}
}

func TestWebhookEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.m.push("refs/tags/v1", "a")
	h := r.addHooked("o/r", follow.Change{})
	who := map[string]any{"login": "octocat"}
	h.post("release", "1", map[string]any{"action": "published", "release": map[string]any{"tag_name": "v1"}, "sender": who})
	h.post("workflow_dispatch", "2", map[string]any{"ref": "refs/heads/main", "workflow": ".github/workflows/a.yml", "inputs": map[string]any{"n": 3, "s": "x", "b": true, "z": nil}, "sender": who})
	h.post("issues", "3", map[string]any{"action": "opened", "sender": who})
	h.post("status", "4", map[string]any{"state": "success", "sender": who})
	h.post("check_run", "5", map[string]any{"action": "completed", "sender": who})
	h.post("create", "6", map[string]any{"ref": "x", "ref_type": "branch", "sender": who})
	r.sync("o/r")
	es := r.runs.events
	if len(es) != 3 {
		t.Fatalf("%+v", es)
	}
	if e := es[0]; e.Event != "release" || e.Action != "published" || e.Ref != "refs/tags/v1" || e.SHA != sha("a") {
		t.Errorf("%+v", e)
	}
	if e := es[1]; e.Workflow != ".github/workflows/a.yml" || fmt.Sprint(e.Inputs) != "map[b:true n:3 s:x]" || e.Ref != "refs/heads/main" {
		t.Errorf("%+v", e)
	}
	if e := es[2]; e.Event != "issues" || e.Ref != "" || e.Untrusted {
		t.Errorf("%+v", e)
	}
	for _, d := range r.show("o/r").Deliveries {
		if d.DoneAt.IsZero() || (d.Event == "status" || d.Event == "check_run") && !strings.Contains(d.Note, "elsewhere") {
			t.Errorf("%+v", d)
		}
	}
}

func pull(action string, number int, head, headRepo string, more map[string]any) map[string]any {
	p := map[string]any{
		"number": number, "state": "open", "base": map[string]any{"ref": "main", "sha": sha("a"), "repo": map[string]any{"full_name": "o/r"}},
		"head": map[string]any{"ref": "topic", "sha": head, "repo": map[string]any{"full_name": headRepo}},
	}
	if headRepo == "" {
		p["head"].(map[string]any)["repo"] = nil
	}
	out := map[string]any{"action": action, "number": number, "pull_request": p, "repository": map[string]any{"full_name": "o/r"}, "sender": map[string]any{"login": "octocat"}}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestWebhookPullRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	merged := ""
	r.opts.Merge = func(_ context.Context, _ string, number int64, base, head string) (string, bool, error) {
		merged = fmt.Sprintf("%d %.4s %.4s", number, base, head)
		return sha("merge"), number == 9, nil
	}
	r.s = follow.New(r.opts)
	r.m.push("refs/heads/main", "a")
	h := r.addHooked("o/r", follow.Change{})
	b := r.m.push("refs/pull/7/head", "b", sha("a"))
	h.post("pull_request", "1", pull("opened", 7, b, "o/r", nil))
	c := r.m.push("refs/pull/7/head", "c", b)
	h.post("pull_request", "2", pull("synchronize", 7, c, "o/r", map[string]any{"before": b}))
	h.post("pull_request", "3", pull("labeled", 7, c, "o/r", nil))
	f := r.m.push("refs/pull/8/head", "f", sha("a"))
	h.post("pull_request", "4", pull("opened", 8, f, "mallory/r", nil))
	g := r.m.push("refs/pull/9/head", "g", sha("a"))
	h.post("pull_request", "5", pull("opened", 9, g, "", nil))
	r.sync("o/r")
	var got []string
	for _, e := range r.runs.events {
		got = append(got, fmt.Sprintf("%s %s %s %.4s %v %v", e.Event, e.Action, e.Ref, e.SHA, e.Untrusted, e.Conflict))
	}
	m := sha("merge")[:4]
	want := []string{
		"pull_request opened refs/pull/7/merge " + m + " false false", "pull_request_target opened refs/heads/main  false false",
		"pull_request synchronize refs/pull/7/merge " + m + " false false", "pull_request_target synchronize refs/heads/main  false false",
		"pull_request labeled refs/pull/7/merge " + m + " false false", "pull_request_target labeled refs/heads/main  false false",
		"pull_request opened refs/pull/8/merge " + m + " true false", "pull_request_target opened refs/heads/main  false false",
		"pull_request opened refs/pull/9/merge " + m + " true true", "pull_request_target opened refs/heads/main  false false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if e := r.runs.events[0]; e.BaseRef != "main" || e.HeadRef != "topic" || e.By != "octocat" || !strings.Contains(string(e.Payload), `"pull_request"`) {
		t.Errorf("%+v", e)
	}
	if merged != fmt.Sprintf("9 %.4s %.4s", sha("a"), g) {
		t.Error(merged)
	}
	// The host's own merge counts where it is one of these commits.
	d := r.m.push("refs/pull/7/head", "d", c)
	own := r.m.push("refs/pull/7/merge", "own merge", sha("a"), d)
	h.post("pull_request", "6", pull("synchronize", 7, d, "o/r", map[string]any{"before": c}))
	// What is told twice counts once.
	h.post("pull_request", "7", pull("synchronize", 7, d, "o/r", map[string]any{"before": c, "again": true}))
	r.sync("o/r")
	if es := r.runs.events[len(want):]; len(es) != 2 || es[0].SHA != own {
		t.Errorf("%+v", es)
	}
	for _, bad := range []any{map[string]any{"action": "opened"}, pull("opened", 0, b, "o/r", nil), pull("opened", 7, "x", "o/r", nil)} {
		h.post("pull_request", fmt.Sprintf("bad %v", bad)[:9]+fmt.Sprint(len(r.show("o/r").Deliveries)), bad)
	}
	r.sync("o/r")
	if len(r.runs.events) != len(want)+2 {
		t.Errorf("%d events", len(r.runs.events))
	}
}
