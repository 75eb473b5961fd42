package store

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func runStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func makeRun(t interface{ Fatal(...any) }, s *Store, change func(*cairn.Run)) cairn.Run {
	ctx := context.Background()
	p := &cairn.Plan{Schema: 1, Name: "ci", Path: ".github/workflows/ci.yml", Nodes: []cairn.Node{{ID: "a", Kind: cairn.NodeJob}}}
	encoded, digest, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.Reserve(ctx, "run", 1)
	if err != nil {
		t.Fatal(err)
	}
	r := cairn.Run{
		ID: cairn.RunID(id), Workspace: "default", Repository: "ana/digits", Workflow: "ci", Path: p.Path, Attempt: 1,
		Event: "push", Payload: json.RawMessage(`{"after":"x"}`), Plan: digest, Ref: "refs/heads/main", Actor: "ana",
		Commit: cairn.Commit{SHA: "0123456789012345678901234567890123456789"}, Status: cairn.StatusQueued,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if change != nil {
		change(&r)
	}
	a := cairn.Attempt{Run: r.ID, Number: 1, By: "ana", Mode: "all", Status: cairn.StatusQueued, StartedAt: r.CreatedAt}
	r, err = s.CreateRun(ctx, r, a, encoded, cairn.Change{By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunRoundTrip(t *testing.T) {
	t.Parallel()
	s, ctx := runStore(t), context.Background()
	first := makeRun(t, s, nil)
	second := makeRun(t, s, nil)
	if first.Number != 1 || second.Number != 2 || first.Version != 1 {
		t.Errorf("numbers %d %d, version %d", first.Number, second.Number, first.Version)
	}
	got, err := s.Run(ctx, first.ID)
	if err != nil || !reflect.DeepEqual(got, first) {
		t.Errorf("%v\n%+v\n%+v", err, got, first)
	}
	if p, err := s.Plan(ctx, first.Plan); err != nil || p.Name != "ci" {
		t.Errorf("%+v %v", p, err)
	}
	for _, err := range []error{
		func() error { _, err := s.Run(ctx, 99); return err }(),
		func() error { _, err := s.Job(ctx, 99); return err }(),
		func() error { _, err := s.RunSnapshot(ctx, first.ID, 2); return err }(),
		func() error { _, err := s.Plan(ctx, "sha256:00"); return err }(),
		func() error { _, err := s.Environment(ctx, "ana/digits", "x"); return err }(),
		func() error { _, err := s.Repository(ctx, "default", "x"); return err }(),
	} {
		if cairn.CodeOf(err) != cairn.CodeNotFound {
			t.Errorf("not found, but: %v", err)
		}
	}
}

func TestApplyRunRefusesOldVersionsAndEpochs(t *testing.T) {
	t.Parallel()
	s, ctx := runStore(t), context.Background()
	r := makeRun(t, s, nil)
	job := cairn.Job{ID: 1, Run: r.ID, Attempt: 1, Path: "a", Node: "a", Status: cairn.StatusRunning, Epoch: 2}
	ok := cairn.RunBatch{ID: r.ID, Version: 1, Jobs: []cairn.Job{job}}
	if err := s.ApplyRun(ctx, ok, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyRun(ctx, ok, cairn.Change{By: "ana"}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("the same version again: %v", err)
	}
	old := job
	old.Epoch, old.Status = 1, cairn.StatusCompleted
	err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: 2, Jobs: []cairn.Job{old}}, cairn.Change{
		By: "ana", Links: []cairn.Link{{From: "job/1", Relation: cairn.RelPartOf, To: "run/1"}},
	})
	if cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("an older epoch: %v", err)
	}
	if got, err := s.Job(ctx, 1); err != nil || got.Status != cairn.StatusRunning {
		t.Errorf("%+v %v", got, err)
	}
	if events, err := s.Events(ctx, r.ID, 0, 0); err != nil || len(events) != 3 {
		t.Errorf("what was refused left events: %d %v", len(events), err)
	}
	if err := s.CheckLease(ctx, cairn.Lease{Job: 1, Epoch: 2}); err != nil {
		t.Error(err)
	}
	if err := s.CheckLease(ctx, cairn.Lease{Job: 1, Epoch: 1}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("an old lease: %v", err)
	}
	job.Status, job.Conclusion = cairn.StatusCompleted, cairn.Success
	if err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: 2, Jobs: []cairn.Job{job}}, cairn.Change{}); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckLease(ctx, cairn.Lease{Job: 1, Epoch: 2}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("the lease of a job that ended: %v", err)
	}
}

func TestRunsFilters(t *testing.T) {
	t.Parallel()
	s, ctx := runStore(t), context.Background()
	for i := range 6 {
		makeRun(t, s, func(r *cairn.Run) {
			r.Commit.SHA = fmt.Sprintf("%040x", i)
			if i%2 == 0 {
				r.Repository, r.Ref = "ben/other", "refs/heads/dev"
			}
			if i == 5 {
				r.Status, r.Conclusion, r.Event, r.Actor = cairn.StatusCompleted, cairn.Failure, "workflow_dispatch", "eve"
			}
		})
	}
	for name, c := range map[string]struct {
		f    cairn.RunFilter
		want []cairn.RunID
	}{
		"all":        {cairn.RunFilter{}, []cairn.RunID{6, 5, 4, 3, 2, 1}},
		"limit":      {cairn.RunFilter{Limit: 2}, []cairn.RunID{6, 5}},
		"page":       {cairn.RunFilter{Limit: 2, Before: 5}, []cairn.RunID{4, 3}},
		"repository": {cairn.RunFilter{Repository: "ben/other"}, []cairn.RunID{5, 3, 1}},
		"branch":     {cairn.RunFilter{Branch: "dev"}, []cairn.RunID{5, 3, 1}},
		"full ref":   {cairn.RunFilter{Branch: "refs/heads/main"}, []cairn.RunID{6, 4, 2}},
		"status":     {cairn.RunFilter{Status: cairn.StatusQueued, Limit: 1}, []cairn.RunID{5}},
		"failed":     {cairn.RunFilter{Conclusion: cairn.Failure}, []cairn.RunID{6}},
		"event":      {cairn.RunFilter{Event: "workflow_dispatch", Actor: "eve"}, []cairn.RunID{6}},
		"workflow":   {cairn.RunFilter{Workflow: "ci.yml", Limit: 1}, []cairn.RunID{6}},
		"sha":        {cairn.RunFilter{SHA: fmt.Sprintf("%040X", 3)}, []cairn.RunID{4}},
		"sha prefix": {cairn.RunFilter{SHA: "0000"}, []cairn.RunID{6, 5, 4, 3, 2, 1}},
		"none":       {cairn.RunFilter{Workspace: "nowhere"}, nil},
	} {
		runs, err := s.Runs(ctx, c.f)
		if err != nil {
			t.Fatal(err)
		}
		var got []cairn.RunID
		for _, r := range runs {
			got = append(got, r.ID)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	active, err := s.ActiveRuns(ctx)
	if err != nil || len(active) != 5 || active[1] != 1 {
		t.Errorf("%v %v", active, err)
	}
}

func TestEnvironmentsKeepTheirRules(t *testing.T) {
	t.Parallel()
	s, ctx := runStore(t), context.Background()
	r := makeRun(t, s, nil)
	rule := cairn.Environment{Repository: "ana/digits", Name: "Production", Reviewers: []string{"ana"}}
	if err := s.PutEnvironment(ctx, rule, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	// A workflow that names it does not change it, however it is spelt.
	add := cairn.Environment{Repository: "ana/digits", Name: "PRODUCTION", AllowDirty: true}
	if err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: 1, Environments: []cairn.Environment{add}}, cairn.Change{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Environment(ctx, "ana/digits", "production")
	if err != nil || got.Name != "Production" || got.AllowDirty || len(got.Reviewers) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	rule.Name, rule.Reviewers = "production", nil
	if err := s.PutEnvironment(ctx, rule, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Environments(ctx, "ana/digits"); err != nil || len(all) != 1 || all[0].Name != "Production" || all[0].Reviewers != nil {
		t.Errorf("%+v %v", all, err)
	}
	if err := s.DeleteEnvironment(ctx, "ana/digits", "production", cairn.Change{}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteEnvironment(ctx, "ana/digits", "production", cairn.Change{}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

// Whatever is applied, and whatever is refused: the events fold to the rows.
func TestEventsFoldToRows(t *testing.T) {
	t.Parallel()
	s, ctx := runStore(t), context.Background()
	var nextJob cairn.JobID
	rapid.Check(t, func(t *rapid.T) {
		r := makeRun(t, s, nil)
		jobs := map[cairn.JobID]cairn.Job{}
		var ids []cairn.JobID
		version := int64(1)
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			b := cairn.RunBatch{ID: r.ID, Version: version - int64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "late"))}
			next := map[cairn.JobID]cairn.Job{}
			for range rapid.IntRange(0, 3).Draw(t, "jobs") {
				var j cairn.Job
				if len(ids) > 0 && rapid.Bool().Draw(t, "old") {
					j = jobs[rapid.SampledFrom(ids).Draw(t, "job")]
					if j.ID == 0 || next[j.ID].ID != 0 {
						continue
					}
				} else {
					nextJob++
					j = cairn.Job{ID: nextJob, Run: r.ID, Attempt: 1, Path: fmt.Sprint("j", nextJob)}
					ids = append(ids, j.ID)
				}
				j.Status = rapid.SampledFrom([]cairn.Status{cairn.StatusQueued, cairn.StatusRunning}).Draw(t, "status")
				j.Epoch += int64(rapid.IntRange(-1, 1).Draw(t, "epoch"))
				j.Reason = rapid.StringN(0, 5, -1).Draw(t, "reason")
				next[j.ID] = j
				b.Jobs = append(b.Jobs, j)
				if rapid.Bool().Draw(t, "step") {
					b.Steps = append(b.Steps, cairn.StepRow{Job: j.ID, Number: rapid.IntRange(1, 3).Draw(t, "number"), Name: j.Reason})
				}
			}
			if rapid.Bool().Draw(t, "run") {
				r.Reason = rapid.StringN(0, 5, -1).Draw(t, "why")
				b.Run = &r
			}
			if err := s.ApplyRun(ctx, b, cairn.Change{By: "ana"}); err == nil {
				version++
				for id, j := range next {
					jobs[id] = j
				}
			} else if cairn.CodeOf(err) != cairn.CodeConflict {
				t.Fatal(err)
			}
		}
		folded := map[cairn.JobID]cairn.Job{}
		steps := map[[2]int64]cairn.StepRow{}
		var run cairn.Run
		events, err := s.Events(ctx, r.ID, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			var j cairn.Job
			var st cairn.StepRow
			switch e.Kind {
			case cairn.EvJobCreated, cairn.EvJobChanged:
				err = json.Unmarshal(e.Data, &j)
				folded[j.ID] = j
			case cairn.EvStepChanged:
				err = json.Unmarshal(e.Data, &st)
				steps[[2]int64{int64(st.Job), int64(st.Number)}] = st
			case cairn.EvRunCreated, cairn.EvRunChanged:
				run = cairn.Run{}
				err = json.Unmarshal(e.Data, &run)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		row, err := s.Run(ctx, r.ID)
		if err != nil || row.Version != version || row.Reason != run.Reason {
			t.Fatalf("%+v %v, version %d, folded %+v", row, err, version, run)
		}
		rows, err := s.Jobs(ctx, r.ID, 1, true)
		if err != nil || len(rows) != len(folded) {
			t.Fatalf("%d rows, %d folded, %v", len(rows), len(folded), err)
		}
		n := 0
		for _, j := range rows {
			for _, st := range j.Steps {
				n++
				if steps[[2]int64{int64(j.ID), int64(st.Number)}].Name != st.Name {
					t.Fatalf("step %+v", st)
				}
			}
			j.Steps = nil
			if !reflect.DeepEqual(folded[j.ID], j) {
				t.Fatalf("%+v\n%+v", folded[j.ID], j)
			}
		}
		if n != len(steps) {
			t.Fatalf("%d steps, %d folded", n, len(steps))
		}
	})
}

func BenchmarkApplyRun(b *testing.B) {
	s, ctx := runStore(b), context.Background()
	r := makeRun(b, s, nil)
	job := cairn.Job{ID: 1, Run: r.ID, Attempt: 1, Path: "a", Status: cairn.StatusRunning}
	for i := range b.N {
		job.Offset = int64(i)
		if err := s.ApplyRun(ctx, cairn.RunBatch{ID: r.ID, Version: int64(i + 1), Jobs: []cairn.Job{job}}, cairn.Change{By: "ana"}); err != nil {
			b.Fatal(err)
		}
	}
}
