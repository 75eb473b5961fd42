package mlflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/mlflow"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/store"
	"github.com/cairn-ml/cairn/internal/track"
)

type principalKey struct{}

func who(ctx context.Context) (cairn.Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(cairn.Principal)
	return p, ok
}

// world is a server on real stores.
type world struct {
	*httptest.Server
	t      testing.TB
	store  *store.Store
	track  *track.Service
	models models
	log    *bytes.Buffer
}

// tokens are what the test server knows.
var tokens = map[string]cairn.Principal{
	"":       {Name: "ana", Role: cairn.RoleWriter},
	"reader": {Name: "rita", Role: cairn.RoleReader},
	"job":    {Name: "job/7", Role: cairn.RoleJob, Job: 7, Run: 3, Attempt: 1, Epoch: 1},
}

type jobs struct{}

func (jobs) JobInfo(_ context.Context, id cairn.JobID) (track.JobInfo, error) {
	return track.JobInfo{Job: cairn.Job{ID: id, Run: 3}, Branch: "main", RepoURL: "https://git.example/ana/digits",
		Run: cairn.Run{ID: 3, Commit: cairn.Commit{SHA: strings.Repeat("a1", 20)}}}, nil
}

// models are the registered models as the server plugs them together.
type models struct{ *asset.Service }

func (m models) CreateModel(ctx context.Context, v track.NewModelVersion, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return m.Create(ctx, asset.NewVersion{Kind: cairn.AssetModel, Name: v.Name, Type: "folder", Digest: v.Digest, Size: v.Size, Files: v.Files,
		Description: v.Description, Tags: v.Tags, Properties: v.Properties, SourceRun: v.SourceRun, SourceURI: v.SourceURI}, actor)
}

func (m models) PatchName(ctx context.Context, name string, p track.ModelPatch, actor cairn.Principal) (*cairn.Asset, error) {
	return m.UpdateName(ctx, cairn.AssetModel, name, asset.Update{Description: p.Description, SetTags: p.SetTags, DeleteTags: p.DeleteTags}, actor)
}

func (m models) PatchModel(ctx context.Context, name, version string, p track.ModelPatch, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return m.UpdateVersion(ctx, cairn.AssetModel, name, version,
		asset.Update{Description: p.Description, Stage: p.Stage, SetTags: p.SetTags, DeleteTags: p.DeleteTags}, actor)
}

func (m models) UseModel(ctx context.Context, name, version string, actor cairn.Principal) error {
	if actor.Job == 0 {
		return nil
	}
	_, err := m.Resolve(ctx, cairn.AssetModel, name+":"+version, actor)
	return err
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, log: &bytes.Buffer{}}
	var err error
	if w.store, err = store.Open(t.Context(), store.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	blobs, err := cas.Open(t.TempDir(), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.models = models{asset.New(asset.Options{Store: w.store, Trees: blobs, Workspace: "default"})}
	w.track = track.New(track.Options{Store: w.store, Blobs: blobs, Models: w.models, Jobs: jobs{}, Principal: who})
	if err := w.track.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := mlflow.New(mlflow.Options{Track: w.track, Principal: who, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			io.WriteString(rw, "OK")
			return
		case "/version":
			io.WriteString(rw, mlflow.Version)
			return
		}
		p, ok := tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		if ok {
			r = r.WithContext(context.WithValue(r.Context(), principalKey{}, p))
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		w.Server.Close()
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// send makes a request; body is JSON text for the API, bytes for artifacts.
func (w *world) send(method, path, token, body string) (int, string, http.Header) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.Contains(path, "/mlflow/") {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

const api = "/api/2.0/mlflow/"

// ok sends a request that must succeed and reads the reply into a generic value.
func (w *world) ok(method, path, body string) map[string]any {
	w.t.Helper()
	code, text, _ := w.send(method, path, "", body)
	if code != http.StatusOK {
		w.t.Fatalf("%s %s %s: %d %s", method, path, body, code, text)
	}
	out := map[string]any{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return out
}

// at walks a generic value: keys of objects, numbers of lists.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (w *world) newRun(body string) string {
	w.t.Helper()
	id, _ := at(w.ok("POST", api+"runs/create", body), "run", "info", "run_id").(string)
	if len(id) != 32 {
		w.t.Fatalf("run id %q", id)
	}
	return id
}
