package trace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
)

var update = flag.Bool("update", false, "write the golden files anew")

// graph is a Reader over literals.
type graph struct {
	links     []cairn.Link
	runs      map[cairn.RunID]cairn.Run
	jobs      map[cairn.JobID]cairn.Job
	versions  map[cairn.Ref]cairn.AssetVersion
	artifacts []cairn.Artifact
	mlruns    map[string]cairn.MLRun
	holders   map[cairn.Digest][]cairn.Holder
}

func missing(what string) error { return cairn.Errorf(cairn.CodeNotFound, "no %s", what) }

func (g *graph) LinksFrom(_ context.Context, refs ...cairn.Ref) (out []cairn.Link, _ error) {
	for _, l := range g.links {
		if slices.Contains(refs, l.From) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (g *graph) LinksTo(_ context.Context, refs ...cairn.Ref) (out []cairn.Link, _ error) {
	for _, l := range g.links {
		if slices.Contains(refs, l.To) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (g *graph) RefsWithPrefix(_ context.Context, prefix string, limit int) (out []cairn.Ref, _ error) {
	for _, l := range g.links {
		if strings.HasPrefix(string(l.To), prefix) && !slices.Contains(out, l.To) && len(out) < limit {
			out = append(out, l.To)
		}
	}
	return out, nil
}

func (g *graph) Run(_ context.Context, id cairn.RunID) (cairn.Run, error) {
	if r, ok := g.runs[id]; ok {
		return r, nil
	}
	return cairn.Run{}, missing("run")
}

func (g *graph) Runs(_ context.Context, f cairn.RunFilter) (out []cairn.Run, _ error) {
	for _, r := range g.runs {
		if strings.HasPrefix(r.Commit.SHA, f.SHA) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (g *graph) Job(_ context.Context, id cairn.JobID) (cairn.Job, error) {
	if j, ok := g.jobs[id]; ok {
		return j, nil
	}
	return cairn.Job{}, missing("job")
}

func (g *graph) Jobs(_ context.Context, run cairn.RunID, attempt int, _ bool) (out []cairn.Job, _ error) {
	for id := cairn.JobID(1); id < 20; id++ {
		if j, ok := g.jobs[id]; ok && j.Run == run && j.Attempt == attempt {
			out = append(out, j)
		}
	}
	return out, nil
}

func (g *graph) AssetVersion(_ context.Context, _ string, kind cairn.AssetKind, name, version string) (cairn.AssetVersion, error) {
	if v, ok := g.versions[cairn.AssetRef(kind, name, version)]; ok {
		return v, nil
	}
	return cairn.AssetVersion{}, missing("version")
}

func (g *graph) LatestAssetVersion(_ context.Context, _ string, kind cairn.AssetKind, name string) (best cairn.AssetVersion, _ error) {
	for _, v := range g.versions {
		if v.Kind == kind && v.Name == name && v.Version > best.Version {
			best = v
		}
	}
	if best.Name == "" {
		return best, missing("asset")
	}
	return best, nil
}

func (g *graph) AssetLabels(_ context.Context, _ string, _ cairn.AssetKind, name string) ([]cairn.Label, error) {
	return []cairn.Label{{Name: name, Label: "champion", Version: "1"}}, nil
}

func (g *graph) Holding(_ context.Context, _ string, d cairn.Digest, _ int) ([]cairn.Holder, error) {
	return g.holders[d], nil
}

func (g *graph) Artifacts(_ context.Context, run cairn.RunID) (out []cairn.Artifact, _ error) {
	for _, a := range g.artifacts {
		if a.Run == run {
			out = append(out, a)
		}
	}
	return out, nil
}

func (g *graph) MLRun(_ context.Context, id string) (*cairn.MLRun, error) {
	if r, ok := g.mlruns[id]; ok {
		return &r, nil
	}
	return nil, missing("tracking run")
}

const (
	sha1  = "aaaa111111111111111111111111111111111111"
	sha2  = "aaaa222222222222222222222222222222222222"
	mlrun = "0123456789abcdef0123456789abcdef"
)

func at(minute int) time.Time { return time.Date(2026, 5, 4, 10, minute, 0, 0, time.UTC) }

// sample is two runs: the first prepares and trains, the second skips preparing
// and trains with uncommitted changes on the first one's data.
func sample() *graph {
	d := func(s string) cairn.Digest { return cairn.SumBytes([]byte(s)) }
	data := cairn.AssetVersion{Kind: cairn.AssetData, Name: "digits", Version: "1", Type: "folder", Digest: d("data"), Size: 123456, Files: 360, Job: 1, By: "job/1", CreatedAt: at(1)}
	raw := cairn.AssetVersion{Kind: cairn.AssetData, Name: "raw", Version: "1", Type: "folder", Digest: d("raw"), Size: 99, Files: 1, By: "ana", CreatedAt: at(0)}
	model1 := cairn.AssetVersion{Kind: cairn.AssetModel, Name: "digits", Version: "1", Type: "folder", Digest: d("m1"), Size: 5000, Files: 4, SourceRun: mlrun, By: "job/2", CreatedAt: at(3)}
	model2 := model1
	model2.Version, model2.Digest, model2.SourceRun, model2.By = "2", d("m2"), "", "job/4"
	env := cairn.AssetVersion{Kind: cairn.AssetEnvironment, Name: "python", Version: "1", Type: "file", Digest: d("env"), Size: 900, Files: 1, Properties: map[string]string{"packages": "37", "python": "3.12.4"}, By: "job/2", CreatedAt: at(2)}
	c1 := cairn.Commit{SHA: sha1, Author: "Ana", Email: "ana@example.org", Date: at(0), Subject: "Prepare the digits"}
	c2 := cairn.Commit{SHA: sha2, Author: "Wim", Email: "wim@example.org", Date: at(9), Subject: "Train longer"}
	job := func(id cairn.JobID, run cairn.RunID, name string, c cairn.Conclusion) cairn.Job {
		j := cairn.Job{ID: id, Run: run, Attempt: 1, Path: name, Node: name, Name: name, Status: cairn.StatusCompleted, Conclusion: c}
		if c != cairn.Skipped {
			j.StartedAt, j.FinishedAt = at(int(id)), at(int(id)).Add(1500*time.Millisecond)
		} else {
			j.Reason = "if: inputs.data_prep was false"
		}
		return j
	}
	link := func(from cairn.Ref, r cairn.Relation, to cairn.Ref, note string) cairn.Link {
		return cairn.Link{From: from, Relation: r, To: to, Note: note}
	}
	j := cairn.JobRef
	return &graph{
		runs: map[cairn.RunID]cairn.Run{
			1: {ID: 1, Repository: "local/digits", Workflow: "mlops", Path: ".github/workflows/mlops.yml", Title: "Prepare the digits", Attempt: 1, Event: "push", Commit: c1, Actor: "ana", Status: cairn.StatusCompleted, Conclusion: cairn.Success, CreatedAt: at(0), StartedAt: at(0), FinishedAt: at(3)},
			2: {ID: 2, Repository: "local/digits", Workflow: "mlops", Path: ".github/workflows/mlops.yml", Title: "Train longer", Attempt: 1, Event: "workflow_dispatch", Commit: c2, Dirty: true, TreeDigest: d("tree"), TreeGit: "bbbb", Actor: "wim", Status: cairn.StatusCompleted, Conclusion: cairn.Success, CreatedAt: at(10), Inputs: []cairn.Input{{Name: "data_prep", Type: "boolean", Value: json.RawMessage("false")}}},
		},
		jobs: map[cairn.JobID]cairn.Job{
			1: job(1, 1, "data-preparing", cairn.Success), 2: job(2, 1, "ai-training", cairn.Success),
			3: job(3, 2, "data-preparing", cairn.Skipped), 4: job(4, 2, "ai-training", cairn.Success),
		},
		versions: map[cairn.Ref]cairn.AssetVersion{data.Ref(): data, raw.Ref(): raw, model1.Ref(): model1, model2.Ref(): model2, env.Ref(): env},
		mlruns: map[string]cairn.MLRun{mlrun: {ID: mlrun, Name: "quick-owl-1", Job: 2, By: "job/2",
			Metrics: []cairn.Metric{{Key: "accuracy", Value: 0.9722222}, {Key: "epochs", Value: 20}, {Key: "loss", NaN: true}},
			Params:  []cairn.Param{{Key: "C", Value: "1.0"}}}},
		artifacts: []cairn.Artifact{{Run: 1, Attempt: 1, Job: 2, Name: "report", Digest: d("report"), Size: 10, Files: 1, CreatedAt: at(3)}},
		holders:   map[cairn.Digest][]cairn.Holder{d("image"): {{Ref: data.Ref(), Path: "3/17.png"}, {Ref: data.Ref(), Path: "3/18.png"}}, data.Digest: {{Ref: data.Ref()}}},
		links: []cairn.Link{
			link(j(1), cairn.RelPartOf, cairn.RunRef(1), ""), link(j(2), cairn.RelPartOf, cairn.RunRef(1), ""), link(j(4), cairn.RelPartOf, cairn.RunRef(2), ""),
			link(j(1), cairn.RelRan, cairn.CommitRef(sha1), ""), link(j(2), cairn.RelRan, cairn.CommitRef(sha1), ""), link(j(4), cairn.RelRan, cairn.CommitRef(sha2), ""),
			link(j(1), cairn.RelUsed, raw.Ref(), ""), link(j(1), cairn.RelMade, data.Ref(), ""),
			link(j(2), cairn.RelUsed, data.Ref(), "as data/digits@latest"), link(j(2), cairn.RelMade, model1.Ref(), ""), link(j(2), cairn.RelMade, env.Ref(), ""),
			link(j(2), cairn.RelMade, cairn.ArtifactRef(1, 1, "report"), ""),
			link(model1.Ref(), cairn.RelDerived, cairn.NewRef(cairn.KindMLRun, mlrun), ""), link(cairn.NewRef(cairn.KindMLRun, mlrun), cairn.RelPartOf, j(2), ""),
			link(j(4), cairn.RelUsed, data.Ref(), "as data/digits@latest"), link(j(4), cairn.RelMade, model2.Ref(), ""),
		},
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	tr := &trace.Tracer{Reader: sample(), Workspace: "default"}
	for _, c := range []struct {
		name, asked string
		down        bool
	}{
		{"model", "model/digits:1", false}, {"model-skipped", "model/digits@latest", false}, {"data-down", "data/digits:1", true},
		{"commit-down", sha1[:6], true}, {"file", string(cairn.SumBytes([]byte("image"))), false}, {"run", "2", false},
		{"job", "job/1", false}, {"mlrun", mlrun, false}, {"artifact", "artifact/1/report", false}, {"by-hand", "data/raw", false},
	} {
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
				os.MkdirAll("testdata", 0o755)
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
}

func TestResolve(t *testing.T) {
	t.Parallel()
	g := sample()
	digits := "66049790" + strings.Repeat("ab", 16)
	g.links = append(g.links, cairn.Link{From: "job/3", Relation: cairn.RelRan, To: cairn.CommitRef(digits)})
	tr := &trace.Tracer{Reader: g, Workspace: "default", Named: func(_ context.Context, name string) (cairn.Ref, error) {
		return map[string]cairn.Ref{"mine": "run/2", "mine/train": "job/4"}[name], nil
	}}
	for asked, want := range map[string]string{
		"job/mine": "run/2", "job/mine/train": "job/4", "mine": "run/2",
		"66049790": "commit/" + digits, "1": "run/1", "run/2": "run/2", "job/4": "job/4", "model/digits:2": "model/digits:2", "model/digits": "model/digits:2",
		"model/digits@champion": "model/digits:1", "digits:1": "model/digits:1 data/digits:1", "azureml:raw:1": "data/raw:1",
		"aaaa1": "commit/" + sha1, "commit/" + sha2: "commit/" + sha2, mlrun: "mlrun/" + mlrun,
		"artifact/1.1/report": "artifact/1.1/report", "raw": "data/raw:1",
	} {
		fs, err := tr.Resolve(context.Background(), "", asked)
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
	for asked, want := range map[string]cairn.Code{
		"": cairn.CodeInvalid, "aaaa": cairn.CodeInvalid, "99": cairn.CodeNotFound, "nothing": cairn.CodeNotFound, "job/x": cairn.CodeNotFound,
		"model/digits:9": cairn.CodeNotFound, "model/digits@x": cairn.CodeNotFound, "sha256:12": cairn.CodeInvalid,
		"artifact/1/reprot": cairn.CodeNotFound, "commit/zz": cairn.CodeInvalid, "user/nobody": cairn.CodeNotFound,
		strings.Repeat("x", 5000): cairn.CodeInvalid,
	} {
		if _, err := tr.Resolve(context.Background(), "", asked); cairn.CodeOf(err) != want {
			t.Errorf("%.40q: %v, want %s", asked, err, want)
		}
	}
}

// TestCycleEnds walks links that lead in a circle.
func TestCycleEnds(t *testing.T) {
	t.Parallel()
	g := sample()
	g.links = append(g.links, cairn.Link{From: cairn.JobRef(1), Relation: cairn.RelUsed, To: "model/digits:1"})
	tr := &trace.Tracer{Reader: g, Workspace: "default"}
	got, err := tr.Trace(context.Background(), "", "model/digits:1", false)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	got.Walk(func(_ int, n *cairn.TraceNode) {
		if n.Seen {
			seen++
		}
	})
	if seen == 0 {
		t.Error("nothing is marked as shown above")
	}
}
