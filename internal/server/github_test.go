package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// ask sends a request of GitHub's dialect and answers status, headers and JSON.
func ask(t *testing.T, base, method, path, body string) (int, http.Header, any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+"/api/v3"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if len(b) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	} else {
		v = string(b)
	}
	return resp.StatusCode, resp.Header, v
}

// at reads a path of a JSON value.
func at(v any, path ...any) any {
	for _, p := range path {
		switch k := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

const dispatched = `name: dispatched
on:
  repository_dispatch:
    types: [retrain]
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, high], required: true}
      n: {type: number, default: 3}
      dry: {type: boolean}
      env: {type: environment}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "${{ github.event.action }} ${{ github.event.client_payload.reason }} ${{ inputs.level }} ${{ inputs.n }} ${{ inputs.dry == false }}"
`

// The dialect of GitHub: what starts runs, what reads them, pages, errors in its
// shape, and names of what is not there.
func TestGitHubDialect(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/d.yml": dispatched, "src/a.txt": "hello\n"})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	u := s.URL()
	for _, x := range []struct {
		name, method, path, body string
		status                   int
		message                  string
	}{
		{"an event", "POST", "/repos/o/r/dispatches", `{"event_type": "retrain", "client_payload": {"reason": "drift"}}`, 204, ""},
		{"of another type", "POST", "/repos/o/r/dispatches", `{"event_type": "other"}`, 204, ""},
		{"without a type", "POST", "/repos/o/r/dispatches", `{}`, 422, "event_type"},
		{"too many keys", "POST", "/repos/o/r/dispatches", `{"event_type": "x", "client_payload": {"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"11":1}}`, 422, "No more than 10 properties are allowed; 11 were supplied."},
		{"too large", "POST", "/repos/o/r/dispatches", `{"event_type": "x", "client_payload": {"a": "` + strings.Repeat("x", 66_000) + `"}}`, 422, "too large"},
		{"no object", "POST", "/repos/o/r/dispatches", `{"event_type": "x", "client_payload": [1]}`, 422, "JSON object"},
		{"no JSON", "POST", "/repos/o/r/dispatches", `{`, 400, "Problems parsing JSON"},
		{"far too large", "POST", "/repos/o/r/dispatches", strings.Repeat(" ", 2<<20), 413, ""},
		{"a run by hand", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {"level": "high", "n": 4}, "return_run_details": true}`, 200, ""},
		{"typed inputs", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "refs/heads/main", "inputs": {"level": "low", "dry": false, "n": "0x10"}}`, 204, ""},
		{"a choice", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {"level": "hihg"}}`, 422, "input 'level' cannot be 'hihg'"},
		{"a required one", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main"}`, 422, "input 'level' is required"},
		{"an unknown one", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {"level": "low", "dri": "true"}}`, 422, "there is no input 'dri'"},
		{"no number", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {"level": "low", "n": "many"}}`, 422, "is a number"},
		{"no text", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {"level": ["low"]}}`, 422, "neither text"},
		{"too many inputs", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {` + inputs(26, "") + `}}`, 422, "at most 25 inputs"},
		{"too long inputs", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {` + inputs(2, strings.Repeat("x", 40_000)) + `}}`, 422, "at most 65535"},
		{"a ref", "POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "mian", "inputs": {"level": "low"}}`, 422, "No ref found for: mian (did you mean main?)"},
		{"a workflow", "POST", "/repos/o/r/actions/workflows/e.yml/dispatches", `{"ref": "main"}`, 404, "e.yml"},
		{"a status", "POST", "/repos/o/r/statuses/HEAD", `{"state": "success", "context": "ci/other"}`, 201, ""},
		{"a wrong status", "POST", "/repos/o/r/statuses/HEAD", `{"state": "sucess"}`, 422, "did you mean success?"},
		{"a branch", "POST", "/repos/o/r/git/refs", `{"ref": "refs/heads/topic", "sha": "main"}`, 201, ""},
		{"it again", "POST", "/repos/o/r/git/refs", `{"ref": "refs/heads/topic", "sha": "main"}`, 422, "Reference already exists"},
		{"a ref of ours", "POST", "/repos/o/r/git/refs", `{"ref": "refs/cairn/x", "sha": "main"}`, 422, "neither a branch nor a tag"},
		{"a pull without commits", "POST", "/repos/o/r/pulls", `{"head": "topic", "base": "main", "title": "x"}`, 422, "no commits between"},
		{"a branch that goes", "DELETE", "/repos/o/r/git/refs/heads/topic", "", 204, ""},
		{"comments", "POST", "/repos/o/r/issues/1/comments", `{"body": "x"}`, 501, "Cairn has no comments and reviews"},
		{"no such route", "GET", "/repos/o/r/traffic/views", "", 404, "Cairn has no GET /api/v3/repos/o/r/traffic/views"},
		{"no such repository", "GET", "/repos/o/nope", "", 404, "o/nope"},
		{"who asks", "GET", "/user", "", 200, ""},
		{"limits", "GET", "/rate_limit", "", 200, ""},
		{"outside", "GET", "/repos/o/r/contents/../../../etc/passwd", "", 404, ""},
	} {
		status, _, v := ask(t, u, x.method, x.path, x.body)
		if m, _ := at(v, "message").(string); status != x.status || !strings.Contains(m, x.message) {
			t.Errorf("%s: %d %v", x.name, status, v)
		} else if status >= 400 && at(v, "documentation_url") == nil {
			t.Errorf("%s is not an error in GitHub's shape: %v", x.name, v)
		}
	}
	rs := runsOf(t, c, "o/r", 3)
	if rs[2].Event != "repository_dispatch" || rs[1].Event != "workflow_dispatch" || payloadOf(t, c, rs[2].ID, "client_payload", "reason") != "drift" {
		t.Errorf("%s", list(rs))
	}
	_, h, v := ask(t, u, "GET", "/repos/o/r/actions/runs?per_page=2", "")
	if at(v, "total_count") != 3.0 || len(at(v, "workflow_runs").([]any)) != 2 || at(v, "workflow_runs", 0, "conclusion") != "success" ||
		!strings.Contains(h.Get("Link"), `page=2&per_page=2>; rel="next"`) {
		t.Errorf("%v %v", h.Get("Link"), v)
	}
	id := int(at(v, "workflow_runs", 0, "id").(float64))
	_, _, v = ask(t, u, "GET", fmt.Sprintf("/repos/o/r/actions/runs/%d/jobs", id), "")
	job := int(at(v, "jobs", 0, "id").(float64))
	if at(v, "jobs", 0, "name") != "a" || at(v, "jobs", 0, "steps", 0, "status") != "completed" {
		t.Errorf("%v", v)
	}
	if _, _, v = ask(t, u, "GET", fmt.Sprintf("/repos/o/r/actions/jobs/%d/logs", job), ""); !strings.Contains(v.(string), "low 16 true") {
		t.Errorf("the log: %v", v)
	}
	if status, h, v := ask(t, u, "GET", fmt.Sprintf("/repos/o/r/actions/runs/%d/logs", id), ""); status != 200 || h.Get("Content-Type") != "application/zip" || !strings.HasPrefix(v.(string), "PK") {
		t.Errorf("the archive: %d %v", status, h)
	}
	// Before the rerun: a new attempt has no job until the engine has looked at it.
	if _, _, v = ask(t, u, "GET", "/repos/o/r/commits/main/check-runs", ""); at(v, "total_count") != 3.0 {
		t.Errorf("%v", v)
	}
	if status, _, _ := ask(t, u, "POST", fmt.Sprintf("/repos/o/r/actions/runs/%d/rerun", id), ""); status != 201 {
		t.Errorf("rerun: %d", status)
	}
	_, _, v = ask(t, u, "GET", "/repos/o/r/contents/src/a.txt", "")
	if at(v, "content") != "aGVsbG8K" || at(v, "encoding") != "base64" {
		t.Errorf("%v", v)
	}
	if _, _, v = ask(t, u, "GET", "/repos/o/r/commits/main/status", ""); at(v, "state") != "success" || at(v, "statuses", 0, "context") != "ci/other" {
		t.Errorf("%v", v)
	}
	if done := finish(t, c, cairn.RunID(id)); done.Attempt != 2 {
		t.Errorf("attempt %d", done.Attempt)
	}
}

func inputs(n int, v string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%q: %q", fmt.Sprint("i", i), v))
	}
	return strings.Join(out, ", ")
}

// What a job's own token causes starts nothing, save by the two events that are for
// that; it reaches its own repository alone, as far as its permissions go.
func TestTokenOfAJob(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	call := func(method, path, body, want string) string {
		return fmt.Sprintf(`          got=$(curl -s -o /dev/null -w '%%{http_code}' -X %s -H "Authorization: Bearer $TOKEN" "$GITHUB_API_URL%s" -d '%s')
          echo "%s %s: $got"; test "$got" = %s
`, method, path, body, method, path, want)
	}
	dir := repository(t, map[string]string{
		".github/workflows/d.yml": dispatched,
		".github/workflows/m.yml": flow("made", "  create:\n  push: {branches: [made]}"),
		".github/workflows/w.yml": `name: writes
on: {push: {branches: [main]}}
permissions: {contents: write, actions: read}
jobs:
  a:
    runs-on: ubuntu-latest
    env: {TOKEN: '${{ github.token }}'}
    steps:
      - run: |
` + call("POST", "/repos/o/r/dispatches", `{"event_type": "retrain"}`, "204") +
			call("POST", "/repos/o/r/git/refs", `{"ref": "refs/heads/made", "sha": "main"}`, "201") +
			call("POST", "/repos/o/r/actions/workflows/d.yml/dispatches", `{"ref": "main", "inputs": {"level": "low"}}`, "403") +
			call("GET", "/repos/o/other", "", "404") + call("POST", "/repos/o/r/pulls", `{}`, "403"),
	})
	git(t, dir, "push", pushURL(s, "o/other"), "HEAD:topic")
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	// The first branch is a create, too.
	got := map[string]int{}
	for _, r := range runsOf(t, c, "o/r", 3) {
		got[r.Workflow+" "+r.Event]++
		if r.Conclusion != cairn.Success {
			t.Errorf("run %d: %s\n%s", r.ID, r.Conclusion, describe(c, r.ID))
		}
	}
	if got["writes push"] != 1 || got["dispatched repository_dispatch"] != 1 || got["made create"] != 1 {
		t.Errorf("%v", got)
	}
}
