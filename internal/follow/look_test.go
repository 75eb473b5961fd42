package follow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/follow"
)

func TestFirstLookRunsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.m.push("refs/heads/old", "b")
	r.m.push("refs/tags/v1", "a")
	a, err := r.s.Add(t.Context(), "https://github.com/o/r", "", follow.Change{}, false)
	if err != nil || a.Follow.Repository != "o/r" || a.Follow.Host != cairn.HostGitHub || a.Follow.API != "https://api.github.com" {
		t.Fatalf("%+v %v", a, err)
	}
	if got := r.sync("o/r"); got.Noted != 3 || len(got.Moves) != 0 || got.Refs != 3 {
		t.Errorf("%+v", got)
	}
	r.m.push("refs/heads/main", "c", sha("a"))
	r.m.push("refs/heads/new", "c")
	r.m.drop("refs/heads/old")
	if got := r.sync("o/r"); len(got.Moves) != 3 || got.Noted != 0 {
		t.Errorf("%+v", got)
	}
	r.sync("o/r")
	want := []string{
		fmt.Sprintf("heads/main %.4s %.4s", sha("a"), sha("c")), fmt.Sprintf("heads/new 0000 %.4s", sha("c")), fmt.Sprintf("heads/old %.4s 0000", sha("b")),
	}
	if got := r.runs.said(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if p := r.runs.pushes[0]; p.By != "Ana" || !slices.Contains(p.Beside, "refs/heads/new") {
		t.Errorf("%+v", p)
	}
}

func TestRunLatest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.m.push("refs/heads/old", "b")
	if _, err := r.s.Add(t.Context(), "https://git.example/o/r", "", follow.Change{}, true); err != nil {
		t.Fatal(err)
	}
	r.sync("o/r")
	r.sync("o/r")
	if got := r.runs.said(); len(got) != 1 || !strings.HasPrefix(got[0], "heads/main 0000") {
		t.Errorf("%q", got)
	}
}

func TestBranchesThatCount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.m.push("refs/heads/release/1", "a")
	r.add("https://git.example/o/r", follow.Change{Branches: &[]string{"main"}})
	r.m.push("refs/heads/release/1", "b")
	r.sync("o/r")
	// Branches that come in by another pattern have a history, too.
	if _, err := r.s.Set(t.Context(), "o/r", follow.Change{Branches: &[]string{"main", "release/*"}}); err != nil {
		t.Fatal(err)
	}
	if got := r.sync("o/r"); len(got.Moves) != 0 || got.Noted != 1 {
		t.Errorf("%+v", got)
	}
	r.m.push("refs/heads/release/1", "c")
	r.sync("o/r")
	if got := r.runs.said(); len(got) != 1 || !strings.HasPrefix(got[0], "heads/release/1 "+sha("b")[:4]) {
		t.Errorf("%q", got)
	}
}

// Killed after the start and before the record, the same move is taken in under
// the same key.
func TestKillBetweenStartAndRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.add("https://git.example/o/r", follow.Change{})
	r.m.push("refs/heads/main", "b")
	r.store.fails = 1
	if _, err := r.s.Sync(t.Context(), "o/r"); err == nil {
		t.Fatal("nothing failed")
	}
	r.s = follow.New(r.opts) // the next process
	r.sync("o/r")
	if got := r.runs.said(); len(got) != 1 {
		t.Errorf("%q", got)
	}
	// What could not be started is started by the next look.
	r.m.push("refs/heads/main", "c")
	r.runs.err = errKilled
	if _, err := r.s.Sync(t.Context(), "o/r"); err == nil {
		t.Fatal("nothing failed")
	}
	r.runs.err = nil
	r.sync("o/r")
	if got := r.runs.said(); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func TestTroubleIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.add("https://git.example/o/r", follow.Change{Every: ptr(time.Minute)})
	r.m.fail(cairn.Errorf(cairn.CodeUnavailable, "the host is not found").WithHint("look for it"))
	for range 3 {
		if _, err := r.s.Sync(t.Context(), "o/r"); err == nil {
			t.Fatal("nothing failed")
		}
	}
	f := r.show("o/r")
	if in := f.NextAt.Sub(r.clock.now()); f.Failures != 3 || f.Error != "the host is not found" || f.Hint != "look for it" || in < 3*time.Minute || in > 5*time.Minute {
		t.Errorf("%+v next in %s", f, in)
	}
	r.m.fail(nil)
	r.sync("o/r")
	if f = r.show("o/r"); f.Failures != 0 || f.Error != "" || f.CheckedAt.IsZero() {
		t.Errorf("%+v", f)
	}
}

func TestPauseAndRemove(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	r.m.push("refs/heads/main", "a")
	r.add("https://git.example/o/r", follow.Change{})
	if _, err := r.s.Set(ctx, "o/r", follow.Change{Paused: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	r.m.push("refs/heads/main", "b")
	if _, err := r.s.Sync(ctx, "o/r"); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	if n, err := r.s.Active(ctx); n != 0 || err != nil {
		t.Error(n, err)
	}
	r.m.push("refs/heads/main", "c")
	if _, err := r.s.Set(ctx, "o/r", follow.Change{Paused: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	r.sync("o/r")
	if got := r.runs.said(); len(got) != 1 || !strings.HasSuffix(got[0], sha("c")[:4]) {
		t.Errorf("%q", got)
	}
	if err := r.s.Remove(ctx, "o/r"); err != nil {
		t.Fatal(err)
	}
	if at, err := r.s.Following(ctx, "o/r"); at != "" || err != nil {
		t.Error(at, err)
	}
	refs, err := r.store.RecordedRefs(ctx, "o/r")
	if err != nil || refs["refs/heads/main"].SHA != sha("c") {
		t.Errorf("%v %v", refs, err)
	}
	// Followed again, it begins anew.
	r.m.push("refs/heads/main", "d")
	r.add("https://git.example/o/r", follow.Change{})
	if got := r.runs.said(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestWhatCannotBeFollowed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	for _, c := range []struct {
		url, name string
		change    follow.Change
		code      cairn.Code
		says      string
	}{
		{"https://u:secret@git.example/o/r", "", follow.Change{}, cairn.CodeInvalid, "user name or a password"},
		{"https://git.example/o/r", "../x", follow.Change{}, cairn.CodeInvalid, "not the name of a repository"},
		{"https://git.example/o/r", "", follow.Change{Every: ptr(time.Second)}, cairn.CodeInvalid, "every 1s"},
		{"https://git.example/o/r", "", follow.Change{Every: ptr(time.Duration(0))}, cairn.CodeInvalid, "nothing of o/r would be seen"},
		{"https://git.example/o/r", "", follow.Change{Branches: &[]string{"a b"}}, cairn.CodeInvalid, "not a pattern"},
		{"https://git.example/o/r", "", follow.Change{Token: ptr("a b")}, cairn.CodeInvalid, "not a token"},
		{"http://git.example/o/r", "", follow.Change{Token: ptr("secret")}, cairn.CodeForbidden, "not encrypted"},
		{"/srv/git/r", "", follow.Change{Token: ptr("secret")}, cairn.CodeInvalid, "of no use"},
		{"https://git.example/o/r", "", follow.Change{SSHKey: ptr("/key")}, cairn.CodeInvalid, "not reached by ssh"},
		{"git@git.example:o/r", "", follow.Change{SSHKey: ptr("key")}, cairn.CodeInvalid, "not an absolute path"},
		{"https://git.example/o/r", "", follow.Change{Status: ptr("github")}, cairn.CodeInvalid, "need a token"},
		{"https://git.example/o/r", "", follow.Change{Status: ptr("svn"), Token: ptr("secret")}, cairn.CodeInvalid, "not a host"},
		{"https://git.example/o/r", "", follow.Change{User: ptr("a:b")}, cairn.CodeInvalid, "user name"},
	} {
		_, err := r.s.Add(t.Context(), c.url, c.name, c.change, false)
		if cairn.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s %+v: %v", c.url, c.change, err)
		}
	}
	if fs, err := r.s.List(t.Context()); len(fs) != 0 || err != nil {
		t.Errorf("%+v %v", fs, err)
	}
	// From another machine nobody names folders of this one.
	o := r.opts
	o.Local = func(context.Context) bool { return false }
	if _, err := follow.New(o).Add(t.Context(), "file:///srv/git/r", "", follow.Change{}, false); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Error(err)
	}
}

// A name from elsewhere is shown, and is nobody's here.
func TestNamesFromElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.add("https://git.example/o/r", follow.Change{})
	id := r.m.push("refs/heads/main", "b")
	c := r.m.made[id]
	c.Author = "job/7\x1b[31m\n" + strings.Repeat("x", 500)
	r.m.made[id] = c
	r.sync("o/r")
	if by := r.runs.pushes[0].By; len(by) > 100 || strings.ContainsAny(by, "\n\x1b/") {
		t.Errorf("%q", by)
	}
}

func TestDefaultBranch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rows := r.opts.Repositories.(*origins)
	r.m.push("refs/heads/main", "a")
	r.add("https://git.example/o/r", follow.Change{})
	if rows.branch != "main" {
		t.Errorf("%q", rows.branch)
	}
	// It is asked for now and then, and as soon as it is gone.
	r.m.push("refs/heads/dev", "b")
	r.m.head = "refs/heads/dev"
	if r.sync("o/r"); rows.branch != "main" {
		t.Errorf("%q", rows.branch)
	}
	r.clock.pass(time.Hour)
	if r.sync("o/r"); rows.branch != "dev" {
		t.Errorf("%q", rows.branch)
	}
	r.m.push("refs/heads/trunk", "b")
	r.m.head = "refs/heads/trunk"
	r.m.drop("refs/heads/dev")
	r.sync("o/r")
	if r.sync("o/r"); rows.branch != "trunk" {
		t.Errorf("%q", rows.branch)
	}
	if got := len(r.runs.said()); got != 3 { // dev, trunk, dev deleted
		t.Errorf("%q", r.runs.said())
	}
}
