package actions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/actions"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/cache"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/store"
)

// world is the service on real stores, with one running job.
type world struct {
	*httptest.Server
	t      testing.TB
	dir    string
	store  *store.Store
	blobs  *cas.Store
	people *auth.Service
	assets *asset.Service
	caches *cache.Service
	api    *actions.Service
	log    *syncBuffer
	job    cairn.Job
	token  string
	clock  *clock

	options actions.Options
}

// restart replaces the service, as when the owner was killed.
func (w *world) restart() {
	w.t.Helper()
	var err error
	if w.api, err = actions.New(w.options); err != nil {
		w.t.Fatal(err)
	}
}

// transfers counts the uploads on disk.
func (w *world) transfers() int {
	w.t.Helper()
	es, err := os.ReadDir(w.options.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(es)
}

// syncBuffer takes a log from several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// clock is the time that the services see.
type clock struct {
	mu  sync.Mutex
	add time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.add)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add += d
}

func newWorld(t testing.TB, change ...func(*actions.Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), log: &syncBuffer{}, clock: &clock{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.store, err = store.Open(t.Context(), store.Options{Dir: w.dir})
	check()
	t.Cleanup(func() { w.store.Close() })
	w.blobs, err = cas.Open(filepath.Join(w.dir, "blobs"), cas.Options{Log: log})
	check()
	key, err := auth.OpenKey(filepath.Join(w.dir, "key"))
	check()
	w.people = auth.New(w.store, key, nil)
	w.assets = asset.New(asset.Options{Store: w.store, Trees: w.blobs, Log: log, Now: w.clock.now})
	w.caches = cache.New(cache.Options{Store: w.store, Blobs: w.blobs, Log: log, Now: w.clock.now,
		Place: func(context.Context, cairn.Principal) (cache.Place, error) {
			return cache.Place{Repository: "ana/digits", Scopes: []string{"refs/heads/main"}}, nil
		}})
	o := actions.Options{Artifacts: w.assets, Caches: w.caches, Blobs: w.blobs, People: w.people, Dir: filepath.Join(w.dir, "transfers"),
		Free: w.store.Free, Explain: store.Explain, Now: w.clock.now, Log: log}
	for _, fn := range change {
		fn(&o)
	}
	w.options = o
	w.restart()
	g := &auth.Guard{Service: w.people, Local: cairn.Principal{Name: "ana", Role: cairn.RoleAdmin},
		Fail: func(rw http.ResponseWriter, _ *http.Request, err error) {
			http.Error(rw, err.Error(), http.StatusForbidden)
		}}
	w.Server = httptest.NewServer(g.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.api.ServeHTTP(rw, r) })))
	t.Cleanup(w.Close)
	w.job = w.addJob(42, 1)
	w.token, err = key.RuntimeToken(&w.job)
	check()
	return w
}

// addJob writes a run with one running job.
func (w *world) addJob(run cairn.RunID, epoch int64) cairn.Job {
	w.t.Helper()
	plan := []byte("{}")
	now := time.Now()
	r, err := w.store.CreateRun(w.t.Context(), cairn.Run{ID: run, Workspace: "default", Repository: "ana/digits", Attempt: 1, Ref: "refs/heads/main",
		Plan: cairn.SumBytes(plan), Status: cairn.StatusRunning, CreatedAt: now}, cairn.Attempt{Run: run, Number: 1, StartedAt: now}, plan, cairn.Change{By: "ana"})
	if err != nil {
		w.t.Fatal(err)
	}
	j := cairn.Job{ID: cairn.JobID(100 + run), Run: run, Attempt: 1, Path: "build", Epoch: epoch, Status: cairn.StatusRunning}
	w.setJob(r, j)
	return j
}

func (w *world) setJob(r cairn.Run, j cairn.Job) {
	w.t.Helper()
	if err := w.store.ApplyRun(w.t.Context(), cairn.RunBatch{ID: r.ID, Version: r.Version, Jobs: []cairn.Job{j}}, cairn.Change{By: "ana"}); err != nil {
		w.t.Fatal(err)
	}
}

// endJob completes the world's job.
func (w *world) endJob() {
	w.t.Helper()
	r, err := w.store.Run(w.t.Context(), w.job.Run)
	if err != nil {
		w.t.Fatal(err)
	}
	j := w.job
	j.Status = cairn.StatusCompleted
	w.setJob(r, j)
}

func (w *world) principal() cairn.Principal { return auth.JobPrincipal(&w.job) }

// ctx is what the job's writes go through.
func (w *world) ctx() context.Context { return auth.With(w.t.Context(), w.principal()) }

// ids are the backend ids of the job.
func (w *world) ids(more map[string]any) map[string]any {
	run, job := auth.BackendIDs(w.principal())
	out := map[string]any{"workflow_run_backend_id": run, "workflow_job_run_backend_id": job}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// twirp calls a method; the answer is that of any status.
func (w *world) twirp(method string, in map[string]any) (int, map[string]any) {
	w.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	service := "ArtifactService/"
	if strings.Contains(method, "Cache") {
		service = "CacheService/"
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL+"/twirp/github.actions.results.api.v1."+service+method, bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := w.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, out
}

// must is twirp that has to succeed.
func (w *world) must(method string, in map[string]any) map[string]any {
	w.t.Helper()
	status, out := w.twirp(method, in)
	if status != http.StatusOK {
		w.t.Fatalf("%s: %d %v\n%s", method, status, out, w.log)
	}
	return out
}

// send makes a request without a token.
func (w *world) send(method, url string, body []byte, headers ...string) (int, http.Header, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

// put is a Put Blob that has to succeed.
func (w *world) put(url string, body []byte) {
	w.t.Helper()
	if status, _, b := w.send(http.MethodPut, url, body, "x-ms-blob-type", "BlockBlob"); status != http.StatusCreated {
		w.t.Fatalf("put: %d %s", status, b)
	}
}

// upload sends an artifact's bytes up to what FinalizeArtifact answers.
func (w *world) upload(name string, body []byte, more map[string]any) (int, map[string]any) {
	w.t.Helper()
	in := w.ids(map[string]any{"name": name, "version": 7})
	for k, v := range more {
		in[k] = v
	}
	out := w.must("CreateArtifact", in)
	w.put(out["signed_upload_url"].(string), body)
	return w.twirp("FinalizeArtifact", w.ids(map[string]any{"name": name, "size": len(body), "hash": string(cairn.SumBytes(body))}))
}

// files reads an artifact's tree.
func (w *world) files(a cairn.Artifact) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	err := w.blobs.WalkTree(w.t.Context(), a.Digest, func(path string, e cairn.TreeEntry) error {
		if e.Mode == cairn.ModeDir {
			if e.Files == 0 {
				out[path+"/"] = ""
			}
			return nil
		}
		b, err := w.blobs.ReadBlob(w.t.Context(), e.Digest, 1<<30)
		if e.Mode == cairn.ModeExec {
			path += "*"
		}
		out[path] = string(b)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// artifact finds one by its name.
func (w *world) artifact(name string) cairn.Artifact {
	w.t.Helper()
	all, err := w.assets.Artifacts(w.t.Context(), w.job.Run)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range all {
		if a.Name == name {
			return a
		}
	}
	w.t.Fatalf("no artifact %q in %v", name, all)
	return cairn.Artifact{}
}

// builtin makes an artifact of a tree, as the built-in action does.
func (w *world) builtin(name string, files map[string]string) *cairn.Artifact {
	w.t.Helper()
	root, err := treeOf(w.t.Context(), w.blobs, files)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.assets.CreateArtifact(w.ctx(), cairn.Artifact{Name: name, Digest: root}, false, w.principal())
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// treeOf stores files: names that end in * are executable.
func treeOf(ctx context.Context, blobs *cas.Store, files map[string]string) (cairn.Digest, error) {
	var entries []cairn.TreeEntry
	below := map[string]map[string]string{}
	for name, text := range files {
		if dir, rest, ok := strings.Cut(name, "/"); ok {
			if below[dir] == nil {
				below[dir] = map[string]string{}
			}
			below[dir][rest] = text
			continue
		}
		d, err := blobs.PutBytes(ctx, []byte(text))
		if err != nil {
			return "", err
		}
		e := cairn.TreeEntry{Name: name, Mode: cairn.ModeFile, Size: int64(len(text)), Digest: d}
		if n, ok := strings.CutSuffix(name, "*"); ok {
			e.Name, e.Mode = n, cairn.ModeExec
		}
		entries = append(entries, e)
	}
	for dir, inner := range below {
		d, err := treeOf(ctx, blobs, inner)
		if err != nil {
			return "", err
		}
		sum, err := blobs.Sum(ctx, d)
		if err != nil {
			return "", err
		}
		entries = append(entries, cairn.TreeEntry{Name: dir, Mode: cairn.ModeDir, Digest: d, Size: sum.Size, Files: sum.Files})
	}
	return blobs.PutTree(ctx, entries)
}
