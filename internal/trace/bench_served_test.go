package trace_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/store"
	"github.com/cairn-ml/cairn/internal/trace"
)

// BenchmarkPrediction traces an answer back to the commit, in a home of 100,000
// links: deployment, release, image, model, data, jobs, commits.
func BenchmarkPrediction(b *testing.B) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	for from := 0; from < 25_000; from += 5000 {
		var ch cairn.Change
		for i := from; i < from+5000; i++ {
			j := cairn.JobRef(cairn.JobID(i + 100))
			ch.Links = append(ch.Links,
				cairn.Link{From: j, Relation: cairn.RelPartOf, To: cairn.RunRef(cairn.RunID(i/4 + 100))},
				cairn.Link{From: j, Relation: cairn.RelRan, To: cairn.CommitRef(fmt.Sprintf("%040x", i/100))},
				cairn.Link{From: j, Relation: cairn.RelUsed, To: cairn.AssetRef(cairn.AssetData, "d", fmt.Sprint(i))},
				cairn.Link{From: j, Relation: cairn.RelMade, To: cairn.AssetRef(cairn.AssetData, "d", fmt.Sprint(i+1))})
		}
		must(s.AddLinks(ctx, ch))
	}
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	nothing := func(cairn.AssetVersion, bool) cairn.Change { return cairn.Change{} }
	for _, k := range []cairn.AssetKind{cairn.AssetData, cairn.AssetModel} {
		_, _, err := s.CreateAssetVersion(ctx, cairn.AssetVersion{Workspace: "default", Kind: k, Name: "digits", Digest: sum(string(k)), By: "ana", CreatedAt: at}, false, nothing)
		must(err)
	}
	img := cairn.Image{Workspace: "default", Digest: sum("image"), Job: 2, By: "job/2", CreatedAt: at}
	_, err = s.PutImage(ctx, img, nil, cairn.Change{})
	must(err)
	_, err = s.PutRelease(ctx, cairn.Release{Workspace: "default", ID: releaseOne, Service: "api", Repository: "a/b", Image: img.Digest, CreatedAt: at}, func(cairn.Release, bool) cairn.Change { return cairn.Change{} })
	must(err)
	config := []byte(`{}`)
	_, _, err = s.CreateDeployment(ctx, cairn.Deployment{Workspace: "default", Repository: "a/b", Stage: "production", StageID: 1, Release: releaseOne, Status: cairn.DeployReplaced, Config: cairn.SumBytes(config), CreatedAt: at}, "", config,
		func(cairn.Deployment) cairn.Change { return cairn.Change{} })
	must(err)
	must(s.AddLinks(ctx, cairn.Change{Links: []cairn.Link{
		{From: img.Ref(), Relation: cairn.RelPacked, To: "model/digits:1"}, {From: "user/ana", Relation: cairn.RelMade, To: "model/digits:1"},
		{From: img.Ref(), Relation: cairn.RelPacked, To: cairn.CommitRef(fmt.Sprintf("%040x", 7))}, {From: img.Ref(), Relation: cairn.RelPacked, To: "data/digits:1"},
		{From: "user/ana", Relation: cairn.RelMade, To: "data/digits:1"}, {From: "release/" + releaseOne, Relation: cairn.RelReleased, To: img.Ref()}}}))
	tr := &trace.Tracer{Reader: s, Delivery: s, Workspace: "default", Prediction: func(_ context.Context, id cairn.PredictionID) (*cairn.Prediction, error) {
		return &cairn.Prediction{ID: id, Deployment: 1, Release: releaseOne, At: at}, nil
	}}
	b.ResetTimer()
	for b.Loop() {
		got, err := tr.Trace(ctx, "", string(wrong), false)
		if err != nil || len(got.Roots[0].Children) == 0 {
			b.Fatal(err)
		}
	}
}
