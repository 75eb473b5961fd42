package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/server"
)

const sample = `name: sample
on:
  push:
    branches: [main]
  workflow_dispatch:
    inputs:
      prepare: {type: boolean, default: true}
jobs:
  prepare:
    if: github.event_name == 'push' || inputs.prepare
    runs-on: ubuntu-latest
    outputs:
      answer: ${{ steps.think.outputs.answer }}
    steps:
      - uses: actions/checkout@v4
      - id: think
        run: |
          echo "answer=$(cat number.txt)" >> "$GITHUB_OUTPUT"
          mkdir out && cp number.txt out/
      - uses: actions/upload-artifact@v4
        with: {name: numbers, path: out}
  train:
    needs: prepare
    if: always() && (needs.prepare.result == 'success' || needs.prepare.result == 'skipped')
    runs-on: ubuntu-latest
    env:
      SECRET: ${{ secrets.SECRET }}
    steps:
      - uses: actions/download-artifact@v4
        if: needs.prepare.result == 'success'
        with: {name: numbers, path: in}
      - run: |
          echo "the answer is ${{ needs.prepare.outputs.answer }}, the secret is $SECRET"
          echo "$GITHUB_SHA $GITHUB_ACTOR $GITHUB_RUN_ID $GITHUB_EVENT_NAME"
`

func submit(t testing.TB, c *client.Client, dir string, r client.RunRequest) *cairn.Run {
	t.Helper()
	r.Dir = dir
	created, err := c.SubmitRun(context.Background(), r)
	if err != nil {
		t.Fatalf("%v %+v", err, cairn.AsError(err))
	}
	return &created.Run
}

func readLog(t testing.TB, c *client.Client, job cairn.JobID, step int) string {
	t.Helper()
	r, err := c.Logs(context.Background(), job, step, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFromCommitToTrace(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/sample.yml": sample, "number.txt": "42\n"})

	pre, err := c.Preflight(ctx, client.RunRequest{Dir: dir, Dirty: true})
	if err != nil {
		t.Fatal(err)
	}
	if pre.Workflow != "sample" || pre.Event != "workflow_dispatch" || len(pre.Jobs) != 2 || pre.Dirty {
		t.Errorf("preflight: %+v", pre)
	}
	warned := false
	for _, p := range pre.Problems {
		warned = warned || p.Code == "preflight.secret" && p.Line > 0
		if p.Severity == cairn.SeverityError {
			t.Errorf("preflight: %+v", p)
		}
	}
	if !warned {
		t.Errorf("the missing secret is not named: %+v", pre.Problems)
	}

	r := submit(t, c, dir, client.RunRequest{Event: "push", Dirty: true, EnvFile: map[string]string{"SECRET": "s3cr3t-value"}})
	done := finish(t, c, r.ID)
	if done.Conclusion != cairn.Success {
		t.Fatalf("%s %s\n%s", done.Conclusion, done.Reason, describe(c, r.ID))
	}
	jobs, err := c.Jobs(ctx, r.ID, 0)
	if err != nil || len(jobs) != 2 {
		t.Fatalf("%v %v", jobs, err)
	}
	last := jobs[1].Steps[len(jobs[1].Steps)-1]
	var said string
	for _, s := range jobs[1].Steps {
		said += readLog(t, c, jobs[1].ID, s.Number)
	}
	if !strings.Contains(said, "the answer is 42, the secret is ***") || strings.Contains(said, "s3cr3t-value") {
		t.Errorf("the log of step %d:\n%s", last.Number, said)
	}
	if !strings.Contains(said, r.Commit.SHA) {
		t.Errorf("no SHA in the log:\n%s", said)
	}
	as, err := c.Artifacts(ctx, r.ID)
	if err != nil || len(as) != 1 || as[0].Name != "numbers" || as[0].Files != 1 {
		t.Fatalf("artifacts: %+v %v", as, err)
	}
	to := t.TempDir()
	if err := c.DownloadTree(ctx, as[0].Digest, to); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(to, "number.txt")); string(b) != "42\n" {
		t.Errorf("downloaded %q", b)
	}

	tr, err := c.Trace(ctx, "artifact/1/numbers", false)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	tr.Render(&text)
	for _, want := range []string{"made by job prepare", "ran commit " + r.Commit.SHA[:12], "First commit", "Ana <ana@example.org>"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the trace lacks %q:\n%s", want, &text)
		}
	}
	down, err := c.Trace(ctx, r.Commit.SHA[:8], true)
	if err != nil {
		t.Fatal(err)
	}
	text.Reset()
	down.Render(&text)
	if !strings.Contains(text.String(), "made artifact numbers of run 1") || !strings.Contains(text.String(), "used by job train") {
		t.Errorf("down:\n%s", &text)
	}

	// The same key is the same run.
	again := client.RunRequest{Dir: dir, Event: "push", Key: "fixed"}
	one, err := c.SubmitRun(ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.SubmitRun(ctx, again)
	if err != nil || one.Run.ID != two.Run.ID {
		t.Errorf("the same key made runs %d and %d: %v", one.Run.ID, two.Run.ID, err)
	}
	finish(t, c, one.Run.ID)

	rep, err := c.Fsck(ctx, false)
	if err != nil || len(rep.Findings) > 0 || rep.Links == 0 {
		t.Errorf("fsck: %+v %v", rep, err)
	}
}

func TestSkippingAndDirtyTree(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/sample.yml": sample, "number.txt": "42\n"})
	os.WriteFile(filepath.Join(dir, "number.txt"), []byte("43\n"), 0o644)
	r := submit(t, c, dir, client.RunRequest{Dirty: true})
	if !r.Dirty || r.TreeDigest == "" {
		t.Errorf("not dirty: %+v", r)
	}
	if done := finish(t, c, r.ID); done.Conclusion != cairn.Success {
		t.Fatalf("%s\n%s", done.Conclusion, describe(c, r.ID))
	}
	jobs, err := c.Jobs(context.Background(), r.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := jobs[0].Outputs["answer"]; got != "43" {
		t.Errorf("the dirty file was not taken: %q", got)
	}
	r = submit(t, c, dir, client.RunRequest{Inputs: map[string]string{"prepare": "false"}})
	if done := finish(t, c, r.ID); done.Conclusion != cairn.Success || r.Dirty {
		t.Fatalf("%s\n%s", done.Conclusion, describe(c, r.ID))
	}
	jobs, _ = c.Jobs(context.Background(), r.ID, 0)
	if jobs[0].Conclusion != cairn.Skipped || !strings.Contains(jobs[0].Reason, "prepare") || jobs[1].Conclusion != cairn.Success {
		t.Errorf("%+v", jobs)
	}
}

func TestBadRequestsAreExplained(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	ctx := context.Background()
	two := repository(t, map[string]string{".github/workflows/a.yml": sample, ".github/workflows/b.yml": sample})
	broken := repository(t, map[string]string{".github/workflows/a.yml": "on: push\njobs:\n  x:\n    run-on: y\n"})
	none := repository(t, map[string]string{"README": "x"})
	for name, c2 := range map[string]struct {
		req  client.RunRequest
		code cairn.Code
		text string
	}{
		"several":     {client.RunRequest{Dir: two}, cairn.CodeInvalid, "several workflows"},
		"unknown":     {client.RunRequest{Dir: two, Workflow: "c.yml"}, cairn.CodeNotFound, `no workflow "c.yml"`},
		"broken":      {client.RunRequest{Dir: broken}, cairn.CodeInvalid, "not a valid workflow"},
		"none":        {client.RunRequest{Dir: none}, cairn.CodeNotFound, "no workflow"},
		"no git":      {client.RunRequest{Dir: t.TempDir()}, cairn.CodeInvalid, "git repository"},
		"relative":    {client.RunRequest{Dir: "x"}, cairn.CodeInvalid, "absolute"},
		"event":       {client.RunRequest{Dir: two, Workflow: "a.yml", Event: "release"}, cairn.CodeInvalid, "cannot be run"},
		"input":       {client.RunRequest{Dir: two, Workflow: "a", Inputs: map[string]string{"prepare": "maybe"}}, cairn.CodeInvalid, "cannot be run"},
		"not hosted":  {client.RunRequest{Repository: "a/b"}, cairn.CodeNotFound, "no repository"},
		"bad payload": {client.RunRequest{Dir: two, Workflow: "a", Payload: json.RawMessage(`[]`)}, cairn.CodeInvalid, "payload"},
	} {
		_, err := c.SubmitRun(ctx, c2.req)
		if cairn.CodeOf(err) != c2.code || !strings.Contains(err.Error(), c2.text) {
			t.Errorf("%s: %v (%s), want %s %q", name, err, cairn.CodeOf(err), c2.code, c2.text)
		}
	}
	pre, err := c.Preflight(ctx, client.RunRequest{Dir: two})
	if err != nil || len(pre.Candidates) != 2 {
		t.Errorf("candidates: %+v %v", pre, err)
	}
	// Over TCP no folder is taken in, whoever asks.
	tcp, err := client.Connect(ctx, client.Options{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tcp.SubmitRun(ctx, client.RunRequest{Dir: two}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("a folder over TCP: %v", err)
	}

	post := func(path, body string) (int, cairn.Error) {
		t.Helper()
		resp, err := http.Post(s.URL()+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var e cairn.Error
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			t.Errorf("%s: not JSON: %v", path, err)
		}
		return resp.StatusCode, e
	}
	for _, x := range []struct {
		path, body string
		code       cairn.Code
	}{
		{"/api/v1/runs", `{"unknown": 1}`, cairn.CodeInvalid}, {"/api/v1/runs", `{`, cairn.CodeInvalid}, {"/api/v1/runs", `[]`, cairn.CodeInvalid},
		{"/api/v1/nothing", `{}`, cairn.CodeNotFound}, {"/api/v1/runs/0/cancel", `{}`, cairn.CodeInvalid}, {"/api/v1/runs/77/cancel", `{}`, cairn.CodeNotFound},
		{"/api/v1/users", `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, cairn.CodeTooLarge},
		{"/api/v1/blobs/fetch", `{"digests":["x"]}`, cairn.CodeInvalid},
	} {
		if status, e := post(x.path, x.body); e.Code != x.code || e.Message == "" {
			t.Errorf("%s %.40s: %d %+v", x.path, x.body, status, e)
		}
	}
}

func TestPeopleAndTokens(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	ctx := context.Background()
	if _, err := c.CreateUser(ctx, cairn.Principal{Name: "rea", Role: cairn.RoleReader}); err != nil {
		t.Fatal(err)
	}
	tok, err := c.CreateToken(ctx, "rea", "laptop", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	rea, err := client.Connect(ctx, client.Options{URL: s.URL(), Token: tok.Text})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := rea.WhoAmI(ctx); err != nil || p.Name != "rea" {
		t.Errorf("%+v %v", p, err)
	}
	if err := rea.SetSecret(ctx, cairn.ScopeWorkspace, "A", "b"); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("a reader set a secret: %v", err)
	}
	if err := c.SetSecret(ctx, cairn.ScopeWorkspace, "A", "hidden"); err != nil {
		t.Fatal(err)
	}
	xs, err := c.Secrets(ctx, "")
	if err != nil || len(xs) != 1 || xs[0].Name != "A" || len(xs[0].Sealed) > 0 {
		t.Errorf("%+v %v", xs, err)
	}
	if err := c.SetVariable(ctx, cairn.ScopeRepo("o/r"), "v", "1"); err != nil {
		t.Fatal(err)
	}
	if vs, err := c.Variables(ctx, cairn.ScopeRepo("o/r")); err != nil || len(vs) != 1 || vs[0].Name != "V" {
		t.Errorf("%+v %v", vs, err)
	}
	if _, err := c.PutEnvironment(ctx, cairn.Environment{Repository: "o/r", Name: "Prod", Reviewers: []string{"ana"}}); err != nil {
		t.Fatal(err)
	}
	if es, err := c.Environments(ctx, "o/r"); err != nil || len(es) != 1 || es[0].Reviewers[0] != "ana" {
		t.Errorf("%+v %v", es, err)
	}
	if err := c.RevokeToken(ctx, tok.Token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := rea.WhoAmI(ctx); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
		t.Errorf("revoked: %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(home, "cairn.db-wal")); strings.Contains(string(b), "hidden") || strings.Contains(string(b), strings.Split(tok.Text, "_")[2]) {
		t.Error("the database holds a secret in plain")
	}
}

func TestAssetsThereAndBack(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	ctx := context.Background()
	dir := t.TempDir()
	big := strings.Repeat("0123456789", 2<<20)
	for name, text := range map[string]string{"a.txt": "a", "sub/b.txt": "b", "sub/same.txt": "a", "big.bin": big} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
	}
	os.WriteFile(filepath.Join(dir, "run.sh"), []byte("#!/bin/sh\n"), 0o755)
	os.Symlink("a.txt", filepath.Join(dir, "link"))
	os.Mkdir(filepath.Join(dir, "empty"), 0o755)
	root, size, files, err := c.UploadTree(ctx, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if files != 6 || size < int64(len(big)) {
		t.Errorf("%d files, %d bytes", files, size)
	}
	v, err := c.CreateAsset(ctx, client.NewAsset{Kind: cairn.AssetData, Name: "digits", Digest: root, Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "1" || v.Digest != root || v.Files != 6 {
		t.Errorf("%+v", v)
	}
	d, err := c.ShowAsset(ctx, "data/digits@latest")
	if err != nil || d.Version.Version != "1" {
		t.Fatalf("%+v %v", d, err)
	}
	to := filepath.Join(t.TempDir(), "to")
	if err := c.DownloadTree(ctx, root, to); err != nil {
		t.Fatal(err)
	}
	again, _, _, err := c.UploadTree(ctx, to, nil)
	if err != nil || again != root {
		t.Errorf("the tree came back as %s, not %s: %v", again, root, err)
	}
	part, _, n, err := c.UploadTree(ctx, dir, []string{"sub", "a.txt"})
	if err != nil || n != 3 || part == root {
		t.Errorf("a part: %s %d %v", part, n, err)
	}
	if err := c.SetLabel(ctx, cairn.AssetData, "digits", "golden", "1"); err != nil {
		t.Fatal(err)
	}
	if d, err := c.ShowAsset(ctx, "data/digits@golden"); err != nil || len(d.Labels) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	if v, err = c.SetTags(ctx, v.Ref(), map[string]string{"c": "d"}, []string{"a"}); err != nil || v.Tags["c"] != "d" || v.Tags["a"] != "" {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := c.CreateAsset(ctx, client.NewAsset{Kind: cairn.AssetData, Name: "digits", Version: "1", Digest: part}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("the same version with other bytes: %v", err)
	}
	tr, err := c.Trace(ctx, string(cairn.SumBytes([]byte("b"))), false)
	if err != nil || len(tr.Roots) != 1 || !strings.Contains(tr.Roots[0].Note, "sub/b.txt") || len(tr.Gaps) != 0 {
		t.Errorf("%+v %v", tr, err)
	}
	if _, _, _, err := c.UploadTree(ctx, dir, []string{"../x"}); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("outside: %v", err)
	}
	bad := []client.Blob{{Digest: cairn.SumBytes([]byte("x")), Size: 1, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("y")), nil }}}
	if err := c.UploadBlobs(ctx, bad); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("other bytes than announced: %v", err)
	}
}

func TestPushStartsRuns(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	ctx := context.Background()
	dir := repository(t, map[string]string{".github/workflows/sample.yml": sample, "number.txt": "42\n"})
	if _, err := c.CreateUser(ctx, cairn.Principal{Name: "wim", Role: cairn.RoleWriter}); err != nil {
		t.Fatal(err)
	}
	tok, err := c.CreateToken(ctx, "wim", "push", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tryGit(dir, "push", strings.Replace(s.URL(), "http://", "http://wim:cairn_bad_token@", 1)+"/git/team/digits.git", "HEAD:main"); err == nil {
		t.Errorf("pushed with a bad token: %s", out)
	}
	url := strings.Replace(s.URL(), "http://", "http://wim:"+tok.Text+"@", 1) + "/git/team/digits.git"
	if out := git(t, dir, "push", url, "HEAD:main", "HEAD:refs/heads/other"); !strings.Contains(out, "run 1 started") {
		t.Errorf("who pushed is not told: %s", out)
	}
	var runs []cairn.Run
	for range 200 {
		if runs, err = c.Runs(ctx, client.RunFilter{}); err != nil {
			t.Fatal(err)
		}
		if len(runs) > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(runs) != 1 || runs[0].Actor != "wim" || runs[0].Event != "push" || runs[0].Ref != "refs/heads/main" || runs[0].Repository != "team/digits" {
		t.Fatalf("%+v", runs)
	}
	if done := finish(t, c, runs[0].ID); done.Conclusion != cairn.Success {
		t.Fatalf("%s\n%s", done.Conclusion, describe(c, done.ID))
	}
	// A hosted repository runs over TCP too, by name.
	tcp, err := client.Connect(ctx, client.Options{URL: s.URL(), Token: tok.Text})
	if err != nil {
		t.Fatal(err)
	}
	created, err := tcp.SubmitRun(ctx, client.RunRequest{Repository: "team/digits"})
	if err != nil {
		t.Fatal(err)
	}
	if done := finish(t, tcp, created.Run.ID); done.Conclusion != cairn.Success || done.Actor != "wim" {
		t.Fatalf("%+v\n%s", done, describe(c, done.ID))
	}
}

func TestPagesAndPublicPaths(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/a.yml": "on: push\njobs:\n  x:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo '<script>alert(1)</script>'; exit 3\n"})
	r := submit(t, c, dir, client.RunRequest{})
	finish(t, c, r.ID)
	get := func(path string) (int, string, http.Header) {
		t.Helper()
		resp, err := http.Get(s.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), resp.Header
	}
	for path, want := range map[string]string{
		"/": "First commit", "/runs/1": "failed at step", "/jobs/1/steps/2": "&lt;script&gt;", "/style.css": "--ink",
		"/health": "OK", "/api/v1/openapi.json": `"openapi":"3.1`, "/api/v1/status": `"pid"`,
	} {
		status, body, h := get(path)
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, lacks %q:\n%s", path, status, want, body[:min(len(body), 1500)])
		}
		if strings.Contains(body, "<script>") {
			t.Errorf("%s holds a script", path)
		}
		if strings.HasPrefix(h.Get("Content-Type"), "text/html") && !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s has no policy", path)
		}
	}
	for _, path := range []string{"/runs/99", "/runs/x", "/nothing"} {
		if status, _, _ := get(path); status != 404 && status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestListenRules(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	o := server.Options{Home: home, Listen: "0.0.0.0:0", Env: env(t), Exe: exe(t)}
	if _, err := server.Start(context.Background(), o); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("beyond loopback: %v", err)
	}
	first := start(t, home)
	o.Listen = strings.TrimPrefix(first.URL(), "http://")
	o.Home = tempHome(t)
	_, err := server.Start(context.Background(), o)
	if cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("a taken port: %v", err)
	}
	if e := cairn.AsError(err); !strings.Contains(e.Message, "pid ") {
		t.Logf("the holder is not named: %s", e.Message)
	}
	o.Home, o.Listen = home, "127.0.0.1:0"
	if _, err := server.Start(context.Background(), o); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("a second owner: %v", err)
	}
}
