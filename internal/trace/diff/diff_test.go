package diff_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
	"github.com/cairn-ml/cairn/internal/trace/diff"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sum(s string) cairn.Digest { return cairn.SumBytes([]byte(s)) }

// world is everything that a comparison reads, as literals.
type world struct {
	releases []cairn.Release
	images   map[cairn.Digest]cairn.Image
	traces   map[string]*cairn.Trace
	versions map[cairn.Ref]cairn.AssetVersion
	runs     map[string]*cairn.MLRun
	blobs    map[cairn.Digest]string
	trees    map[cairn.Digest][]cairn.TreeEntry
	config   map[cairn.Digest]cairn.StageConfig
}

func missing(what string) error { return cairn.Errorf(cairn.CodeNotFound, "no %s", what) }

func (w *world) Release(_ context.Context, _, id string) (cairn.Release, error) {
	for _, r := range w.releases {
		if r.ID == id {
			return r, nil
		}
	}
	return cairn.Release{}, missing("release")
}
func (w *world) Releases(_ context.Context, f cairn.ReleaseFilter) (out []cairn.Release, _ error) {
	for _, r := range w.releases {
		if r.Image == f.Image {
			out = append(out, r)
		}
	}
	return out, nil
}
func (w *world) Deployment(_ context.Context, id cairn.DeploymentID) (cairn.Deployment, error) {
	d := cairn.Deployment{ID: id, Stage: "production", Release: w.releases[1].ID, Config: sum("config")}
	if id == 8 {
		d.Release, d.Config = w.releases[0].ID, sum("config 2")
	}
	return d, nil
}
func (w *world) Stages(context.Context, string) ([]cairn.Stage, error) {
	return []cairn.Stage{{Repository: "a/b", Name: "production", Live: 7}, {Repository: "a/b", Name: "staging"}}, nil
}
func (w *world) StageConfig(_ context.Context, d cairn.Digest) (cairn.StageConfig, error) {
	c, ok := w.config[d]
	if !ok {
		return c, missing("configuration")
	}
	return c, nil
}
func (w *world) Image(_ context.Context, _ string, d cairn.Digest) (cairn.Image, error) {
	i, ok := w.images[d]
	if !ok {
		return i, missing("image")
	}
	return i, nil
}
func (w *world) AssetVersion(_ context.Context, _ string, k cairn.AssetKind, name, version string) (cairn.AssetVersion, error) {
	v, ok := w.versions[cairn.AssetRef(k, name, version)]
	if !ok {
		return v, missing("version")
	}
	return v, nil
}
func (w *world) MLRun(_ context.Context, id string) (*cairn.MLRun, error) {
	if r := w.runs[id]; r != nil {
		return r, nil
	}
	return nil, missing("run")
}
func (w *world) ReadBlob(_ context.Context, d cairn.Digest, _ int64) ([]byte, error) {
	if b, ok := w.blobs[d]; ok {
		return []byte(b), nil
	}
	return nil, missing("blob")
}
func (w *world) ReadTree(_ context.Context, d cairn.Digest) ([]cairn.TreeEntry, error) {
	if es, ok := w.trees[d]; ok {
		return es, nil
	}
	return nil, missing("tree")
}
func (w *world) Between(_ context.Context, _, from, to string, _ int) ([]cairn.Commit, bool, error) {
	if from == "gone" {
		return nil, false, missing("commit")
	}
	if from > to {
		return nil, false, nil
	}
	return []cairn.Commit{{SHA: to, Author: "Wim", Subject: "Resize with care"}}, true, nil
}
func (w *world) FileChanges(context.Context, string, string, string, int) ([]cairn.FileChange, int, error) {
	return []cairn.FileChange{{Path: "api/main.py", Added: 3, Removed: 1}}, 1, nil
}
func (w *world) Resolve(_ context.Context, _, asked string) ([]trace.Found, error) {
	ref, ok := map[string]cairn.Ref{"r1": "release/aaaaaaaaaaaa", "r2": "release/bbbbbbbbbbbb", "gone": "release/cccccccccccc", "production": "stage/a/b:production", "staging": "stage/a/b:staging",
		"api:x": cairn.ImageRef(sum("i1")), "api:y": cairn.ImageRef(sum("none")), "data": "data/x:1", "deployment/7": "deployment/7", "deployment/8": "deployment/8"}[asked]
	if !ok {
		return nil, missing(asked)
	}
	return []trace.Found{{Ref: ref}}, nil
}
func (w *world) Trace(_ context.Context, _, asked string, _ bool) (*cairn.Trace, error) {
	return w.traces[asked], nil
}

// story is the trace of a release of one model.
func story(image, model, data, imageEnv, trainEnv string) *cairn.Trace {
	job := cairn.TraceNode{Ref: "job/1", Kind: "job", Relation: cairn.RelMade, Inverse: true, Children: []cairn.TraceNode{
		{Ref: cairn.Ref("data/" + data), Kind: "data", Relation: cairn.RelUsed, Digest: sum(data)},
		{Ref: cairn.Ref("environment/" + trainEnv), Kind: "environment", Relation: cairn.RelMade}}}
	img := cairn.TraceNode{Ref: cairn.ImageRef(sum(image)), Kind: "image", Relation: cairn.RelReleased, Children: []cairn.TraceNode{
		{Ref: cairn.Ref("model/" + model), Kind: "model", Relation: cairn.RelPacked, Digest: sum(model), Children: []cairn.TraceNode{job}}}}
	if imageEnv != "" {
		img.Children = append(img.Children, cairn.TraceNode{Ref: cairn.Ref("environment/" + imageEnv), Kind: "environment", Relation: cairn.RelPacked})
	}
	return &cairn.Trace{Roots: []cairn.TraceNode{{Ref: "release/x", Kind: "release", Children: []cairn.TraceNode{img}}}}
}

func sample() *world {
	file := func(name string) cairn.TreeEntry {
		return cairn.TreeEntry{Name: name, Mode: cairn.ModeFile, Digest: sum(name), Size: 1}
	}
	dir := func(name string, files int64, d cairn.Digest) cairn.TreeEntry {
		return cairn.TreeEntry{Name: name, Mode: cairn.ModeDir, Digest: d, Files: files}
	}
	changed := file("b.png")
	changed.Digest = sum("other")
	w := &world{
		releases: []cairn.Release{{ID: "aaaaaaaaaaaa", Service: "api", Seq: 1, Repository: "a/b", Image: sum("i1"), Commit: "1111"},
			{ID: "bbbbbbbbbbbb", Service: "api", Seq: 2, Repository: "a/b", Image: sum("i2"), Commit: "2222", Dirty: true},
			{ID: "cccccccccccc", Service: "api", Seq: 3, Repository: "a/b", Image: sum("i3"), Commit: "gone"}},
		images: map[cairn.Digest]cairn.Image{sum("i1"): {Digest: sum("i1"), Config: sum("c1"), Base: sum("base"), BaseName: "python:3.11-slim"},
			sum("i2"): {Digest: sum("i2"), Config: sum("c2"), Base: sum("base2"), BaseName: "python:3.12-slim"}},
		traces: map[string]*cairn.Trace{"release/aaaaaaaaaaaa": story("i1", "digits:1", "digits:1", "api:1", "train:1"),
			"release/bbbbbbbbbbbb": story("i2", "digits:2", "digits:2", "api:2", "train:1"), "release/cccccccccccc": story("i3", "digits:9", "digits:9", "", "train:9")},
		versions: map[cairn.Ref]cairn.AssetVersion{"model/digits:1": {SourceRun: "r1"}, "model/digits:2": {SourceRun: "r2"},
			"environment/api:1": {Digest: sum("l1")}, "environment/api:2": {Digest: sum("l2")}, "environment/train:1": {Digest: sum("l1")}},
		runs: map[string]*cairn.MLRun{"r1": {Metrics: []cairn.Metric{{Key: "accuracy", Value: 0.95}, {Key: "loss", NaN: true}}, Params: []cairn.Param{{Key: "C", Value: "1.0"}, {Key: "solver", Value: "lbfgs"}}},
			"r2": {Metrics: []cairn.Metric{{Key: "accuracy", Value: 0.9722}, {Key: "loss", Value: 2}}, Params: []cairn.Param{{Key: "C", Value: "0.5"}, {Key: "epochs", Value: "20"}, {Key: "solver", Value: "lbfgs"}}}},
		blobs: map[cairn.Digest]string{
			sum("l1"): "lock-version = \"1.0\"\n[[packages]]\nname = \"Fast_API\"\nversion = \"0.110.0\"\n[[packages.wheels]]\nname = \"x\"\n[[packages]]\nname = \"numpy\"\nversion = \"1.26.4\"\n",
			sum("l2"): "fast-api==0.111.0 \\\n    --hash=sha256:12\nnumpy==1.26.4\npillow[all]==10.0 ; python_version > \"3\"\n# comment==1\n",
			sum("c1"): `{"config":{"Env":["PATH=/bin","API_KEY=one"],"Cmd":["uvicorn","main:app"],"WorkingDir":"/app"}}`,
			sum("c2"): `{"config":{"Env":["PATH=/bin","API_KEY=two","LOG=debug"],"Entrypoint":["uvicorn"],"Cmd":["main:app","--port","80"],"WorkingDir":"/app"}}`},
		trees: map[cairn.Digest][]cairn.TreeEntry{
			sum("digits:1"): {dir("3", 2, sum("three")), dir("4", 9, sum("four")), file("a.png"), file("b.png"), file("gone.png")},
			sum("digits:2"): {dir("3", 3, sum("three2")), dir("4", 9, sum("four")), dir("7", 30, sum("seven")), file("a.png"), changed},
			sum("three"):    {file("1.png"), file("2.png")}, sum("three2"): {file("1.png"), file("2.png"), file("9.png")}},
		config: map[cairn.Digest]cairn.StageConfig{sum("config"): {Variables: []cairn.NamedText{{Name: "LOG", Value: "info"}, {Name: "DB_PASSWORD", Value: "hunter2"}}, Memory: 1 << 30, Health: "/health",
			Smoke: &cairn.Smoke{Method: "GET", Path: "/"}}, sum("config 2"): {Variables: []cairn.NamedText{{Name: "DB_PASSWORD", Value: "*******"}}, Memory: 1 << 29, Port: 80}},
	}
	return w
}

func gatherer() *diff.Gatherer {
	w := sample()
	return &diff.Gatherer{Tracer: w, Rows: w, Blobs: w, Git: w, Workspace: "default"}
}

func TestDiffGolden(t *testing.T) {
	t.Parallel()
	g := gatherer()
	for _, c := range []struct{ name, from, to string }{{"releases", "r1", "r2"}, {"stage", "deployment/8", "production"}, {"same", "r2", "deployment/7"}, {"gone", "gone", "api:x"}} {
		got, err := g.Diff(context.Background(), "a/b", c.from, c.to)
		if err != nil {
			t.Fatal(c.name, err)
		}
		b, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "hunter2") || strings.Contains(string(b), "two") {
			t.Errorf("%s shows a secret:\n%s", c.name, b)
		}
		file := "testdata/" + c.name + ".json"
		if *update {
			os.MkdirAll("testdata", 0o755)
			os.WriteFile(file, b, 0o644)
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != string(b) {
			t.Errorf("%s: %v\n%s", c.name, err, b)
		}
	}
	for asked, want := range map[string]cairn.Code{"staging": cairn.CodeNotFound, "api:y": cairn.CodeNotFound, "data": cairn.CodeInvalid, "nowhere": cairn.CodeNotFound} {
		if _, err := g.Diff(context.Background(), "a/b", "r1", asked); cairn.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", asked, err, want)
		}
	}
}

// TestCompareProperties: nothing differs from itself, and turning the question
// round turns the answer round.
func TestCompareProperties(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "1", "2.5", "x", "NaN"})
	facts := rapid.Custom(func(t *rapid.T) diff.Facts {
		f := diff.Facts{Packages: map[string]map[string]string{diff.InImage: rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), text, 0, 3).Draw(t, "packages")}}
		for i := range rapid.IntRange(0, 3).Draw(t, "data") {
			n := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")
			f.Data = append(f.Data, diff.Version{Ref: cairn.Ref(fmt.Sprintf("data/%s:%d", n, i)), Digest: sum(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "digest"))})
		}
		for _, n := range []string{"m", "n"} {
			if rapid.Bool().Draw(t, "set") {
				f.Config = append(f.Config, diff.Setting{Where: "stage", Name: n, Value: text.Draw(t, "value")})
			}
		}
		return f
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := facts.Draw(t, "a"), facts.Draw(t, "b")
		self := diff.Compare(a, a)
		if len(self.Packages)+len(self.Config) > 0 || slices.ContainsFunc(self.Data, func(d cairn.DataDiff) bool { return !d.Same }) {
			t.Fatalf("it differs from itself: %+v", self)
		}
		there, back := diff.Compare(a, b), diff.Compare(b, a)
		if len(there.Packages) != len(back.Packages) || len(there.Config) != len(back.Config) || len(there.Data) != len(back.Data) {
			t.Fatalf("%+v\n%+v", there, back)
		}
		for i, p := range there.Packages {
			if q := back.Packages[i]; p.From != q.To || p.To != q.From || p.Name != q.Name {
				t.Fatalf("%+v %+v", p, q)
			}
		}
	})
}

// TestTreesGivesUp: a tree that holds itself, or is too deep, ends.
func TestTreesGivesUp(t *testing.T) {
	t.Parallel()
	n := 0
	read := func(context.Context, cairn.Digest) ([]cairn.TreeEntry, error) {
		n++
		return []cairn.TreeEntry{{Name: "in", Mode: cairn.ModeDir, Digest: sum(fmt.Sprint(n))}}, nil
	}
	var d cairn.DataDiff
	if err := diff.Trees(context.Background(), read, sum("a"), sum("b"), &d); err != nil || !d.AtLeast {
		t.Errorf("%+v %v", d, err)
	}
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte("[[packages]]\nname = \"a\"\nversion = \"1\"\n"))
	f.Add([]byte("a==1\nb===2 ; x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, version := range diff.Packages(b) {
			if name == "" || version == "" || strings.ContainsAny(name+version, "\n\r") {
				t.Errorf("%q %q", name, version)
			}
		}
	})
}
