package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/store"
)

const repo = "acme/api"

var (
	ana = cairn.Principal{Name: "ana", Role: cairn.RoleWriter}
	ben = cairn.Principal{Name: "ben", Role: cairn.RoleWriter}
	cyd = cairn.Principal{Name: "cyd", Role: cairn.RoleWriter}
)

// target is a fake one: what is on a stage is a number in a map.
type target struct {
	mu      sync.Mutex
	live    map[int64]cairn.DeploymentID
	calls   []cairn.DeploymentID
	seen    []deploy.TargetRequest
	fail    error         // of every deployment
	log     []string      // with it
	holdAll chan struct{} // closed: goes on
	stops   chan struct{} // told by Stop, which then waits for one more
	busy    map[int64]bool
	t       testing.TB
}

func (f *target) Deploy(ctx context.Context, r deploy.TargetRequest, progress func(cairn.StageEvent)) error {
	f.mu.Lock()
	if f.busy[r.Stage.ID] {
		f.t.Errorf("two deployments come up on stage %d", r.Stage.ID)
	}
	f.busy[r.Stage.ID] = true
	f.calls, f.seen = append(f.calls, r.Deployment.ID), append(f.seen, r)
	hold, fail := f.holdAll, f.fail
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.busy[r.Stage.ID] = false
		f.mu.Unlock()
	}()
	progress(cairn.StageEvent{Kind: cairn.StageEvStarted, Text: "started", Mode: "host", At: time.Now()})
	progress(cairn.StageEvent{Kind: cairn.StageEvNote, Text: "port 80 is 40001 here", At: time.Now()})
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		progress(cairn.StageEvent{Kind: cairn.StageEvFailed, Text: fail.Error(), Log: f.log, At: time.Now()})
		return fail
	}
	f.mu.Lock()
	f.live[r.Stage.ID] = r.Deployment.ID
	f.mu.Unlock()
	progress(cairn.StageEvent{Kind: cairn.StageEvLive, Text: "live", At: time.Now()})
	return nil
}

func (f *target) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *target) Stop(_ context.Context, s cairn.Stage) error {
	if f.stops != nil {
		f.stops <- struct{}{}
		f.stops <- struct{}{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, s.ID)
	return nil
}

func (f *target) Status(_ context.Context, s cairn.Stage) (*cairn.StageStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, ok := f.live[s.ID]
	if !ok {
		return nil, nil
	}
	return &cairn.StageStatus{Protocol: 1, PID: 7, Live: &cairn.InstanceStatus{Deployment: id, Healthy: true}}, nil
}

func (f *target) Logs(context.Context, cairn.Stage, deploy.LogRequest, io.Writer) error { return nil }

func (f *target) Keep(ctx context.Context, _ func(context.Context) ([]cairn.Stage, error)) {
	<-ctx.Done()
}

// images and code are fakes over maps.
type images map[string]*cairn.Image

func (m images) Resolve(_ context.Context, ref string) (*cairn.Image, error) {
	if img := m[ref]; img != nil {
		return img, nil
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "there is no image %s", ref)
}

type code map[string]string // revision:path

func (m code) ReadFile(_ context.Context, _, revision, path string) ([]byte, error) {
	for _, r := range []string{revision, "*"} {
		if b, ok := m[r+":"+path]; ok {
			return []byte(b), nil
		}
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "there is no file %s", path)
}

func (m code) Commit(_ context.Context, _, sha string) (cairn.Commit, error) {
	return cairn.Commit{SHA: sha, Author: "Ana", Subject: "A change"}, nil
}

// rig is a Service over a real store.
type rig struct {
	t      testing.TB
	store  *listed
	target *target
	images images
	code   code
	s      *deploy.Service
	now    time.Time
	stop   func()
}

// listed is the store with the images of the fake.
type listed struct {
	*store.Store
	images images
}

func (l *listed) Images(_ context.Context, _ string, f cairn.ImageFilter) ([]cairn.Image, error) {
	var out []cairn.Image
	for i := int64(100); i > 0; i-- {
		for ref, img := range l.images {
			if img.Seq != i || !strings.HasPrefix(ref, "sha256:") || f.Run != 0 && f.Run != img.Run {
				continue
			}
			if f.Name != "" && !strings.Contains(strings.Join(img.Tags, " "), f.Name+":") {
				continue
			}
			out = append(out, *img)
		}
	}
	return out, nil
}

func newRig(t testing.TB) *rig {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r := &rig{t: t, images: images{}, code: code{}, now: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)}
	r.store = &listed{st, r.images}
	r.target = &target{t: t, live: map[int64]cairn.DeploymentID{}, busy: map[int64]bool{}}
	r.start()
	return r
}

// start begins an owner; stop ends it as a kill would: what was under way is left.
func (r *rig) start() {
	r.s = deploy.New(deploy.Options{
		Store: r.store, Images: r.images, Code: r.code, Target: r.target, Workspace: "default", MatchRef: run.MatchRef,
		FirstPort: 9000, Free: func(p int) bool { return p != 9001 }, Now: func() time.Time { return r.now },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.s.Run(ctx); !errors.Is(err, context.Canceled) {
			r.t.Errorf("the loop ended: %v", err)
		}
	}()
	var once sync.Once
	r.stop = func() { once.Do(func() { cancel(); <-done }) }
	r.t.Cleanup(r.stop)
}

// image makes an image of a commit with a model.
func (r *rig) image(n int, change ...func(*cairn.Image)) *cairn.Image {
	img := &cairn.Image{
		Seq: int64(n), Digest: cairn.SumBytes([]byte{byte(n)}), Repository: repo, Commit: fmt.Sprintf("%040d", n),
		Tags: []string{fmt.Sprintf("ghcr.io/acme/api:v1.0.%d", n), "ghcr.io/acme/api:main"},
		Packed: []cairn.Packed{
			{Path: "data.csv", Digest: cairn.SumBytes([]byte("data")), Ref: "data/digits:1"},
			{Path: "m.joblib", Digest: cairn.SumBytes([]byte("model")), Ref: "model/digits:1"},
		},
	}
	for _, f := range change {
		f(img)
	}
	r.images[string(img.Digest)], r.images[fmt.Sprintf("api:%d", n)] = img, img
	return img
}

func (r *rig) deploy(n int, stage string) *cairn.Deployment {
	r.t.Helper()
	d, err := r.s.Deploy(r.t.Context(), deploy.Request{Image: fmt.Sprintf("api:%d", n), Stage: stage}, ana)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// until waits for a deployment to be as wanted.
func (r *rig) until(id cairn.DeploymentID, ok func(*cairn.Deployment) bool) *cairn.Deployment {
	r.t.Helper()
	signal, stop := r.store.Watch()
	defer stop()
	for {
		d, err := r.store.Deployment(r.t.Context(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		if ok(&d) {
			return &d
		}
		select {
		case <-signal:
		case <-time.After(20 * time.Second):
			r.t.Fatalf("deployment %d is %s: %s", id, d.Status, d.Reason)
		}
	}
}

func (r *rig) status(id cairn.DeploymentID, want cairn.DeploymentStatus) *cairn.Deployment {
	r.t.Helper()
	return r.until(id, func(d *cairn.Deployment) bool { return d.Status == want })
}

func (r *rig) live(n int, stage string) *cairn.Deployment {
	r.t.Helper()
	return r.status(r.deploy(n, stage).ID, cairn.DeployLive)
}

// addRun makes a run with one job that is running, and its principal. The run is
// ana's, the attempt cyd's.
func (r *rig) addRun(id cairn.RunID, ref, environment string) cairn.Principal {
	r.t.Helper()
	return r.addRunOf(repo, id, ref, environment)
}

func jobOf(id cairn.RunID) cairn.Principal {
	job := cairn.JobID(100 + id)
	return cairn.Principal{Name: fmt.Sprintf("job/%d", job), Role: cairn.RoleJob, Job: job, Run: id, Attempt: 1, Epoch: 1}
}

func (r *rig) environment(e cairn.Environment) {
	r.t.Helper()
	if err := r.store.PutEnvironment(r.t.Context(), e, cairn.Change{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) addRunOf(repository string, id cairn.RunID, ref, environment string) cairn.Principal {
	r.t.Helper()
	plan := []byte(`{}`)
	jobID := cairn.JobID(100 + id)
	x := cairn.Run{ID: id, Workspace: "default", Repository: repository, Path: "x.yml", Attempt: 1, Plan: cairn.SumBytes(plan), Ref: ref,
		Actor: "ana", TreeGit: fmt.Sprintf("tree%d", id), Status: cairn.StatusRunning, Commit: cairn.Commit{SHA: fmt.Sprintf("%040d", id), Author: "Ana"}}
	x, err := r.store.CreateRun(r.t.Context(), x, cairn.Attempt{Run: id, Number: 1, By: "cyd"}, plan, cairn.Change{})
	if err != nil {
		r.t.Fatal(err)
	}
	b := cairn.RunBatch{ID: id, Version: x.Version, Jobs: []cairn.Job{
		{ID: jobID, Run: id, Attempt: 1, Path: "deploy", Node: "deploy", Name: "deploy", Status: cairn.StatusRunning, Environment: environment, Epoch: 1},
		{ID: jobID + 1000, Run: id, Attempt: 1, Path: "unit", Node: "unit", Name: "unit", Status: cairn.StatusCompleted, Conclusion: cairn.Success, Epoch: 1},
	}}
	if environment != "" {
		b.Approvals = []cairn.Approval{{Run: id, Attempt: 1, Environment: environment, State: run.ApprovalApproved, By: "ben", Comment: "looks good"}}
	}
	if err := r.store.ApplyRun(r.t.Context(), b, cairn.Change{}); err != nil {
		r.t.Fatal(err)
	}
	return jobOf(id)
}

// links gives "relation to (note)" of a ref.
func (r *rig) links(from cairn.Ref) []string {
	r.t.Helper()
	ls, err := r.store.LinksFrom(r.t.Context(), from)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, l := range ls {
		s := string(l.Relation) + " " + string(l.To)
		if l.Note != "" {
			s += " (" + l.Note + ")"
		}
		out = append(out, s)
	}
	return out
}
