package trace_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
)

// tasks is a workflow's job that starts a run of a job's file: it prepares (taken from
// an earlier run), trains and registers.
func tasks() *graph {
	d := func(s string) cairn.Digest { return cairn.SumBytes([]byte(s)) }
	commit := cairn.Commit{SHA: sha1, Author: "Ana", Email: "ana@example.org", Date: at(0), Subject: "Train"}
	run := func(id cairn.RunID, x *cairn.Submitted) cairn.Run {
		return cairn.Run{ID: id, Repository: "local/digits", Workflow: "mlops", Path: "pipelines/train.yaml", Title: "Train", Attempt: 1, Event: "job",
			Commit: commit, Actor: "ana", Status: cairn.StatusCompleted, Conclusion: cairn.Success, CreatedAt: at(0), Submitted: x}
	}
	job := func(id cairn.JobID, run cairn.RunID, name string, t *cairn.JobTask) cairn.Job {
		return cairn.Job{ID: id, Run: run, Attempt: 1, Path: name, Node: name, Name: name, Status: cairn.StatusCompleted, Conclusion: cairn.Success,
			StartedAt: at(int(id)), FinishedAt: at(int(id) + 1), Task: t}
	}
	version := func(kind cairn.AssetKind, name, by string) cairn.AssetVersion {
		return cairn.AssetVersion{Kind: kind, Name: name, Version: "1", Type: "folder", Digest: d(name), Size: 10, Files: 2, By: by, CreatedAt: at(0)}
	}
	data, train, model := version(cairn.AssetData, "pandas", "ana"), version(cairn.AssetComponent, "train", "ana"), version(cairn.AssetModel, "animals", "job/5")
	clean, trained := cairn.ArtifactRef(1, 1, "prep.clean"), cairn.ArtifactRef(3, 1, "train.model")
	own := cairn.NewRef(cairn.KindMLRun, mlrun)
	code := cairn.NewRef(cairn.KindTree, string(d("code")))
	j, user := cairn.JobRef, cairn.NewRef(cairn.KindUser, "ana")
	register := cairn.Ref("component/register:1")
	g := &graph{
		runs: map[cairn.RunID]cairn.Run{
			1: run(1, &cairn.Submitted{Name: "calm_owl_1", Type: "pipeline"}), 2: run(2, nil),
			3: run(3, &cairn.Submitted{Name: "green_ant_2", Type: "pipeline", Experiment: "animals", Parent: 2}),
		},
		jobs: map[cairn.JobID]cairn.Job{
			1: job(1, 1, "prep", &cairn.JobTask{Key: d("key")}), 2: job(2, 2, "train", nil),
			3: job(3, 3, "prep", &cairn.JobTask{Key: d("key"), From: 1, FromRun: 1}),
			4: job(4, 3, "train", &cairn.JobTask{Key: d("k2"), Tracking: mlrun}), 5: job(5, 3, "register", &cairn.JobTask{Key: d("k3")}),
		},
		versions:  map[cairn.Ref]cairn.AssetVersion{data.Ref(): data, train.Ref(): train, model.Ref(): model},
		mlruns:    map[string]cairn.MLRun{mlrun: {ID: mlrun, Name: "train", Job: 4, By: "job/4", Metrics: []cairn.Metric{{Key: "accuracy", Value: 0.93}}}},
		artifacts: []cairn.Artifact{{Run: 1, Attempt: 1, Job: 1, Name: "prep.clean", Digest: d("clean"), Size: 9, Files: 1}, {Run: 3, Attempt: 1, Job: 4, Name: "train.model", Digest: d("m"), Size: 9, Files: 1}},
	}
	link := func(from cairn.Ref, r cairn.Relation, to cairn.Ref, note string) {
		g.links = append(g.links, cairn.Link{From: from, Relation: r, To: to, Note: note})
	}
	link(user, cairn.RelMade, data.Ref(), "")
	link(user, cairn.RelMade, train.Ref(), "")
	link(cairn.RunRef(3), cairn.RelPartOf, j(2), "started by its step")
	for id, run := range map[cairn.JobID]cairn.RunID{1: 1, 2: 2} {
		link(j(id), cairn.RelPartOf, cairn.RunRef(run), "")
	}
	for _, id := range []cairn.JobID{3, 4, 5} {
		link(j(id), cairn.RelPartOf, cairn.RunRef(3), "")
	}
	for _, id := range []cairn.JobID{1, 2, 4, 5} {
		link(j(id), cairn.RelRan, cairn.CommitRef(sha1), "")
	}
	link(j(1), cairn.RelUsed, data.Ref(), "")
	link(j(1), cairn.RelMade, clean, "")
	link(j(3), cairn.RelUsed, j(1), "the same key")
	link(j(4), cairn.RelUsed, train.Ref(), "")
	link(j(4), cairn.RelUsed, clean, "")
	link(j(4), cairn.RelRan, code, "the snapshot of its code")
	link(j(4), cairn.RelMade, own, "")
	link(own, cairn.RelPartOf, j(4), "")
	link(j(4), cairn.RelMade, trained, "")
	link(j(5), cairn.RelUsed, register, "")
	link(j(5), cairn.RelUsed, trained, "")
	link(j(5), cairn.RelMade, model.Ref(), "")
	return g
}

// planned also has the plan of all runs.
type planned struct{ *graph }

func (planned) Plan(context.Context, cairn.Digest) (*cairn.Plan, error) {
	return &cairn.Plan{Nodes: []cairn.Node{
		{ID: "prep", Task: &cairn.Task{ComponentName: "prep:2", ComponentFile: "components/prep.yaml"}},
		{ID: "train", Task: &cairn.Task{Component: "component/train:1", ComponentName: "train:1"}},
	}}, nil
}

func TestTasks(t *testing.T) {
	t.Parallel()
	tr := &trace.Tracer{Reader: planned{tasks()}, Workspace: "default",
		BuiltIn: func(r cairn.Ref) bool { return r == "component/register:1" },
		Named: func(_ context.Context, name string) (cairn.Ref, error) {
			if name == "green_ant_2" {
				return cairn.RunRef(3), nil
			}
			return "", nil
		}}
	for _, c := range []struct {
		name, asked string
		down        bool
	}{{"task-model", "model/animals:1", false}, {"task-run", "green_ant_2", false}, {"task-down", "job/2", true}, {"task-data-down", "data/pandas:1", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := tr.Trace(context.Background(), "", c.asked, c.down)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := got.Render(&b); err != nil {
				t.Fatal(err)
			}
			for _, g := range got.Gaps {
				b.WriteString("gap at " + string(g.At) + ": " + g.Reason + "\n")
			}
			file := filepath.Join("testdata", c.name+".golden")
			if *update {
				os.WriteFile(file, b.Bytes(), 0o644)
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", &b, want)
			}
		})
	}
	got, err := tr.Trace(context.Background(), "", "model/animals:1", false)
	if err != nil {
		t.Fatal(err)
	}
	o := trace.OriginOf(got)
	if len(o.Models) != 1 || len(o.Models[0].Metrics) != 1 || len(o.Data) != 1 || o.Data[0].Ref != "data/pandas:1" || o.Commit == nil || o.Commit.SHA != sha1 {
		t.Errorf("the three answers: %+v", o)
	}
}
