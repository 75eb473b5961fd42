package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/server"
	"github.com/cairn-ml/cairn/internal/store"
)

// flow is a workflow of one job that prints what it was told.
func flow(name, on string) string {
	return "name: " + name + "\non:\n" + on + `
jobs:
  say:
    runs-on: ubuntu-latest
    steps:
      - run: echo "$GITHUB_EVENT_NAME $GITHUB_REF ${{ github.event.action }}"
`
}

// put writes a file of a test's working tree.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pushURL is where a repository of a test is pushed to.
func pushURL(s *server.Server, name string) string {
	return strings.Replace(s.URL(), "http://", "http://:@", 1) + "/git/" + name + ".git"
}

// runsOf waits until a repository has n runs, and until they are done.
func runsOf(t *testing.T, c *client.Client, repository string, n int) []cairn.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		rs, err := c.Runs(ctx, client.RunFilter{Repository: repository, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, r := range rs {
			if r.Status == cairn.StatusCompleted {
				done++
			}
		}
		if len(rs) >= n && done == len(rs) {
			// What would start too much comes within the loop's rest.
			time.Sleep(300 * time.Millisecond)
			again, err := c.Runs(ctx, client.RunFilter{Repository: repository, Limit: 100})
			if err != nil || len(again) != n {
				t.Fatalf("%d runs, want %d: %v%s", len(again), n, err, list(again))
			}
			return again
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func list(rs []cairn.Run) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "\n  %d %s on %s %s (%s) %s", r.ID, r.Workflow, r.Event, r.Ref, r.Title, r.Conclusion)
	}
	return b.String()
}

// payloadOf reads a path of github.event of a run.
func payloadOf(t *testing.T, c *client.Client, id cairn.RunID, path ...string) any {
	t.Helper()
	r, err := c.Run(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(r.Payload, &v); err != nil {
		t.Fatal(err)
	}
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// A new branch or tag is a create and a push, one that goes is a delete, which runs
// on the default branch.
func TestCreateAndDelete(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/c.yml": flow("made", "  create:"), ".github/workflows/d.yml": flow("gone", "  delete:"),
	})
	url := pushURL(s, "o/r")
	git(t, dir, "push", url, "HEAD:main", "HEAD:dev")
	git(t, dir, "tag", "v1")
	git(t, dir, "push", url, "v1")
	git(t, dir, "push", url, ":dev", ":v1")
	got := map[string]int{}
	for _, r := range runsOf(t, c, "o/r", 5) {
		got[r.Workflow+" "+r.Event+" "+r.Ref+" "+fmt.Sprintf("%v %v", payloadOf(t, c, r.ID, "ref_type"), payloadOf(t, c, r.ID, "ref"))]++
	}
	for _, want := range []string{
		"made create refs/heads/main branch main", "made create refs/heads/dev branch dev", "made create refs/tags/v1 tag v1",
		"gone delete refs/heads/main branch dev", "gone delete refs/heads/main tag v1",
	} {
		if got[want] != 1 {
			t.Errorf("no %q in %v", want, got)
		}
	}
	// More than three tags at once are no events.
	git(t, dir, "tag", "a")
	git(t, dir, "tag", "b")
	git(t, dir, "tag", "c")
	git(t, dir, "tag", "d")
	git(t, dir, "push", url, "a", "b", "c", "d")
	runsOf(t, c, "o/r", 5)
}

// Path filters look at what a push changed, and for a new branch at what no other
// branch has; [skip ci] starts nothing.
func TestPushFilters(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/p.yml": flow("paths", "  push:\n    paths: ['src/**', '!src/docs/**']"), "src/a": "1\n",
	})
	url := pushURL(s, "o/r")
	git(t, dir, "push", url, "HEAD:main") // the first push: every file is new
	runsOf(t, c, "o/r", 1)
	commit := func(file, message string) {
		put(t, dir, file, message)
		git(t, dir, "add", "-A")
		git(t, dir, "-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "-qm", message)
	}
	commit("README.md", "docs")
	commit("src/docs/x", "docs of the source")
	git(t, dir, "push", url, "HEAD:main")
	runsOf(t, c, "o/r", 1)
	git(t, dir, "checkout", "-qb", "topic")
	commit("other", "nothing of the source")
	git(t, dir, "push", url, "HEAD:topic")
	runsOf(t, c, "o/r", 1)
	git(t, dir, "checkout", "-qb", "second")
	commit("src/b", "source")
	commit("third", "more")
	git(t, dir, "push", url, "HEAD:second")
	runsOf(t, c, "o/r", 2)
	commit("src/b", "source\n\n[skip ci]")
	if said := git(t, dir, "push", url, "HEAD:second"); !strings.Contains(said, "no run starts: the commit's message says [skip ci]") {
		t.Errorf("who pushed is told: %s", said)
	}
	runsOf(t, c, "o/r", 2)
	commit("src/c", "source again")
	git(t, dir, "push", url, "HEAD:second")
	rs := runsOf(t, c, "o/r", 3)
	if n := len(payloadOf(t, c, rs[0].ID, "commits").([]any)); n != 1 {
		t.Errorf("%d commits in the payload", n)
	}
}

// workflow_run goes on for three levels, on the default branch.
func TestWorkflowRunChain(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	next := func(name, of string) string {
		return flow(name, "  workflow_run:\n    workflows: ["+of+"]\n    types: [completed]\n    branches: [dev]")
	}
	chain := func(name, of string) string {
		return flow(name, "  workflow_run:\n    workflows: ["+of+"]\n    types: [completed]")
	}
	dir := repository(t, map[string]string{
		".github/workflows/a.yml": flow("A", "  push: {branches: [dev]}"), ".github/workflows/b.yml": next("B", "A"),
		".github/workflows/c.yml": chain("C", "B"), ".github/workflows/d.yml": chain("D", "C"), ".github/workflows/e.yml": chain("E", "D"),
		".github/workflows/r.yml": flow("R", "  workflow_run:\n    workflows: [A]\n    types: [requested, in_progress]"),
	})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	runsOf(t, c, "o/r", 0)
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:dev")
	got := map[string]int{}
	for _, r := range runsOf(t, c, "o/r", 6) {
		got[r.Workflow]++
		if r.Workflow == "B" {
			if payloadOf(t, c, r.ID, "workflow_run", "conclusion") != "success" || payloadOf(t, c, r.ID, "workflow_run", "head_branch") != "dev" || r.Ref != "refs/heads/main" {
				t.Errorf("B: %s %v", r.Ref, payloadOf(t, c, r.ID, "workflow_run"))
			}
		}
	}
	if got["A"] != 1 || got["B"] != 1 || got["C"] != 1 || got["D"] != 1 || got["E"] != 0 || got["R"] != 2 {
		t.Errorf("%v", got)
	}
}

// What somebody tries by hand, uncommitted code or some of the jobs, starts nothing
// behind it: its success is not that of a commit.
func TestWorkflowRunOfTries(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/a.yml": flow("A", "  push:"),
		".github/workflows/b.yml": flow("B", "  workflow_run:\n    workflows: [A]\n    types: [completed]"),
	})
	name := ""
	for i, r := range []client.RunRequest{{Jobs: []string{"say"}}, {}, {Dirty: true}} {
		if r.Dirty {
			put(t, dir, "more", "1")
		}
		r.Dir, r.Workflow = dir, "a.yml"
		made, err := c.SubmitRun(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		name = made.Run.Repository
		runsOf(t, c, name, []int{1, 3, 4}[i])
	}
	got := map[string]int{}
	for _, r := range runsOf(t, c, name, 4) {
		got[r.Workflow]++
	}
	if got["A"] != 3 || got["B"] != 1 {
		t.Errorf("%v", got)
	}
}

// An event that was written down is taken in by the next owner, once, however often
// it is noted.
func TestEventOutlivesItsOwner(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	s := start(t, home)
	dir := repository(t, map[string]string{".github/workflows/d.yml": dispatched, ".github/workflows/m.yml": flow("made", "  create:")})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:topic") // the first branch is the default one
	runsOf(t, connect(t, home), "o/r", 1)
	e := cairn.TriggerEvent{Key: "repository_dispatch:one", Repository: "o/r", Event: "repository_dispatch", Action: "retrain", By: "ana"}
	for range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		rows, err := store.Open(ctx, store.Options{Dir: home})
		if err != nil {
			t.Fatal(err)
		}
		// Noted again it stays what it was, and its run has its key.
		if err := errors.Join(rows.PutTriggers(ctx, []cairn.TriggerEvent{e, e}, cairn.Change{}), rows.Close()); err != nil {
			t.Fatal(err)
		}
		s = start(t, home)
		rs := runsOf(t, connect(t, home), "o/r", 2)
		if rs[0].Event != "repository_dispatch" || rs[0].Actor != "ana" || rs[0].Title != "dispatched" {
			t.Errorf("%s", list(rs))
		}
	}
}
