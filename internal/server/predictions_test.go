package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/gateway/predlog"
)

// lineageHome is a home with everything that a trace reads, without what runs
// beside requests.
type lineageHome struct {
	t       *testing.T
	s       *Server
	c       *client.Client
	url     string
	commits []string
}

const lineageRepo = "local/digits"

func newLineageHome(t *testing.T) *lineageHome {
	t.Helper()
	ctx := context.Background()
	home, err := os.MkdirTemp("", "cairn-l")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{o: Options{Home: home, Env: os.Environ()}, log: slog.New(slog.DiscardHandler), leaving: make(chan struct{})}
	if err := s.openRooms(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.store.Close(), os.RemoveAll(home)); err != nil {
			t.Error(err)
		}
	})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.assets = asset.New(asset.Options{Store: s.store, Trees: s.blobs, Workspace: Workspace, JobInfo: s.jobInfo})
	s.openImages()
	if err := s.openDeploys(exe); err != nil {
		t.Fatal(err)
	}
	s.openLineage()
	srv := httptest.NewUnstartedServer(s.handler())
	srv.Config.ConnContext = s.guard().ConnContext
	srv.Start()
	t.Cleanup(srv.Close)
	h := &lineageHome{t: t, s: s, url: srv.URL}
	s.url = srv.URL
	if h.c, err = client.New(client.Options{URL: srv.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.c.Close)
	return h
}

// code hosts a repository of two commits: of the model's script, then of the API.
func (h *lineageHome) code() {
	h.t.Helper()
	dir := h.t.TempDir()
	git := func(author string, args ...string) string {
		h.t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
		for _, who := range []string{"AUTHOR", "COMMITTER"} {
			cmd.Env = append(cmd.Env, "GIT_"+who+"_NAME="+author, "GIT_"+who+"_EMAIL="+author+"@example.org")
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			h.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("ana", "init", "-q", "-b", "main")
	for _, c := range []struct{ author, file, text, subject string }{
		{"ana", "api/Dockerfile", "FROM python:3.11-slim\nCOPY main.py \\\n  /app/\nCOPY --from=x /y /z\n", "An API"},
		{"ben", "api/main.py", "print(1)\n", "Resize faster"},
		{"ana", "train.py", "print(2)\n", "Train longer"},
	} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "api"), 0o755), os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644)); err != nil {
			h.t.Fatal(err)
		}
		git(c.author, "add", "-A")
		git(c.author, "commit", "-q", "-m", c.subject)
		h.commits = append(h.commits, git(c.author, "rev-parse", "HEAD"))
	}
	if _, err := h.s.host.Import(context.Background(), lineageRepo, dir, "HEAD"); err != nil {
		h.t.Fatal(err)
	}
}

// release makes a model, an image that holds it, and a release of both.
func (h *lineageHome) release(id, commit, model string) cairn.Image {
	h.t.Helper()
	ctx := context.Background()
	ana := cairn.Principal{Name: "ana", Role: cairn.RoleAdmin}
	file, err := h.s.blobs.PutBytes(ctx, []byte(model))
	if err != nil {
		h.t.Fatal(err)
	}
	v, err := h.s.assets.Create(ctx, asset.NewVersion{Kind: cairn.AssetModel, Name: "digits", Type: asset.TypeFile, Digest: file}, ana)
	if err != nil {
		h.t.Fatal(err)
	}
	config, err := h.s.blobs.PutBytes(ctx, []byte(`{"config":{"Env":["MODEL=`+model+`"],"Cmd":["python","main.py"]}}`))
	if err != nil {
		h.t.Fatal(err)
	}
	img := cairn.Image{Workspace: Workspace, Digest: cairn.SumBytes([]byte("manifest " + id)), Config: config, Repository: lineageRepo, Commit: commit, Builder: "push", By: "ana", CreatedAt: time.Now().UTC()}
	img, err = h.s.store.PutImage(ctx, img, []cairn.ImageTag{{Workspace: Workspace, Name: "api", Tag: id, Digest: img.Digest, By: "ana"}}, cairn.Change{By: "ana", Links: []cairn.Link{
		{From: img.Ref(), Relation: cairn.RelPacked, To: v.Ref(), Note: "app/model.bin"},
		{From: img.Ref(), Relation: cairn.RelPacked, To: cairn.CommitRef(commit), Note: "label"},
		{From: "user/ana", Relation: cairn.RelMade, To: img.Ref()}}})
	if err != nil {
		h.t.Fatal(err)
	}
	r := cairn.Release{Workspace: Workspace, ID: id, Service: "digits", Repository: lineageRepo, Image: img.Digest, Model: file, Commit: commit, Packed: []cairn.Ref{v.Ref()}, By: "ana", CreatedAt: time.Now().UTC()}
	if _, err := h.s.store.PutRelease(ctx, r, func(r cairn.Release, _ bool) cairn.Change {
		return cairn.Change{By: "ana", Links: []cairn.Link{{From: r.Ref(), Relation: cairn.RelReleased, To: img.Ref()}}}
	}); err != nil {
		h.t.Fatal(err)
	}
	return img
}

// live puts a release on a stage, as if its process had it.
func (h *lineageHome) live(stage, release string, port int) cairn.Deployment {
	h.t.Helper()
	ctx := context.Background()
	st, err := h.s.store.EnsureStage(ctx, cairn.Stage{Workspace: Workspace, Repository: lineageRepo, Name: stage, Port: port, URL: fmt.Sprintf("http://127.0.0.1:%d", port)}, cairn.Change{By: "ana"})
	if err != nil {
		h.t.Fatal(err)
	}
	config := []byte(`{"schema":1,"name":"` + stage + `","log":{},"rules":{},"memory":` + fmt.Sprint(port) + `}`)
	now := time.Now().UTC()
	d := cairn.Deployment{Workspace: Workspace, Repository: lineageRepo, Stage: stage, StageID: st.ID, Release: release, Status: cairn.DeployLive, Config: cairn.SumBytes(config), URL: st.URL, By: "ana", ApprovedBy: "ben", CreatedAt: now, LiveAt: now}
	d, _, err = h.s.store.CreateDeployment(ctx, d, "", config, func(d cairn.Deployment) cairn.Change {
		return cairn.Change{By: "ana", Links: []cairn.Link{{From: d.Ref(), Relation: cairn.RelDeployed, To: cairn.NewRef(cairn.KindRelease, release)}}}
	})
	if err != nil {
		h.t.Fatal(err)
	}
	st.Live = d.ID
	if _, err := h.s.store.PutDeployments(ctx, nil, &st, cairn.Change{By: "ana"}); err != nil {
		h.t.Fatal(err)
	}
	return d
}

// answers writes predictions into the log of a stage.
func (h *lineageHome) answers(d cairn.Deployment, n int) []cairn.PredictionID {
	h.t.Helper()
	dir := filepath.Join(h.s.o.Home, "stages", fmt.Sprint(d.StageID), "predictions")
	w, err := predlog.Open(predlog.Options{Dir: dir, Stage: d.StageID, Now: time.Now, Logger: h.s.log})
	if err != nil {
		h.t.Fatal(err)
	}
	defer w.Close()
	var out []cairn.PredictionID
	for i := range n {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		f, err := m.CreateFormFile("image", "seven.png")
		if err != nil {
			h.t.Fatal(err)
		}
		fmt.Fprintf(f, "\x89PNG picture %d", i)
		m.Close()
		id, err := w.Append(context.Background(), &cairn.Prediction{Deployment: d.ID, Release: d.Release, At: time.Now().UTC(), Took: 1500, Method: "POST", Path: "/predict", Status: 200,
			Request:  cairn.Exchanged{Type: m.FormDataContentType(), Size: int64(b.Len()), Body: b.Bytes()},
			Response: cairn.Exchanged{Type: "application/json", Size: 11, Body: []byte(`{"digit":1}`)}})
		if err != nil {
			h.t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

func (h *lineageHome) page(path string) string {
	h.t.Helper()
	resp, err := http.Get(h.url + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// TestFromAnAnswerBackToTraining is the way of a wrong answer: found, reported,
// traced to model, commit and author, made data of, and erased.
func TestFromAnAnswerBackToTraining(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newLineageHome(t)
	h.code()
	h.release("aaaaaaaaaaaa", h.commits[1], "one")
	img := h.release("bbbbbbbbbbbb", h.commits[2], "two")
	h.live("staging", "aaaaaaaaaaaa", 7481)
	d := h.live("production", "bbbbbbbbbbbb", 7482)
	ids := h.answers(d, 3)

	ps, err := h.c.Predictions(ctx, cairn.PredictionFilter{Repository: lineageRepo, Stage: "production"})
	if err != nil || len(ps) != 3 || ps[0].ID != ids[2] || ps[0].Stage != "production" || len(ps[0].Request.Body) > 0 {
		t.Fatalf("%+v %v", ps, err)
	}
	p, err := h.c.Prediction(ctx, ids[0])
	if err != nil || string(p.Response.Body) != `{"digit":1}` {
		t.Fatalf("%+v %v", p, err)
	}
	in, err := h.c.PredictionInput(ctx, ids[0])
	if err != nil || in.Name != "seven.png" || string(in.Body) != "\x89PNG picture 0" {
		t.Fatalf("%+v %v", in, err)
	}
	if _, err := h.c.ReportPrediction(ctx, ids[0], "7", "a clear seven"); err != nil {
		t.Fatal(err)
	}

	tr, err := h.c.Trace(ctx, string(ids[0]), false)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	tr.Render(&text)
	for _, want := range []string{"expected 7", "served by deployment 2 on production", "approved by ben", "release r2 of digits", "packed model digits:2 (app/model.bin)", "Train longer", "ana <ana@example.org>"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the trace lacks %q:\n%s", want, &text)
		}
	}
	if len(tr.Gaps) > 0 {
		t.Errorf("gaps: %+v", tr.Gaps)
	}
	for _, asked := range []string{"http://127.0.0.1:7482/predict", "production", "r2", string(img.Digest), img.Config.Short(), "api:bbbbbbbbbbbb", "deployment/2"} {
		if tr, err := h.c.TraceFrom(ctx, lineageRepo, asked, false); err != nil || !strings.Contains(fmt.Sprint(tr.Roots), "model/digits:2") {
			t.Errorf("%s: %v", asked, err)
		}
	}
	down, err := h.c.Trace(ctx, string(cairn.SumBytes([]byte("two"))), true)
	if err != nil || !strings.Contains(fmt.Sprint(down.Roots), "{live at http://127.0.0.1:7482 }") {
		t.Errorf("the file does not lead to where it is live: %+v %v", down, err)
	}

	os, err := h.c.Origins(ctx, lineageRepo)
	if err != nil || len(os) != 2 || os[0].Stage != "production" || os[0].Changed == nil || os[0].Changed.Author != "ben <ben@example.org>" || os[0].Commit.SHA != h.commits[2] {
		t.Errorf("%+v %v", os, err)
	}
	diff, err := h.c.DiffReleases(ctx, lineageRepo, "staging", "production")
	if err != nil || len(diff.Code.Commits) != 1 || diff.Code.Commits[0].Author != "ana" || len(diff.Models) != 1 || diff.Models[0].Same || fmt.Sprint(diff.Config) != "[{image env MODEL one two} {stage memory 7481 7482}]" {
		t.Errorf("%+v %v", diff, err)
	}

	out, err := h.c.ExportPredictions(ctx, "wrong", cairn.PredictionFilter{Repository: lineageRepo})
	if err != nil || out.Data != "data/wrong:1" || out.Files != 1 {
		t.Fatalf("%+v %v", out, err)
	}
	to := t.TempDir()
	if err := h.c.DownloadTree(ctx, out.Digest, to); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(to, "7", string(ids[0])+".png")); len(files) != 1 {
		t.Errorf("the picture is not in the folder of its class: %v", files)
	}
	if tr, err := h.c.Trace(ctx, "data/wrong", false); err != nil || tr.Roots[0].Children[0].Ref != ids[0].Ref() {
		t.Errorf("the data does not lead to what went wrong: %+v %v", tr, err)
	}
	h.pages(ids[0])

	e, err := h.c.ErasePrediction(ctx, ids[0])
	if err != nil || e.Data != "data/wrong:1" {
		t.Fatalf("%+v %v", e, err)
	}
	if p, err := h.c.Prediction(ctx, ids[0]); err != nil || !p.Deleted || len(p.Request.Body) > 0 || p.Report == nil || p.Report.Input != "" {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := h.c.ReportPrediction(ctx, ids[0], "7", ""); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	// The input of a report is kept for good, as long as nobody has it erased.
	if _, err := h.c.ReportPrediction(ctx, ids[1], "7", ""); err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	h.s.reportRoots(ctx, func(r cas.Root, err error) bool { kept[r.Name] = err == nil; return true })
	if !kept[string(ids[1].Ref())] || len(kept) != 1 {
		t.Errorf("kept: %v", kept)
	}
	rep, err := h.s.Fsck(auth.With(ctx, h.s.local), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings { // the images of this test have no bytes
		if strings.Contains(fmt.Sprint(f.Subject, f.HeldBy), "prediction/") || strings.Contains(fmt.Sprint(f.Subject, f.HeldBy), "data/") {
			t.Errorf("%+v", f)
		}
	}
}

func (h *lineageHome) pages(id cairn.PredictionID) {
	h.t.Helper()
	for path, wants := range map[string][]string{
		"/":                                     {`href="/stages/local/digits/production"`, "Train longer", "not healthy"},
		"/stages/local/digits/production":       {string(id), "expected 7", "data/wrong:1", "approved by ben"},
		"/trace?ref=" + string(id):              {"served by", "model digits:2", "Train longer"},
		"/trace?ref=http://127.0.0.1:9/predict": {"no stage answers at 127.0.0.1:9"},
	} {
		text := h.page(path)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				h.t.Errorf("%s lacks %q:\n%s", path, want, text)
			}
		}
	}
}

func TestBadPredictionRequests(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newLineageHome(t)
	h.code()
	h.release("aaaaaaaaaaaa", h.commits[1], "one")
	d := h.live("production", "aaaaaaaaaaaa", 7483)
	h.answers(d, 1)
	for name, c := range map[string]struct {
		err  func() error
		code cairn.Code
	}{
		"malformed":  {func() error { _, err := h.c.Prediction(ctx, "../../x"); return err }, cairn.CodeInvalid},
		"no stage":   {func() error { _, err := h.c.Prediction(ctx, "aaaaaaaaaaaa-9-1-64"); return err }, cairn.CodeNotFound},
		"no segment": {func() error { _, err := h.c.Prediction(ctx, "aaaaaaaaaaaa-1-99-64"); return err }, cairn.CodeNotFound},
		"no record":  {func() error { _, err := h.c.Prediction(ctx, "aaaaaaaaaaaa-1-1-80"); return err }, cairn.CodeNotFound},
		"stage": {func() error {
			_, err := h.c.Predictions(ctx, cairn.PredictionFilter{Stage: "prodction"})
			return err
		}, cairn.CodeNotFound},
		"export": {func() error {
			_, err := h.c.ExportPredictions(ctx, "bad/name", cairn.PredictionFilter{})
			return err
		}, cairn.CodeNotFound},
		"url":  {func() error { _, err := h.c.Trace(ctx, "http://127.0.0.1:9", false); return err }, cairn.CodeNotFound},
		"diff": {func() error { _, err := h.c.DiffReleases(ctx, "", "r1", "r9"); return err }, cairn.CodeNotFound},
		"log": {func() error {
			_, err := h.c.StageLog(ctx, client.StageLogRequest{Repository: lineageRepo, Stage: "production"})
			return err
		}, cairn.CodeNotFound},
		"previous": {func() error {
			_, err := h.c.StageLog(ctx, client.StageLogRequest{Repository: lineageRepo, Stage: "production", Previous: true})
			return err
		}, cairn.CodeNotFound},
	} {
		if err := c.err(); cairn.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestCopied(t *testing.T) {
	t.Parallel()
	files := []string{".github/ci.yml", "README.md", "api/Dockerfile", "api/main.py", "api/static/a.css", "model/m.bin", "requirements.txt", "train.py"}
	for text, want := range map[string]string{
		"FROM x\nCOPY main.py requirements.txt ./\n":         "api/Dockerfile api/main.py requirements.txt",
		"COPY static /static\ncopy [\"main.py\", \"/app/\"]": "api/Dockerfile api/main.py api/static",
		"COPY . .": "api/Dockerfile api", "COPY *.py nowhere.txt /": "api/Dockerfile api/main.py", "COPY --from=build /a /b\nRUN x": "api/Dockerfile",
	} {
		got := strings.Join(copied("api/Dockerfile", []byte(text), files), " ")
		if !sameWords(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := strings.Join(copied("Dockerfile", []byte("COPY . /app"), files), " "); strings.Contains(got, "README") || strings.Contains(got, ".github") || !strings.Contains(got, "train.py") {
		t.Error(got)
	}
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	seen := map[string]bool{}
	for _, w := range x {
		seen[w] = true
	}
	for _, w := range y {
		if !seen[w] {
			return false
		}
	}
	return len(x) == len(y)
}
