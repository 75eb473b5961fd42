package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

const everyType = "\n    types: [opened, synchronize, reopened, closed, edited, labeled, unlabeled, ready_for_review, converted_to_draft]"

func commitFile(t *testing.T, dir, name, text, message string) string {
	t.Helper()
	put(t, dir, name, text)
	git(t, dir, "add", "-A")
	git(t, dir, "-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "-qm", message)
	return strings.TrimSpace(git(t, dir, "rev-parse", "HEAD"))
}

// The life of a pull request: each activity is an event, what runs is the test
// merge, and a conflict runs nothing but pull_request_target.
func TestPullRequestLife(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/p.yml": flow("pr", "  pull_request:"+everyType), ".github/workflows/t.yml": flow("target", "  pull_request_target:\n    types: [opened]"),
		".github/workflows/f.yml": flow("docs", "  pull_request:\n    paths: ['docs/**']"), ".github/workflows/d.yml": flow("default", "  pull_request:"),
		"a": "1\n",
	})
	url := pushURL(s, "o/r")
	git(t, dir, "push", url, "HEAD:main")
	git(t, dir, "checkout", "-qb", "topic")
	head := commitFile(t, dir, "b", "2\n", "Second")
	git(t, dir, "push", url, "HEAD:topic")
	if _, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", Head: "topik"}); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(cairn.AsError(err).Hint, "topic") {
		t.Errorf("a branch that is not there: %v", err)
	}
	a, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", Head: "topic", Labels: []string{"ready"}})
	if err != nil {
		t.Fatal(err)
	}
	if a.Pull.Number != 1 || a.Pull.Title != "Second" || a.Pull.TestMerge == "" || len(a.Runs) != 3 {
		t.Errorf("%+v", a)
	}
	if _, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", Head: "topic"}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("a second one: %v", err)
	}
	want := map[string]int{"pr opened refs/pull/1/merge": 1, "target opened refs/heads/main": 1, "default opened refs/pull/1/merge": 1}
	check := func(n int) {
		t.Helper()
		got := map[string]int{}
		for _, r := range runsOf(t, c, "o/r", n) {
			got[fmt.Sprintf("%s %v %s", r.Workflow, payloadOf(t, c, r.ID, "action"), r.Ref)]++
			if r.Conclusion != cairn.Success {
				t.Errorf("run %d: %s\n%s", r.ID, r.Conclusion, describe(c, r.ID))
			}
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %d, want %d; all: %v", k, got[k], v, got)
			}
		}
	}
	check(3)
	for _, r := range runsOf(t, c, "o/r", 3) {
		if r.HeadRef != "topic" || r.BaseRef != "main" || payloadOf(t, c, r.ID, "pull_request", "head", "sha") != head {
			t.Errorf("run %d: %s into %s", r.ID, r.HeadRef, r.BaseRef)
		}
	}
	if out := git(t, dir, "ls-remote", url); !strings.Contains(out, "refs/pull/1/head") || !strings.Contains(out, "refs/pull/1/merge") {
		t.Errorf("refs: %s", out)
	}
	no, yes, title := false, true, "A better title"
	for _, e := range []client.PullEdit{{Title: &title}, {Draft: &yes}, {Draft: &no}, {Add: []string{"x", "READY"}}, {Remove: []string{"x"}}} {
		if _, err := c.EditPull(ctx, "o/r", 1, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []string{"edited", "converted_to_draft", "ready_for_review", "labeled", "unlabeled"} {
		want["pr "+a+" refs/pull/1/merge"] = 1
	}
	check(8)
	commitFile(t, dir, "docs/x", "3\n", "Docs")
	if out := git(t, dir, "push", url, "HEAD:topic"); !strings.Contains(out, "pr (") && !strings.Contains(out, "started: pr") {
		t.Errorf("the push says: %s", out)
	}
	want["pr synchronize refs/pull/1/merge"], want["docs synchronize refs/pull/1/merge"], want["default synchronize refs/pull/1/merge"] = 1, 1, 1
	check(11)
	// main gets a commit that collides.
	git(t, dir, "checkout", "-q", "main")
	commitFile(t, dir, "b", "other\n", "Collides")
	git(t, dir, "push", url, "HEAD:main")
	v, err := c.Pull(ctx, "o/r", 1)
	if err != nil || v.Pull.TestMerge != "" || fmt.Sprint(v.Pull.Conflicts) != "[b]" || v.Checks != "success" {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := c.MergePull(ctx, "o/r", 1, client.PullMerge{}); cairn.CodeOf(err) != cairn.CodeFailed || !strings.Contains(err.Error(), "conflicts") {
		t.Errorf("merged in spite of a conflict: %v", err)
	}
	git(t, dir, "checkout", "-q", "topic")
	commitFile(t, dir, "c", "4\n", "More")
	git(t, dir, "push", url, "HEAD:topic")
	check(11)
	git(t, dir, "-c", "user.name=ana", "-c", "user.email=a@b", "merge", "-q", "-X", "ours", "main")
	git(t, dir, "push", url, "HEAD:topic")
	want["pr synchronize refs/pull/1/merge"], want["docs synchronize refs/pull/1/merge"], want["default synchronize refs/pull/1/merge"] = 2, 2, 2
	check(14)
	m, err := c.MergePull(ctx, "o/r", 1, client.PullMerge{})
	if err != nil || !m.Pull.Merged || m.Pull.State != cairn.PullClosed {
		t.Fatalf("%+v %v", m, err)
	}
	want["pr closed refs/heads/main"] = 1
	check(15)
	if out := git(t, dir, "ls-remote", url, "refs/heads/main"); !strings.HasPrefix(out, m.Pull.MergeCommit) {
		t.Errorf("main is at %s, merged as %s", out, m.Pull.MergeCommit)
	}
	if _, err := c.EditPull(ctx, "o/r", 1, client.PullEdit{State: ptr("open")}); cairn.CodeOf(err) != cairn.CodeFailed {
		t.Errorf("opened again: %v", err)
	}
}

func ptr[T any](v T) *T { return &v }

// Squash and rebase make what GitHub makes; a pull request whose commits come into
// the base by a push is merged; a branch that goes closes its own.
func TestPullRequestMerges(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{"a": "1\n"})
	url := pushURL(s, "o/r")
	git(t, dir, "push", url, "HEAD:main")
	open := func(branch string, files ...string) int64 {
		t.Helper()
		git(t, dir, "fetch", "-q", url, "main")
		git(t, dir, "checkout", "-qB", branch, "main")
		for _, f := range files {
			commitFile(t, dir, f, f, "Add "+f)
		}
		git(t, dir, "push", "-f", url, "HEAD:"+branch)
		a, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", Head: branch, Title: "Take " + branch})
		if err != nil {
			t.Fatal(err)
		}
		return a.Pull.Number
	}
	squash := open("squash", "s1", "s2")
	rebase := open("rebase", "r1", "r2")
	if m, err := c.MergePull(ctx, "o/r", squash, client.PullMerge{Method: "squash"}); err != nil || !m.Pull.Merged {
		t.Fatal(err)
	}
	if m, err := c.MergePull(ctx, "o/r", rebase, client.PullMerge{Method: "rebase"}); err != nil || !m.Pull.Merged {
		t.Fatal(err)
	}
	if _, err := c.MergePull(ctx, "o/r", rebase, client.PullMerge{Method: "sqash"}); !strings.Contains(cairn.AsError(err).Hint, "squash") {
		t.Errorf("%v", err)
	}
	git(t, dir, "fetch", "-q", url, "main")
	if out := git(t, dir, "log", "--format=%s", "FETCH_HEAD"); !strings.HasPrefix(out, fmt.Sprintf("Add r2\nAdd r1\nTake squash (#%d)\n", squash)) {
		t.Errorf("the history of main:\n%s", out)
	}
	byPush := open("pushed", "p1")
	git(t, dir, "fetch", "-q", url, "main")
	git(t, dir, "-c", "user.name=ana", "-c", "user.email=a@b", "merge", "-q", "FETCH_HEAD", "-m", "by hand")
	git(t, dir, "push", url, "HEAD:main")
	gone := open("gone", "g1")
	git(t, dir, "push", url, ":gone")
	v, err := c.Pull(ctx, "o/r", byPush)
	if err != nil || !v.Pull.Merged {
		t.Errorf("merged by a push: %+v %v", v, err)
	}
	if v, err = c.Pull(ctx, "o/r", gone); err != nil || v.Pull.State != cairn.PullClosed || v.Pull.Merged {
		t.Errorf("its branch is gone: %+v %v", v, err)
	}
	if out, err := tryGit(dir, "push", url, "HEAD:refs/pull/9/head"); err == nil {
		t.Errorf("a ref of a pull request was pushed: %s", out)
	}
}

// The code of another repository is untrusted; pull_request_target runs our own.
func TestPullRequestOfFork(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte("forks: run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/p.yml": flow("pr", "  pull_request:"), ".github/workflows/t.yml": flow("target", "  pull_request_target:"),
	})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	git(t, dir, "checkout", "-qb", "topic")
	commitFile(t, dir, "b", "2\n", "From elsewhere")
	git(t, dir, "push", pushURL(s, "mallory/r"), "HEAD:topic")
	a, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", HeadRepository: "mallory/r", Head: "topic"})
	if err != nil || len(a.Runs) != 2 {
		t.Fatalf("%+v %v", a, err)
	}
	for _, r := range runsOf(t, c, "o/r", 2) {
		if r.Untrusted != (r.Workflow == "pr") {
			t.Errorf("%s: untrusted %v", r.Workflow, r.Untrusted)
		}
	}
	commitFile(t, dir, "b", "3\n", "Again")
	git(t, dir, "push", pushURL(s, "mallory/r"), "HEAD:topic")
	runsOf(t, c, "o/r", 4)
}

// Branches that the configuration does not trust: what is pushed to them, and a pull
// request from them, gets no secrets, and rules of environments are not taken from
// there.
func TestUntrustedBranches(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte("untrusted: ['external/*']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/p.yml": flow("pr", "  pull_request:"), ".github/workflows/b.yml": flow("push", "  push:"),
	})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	git(t, dir, "checkout", "-qb", "external/x")
	commitFile(t, dir, ".cairn/stages.yml", "stages:\n  staging: {}\n", "From elsewhere")
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:external/x")
	if _, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", Head: "external/x"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range runsOf(t, c, "o/r", 3) {
		if r.Untrusted != (r.Ref != "refs/heads/main") {
			t.Errorf("%s of %s: untrusted %v", r.Workflow, r.Ref, r.Untrusted)
		}
	}
	if es, err := c.Environments(ctx, "o/r"); err != nil || len(es) > 0 {
		t.Errorf("%+v %v", es, err)
	}
}

// A workflow of another repository that is hosted here is not for the code of a fork:
// its text would be in the plan.
func TestForkCallsNoHostedWorkflow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte("actions: {mirrors: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, home)
	c := connect(t, home)
	lib := repository(t, map[string]string{".github/workflows/lib.yml": flow("lib", "  workflow_call:")})
	git(t, lib, "push", pushURL(s, "o/private"), "HEAD:main")
	dir := repository(t, map[string]string{"a": "1\n"})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	git(t, dir, "checkout", "-qb", "topic")
	commitFile(t, dir, ".github/workflows/p.yml", "name: calls\non: pull_request\njobs:\n  call:\n    uses: o/private/.github/workflows/lib.yml@main\n", "Calls")
	git(t, dir, "push", pushURL(s, "mallory/r"), "HEAD:topic")
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:topic")
	for from, want := range map[string]int{"mallory/r": 0, "": 1} {
		a, err := c.CreatePull(ctx, client.PullCreate{Repository: "o/r", HeadRepository: from, Head: "topic"})
		if err != nil || len(a.Runs) != want {
			t.Errorf("from %q: %+v %v", from, a, err)
		}
	}
	runsOf(t, c, "o/r", 1)
}
