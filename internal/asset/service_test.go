package asset_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/store"
)

type rig struct {
	*asset.Service
	t     testing.TB
	store *store.Store
	cas   *cas.Store
	info  map[cairn.JobID]asset.JobInfo
}

func newRig(t testing.TB) *rig {
	st, err := store.Open(context.Background(), store.Options{Dir: filepath.Join(t.TempDir(), "db")})
	must(t, err)
	t.Cleanup(func() { st.Close() })
	blobs, err := cas.Open(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	must(t, err)
	r := &rig{t: t, store: st, cas: blobs, info: map[cairn.JobID]asset.JobInfo{}}
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Service = asset.New(asset.Options{Store: st, Trees: blobs, Now: func() time.Time { return clock },
		JobInfo: func(_ context.Context, p cairn.Principal) (asset.JobInfo, error) { return r.info[p.Job], nil }})
	return r
}

// folder stores a directory of files.
func (r *rig) folder(files map[string]string) cairn.Digest {
	r.t.Helper()
	dir := r.t.TempDir()
	for p, text := range files {
		p = filepath.Join(dir, p)
		must(r.t, errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)))
	}
	res, err := r.cas.CheckIn(context.Background(), dir, cas.ScanOptions{})
	must(r.t, err)
	return res.Root
}

func (r *rig) data(name, text string, actor cairn.Principal) *cairn.AssetVersion {
	r.t.Helper()
	v, err := r.Create(context.Background(), asset.NewVersion{Kind: cairn.AssetData, Name: name, Type: "folder", Digest: r.folder(map[string]string{"f": text})}, actor)
	must(r.t, err)
	return v
}

// links of a ref, as "from relation to (note)".
func (r *rig) links(ref cairn.Ref) []string {
	r.t.Helper()
	ls, err := r.store.LinksTo(context.Background(), ref)
	must(r.t, err)
	var out []string
	for _, l := range ls {
		s := fmt.Sprintf("%s %s %s", l.From, l.Relation, l.To)
		if l.Note != "" {
			s += " (" + l.Note + ")"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

var ana = cairn.Principal{Name: "ana", Role: cairn.RoleWriter}

func job(run cairn.RunID, attempt int, id cairn.JobID) cairn.Principal {
	return cairn.Principal{Name: fmt.Sprint("job/", id), Role: cairn.RoleJob, Run: run, Attempt: attempt, Job: id, Epoch: 1}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	one := r.data("digits", "1", ana)
	if one.Version != "1" || one.Size != 1 || one.Files != 1 || one.Seq != 1 || one.By != "ana" || one.Ref() != "data/digits:1" {
		t.Errorf("%+v", one)
	}
	// By hand the same content is a new version; by the same job it is the same.
	if again := r.data("digits", "1", ana); again.Version != "2" || again.Digest != one.Digest {
		t.Errorf("%+v", again)
	}
	made := r.data("digits", "1", job(5, 1, 50))
	if again := r.data("digits", "1", job(5, 1, 50)); again.Version != made.Version || made.Version != "3" {
		t.Errorf("%s, then %s", made.Version, again.Version)
	}
	if other := r.data("digits", "1", job(5, 1, 51)); other.Version != "4" {
		t.Errorf("another job: %s", other.Version)
	}
	if got := r.links(made.Ref()); !slices.Equal(got, []string{"job/50 made data/digits:3"}) {
		t.Errorf("%q", got)
	}
	if got := r.links(one.Ref()); !slices.Equal(got, []string{"user/ana made data/digits:1"}) {
		t.Errorf("%q", got)
	}
	// Chosen versions.
	n := asset.NewVersion{Kind: cairn.AssetData, Name: "digits", Version: "2026-01", Type: "folder", Digest: one.Digest}
	v, err := r.Create(ctx, n, ana)
	must(t, err)
	if again, err := r.Create(ctx, n, ana); err != nil || again.Seq != v.Seq {
		t.Errorf("%+v, %v", again, err)
	}
	n.Digest = r.folder(map[string]string{"f": "other"})
	_, err = r.Create(ctx, n, ana)
	wantCode(t, err, cairn.CodeConflict)
	if !strings.Contains(err.Error(), string(one.Digest)) || !strings.Contains(err.Error(), string(n.Digest)) {
		t.Errorf("%v", err)
	}
	n.Version = "9"
	_, err = r.Create(ctx, n, ana)
	must(t, err)
	if next := r.data("digits", "x", ana); next.Version != "10" {
		t.Errorf("after 9 comes %s", next.Version)
	}
	// A file; what is not stored; and what is not valid.
	blob, err := r.cas.PutBytes(ctx, []byte("12345"))
	must(t, err)
	f, err := r.Create(ctx, asset.NewVersion{Kind: cairn.AssetModel, Name: "my model", Type: "file", Digest: blob, SourceRun: strings.Repeat("a", 32)}, ana)
	if err != nil || f.Size != 5 || f.Files != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	if got := r.links(cairn.Ref("mlrun/" + strings.Repeat("a", 32))); !slices.Equal(got, []string{"model/my model:1 derived mlrun/" + strings.Repeat("a", 32)}) {
		t.Errorf("%q", got)
	}
	for _, c := range []struct {
		n    asset.NewVersion
		code cairn.Code
	}{
		{asset.NewVersion{Kind: "data", Name: "x", Type: "folder", Digest: cairn.SumBytes([]byte("absent"))}, cairn.CodeConflict},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "file", Digest: cairn.SumBytes([]byte("absent"))}, cairn.CodeConflict},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "folder", Digest: blob}, cairn.CodeInvalid},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "folder", Digest: "sha256:x"}, cairn.CodeInvalid},
		{asset.NewVersion{Kind: "data", Name: "x y", Type: "file", Digest: blob}, cairn.CodeInvalid},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "zip", Digest: blob}, cairn.CodeInvalid},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "file", Digest: blob, Version: "latest"}, cairn.CodeInvalid},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "file", Digest: blob, Tags: map[string]string{"": "v"}}, cairn.CodeInvalid},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "file", Digest: blob, Description: strings.Repeat("d", 1<<20)}, cairn.CodeTooLarge},
		{asset.NewVersion{Kind: "data", Name: "x", Type: "reference"}, cairn.CodeInvalid},
	} {
		_, err := r.Create(ctx, c.n, ana)
		wantCode(t, err, c.code)
	}
	if ref, err := r.Create(ctx, asset.NewVersion{Kind: "model", Name: "far", Type: "reference", SourceURI: "s3://b/m"}, ana); err != nil || ref.Digest != "" {
		t.Errorf("%+v, %v", ref, err)
	}
}

func TestEnvironmentsAreReused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lock, err := r.cas.PutBytes(t.Context(), []byte("numpy==1"))
	must(t, err)
	for i := range 3 {
		v, err := r.Create(t.Context(), asset.NewVersion{Kind: cairn.AssetEnvironment, Name: "py", Type: "file", Digest: lock, Reuse: true}, job(5, 1, cairn.JobID(50+i)))
		if err != nil || v.Version != "1" {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	want := []string{"job/50 made environment/py:1", "job/50 used environment/py:1", "job/51 used environment/py:1", "job/52 used environment/py:1"}
	if got := r.links("environment/py:1"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestResolveByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	_, err := r.Resolve(ctx, "data", "digits", ana)
	wantHint(t, err, cairn.CodeNotFound, "there is none yet")
	r.data("digits", "1", ana)
	r.data("digits", "2", ana)
	_, err = r.SetLabel(ctx, "data", "digits", "champion", "1", ana)
	must(t, err)
	for asked, want := range map[string]string{
		"data/digits": "2", "digits@latest": "2", "digits:1": "1", "digits@champion": "1", "azureml:digits:2": "2", "azureml:digits@latest": "2",
	} {
		if v, err := r.Resolve(ctx, "data", asked, ana); err != nil || v.Version != want {
			t.Errorf("%s: %+v, %v", asked, v, err)
		}
	}
	for asked, hint := range map[string]string{
		"digist": `did you mean "digits"`, "zzzzzzzzz": "there are: digits", "digits:7": "its versions are 2, 1",
		"digits@champoin": "did you mean @champion", "digits@qqqqqqqqqq": "its labels are latest, champion",
	} {
		_, err := r.Resolve(ctx, "data", asked, ana)
		wantHint(t, err, cairn.CodeNotFound, hint)
	}
	yes, no := true, false
	_, err = r.UpdateVersion(ctx, "data", "digits", "2", asset.Update{Archived: &yes}, ana)
	must(t, err)
	if v, err := r.Resolve(ctx, "data", "digits", ana); err != nil || v.Version != "1" {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := r.Resolve(ctx, "data", "digits:2", ana); err != nil || !v.Archived {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = r.UpdateVersion(ctx, "data", "digits", "2", asset.Update{Archived: &no, SetTags: map[string]string{"a": "1", "b": "2"}}, ana)
	must(t, err)
	v, err := r.UpdateVersion(ctx, "data", "digits", "2", asset.Update{SetTags: map[string]string{"a": "3"}, DeleteTags: []string{"b", "none"}}, ana)
	if err != nil || len(v.Tags) != 1 || v.Tags["a"] != "3" || v.Archived {
		t.Errorf("%+v, %v", v, err)
	}
	must(t, r.DeleteVersion(ctx, "data", "digits", "1", ana))
	_, err = r.Resolve(ctx, "data", "digits@champion", ana)
	wantCode(t, err, cairn.CodeNotFound)
	_, err = r.Resolve(ctx, "data", "digits:1", ana)
	wantCode(t, err, cairn.CodeNotFound)
	_, err = r.Create(ctx, asset.NewVersion{Kind: "data", Name: "digits", Version: "1", Type: "folder", Digest: v.Digest}, ana)
	wantCode(t, err, cairn.CodeConflict)
	_, err = r.SetLabel(ctx, "data", "digits", "x", "1", ana)
	wantCode(t, err, cairn.CodeNotFound)
}

// A run with three jobs, re-run: what @latest means to each of them.
func TestResolveInRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	r.data("raw", "1", ana)
	ask := func(j cairn.Principal, asked, want string) {
		t.Helper()
		v, err := r.Resolve(ctx, "data", asked, j)
		if err != nil || v.Version != want {
			t.Errorf("%s to %s: %+v, %v; want %s", asked, j.Name, v, err, want)
		}
	}
	prepare, train, report := job(7, 1, 70), job(7, 1, 71), job(7, 1, 72)
	for j, path := range map[cairn.JobID]string{70: "prepare", 71: "train", 72: "report", 80: "prepare", 81: "train", 82: "report", 90: "prepare"} {
		r.info[j] = asset.JobInfo{Path: path}
	}
	ask(prepare, "raw", "1")
	r.data("train", "t1", prepare)
	r.data("train", "of another run", job(6, 1, 60))
	ask(train, "train@latest", "1")
	r.data("raw", "2", ana)
	ask(prepare, "raw", "1") // again in the same job
	ask(report, "raw", "2")  // another job, later
	if got := r.links("data/raw:1"); !slices.Contains(got, "job/70 used data/raw:1 (as data/raw@latest)") {
		t.Errorf("%q", got)
	}
	if got := r.links("data/train:1"); !slices.Contains(got, "job/71 used data/train:1 (as data/train@latest, made in this attempt)") {
		t.Errorf("%q", got)
	}
	// Attempt 2 keeps what attempt 1 had, but prefers what it makes itself.
	r.data("raw", "3", ana)
	prepare2, train2, report2 := job(7, 2, 80), job(7, 2, 81), job(7, 2, 82)
	ask(prepare2, "raw", "1")
	ask(report2, "raw", "2")
	ask(train2, "train", "1")
	r.data("train", "t2", prepare2)
	ask(train2, "train", "3")
	// Refresh.
	r.info[90] = asset.JobInfo{Path: "prepare", Refresh: true}
	ask(job(7, 3, 90), "raw", "3")
	ask(job(7, 3, 90), "raw:2", "2")
	pins, err := r.Pins(ctx, 7)
	must(t, err)
	var got []string
	for _, p := range pins {
		got = append(got, fmt.Sprint(p.Attempt, " ", p.Job, " ", p.Asked, " ", p.Version))
	}
	want := []string{
		"1 70 data/raw@latest data/raw:1", "1 71 data/train@latest data/train:1", "1 72 data/raw@latest data/raw:2",
		"2 80 data/raw@latest data/raw:1", "2 82 data/raw@latest data/raw:2", "2 81 data/train@latest data/train:3",
		"3 90 data/raw@latest data/raw:3", "3 90 data/raw:2 data/raw:2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("pins:\n%s", strings.Join(got, "\n"))
	}
	_, err = r.Resolve(ctx, "data", "nothing", train)
	wantCode(t, err, cairn.CodeNotFound)
	// A label that a run moves.
	_, err = r.SetLabel(ctx, "data", "raw", "gold", "1", ana)
	must(t, err)
	ask(prepare, "raw@gold", "1")
	_, err = r.SetLabel(ctx, "data", "raw", "gold", "2", ana)
	must(t, err)
	ask(prepare2, "raw@gold", "1")
	_, err = r.SetLabel(ctx, "data", "raw", "gold", "3", prepare2)
	must(t, err)
	ask(prepare2, "raw@gold", "3")
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.folder(map[string]string{"a": "b"})
	r.data("digits", "0", ana)
	var wg sync.WaitGroup
	versions := make([]string, 40)
	for i := range versions {
		wg.Go(func() {
			j := job(cairn.RunID(i/4+1), 1, cairn.JobID(i/2+1)) // every job asks twice
			v, err := r.Create(t.Context(), asset.NewVersion{Kind: "data", Name: "digits", Type: "folder", Digest: d}, j)
			if err != nil {
				t.Error(err)
				return
			}
			versions[i] = v.Version
			if got, err := r.Resolve(t.Context(), "data", "digits", j); err != nil || got.Run != j.Run {
				t.Errorf("run %d got %+v, %v", j.Run, got, err)
			}
		})
	}
	wg.Wait()
	slices.Sort(versions)
	if got := slices.Compact(versions); len(got) != 20 {
		t.Errorf("%d versions by 20 jobs", len(got))
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	a, err := r.CreateName(ctx, cairn.Asset{Kind: "model", Name: "iris", Tags: map[string]string{"a": "b"}}, ana)
	must(t, err)
	if a.By != "ana" || a.Latest != nil {
		t.Errorf("%+v", a)
	}
	_, err = r.CreateName(ctx, cairn.Asset{Kind: "model", Name: "iris"}, ana)
	wantCode(t, err, cairn.CodeConflict)
	blob, err := r.cas.PutBytes(ctx, []byte("m"))
	must(t, err)
	for range 3 {
		_, err = r.Create(ctx, asset.NewVersion{Kind: "model", Name: "iris", Type: "file", Digest: blob}, ana)
		must(t, err)
	}
	must(t, r.DeleteVersion(ctx, "model", "iris", "3", ana))
	r.data("digits", "1", ana)
	as, next, err := r.Names(ctx, cairn.AssetFilter{})
	if err != nil || next != 0 || len(as) != 2 || as[0].Name != "digits" || as[1].Name != "iris" || as[1].Versions != 2 || as[1].Latest == nil || as[1].Latest.Version != "2" {
		t.Errorf("%+v, %v", as, err)
	}
	text := "flowers"
	if a, err = r.UpdateName(ctx, "model", "iris", asset.Update{Description: &text, DeleteTags: []string{"a"}}, ana); err != nil || a.Description != text || len(a.Tags) != 0 || a.Latest == nil {
		t.Errorf("%+v, %v", a, err)
	}
	stage := "production"
	v, err := r.UpdateVersion(ctx, "model", "iris", "2", asset.Update{Stage: &stage}, ana)
	if err != nil || v.Stage != "Production" {
		t.Errorf("%+v, %v", v, err)
	}
	stage = "prod"
	_, err = r.UpdateVersion(ctx, "model", "iris", "2", asset.Update{Stage: &stage}, ana)
	wantCode(t, err, cairn.CodeInvalid)
	vs, next, err := r.Versions(ctx, cairn.AssetFilter{Kind: "model", Name: "iris", Limit: 1})
	if err != nil || len(vs) != 1 || vs[0].Version != "2" || next == 0 {
		t.Fatalf("%+v, %d, %v", vs, next, err)
	}
	vs, next, err = r.Versions(ctx, cairn.AssetFilter{Kind: "model", Name: "iris", After: next})
	if err != nil || len(vs) != 1 || vs[0].Version != "1" || next != 0 {
		t.Errorf("%+v, %d, %v", vs, next, err)
	}
	must(t, r.DeleteName(ctx, "model", "iris", ana))
	_, err = r.Name(ctx, "model", "iris")
	wantCode(t, err, cairn.CodeNotFound)
	_, err = r.Resolve(ctx, "model", "iris", ana)
	wantCode(t, err, cairn.CodeNotFound)
	if v, err := r.Version(ctx, "model", "iris", "1"); err != nil || !v.Deleted {
		t.Errorf("%+v, %v", v, err)
	}
	// The name again: numbers go on.
	v, err = r.Create(ctx, asset.NewVersion{Kind: "model", Name: "iris", Type: "file", Digest: blob}, ana)
	if err != nil || v.Version != "4" {
		t.Errorf("%+v, %v", v, err)
	}
	if a, err = r.Name(ctx, "model", "iris"); err != nil || a.Description != "" || a.Versions != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestArtifacts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	one, two := r.folder(map[string]string{"m": "1"}), r.folder(map[string]string{"m": "22"})
	a, err := r.CreateArtifact(ctx, cairn.Artifact{Run: 99, Name: "model", Digest: one}, false, job(7, 1, 70))
	must(t, err)
	if a.Run != 7 || a.Attempt != 1 || a.Job != 70 || a.Size != 1 || a.Files != 1 || a.ExpiresAt.Sub(a.CreatedAt) != 90*24*time.Hour {
		t.Errorf("%+v", a)
	}
	if again, err := r.CreateArtifact(ctx, cairn.Artifact{Name: "model", Digest: one}, false, job(7, 1, 70)); err != nil || *again != *a {
		t.Errorf("%+v, %v", again, err)
	}
	_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: "model", Digest: two}, false, job(7, 1, 70))
	wantCode(t, err, cairn.CodeConflict)
	_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: "model", Digest: one}, false, job(7, 1, 71))
	wantCode(t, err, cairn.CodeConflict)
	_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: "model", Digest: two}, true, job(7, 1, 71))
	must(t, err)
	_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: "model", Digest: one}, false, job(7, 2, 80))
	must(t, err)
	all, err := r.Artifacts(ctx, 7)
	if err != nil || len(all) != 2 || all[0].Attempt != 2 || all[1].Digest != two {
		t.Errorf("%+v, %v", all, err)
	}
	if a, err = r.Artifact(ctx, 7, "model"); err != nil || a.Attempt != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err = r.UseArtifact(ctx, "artifact/7.1/model", job(8, 1, 90)); err != nil || a.Digest != two {
		t.Errorf("%+v, %v", a, err)
	}
	want := []string{"job/70 made artifact/7.1/model", "job/71 made artifact/7.1/model", "job/90 used artifact/7.1/model"}
	if got := r.links("artifact/7.1/model"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	_, err = r.UseArtifact(ctx, "artifact/7.1/modle", ana)
	wantHint(t, err, cairn.CodeNotFound, `did you mean "model"`)
	for _, ref := range []cairn.Ref{"data/x:1", "artifact/7/x", "artifact/7.1", "artifact/a.b/c", ""} {
		_, err = r.UseArtifact(ctx, ref, ana)
		wantCode(t, err, cairn.CodeInvalid)
	}
	for _, name := range []string{"", "a/b", "a:b", "a\nb", strings.Repeat("n", 256)} {
		_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: name, Digest: one}, false, job(7, 1, 70))
		wantCode(t, err, cairn.CodeInvalid)
	}
	_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: "x", Digest: one}, false, ana)
	wantCode(t, err, cairn.CodeInvalid)
	_, err = r.CreateArtifact(ctx, cairn.Artifact{Name: "x", Digest: cairn.SumBytes([]byte("absent"))}, false, job(7, 1, 70))
	wantCode(t, err, cairn.CodeConflict)
}

func TestHolding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	create := func(files map[string]string) *cairn.AssetVersion {
		v, err := r.Create(ctx, asset.NewVersion{Kind: "data", Name: "digits", Type: "folder", Digest: r.folder(files)}, ana)
		must(t, err)
		return v
	}
	create(map[string]string{"a/b/c.png": "shared", "x": "1"})
	create(map[string]string{"a/b/c.png": "shared", "deep/er/copy.png": "shared", "x": "2"})
	_, err := r.CreateArtifact(ctx, cairn.Artifact{Name: "out", Digest: r.folder(map[string]string{"o.png": "shared"})}, false, job(7, 1, 70))
	must(t, err)
	hs, err := r.Holding(ctx, cairn.SumBytes([]byte("shared")), 0)
	must(t, err)
	var got []string
	for _, h := range hs {
		got = append(got, string(h.Ref)+" "+h.Path)
	}
	want := []string{"data/digits:2 a/b/c.png", "data/digits:2 deep/er/copy.png", "data/digits:1 a/b/c.png", "artifact/7.1/out o.png"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	v, err := r.Version(ctx, "data", "digits", "1")
	must(t, err)
	if hs, err = r.Holding(ctx, v.Digest, 0); err != nil || len(hs) != 1 || hs[0].Path != "" || hs[0].Ref != "data/digits:1" {
		t.Errorf("%+v, %v", hs, err)
	}
	if hs, err = r.Holding(ctx, cairn.SumBytes([]byte("none")), 0); err != nil || len(hs) != 0 {
		t.Errorf("%+v, %v", hs, err)
	}
	if hs, err = r.Holding(ctx, cairn.SumBytes([]byte("shared")), 2); err != nil || len(hs) != 2 {
		t.Errorf("%+v, %v", hs, err)
	}
}

// Every version, label and pin leaves an event in the order of the run.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	j := job(7, 1, 70)
	r.data("digits", "1", j)
	_, err := r.Resolve(ctx, "data", "digits", j)
	must(t, err)
	_, err = r.SetLabel(ctx, "data", "digits", "gold", "1", j)
	must(t, err)
	es, err := r.store.Events(ctx, 7, 0, 0)
	must(t, err)
	var got []string
	for _, e := range es {
		got = append(got, fmt.Sprintf("%d %s %s %s", e.Seq, e.Kind, e.Subject, e.By))
	}
	want := []string{"1 asset.created data/digits:1 job/70", "2 record.changed job/70 job/70", "3 label.moved data/digits:1 job/70"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func BenchmarkCreate2000Files(b *testing.B) {
	r := newRig(b)
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("class%d/%d.png", i%10, i)] = fmt.Sprint(i)
	}
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		for k := range 10 {
			files[fmt.Sprintf("class%d/new", k)] = fmt.Sprint(i, k)
		}
		d := r.folder(files)
		b.StartTimer()
		if _, err := r.Create(b.Context(), asset.NewVersion{Kind: "data", Name: "digits", Type: "folder", Digest: d}, ana); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	r := newRig(b)
	r.data("digits", "1", ana)
	for i := 0; b.Loop(); i++ {
		if _, err := r.Resolve(b.Context(), "data", "digits", job(cairn.RunID(i+1), 1, cairn.JobID(i+1))); err != nil {
			b.Fatal(err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code cairn.Code) {
	t.Helper()
	if cairn.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, cairn.CodeOf(err), code)
	}
}

func wantHint(t *testing.T, err error, code cairn.Code, hint string) {
	t.Helper()
	wantCode(t, err, code)
	if err != nil && !strings.Contains(cairn.AsError(err).Hint, hint) {
		t.Errorf("%v: hint %q, want %q", err, cairn.AsError(err).Hint, hint)
	}
}
