package feedback_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/trace/feedback"
	"pgregory.net/rapid"
)

var at = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// world is logs and rows as literals; blobs are a real store.
type world struct {
	stages  []cairn.Stage
	log     map[int64][]cairn.Prediction // oldest first
	reports []cairn.PredictionReport
	events  []cairn.Event
	made    *feedback.NewData
	damaged bool
}

func missing(what string) error { return cairn.Errorf(cairn.CodeNotFound, "there is no %s", what) }

func (w *world) Read(_ context.Context, stage int64, id cairn.PredictionID) (*cairn.Prediction, error) {
	for _, p := range w.log[stage] {
		if p.ID == id {
			return &p, nil
		}
	}
	return nil, missing("prediction " + string(id))
}

func (w *world) List(_ context.Context, stage int64, f cairn.PredictionFilter, visit func(cairn.Prediction) error) error {
	n := 0
	for _, p := range slices.Backward(w.log[stage]) {
		if f.Status != 0 && p.Status != f.Status || n == f.Limit {
			continue
		}
		n++
		p.Request.Body, p.Response.Body = nil, nil
		if err := visit(p); err != nil {
			return err
		}
	}
	if w.damaged {
		return cairn.Errorf(cairn.CodeFailed, "a segment is damaged")
	}
	return nil
}

func (w *world) Erase(_ context.Context, stage int64, id cairn.PredictionID) error {
	for i, p := range w.log[stage] {
		if p.ID == id {
			p.Deleted, p.Request.Body, p.Response.Body = true, nil, nil
			w.log[stage][i] = p
		}
	}
	return nil
}

func (w *world) Stage(_ context.Context, id int64) (cairn.Stage, error) {
	for _, st := range w.stages {
		if st.ID == id {
			return st, nil
		}
	}
	return cairn.Stage{}, missing("stage")
}

func (w *world) Stages(_ context.Context, repository string) (out []cairn.Stage, _ error) {
	for _, st := range w.stages {
		if repository == "" || st.Repository == repository {
			out = append(out, st)
		}
	}
	return out, nil
}

func (w *world) PutReport(_ context.Context, r cairn.PredictionReport, ch cairn.Change) error {
	w.events = append(w.events, ch.Events...)
	for i := range w.reports {
		if w.reports[i].Prediction == r.Prediction {
			w.reports[i] = r
			return nil
		}
	}
	w.reports = append(w.reports, r)
	return nil
}

func (w *world) Report(_ context.Context, id cairn.PredictionID) (cairn.PredictionReport, error) {
	for _, r := range w.reports {
		if r.Prediction == id {
			return r, nil
		}
	}
	return cairn.PredictionReport{}, missing("report")
}

func (w *world) Reports(_ context.Context, f cairn.PredictionFilter) (out []cairn.PredictionReport, _ error) {
	for _, r := range slices.Backward(w.reports) {
		if f.Stage == "" || f.Stage == r.Stage {
			out = append(out, r)
		}
	}
	return out, nil
}

func (w *world) ReportsOf(_ context.Context, ids []cairn.PredictionID) (map[cairn.PredictionID]cairn.PredictionReport, error) {
	out := map[cairn.PredictionID]cairn.PredictionReport{}
	for _, r := range w.reports {
		if slices.Contains(ids, r.Prediction) {
			out[r.Prediction] = r
		}
	}
	return out, nil
}

func id(stage, n int64) cairn.PredictionID { return cairn.NewPredictionID("4f2a91c03d17", stage, 1, n) }

const png = "\x89PNG\r\n\x1a\n picture"

// form is a request of a browser: a field, then a file.
func form(name, body string) cairn.Exchanged {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	_ = m.WriteField("note", "hello")
	w, err := m.CreateFormFile("file", name)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write([]byte(body))
	_ = m.Close()
	return cairn.Exchanged{Type: m.FormDataContentType(), Size: int64(b.Len()), Body: b.Bytes()}
}

func setup(t *testing.T) (*world, *feedback.Service, *cas.Store) {
	blobs, err := cas.Open(t.TempDir(), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{stages: []cairn.Stage{{ID: 1, Repository: "a/b", Name: "production"}, {ID: 2, Repository: "a/b", Name: "staging"}}}
	text := cairn.Exchanged{Type: "application/json", Body: []byte(`{"class":"1"}`)}
	p := func(stage, n int64, status int, req cairn.Exchanged) cairn.Prediction {
		return cairn.Prediction{ID: id(stage, n), Release: "4f2a91c03d17", Deployment: 3, At: at.Add(time.Duration(n) * time.Minute), Method: "POST", Path: "/predict", Status: status, Request: req, Response: text}
	}
	w.log = map[int64][]cairn.Prediction{
		1: {p(1, 1, 200, form("..\\..\\7.PNG", png)), p(1, 3, 500, cairn.Exchanged{Type: "application/json; charset=utf-8", Body: []byte(`{"x":[1]}`)}), p(1, 5, 200, cairn.Exchanged{Type: "image/png", Body: []byte("half"), Size: 99, Cut: true})},
		2: {p(2, 2, 200, cairn.Exchanged{Body: []byte(png)})},
	}
	s := feedback.New(feedback.Options{Log: w, Rows: w, Blobs: blobs, Now: func() time.Time { return at.Add(time.Hour) },
		CreateData: func(_ context.Context, n feedback.NewData, actor cairn.Principal) (*cairn.AssetVersion, error) {
			w.made = &n
			return &cairn.AssetVersion{Kind: cairn.AssetData, Name: n.Name, Version: "1", Digest: n.Tree, Files: int64(len(n.Of)), By: actor.Name}, nil
		}})
	return w, s, blobs
}

var ana = cairn.Principal{Name: "ana", Role: cairn.RoleWriter}

func TestReportAndExport(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, s, blobs := setup(t)
	for n, expected := range map[int64]string{1: " 7 ", 3: "cats/dogs", 5: "1"} {
		if _, err := s.Report(ctx, id(1, n), expected, "looks like it", ana); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Report(ctx, id(2, 2), "..", "", cairn.Principal{Name: "ben"})
	if err != nil || r.By != "ben" || r.Stage != "staging" || r.Answer != `{"class":"1"}` || r.Input != cairn.SumBytes([]byte(png)) || r.Name != "input.png" {
		t.Fatalf("%+v %v", r, err)
	}
	one, err := s.Show(ctx, id(1, 1))
	if err != nil || one.Report.Expected != "7" || one.Report.Name != "7.PNG" || len(one.Request.Body) == 0 {
		t.Errorf("%+v %v", one, err)
	}
	out, err := s.Export(ctx, "wrong", cairn.PredictionFilter{Repository: "a/b"}, ana)
	if err != nil || out.Data != "data/wrong:1" || out.Files != 3 || len(out.Left) != 1 || out.Left[0].Prediction != id(1, 5) {
		t.Fatalf("%+v %v", out, err)
	}
	var paths []string
	if err := blobs.WalkTree(ctx, w.made.Tree, func(p string, e cairn.TreeEntry) error {
		if e.Mode != cairn.ModeDir {
			paths = append(paths, p)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := "[%2E./4f2a91c03d17-2-1-2.png 7/4f2a91c03d17-1-1-1.png cats%2Fdogs/4f2a91c03d17-1-1-3.json]"
	if fmt.Sprint(paths) != want {
		t.Errorf("%v, want %s", paths, want)
	}
	if len(w.made.Of) != 3 || !slices.Contains(paths, w.made.Of[0].Path) {
		t.Errorf("%+v", w.made.Of)
	}
	if _, err := s.Export(ctx, "x", cairn.PredictionFilter{Stage: "prodction"}, ana); cairn.CodeOf(err) != cairn.CodeNotFound || cairn.AsError(err).Hint != "did you mean production?" {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, s, _ := setup(t)
	if _, err := s.Report(ctx, id(1, 3), "7", "", ana); err != nil {
		t.Fatal(err)
	}
	w.damaged = true
	all, err := s.List(ctx, cairn.PredictionFilter{})
	if err != nil || len(all) != 4 || all[0].ID != id(1, 5) || all[3].ID != id(1, 1) || all[2].Stage != "staging" || all[1].Report == nil || all[0].Report != nil {
		t.Errorf("%+v %v", all, err)
	}
	for name, c := range map[string]struct {
		f    cairn.PredictionFilter
		want int
	}{
		"stage": {cairn.PredictionFilter{Stage: "Staging"}, 1}, "status": {cairn.PredictionFilter{Status: 500}, 1}, "limit": {cairn.PredictionFilter{Limit: 2}, 2},
		"reported": {cairn.PredictionFilter{Reported: true}, 1}, "reported path": {cairn.PredictionFilter{Reported: true, Path: "/p*t"}, 1}, "reported other path": {cairn.PredictionFilter{Reported: true, Path: "/p*x*"}, 0}, "reported 200": {cairn.PredictionFilter{Reported: true, Status: 200}, 0},
	} {
		got, err := s.List(ctx, c.f)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d %v", name, len(got), err)
		}
	}
	if _, err := s.List(ctx, cairn.PredictionFilter{Repository: "a/none", Stage: "x"}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
	// What the log has forgotten is known by its report.
	w.log[1] = nil
	got, err := s.List(ctx, cairn.PredictionFilter{Reported: true})
	if err != nil || len(got) != 1 || got[0].Stage != "production" || got[0].Report.Expected != "7" {
		t.Errorf("%+v %v", got, err)
	}
	in, err := s.Input(ctx, id(1, 3))
	if err != nil || string(in.Body) != `{"x":[1]}` || in.Ext != ".json" {
		t.Errorf("%+v %v", in, err)
	}
	if p, err := s.Show(ctx, id(1, 3)); err != nil || p.Report == nil || !p.At.IsZero() {
		t.Errorf("%+v %v", p, err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, s, _ := setup(t)
	if _, err := s.Report(ctx, id(1, 1), "7", "", ana); err != nil {
		t.Fatal(err)
	}
	w.reports[0].Data = "data/wrong:1"
	out, err := s.Delete(ctx, id(1, 1), cairn.Principal{Name: "ben"})
	if err != nil || out.Data != "data/wrong:1" || !w.log[1][0].Deleted {
		t.Fatalf("%+v %v", out, err)
	}
	if r := w.reports[0]; r.Input != "" || r.Answer != "" || r.Expected != "7" || r.By != "ana" || w.events[1].By != "ben" {
		t.Errorf("%+v %+v", r, w.events)
	}
	if _, err := s.Report(ctx, id(1, 1), "7", "", ana); cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "were erased") {
		t.Error(err)
	}
	if _, err := s.Input(ctx, id(1, 1)); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
	if _, err := s.Export(ctx, "wrong", cairn.PredictionFilter{}, ana); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

func TestBadReports(t *testing.T) {
	t.Parallel()
	_, s, _ := setup(t)
	for name, c := range map[string]struct {
		id       cairn.PredictionID
		expected string
		comment  string
		code     cairn.Code
	}{
		"malformed": {"x", "7", "", cairn.CodeInvalid}, "unknown stage": {id(9, 1), "7", "", cairn.CodeNotFound}, "unknown": {id(1, 77), "7", "", cairn.CodeNotFound},
		"empty": {id(1, 1), "  ", "", cairn.CodeInvalid}, "long": {id(1, 1), strings.Repeat("x", 201), "", cairn.CodeTooLarge},
		"control": {id(1, 1), "a\nb", "", cairn.CodeInvalid}, "binary": {id(1, 1), "a\xff", "", cairn.CodeInvalid}, "comment": {id(1, 1), "7", strings.Repeat("x", 2001), cairn.CodeTooLarge},
	} {
		if _, err := s.Report(context.Background(), c.id, c.expected, c.comment, ana); cairn.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	cut := form("a.png", png)
	cut.Body, cut.Cut = cut.Body[:len(cut.Body)-60], true
	long := form("a.png", png)
	long.Body = append(long.Body[:len(long.Body)-4], "\r\nContent-Disposition: form-data; name=\"more\"\r\n\r\nwhat follows was cut"...)
	long.Cut = true
	for name, c := range map[string]struct {
		p    cairn.Prediction
		want string // name, ext and body; "error" for none
	}{
		"form":  {cairn.Prediction{Request: form("x/../seven.jpeg", "bytes")}, "seven.jpeg .jpeg bytes"},
		"field": {cairn.Prediction{Request: cairn.Exchanged{Type: "multipart/form-data; boundary=x", Body: []byte("--x\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nhello\r\n--x--\r\n")}}, " .txt hello"},
		"query": {cairn.Prediction{Path: "/p?a=1&b=%20x"}, "query.txt .txt a=1&b= x"}, "nothing": {cairn.Prediction{Path: "/p"}, "error"},
		"cut later": {cairn.Prediction{Request: long}, "a.png .png " + png}, "cut form": {cairn.Prediction{Request: cut}, "error"}, "cut": {cairn.Prediction{Request: cairn.Exchanged{Body: []byte("x"), Cut: true}}, "error"},
		"no form":  {cairn.Prediction{Request: cairn.Exchanged{Type: "multipart/form-data; boundary=x", Body: []byte("nonsense")}}, "error"},
		"svg":      {cairn.Prediction{Request: cairn.Exchanged{Type: "application/geo+json", Body: []byte("x")}}, " .json x"},
		"bytes":    {cairn.Prediction{Request: cairn.Exchanged{Type: "application/x-npy", Body: []byte("x")}}, " .bin x"},
		"bad name": {cairn.Prediction{Request: form("a.<script>", "x")}, "a.<script> .bin x"},
	} {
		in, err := feedback.InputOf(&c.p)
		got := "error"
		if err == nil {
			got = in.Name + " " + in.Ext + " " + string(in.Body)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
}

// TestFolderNames: whatever was expected becomes one folder's name, and no two
// become the same.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	text := rapid.StringN(1, 60, 200)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		x, y := feedback.FolderName(a), feedback.FolderName(b)
		if err := cas.CheckName(x); err != nil || strings.ContainsAny(x, `/\`) || x[0] == '.' {
			t.Fatalf("%q: %q %v", a, x, err)
		}
		if (a == b) != (x == y) {
			t.Fatalf("%q %q: %q %q", a, b, x, y)
		}
	})
}

func FuzzInput(f *testing.F) {
	x := form("a.png", png)
	f.Add(x.Type, x.Body, false)
	f.Add("multipart/form-data; boundary=\"\"", []byte("--\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, kind string, body []byte, cut bool) {
		in, err := feedback.InputOf(&cairn.Prediction{Request: cairn.Exchanged{Type: kind, Body: body, Cut: cut}})
		if err == nil && (strings.ContainsAny(in.Name, "/\x00\n") || !strings.HasPrefix(in.Ext, ".") || strings.ContainsAny(in.Ext, "/\\")) {
			t.Errorf("%q %q", in.Name, in.Ext)
		}
	})
}
