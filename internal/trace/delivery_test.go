package trace_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
)

// shelf is a Delivery over literals.
type shelf struct {
	images      []cairn.Image
	releases    []cairn.Release
	deployments []cairn.Deployment
	stages      []cairn.Stage
	predictions map[cairn.PredictionID]cairn.Prediction
}

func (s *shelf) Image(_ context.Context, _ string, d cairn.Digest) (cairn.Image, error) {
	for _, i := range s.images {
		if i.Digest == d {
			return i, nil
		}
	}
	return cairn.Image{}, missing("image")
}

func (s *shelf) Images(_ context.Context, _ string, f cairn.ImageFilter) (out []cairn.Image, _ error) {
	for _, i := range s.images {
		if f.Digest == "" || i.Digest == f.Digest || i.Config == f.Digest {
			out = append(out, i)
		}
	}
	return out, nil
}

func (s *shelf) ImagesByHex(_ context.Context, _, hex string, _ int) (out []cairn.Image, _ error) {
	for _, i := range s.images {
		if strings.HasPrefix(i.Digest.Hex(), hex) || strings.HasPrefix(i.Config.Hex(), hex) {
			out = append(out, i)
		}
	}
	return out, nil
}

func (s *shelf) Release(_ context.Context, _, id string) (cairn.Release, error) {
	for _, r := range s.releases {
		if strings.HasPrefix(r.ID, id) {
			return r, nil
		}
	}
	return cairn.Release{}, missing("release")
}

func (s *shelf) Releases(_ context.Context, f cairn.ReleaseFilter) (out []cairn.Release, _ error) {
	for _, r := range s.releases {
		if (f.Repository == "" || r.Repository == f.Repository) && (f.Service == "" || r.Service == f.Service) && (f.Before == 0 || r.Seq < f.Before) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (s *shelf) ReleaseByTag(_ context.Context, _, service, tag string) (cairn.Release, error) {
	for _, r := range s.releases {
		if slices.Contains(r.Tags, tag) && (service == "" || r.Service == service) {
			return r, nil
		}
	}
	return cairn.Release{}, missing("release")
}

func (s *shelf) Deployment(_ context.Context, id cairn.DeploymentID) (cairn.Deployment, error) {
	for _, d := range s.deployments {
		if d.ID == id {
			return d, nil
		}
	}
	return cairn.Deployment{}, missing("deployment")
}

func (s *shelf) Deployments(_ context.Context, f cairn.DeploymentFilter) (out []cairn.Deployment, _ error) {
	for _, d := range s.deployments {
		if f.StageID == 0 || d.StageID == f.StageID {
			out = append(out, d)
		}
	}
	slices.Reverse(out)
	return out, nil
}

func (s *shelf) Stage(_ context.Context, id int64) (cairn.Stage, error) {
	for _, st := range s.stages {
		if st.ID == id {
			return st, nil
		}
	}
	return cairn.Stage{}, missing("stage")
}

func (s *shelf) Stages(_ context.Context, repository string) (out []cairn.Stage, _ error) {
	for _, st := range s.stages {
		if repository == "" || st.Repository == repository {
			out = append(out, st)
		}
	}
	return out, nil
}

func (s *shelf) StageByPort(_ context.Context, port int) (cairn.Stage, error) {
	for _, st := range s.stages {
		if st.Port == port {
			return st, nil
		}
	}
	return cairn.Stage{}, missing("stage")
}

func sum(s string) cairn.Digest { return cairn.SumBytes([]byte(s)) }

const (
	releaseOne = "4f2a91c03d17"
	releaseTwo = "aaaa222222bb"
	wrong      = cairn.PredictionID("4f2a91c03d17-2-3-81920")
	aged       = cairn.PredictionID("4f2a91c03d17-2-1-64")
	erased     = cairn.PredictionID("4f2a91c03d17-2-3-99")
)

// served adds to the sample what came of its model: an image by a job of run 2,
// which skipped training, on staging and production, and one wrong answer.
func served() *trace.Tracer {
	g := sample()
	j := func(id cairn.JobID, run cairn.RunID, name string) {
		g.jobs[id] = cairn.Job{ID: id, Run: run, Attempt: 1, Path: name, Node: name, Name: name, Status: cairn.StatusCompleted, Conclusion: cairn.Success,
			StartedAt: at(int(id) + 10), FinishedAt: at(int(id) + 10).Add(2 * time.Second)}
		g.links = append(g.links, cairn.Link{From: cairn.JobRef(id), Relation: cairn.RelPartOf, To: cairn.RunRef(run)},
			cairn.Link{From: cairn.JobRef(id), Relation: cairn.RelRan, To: cairn.CommitRef(g.runs[run].Commit.SHA)})
	}
	j(5, 2, "build-image")
	j(6, 2, "deploy-production")
	image := cairn.Image{Seq: 1, Digest: sum("manifest"), Config: sum("config"), MediaType: "application/vnd.oci.image.manifest.v1+json", Platform: "linux/amd64",
		Size: 61_000_000, Base: sum("base"), BaseName: "python:3.11-slim", Repository: "local/digits", Commit: sha2, Dirty: true, Builder: "cairn", Job: 5, Run: 2, By: "job/5", CreatedAt: at(20),
		Layers: []cairn.ImageLayer{{Size: 40_000_000, Role: cairn.LayerBase}, {Size: 1_000_000, Role: cairn.LayerBase}, {Size: 19_000_000, Role: cairn.LayerDeps, Note: "23 packages"},
			{Size: 5000, Role: cairn.LayerCode, Note: "COPY . ."}, {Size: 990_000, Role: cairn.LayerModel, Note: "model/digits:1"}},
		Tags: []string{"ghcr.io/acme/api:main", "ghcr.io/acme/api:v1.2.3"}}
	byHand := cairn.Image{Seq: 2, Digest: sum("by hand"), Config: sum("by hand config"), Size: 5000, Builder: "push", By: "ben", CreatedAt: at(21), Tags: []string{"api:hand"}}
	labelled := byHand
	labelled.Digest, labelled.Config, labelled.Tags = sum("labelled"), "", []string{"api:labelled"}
	release := func(id string, seq int64, img cairn.Image, tags ...string) cairn.Release {
		return cairn.Release{ID: id, Service: "digits", Repository: "local/digits", Seq: seq, Image: img.Digest, Model: sum("m1"), Commit: sha2, By: "wim", CreatedAt: at(22), Tags: tags}
	}
	deployment := func(id cairn.DeploymentID, stage string, st int64, rel string, status cairn.DeploymentStatus) cairn.Deployment {
		d := cairn.Deployment{ID: id, Repository: "local/digits", Stage: stage, StageID: st, Release: rel, Status: status, By: "wim", CreatedAt: at(30 + int(id)),
			LiveAt: at(31 + int(id)), URL: "http://127.0.0.1:708" + string(rune('0'+st))}
		if status != cairn.DeployLive {
			d.EndedAt = at(40)
		}
		return d
	}
	prod := deployment(2, "production", 2, releaseOne, cairn.DeployLive)
	prod.ApprovedBy, prod.Comment, prod.Job, prod.Run = "ana", "looks good", 6, 2
	prod.Checks = []cairn.CheckResult{{Name: "accuracy", Passed: true}, {Name: "tests", Passed: false}}
	failed := deployment(3, "production", 2, releaseTwo, cairn.DeployFailed)
	failed.LiveAt, failed.Reason = time.Time{}, "the smoke test answered 500"
	s := &shelf{
		images:      []cairn.Image{image, byHand, labelled},
		releases:    []cairn.Release{release(releaseOne, 1, image, "v1.2.3"), release(releaseTwo, 2, byHand)},
		deployments: []cairn.Deployment{deployment(1, "staging", 1, releaseOne, cairn.DeployLive), prod, failed},
		stages: []cairn.Stage{{ID: 1, Repository: "local/digits", Name: "staging", Port: 7081, URL: "http://127.0.0.1:7081", Live: 1},
			{ID: 2, Repository: "local/digits", Name: "production", Port: 7082, URL: "http://127.0.0.1:7082", Live: 2},
			{ID: 3, Repository: "local/digits", Name: "canary", Port: 7083, URL: "http://127.0.0.1:7083"}},
		predictions: map[cairn.PredictionID]cairn.Prediction{
			wrong: {ID: wrong, Deployment: 2, Release: releaseOne, At: at(50), Took: 12345, Method: "POST", Path: "/predict?top=3", Status: 200,
				Report: &cairn.PredictionReport{Prediction: wrong, Expected: "7", Answer: `{"class": "1"}`, Comment: "a clear seven", By: "ana", At: at(55)}},
			erased: {ID: erased, Deployment: 2, Release: releaseOne, At: at(51), Method: "POST", Path: "/predict", Status: 200, Async: true, Open: true, Deleted: true},
		},
	}
	wrongs := cairn.AssetVersion{Kind: cairn.AssetData, Name: "wrong", Version: "1", Type: "folder", Digest: sum("wrong"), Size: 900, Files: 1, By: "ana", CreatedAt: at(56)}
	g.versions[wrongs.Ref()] = wrongs
	add := func(from cairn.Ref, r cairn.Relation, to cairn.Ref, note string) {
		g.links = append(g.links, cairn.Link{From: from, Relation: r, To: to, Note: note})
	}
	img, by, lab := image.Ref(), byHand.Ref(), labelled.Ref()
	add(img, cairn.RelPacked, cairn.ImageRef(image.Base), "base python:3.11-slim")
	add(img, cairn.RelPacked, "environment/python:1", "packages")
	add(img, cairn.RelPacked, "model/digits:1", "app/model.joblib; ambiguous: also artifact/1.1/report")
	add(cairn.JobRef(5), cairn.RelMade, img, "")
	add("user/ben", cairn.RelMade, by, "")
	add("user/ben", cairn.RelMade, lab, "")
	add(lab, cairn.RelPacked, cairn.CommitRef(sha1), "label org.opencontainers.image.revision")
	add(lab, cairn.RelPacked, "model/digits:1", "m.joblib")
	add("release/"+releaseOne, cairn.RelReleased, img, "")
	add("release/"+releaseTwo, cairn.RelReleased, by, "")
	for _, d := range s.deployments {
		add(d.Ref(), cairn.RelDeployed, cairn.NewRef(cairn.KindRelease, d.Release), "")
	}
	add(prod.Ref(), cairn.RelPartOf, cairn.JobRef(6), "")
	add(prod.Ref(), cairn.RelApproved, "user/ana", "looks good")
	add("user/ana", cairn.RelMade, wrongs.Ref(), "")
	add(wrongs.Ref(), cairn.RelDerived, wrong.Ref(), "7/"+string(wrong)+".png")
	return &trace.Tracer{Reader: g, Workspace: "default", Delivery: s,
		Prediction: func(_ context.Context, id cairn.PredictionID) (*cairn.Prediction, error) {
			if p, ok := s.predictions[id]; ok {
				return &p, nil
			}
			return nil, missing("prediction")
		},
		FindImage: func(_ context.Context, ref string) (*cairn.Image, error) {
			for i := range s.images {
				if slices.Contains(s.images[i].Tags, ref) || ref == "ghcr.io/acme/api@"+string(s.images[i].Digest) {
					return &s.images[i], nil
				}
			}
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an image", ref)
		}}
}

func TestServedGolden(t *testing.T) {
	t.Parallel()
	tr := served()
	for _, c := range []struct {
		name, asked string
		down        bool
	}{
		{"prediction", string(wrong), false}, {"prediction-aged", "prediction/" + string(aged), false}, {"prediction-erased", string(erased), false},
		{"prediction-down", string(wrong), true}, {"image-by-hand", "api:hand", false}, {"image-labelled", "image/api:labelled", false},
		{"stage", "production", false}, {"stage-empty", "stage/local/digits:canary", false}, {"url", "http://127.0.0.1:7081/predict", false},
		{"release-down", "v1.2.3", true}, {"file-down", string(sum("image")), true}, {"served-commit-down", sha2, true}, {"wrong-answers", "data/wrong", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			golden(t, tr, c.name, c.asked, c.down)
		})
	}
}

func golden(t *testing.T, tr *trace.Tracer, name, asked string, down bool) {
	t.Helper()
	got, err := tr.Trace(context.Background(), "local/digits", asked, down)
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
	file := filepath.Join("testdata", name+".golden")
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
}

// TestComplete holds the promise: a prediction leads to the file of its model,
// the job that trained it, the data, the commits and their authors.
func TestComplete(t *testing.T) {
	t.Parallel()
	got, err := served().Trace(context.Background(), "", string(wrong), false)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"deployment/2": false, "release/" + releaseOne: false, "image/" + string(sum("manifest")): false, "model/digits:1": false,
		"job/2": false, "data/digits:1": false, "job/1": false, "commit/" + sha1: false, "job/5": false, "commit/" + sha2: false, "environment/python:1": false, "job/6": false}
	file, authors := "", map[string]bool{}
	got.Walk(func(_ int, n *cairn.TraceNode) {
		want[string(n.Ref)] = true
		if n.Kind == cairn.KindModel {
			file = n.Note
		}
		if n.Kind == cairn.KindCommit {
			authors[n.By] = true
		}
	})
	for ref, there := range want {
		if !there {
			t.Errorf("%s is not in the trace", ref)
		}
	}
	if !strings.HasPrefix(file, "app/model.joblib") || !authors["Ana"] || !authors["Wim"] {
		t.Errorf("file %q, authors %v", file, authors)
	}
	for _, g := range got.Gaps {
		if g.At != "data/raw:1" {
			t.Errorf("a gap at %s: %s", g.At, g.Reason)
		}
	}
}

func TestResolveServed(t *testing.T) {
	t.Parallel()
	tr := served()
	s := tr.Delivery.(*shelf)
	s.releases = append(s.releases, cairn.Release{ID: "bbbb33333333", Service: "other", Repository: "local/other", Seq: 1, Tags: []string{"2.0"}},
		cairn.Release{ID: "cccc33333333", Service: "other", Repository: "local/other", Seq: 7})
	s.stages = append(s.stages, cairn.Stage{ID: 9, Repository: "local/other", Name: "production", Port: 7099, URL: "http://127.0.0.1:7099"},
		cairn.Stage{ID: 8, Repository: "local/other", Name: "alone", Port: 7098})
	image := "image/" + string(sum("manifest"))
	for asked, want := range map[string]string{
		"prediction/" + string(wrong): "prediction/" + string(wrong), string(aged): "prediction/" + string(aged),
		"deployment/3": "deployment/3", "release/r1": "release/" + releaseOne, "r1": "release/" + releaseOne, "r7": "release/cccc33333333",
		"release/other:r1": "release/bbbb33333333", "v1.2.3": "release/" + releaseOne, "1.2.3": "release/" + releaseOne, "v2.0": "release/bbbb33333333",
		"release/4f2a": "release/" + releaseOne, releaseOne: "release/" + releaseOne,
		"production": "stage/local/digits:production", "Staging": "stage/local/digits:staging", "stage/local/other:production": "stage/local/other:production", "alone": "stage/local/other:alone",
		"ghcr.io/acme/api:main": image, "image/ghcr.io/acme/api:main": image, "ghcr.io/acme/api@" + string(sum("manifest")): image,
		string(sum("manifest")): image, string(sum("config")): image, sum("config").Hex()[:12]: image, sum("manifest").Hex(): image, "image/" + sum("config").Hex()[:20]: image,
		"http://127.0.0.1:7082/predict?x=1": "deployment/2", "http://localhost:7081": "deployment/1", "https://[::1]:7081/": "deployment/1",
		"digits:1": "model/digits:1 data/digits:1", "1": "run/1",
	} {
		fs, err := tr.Resolve(context.Background(), "local/digits", asked)
		if err != nil {
			t.Errorf("%s: %v", asked, err)
			continue
		}
		var got []string
		for _, f := range fs {
			got = append(got, string(f.Ref))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", asked, s, want)
		}
	}
	for asked, want := range map[string]struct {
		code cairn.Code
		text string
	}{
		"prediction/aaaaaaaaaaaa-1-1-1": {cairn.CodeNotFound, "there is no prediction aaaaaaaaaaaa-1-1-1"}, "aaaaaaaaaaaa-1-1-1": {cairn.CodeNotFound, "no release has the id"},
		"prediction/x": {cairn.CodeInvalid, "is not a prediction"}, "4f2a91c03d17-01-3-4": {cairn.CodeInvalid, "is not a prediction"},
		"deployment/x": {cairn.CodeInvalid, "not the number"}, "deployment/99": {cairn.CodeNotFound, "no deployment"},
		"release/r9": {cairn.CodeNotFound, "no release"}, "stage/prodction": {cairn.CodeNotFound, "did you mean production"},
		"image/none:x": {cairn.CodeNotFound, "nothing here is called"}, "http://127.0.0.1:9999/predict": {cairn.CodeNotFound, "no stage answers at 127.0.0.1:9999"},
		"http://example.com/": {cairn.CodeNotFound, "not an address of this machine"}, "http://127.0.0.1:7083": {cairn.CodeNotFound, "where nothing is live"},
		"prodction": {cairn.CodeNotFound, "did you mean production"}, "ghcr.io/acme/apy:main": {cairn.CodeNotFound, "did you mean ghcr.io/acme/api:main"}, "nothing-like-it": {cairn.CodeNotFound, "a reference is"},
		"http://": {cairn.CodeInvalid, "not an address"}, "http://127.0.0.1:99999": {cairn.CodeInvalid, "not an address"}, "http://[::1": {cairn.CodeInvalid, "not an address"},
	} {
		_, err := tr.Resolve(context.Background(), "local/digits", asked)
		e := cairn.AsError(err)
		if cairn.CodeOf(err) != want.code || !strings.Contains(e.Message+" "+e.Hint, want.text) {
			t.Errorf("%s: %v (%+v), want %s %q", asked, err, e, want.code, want.text)
		}
	}
	if _, err := tr.Resolve(context.Background(), "", "production"); cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(cairn.AsError(err).Hint, "stage/local/other:production") {
		t.Errorf("two stages of a name: %v", err)
	}
}
