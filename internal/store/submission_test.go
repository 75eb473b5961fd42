package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// submitted writes a run of a job's file under a name.
func submitted(t testing.TB, s *Store, name, experiment, schedule string) cairn.Run {
	t.Helper()
	ctx := context.Background()
	id, err := s.Reserve(ctx, "run", 1)
	if err != nil {
		t.Fatal(err)
	}
	plan := []byte(`{"schema":1,"name":"p","path":"p.yml","source":"","event":"job","nodes":[]}`)
	x := &cairn.Submitted{Name: name, Type: "command", Experiment: experiment, Schedule: schedule, Tags: map[string]string{"a": "1"}}
	if err := s.TakeRunName(ctx, "default", cairn.RunID(id), x); err != nil {
		t.Fatal(err)
	}
	r, err := s.CreateRun(ctx, cairn.Run{ID: cairn.RunID(id), Workspace: "default", Repository: "local/x", Path: "p.yml", Attempt: 1,
		Plan: cairn.SumBytes(plan), Status: cairn.StatusQueued, CreatedAt: time.Unix(id, 0).UTC(), Submitted: x},
		cairn.Attempt{Run: cairn.RunID(id), Number: 1, Status: cairn.StatusQueued}, plan, cairn.Change{By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunNames(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	a, b := submitted(t, s, "green_ant", "x", ""), submitted(t, s, "calm_owl", "y", "nightly")
	if id, err := s.RunNamed(ctx, "default", "green_ant"); err != nil || id != a.ID {
		t.Errorf("%d %v", id, err)
	}
	if _, err := s.RunNamed(ctx, "default", "nobody"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("nobody: %v", err)
	}
	if err := s.TakeRunName(ctx, "default", 99, &cairn.Submitted{Name: "green_ant"}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("a name twice: %v", err)
	}
	// A name whose run was never written is free.
	for range 2 {
		if err := s.TakeRunName(ctx, "default", 100, &cairn.Submitted{Name: "lost"}); err != nil {
			t.Errorf("a name without a run: %v", err)
		}
	}
	if _, err := s.RunNamed(ctx, "default", "lost"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("lost: %v", err)
	}
	list := func(f cairn.SubmittedFilter) (ids []cairn.RunID) {
		f.Workspace = "default"
		rs, err := s.SubmittedRuns(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			ids = append(ids, r.ID)
		}
		return ids
	}
	for want, f := range map[cairn.RunID]cairn.SubmittedFilter{a.ID: {Experiment: "x"}, b.ID: {Schedule: "nightly"}} {
		if got := list(f); !slices.Equal(got, []cairn.RunID{want}) {
			t.Errorf("%+v: %v", f, got)
		}
	}
	if got := list(cairn.SubmittedFilter{Before: b.ID}); !slices.Equal(got, []cairn.RunID{a.ID}) {
		t.Errorf("the next page: %v", got)
	}
	r, err := s.ChangeSubmitted(ctx, b.ID, "ana", func(x *cairn.Submitted) error {
		x.Archived, x.Tags["b"] = true, "2"
		return nil
	})
	if err != nil || !r.Submitted.Archived || r.Version != 2 {
		t.Errorf("%+v %v", r, err)
	}
	if got := list(cairn.SubmittedFilter{}); !slices.Equal(got, []cairn.RunID{a.ID}) {
		t.Errorf("without archived ones: %v", got)
	}
	if got := list(cairn.SubmittedFilter{Archived: true}); !slices.Equal(got, []cairn.RunID{b.ID, a.ID}) {
		t.Errorf("with archived ones: %v", got)
	}
	if again, err := s.Run(ctx, b.ID); err != nil || again.Submitted.Tags["b"] != "2" {
		t.Errorf("%+v %v", again.Submitted, err)
	}
}

func TestDatastorePaths(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	at := func(n int64) time.Time { return time.Unix(n, 0).UTC() }
	d := func(text string) cairn.DataValue {
		return cairn.DataValue{Type: "folder", Digest: cairn.SumBytes([]byte(text))}
	}
	for _, p := range []cairn.DatastorePath{
		{Workspace: "default", Datastore: "ds", Path: "a/b", Data: d("new"), Job: 2, At: at(2)},
		{Workspace: "default", Datastore: "ds", Path: "a/b", Data: d("old"), Job: 1, At: at(1)}, // comes late, was first
		{Workspace: "default", Datastore: "ds", Path: "a/c", Data: d("c"), Job: 3, At: at(3)},
	} {
		if err := s.PutDatastorePath(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := s.DatastorePath(ctx, "default", "ds", "a/b"); err != nil || p.Data.Digest != d("new").Digest {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := s.DatastorePath(ctx, "default", "ds", "a"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("a folder of paths: %v", err)
	}
	if ps, err := s.DatastorePaths(ctx, "default", "ds", "a/", 10); err != nil || len(ps) != 2 || ps[0].Path != "a/c" {
		t.Errorf("%+v %v", ps, err)
	}
	if ns, err := s.Datastores(ctx, "default"); err != nil || !slices.Equal(ns, []string{"ds"}) {
		t.Errorf("%v %v", ns, err)
	}
	f := cairn.FetchedURL{URL: "https://example.org/a.csv", Digest: cairn.SumBytes([]byte("a")), ETag: `"1"`, At: at(1)}
	if err := s.PutFetchedURL(ctx, f); err != nil {
		t.Fatal(err)
	}
	if got, err := s.FetchedURL(ctx, f.URL); err != nil || got != f {
		t.Errorf("%+v %v", got, err)
	}
	var kept []string
	if err := s.KeptData(ctx, func(name string, _ cairn.Digest, tree bool) bool {
		kept = append(kept, name)
		return true
	}); err != nil || len(kept) != 3 {
		t.Errorf("%v %v", kept, err)
	}
}

func TestTaskEnds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	r := submitted(t, s, "green_ant", "x", "")
	id, err := s.Reserve(ctx, "job", 1)
	if err != nil {
		t.Fatal(err)
	}
	j := cairn.Job{ID: cairn.JobID(id), Run: r.ID, Attempt: 1, Path: "main", Node: "main", Status: cairn.StatusRunning, Epoch: 1, Task: &cairn.JobTask{Key: "k"}}
	if err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: 1, Jobs: []cairn.Job{j}}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	ends, next, err := s.TaskEnds(ctx, 0, 10)
	if err != nil || len(ends) != 0 {
		t.Errorf("nothing has ended: %+v %v", ends, err)
	}
	j.Status, j.Conclusion = cairn.StatusCompleted, cairn.Success
	r.Status, r.Conclusion = cairn.StatusCompleted, cairn.Success
	if err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: 2, Run: &r, Jobs: []cairn.Job{j}}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	ends, last, err := s.TaskEnds(ctx, next, 10)
	if err != nil || len(ends) != 2 || last <= next {
		t.Fatalf("%+v %d %v", ends, last, err)
	}
	if one, at, err := s.TaskEnds(ctx, next, 1); err != nil || len(one) != 1 || at >= last {
		t.Errorf("one by one: %+v %d %v", one, at, err)
	}
	if rest, _, err := s.TaskEnds(ctx, last, 10); err != nil || len(rest) != 0 {
		t.Errorf("again: %+v %v", rest, err)
	}
}

func TestWhatIsSaidLaterIsNoEnd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	r := submitted(t, s, "green_ant", "x", "")
	r.Status, r.Conclusion = cairn.StatusCompleted, cairn.Success
	if err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: 1, Run: &r}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	moves, next, err := s.JobMoves(ctx, 0, 100)
	if err != nil || len(moves) != 1 {
		t.Fatalf("%+v %v", moves, err)
	}
	if _, err := s.ChangeSubmitted(ctx, r.ID, "ana", func(x *cairn.Submitted) error { x.Archived = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if moves, _, err := s.JobMoves(ctx, next, 100); err != nil || len(moves) != 0 {
		t.Errorf("archiving is an end: %+v %v", moves, err)
	}
}

func BenchmarkSubmittedRuns(b *testing.B) {
	ctx := context.Background()
	s := open(b)
	for i := range 300 {
		submitted(b, s, fmt.Sprintf("job_%d", i), "x", "")
	}
	for b.Loop() {
		if rs, err := s.SubmittedRuns(ctx, cairn.SubmittedFilter{Workspace: "default", Experiment: "x"}); err != nil || len(rs) != 50 {
			b.Fatal(len(rs), err)
		}
	}
}
