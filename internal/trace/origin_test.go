package trace_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	tr := served()
	tr.CodeChange = func(_ context.Context, repository, commit string) (*cairn.Commit, error) {
		if repository != "local/digits" || commit != sha2 {
			t.Errorf("asked for %s of %s", commit, repository)
		}
		return &cairn.Commit{SHA: sha1, Author: "Ana", Email: "ana@example.org", Date: at(0), Subject: "Prepare the digits"}, nil
	}
	got, err := tr.Origins(context.Background(), "local/digits")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/origins.json"
	if *update {
		os.WriteFile(file, b, 0o644)
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != string(b) {
		t.Errorf("%v\n%s", err, b)
	}
	if len(got) != 2 || got[0].Stage != "production" || got[1].Stage != "staging" {
		t.Error("production comes first")
	}
}

// TestOriginsUnlived answers for the newest image, then for the newest model, whose
// preparing step was skipped: the note says so.
func TestOriginsUnlived(t *testing.T) {
	t.Parallel()
	tr := served()
	s := tr.Delivery.(*shelf)
	for i := range s.stages {
		s.stages[i].Live = 0
	}
	got, err := tr.Origins(context.Background(), "local/digits")
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Note, "newest image") || got[0].Models[0].Ref != "model/digits:1" || got[0].Commit.SHA != sha2 {
		t.Errorf("%+v %v", got, err)
	}
	s.images = nil
	tr.NewestModel = func(context.Context, string) (cairn.Ref, error) { return "model/digits:2", nil }
	got, err = tr.Origins(context.Background(), "local/digits")
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Note, "newest model") || got[0].Data[0].Ref != "data/digits:1" ||
		!strings.Contains(got[0].Data[0].Note, "data-preparing was skipped: output of run 1 taken") || !got[0].Dirty {
		t.Errorf("%+v %v", got, err)
	}
	tr.NewestModel = nil
	if _, err = tr.Origins(context.Background(), "local/none"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

// TestOriginByArtifact follows data through artifacts: the course hands its model
// from job to job so, and registers nothing.
func TestOriginByArtifact(t *testing.T) {
	t.Parallel()
	g := sample()
	d := sum("hand-over")
	img := cairn.Image{Digest: d, Job: 5, Tags: []string{"api:x"}}
	g.jobs[5] = cairn.Job{ID: 5, Run: 1, Attempt: 1, Name: "docker", Path: "docker", Node: "docker", Conclusion: cairn.Success}
	g.links = append(g.links,
		cairn.Link{From: img.Ref(), Relation: cairn.RelPacked, To: "artifact/1.1/report", Note: "app/model.keras"},
		cairn.Link{From: "job/5", Relation: cairn.RelMade, To: img.Ref()}, cairn.Link{From: "job/5", Relation: cairn.RelRan, To: cairn.CommitRef(sha1)})
	tr := &trace.Tracer{Reader: g, Workspace: "default", Delivery: &shelf{images: []cairn.Image{img}}}
	got, err := tr.Trace(context.Background(), "", string(d), false)
	if err != nil {
		t.Fatal(err)
	}
	o := trace.OriginOf(got)
	if len(o.Models) != 1 || o.Models[0].Note != "app/model.keras" || len(o.Data) != 1 || o.Data[0].Ref != "data/digits:1" || o.Commit.Author != "Ana <ana@example.org>" {
		t.Errorf("%+v", o)
	}
	if trace.OriginOf(&cairn.Trace{}).Of != "" {
		t.Error("nothing has no origin")
	}
}

// TestOriginOfOneJob reads a trace in which one job made the model and the image:
// it is shown in full below the model, and only named below the image.
func TestOriginOfOneJob(t *testing.T) {
	t.Parallel()
	commit := cairn.TraceNode{Ref: cairn.CommitRef(sha1), Kind: cairn.KindCommit, Relation: cairn.RelRan,
		Facts: []cairn.TraceFact{{Name: "subject", Value: "Serve"}, {Name: "author", Value: "Ana <ana@example.org>, 2026-01-01"}}}
	job := cairn.TraceNode{Ref: cairn.JobRef(1), Kind: cairn.KindJob, Relation: cairn.RelMade, Inverse: true, Title: "job image (1) of run 1",
		Children: []cairn.TraceNode{commit}}
	named := job
	named.Children, named.Seen = nil, true
	o := trace.OriginOf(&cairn.Trace{Roots: []cairn.TraceNode{{
		Ref: cairn.ImageRef(cairn.SumBytes(nil)), Kind: cairn.KindImage, Children: []cairn.TraceNode{
			{Ref: "model/m:1", Kind: cairn.KindModel, Relation: cairn.RelPacked, Children: []cairn.TraceNode{job}},
			named,
		},
	}}})
	if o.Commit == nil || o.Commit.SHA != sha1 || o.Commit.Author != "Ana <ana@example.org>" || len(o.Models) != 1 || o.Models[0].MadeFrom == nil {
		t.Errorf("%+v", o)
	}
}
