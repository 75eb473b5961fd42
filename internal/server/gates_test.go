package server

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/store"
)

// gateHome is a store with a run whose jobs made and used models.
func gateHome(t *testing.T) (*gates, *cairn.Run) {
	t.Helper()
	ctx := t.Context()
	st, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plan := []byte(`{"schema":1}`)
	run, err := st.CreateRun(ctx, cairn.Run{
		ID: 1, Workspace: Workspace, Repository: "acme/digits", Workflow: "train", Path: "w.yml", Plan: cairn.SumBytes(plan), Attempt: 1,
		Event: "push", Ref: "refs/heads/main", Actor: "ana", CreatedAt: now,
	}, cairn.Attempt{Run: 1, Number: 1, StartedAt: now}, plan, cairn.Change{By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	job := cairn.Job{ID: 1, Run: 1, Attempt: 1, Path: "train", Node: "train", Name: "Train", Status: cairn.StatusCompleted, Conclusion: cairn.Success}
	if err := st.ApplyRun(ctx, cairn.RunBatch{ID: 1, Version: run.Version, Jobs: []cairn.Job{job}}, cairn.Change{}); err != nil {
		t.Fatal(err)
	}
	exp, err := st.CreateExperiment(ctx, cairn.Experiment{Name: "e", CreatedAt: now}, cairn.Change{})
	if err != nil {
		t.Fatal(err)
	}
	model := func(name, run string, relation cairn.Relation, metrics map[string]float64) {
		t.Helper()
		if run != "" {
			if err := st.CreateMLRun(ctx, cairn.MLRun{ID: run, Experiment: exp.ID, StartTime: now.UnixMilli()}, cairn.Change{}); err != nil {
				t.Fatal(err)
			}
			var points []cairn.Metric
			for k, v := range metrics {
				m := cairn.Metric{Key: k, Value: v, Timestamp: now.UnixMilli()}
				if m.NaN = math.IsNaN(v); m.NaN {
					m.Value = 0
				}
				points = append(points, m)
			}
			if err := st.LogMetrics(ctx, run, points); err != nil {
				t.Fatal(err)
			}
		}
		v, _, err := st.CreateAssetVersion(ctx, cairn.AssetVersion{
			Workspace: Workspace, Kind: cairn.AssetModel, Name: name, Type: "folder", Digest: cairn.SumBytes([]byte(name)), SourceRun: run, CreatedAt: now, By: "job/1",
		}, false, func(cairn.AssetVersion, bool) cairn.Change { return cairn.Change{} })
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		if err := st.AddLinks(ctx, cairn.Change{Links: []cairn.Link{{From: cairn.JobRef(1), Relation: relation, To: v.Ref(), At: now}}}); err != nil {
			t.Fatal(err)
		}
	}
	model("base", strings.Repeat("a", 32), cairn.RelUsed, map[string]float64{"f1": 0.5})
	model("digits", strings.Repeat("b", 32), cairn.RelMade, map[string]float64{"accuracy": 0.94, "loss": math.NaN()})
	model("bare", "", cairn.RelUsed, nil)
	return newGates(&Server{store: st}), &run
}

func TestGateFacts(t *testing.T) {
	t.Parallel()
	g, run := gateHome(t)
	for _, c := range []struct{ expr, state, detail string }{
		{`run.actor != "bot" && model.metrics.accuracy >= 0.9`, cairn.GatePassed, "model.metrics.accuracy = 0.94 (model/digits:1)"},
		{`model.name == "digits" && models.base.f1 == 0.5`, cairn.GatePassed, "models.base.f1 = 0.5"},
		{`tests.train == "success" && tests.Train == "success"`, cairn.GatePassed, ""},
		{`model.metrics.loss < 1`, cairn.GateFailed, "is not a number"},
		{`models.bare.f1 > 0`, cairn.GateLacks, `the model bare has no metric "f1"`},
		{`release.service == "digits"`, cairn.GateLacks, "no release holds an image of this run"},
	} {
		got, err := g.CheckGate(context.Background(), run, "production", c.expr)
		if err != nil || got.State != c.state || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s: %+v (%v), want %s: %s", c.expr, got, err, c.state, c.detail)
		}
	}
	r := &cairn.Release{Workspace: Workspace, ID: "abc", Service: "digits", Run: 1}
	got, err := g.CheckRelease(context.Background(), r, "model/base:1", "production", `model.metrics.f1 == 0.5 && release.service == "digits" && run.actor == "ana"`)
	if err != nil || got.State != cairn.GatePassed {
		t.Errorf("by hand: %+v (%v)", got, err)
	}
	got, err = g.CheckRelease(context.Background(), &cairn.Release{Workspace: Workspace, Service: "x"}, "", "production", `run.actor == "ana"`)
	if err != nil || got.State != cairn.GateLacks {
		t.Errorf("an image of no run: %+v (%v)", got, err)
	}
}
