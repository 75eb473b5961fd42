package run_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
	"github.com/cairn-ml/cairn/internal/store"
)

var errDead = errors.New("the process was killed")

// death ends everything a process does at its n-th contact with the world:
// before it or after it, so that what was done is not known to have been done.
type death struct {
	mu   sync.Mutex
	left int
	dead bool
	at   string
	done chan struct{}
}

func newDeath(n int) *death { return &death{left: n, done: make(chan struct{})} }

func (d *death) dies(at string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return true
	}
	if d.left--; d.left == 0 {
		d.dead, d.at = true, at
		close(d.done)
	}
	return d.dead
}

func (d *death) around(what string, do func() error) error {
	if d.dies("before " + what) {
		return errDead
	}
	err := do()
	if d.dies("after " + what) {
		return errDead
	}
	return err
}

// mortalStore and mortalBackend are what one process sees of the world.
type mortalStore struct {
	*store.Store
	d *death
}

func (m mortalStore) ApplyRun(ctx context.Context, b cairn.RunBatch, ch cairn.Change) error {
	return m.d.around("ApplyRun", func() error { return m.Store.ApplyRun(ctx, b, ch) })
}
func (m mortalStore) Reserve(ctx context.Context, counter string, n int) (first int64, err error) {
	err = m.d.around("Reserve", func() error { first, err = m.Store.Reserve(ctx, counter, n); return err })
	return first, err
}
func (m mortalStore) EffectDone(ctx context.Context, id string) error {
	return m.d.around("EffectDone", func() error { return m.Store.EffectDone(ctx, id) })
}
func (m mortalStore) EffectRetry(ctx context.Context, id string, after time.Time, reason string) error {
	return m.d.around("EffectRetry", func() error { return m.Store.EffectRetry(ctx, id, after, reason) })
}
func (m mortalStore) RunSnapshot(ctx context.Context, id cairn.RunID, attempt int) (s *cairn.RunSnapshot, err error) {
	err = m.d.around("RunSnapshot", func() error { s, err = m.Store.RunSnapshot(ctx, id, attempt); return err })
	return s, err
}

type mortalBackend struct {
	*fake.Backend
	d *death
}

func (m mortalBackend) Start(ctx context.Context, spec cairn.JobSpec, secrets cairn.JobSecrets) (pid int, at int64, err error) {
	err = m.d.around("Start", func() error { pid, at, err = m.Backend.Start(ctx, spec, secrets); return err })
	return pid, at, err
}
func (m mortalBackend) Cancel(ctx context.Context, j cairn.Job, force bool) error {
	return m.d.around("Cancel", func() error { return m.Backend.Cancel(ctx, j, force) })
}
func (m mortalBackend) Cleanup(ctx context.Context, j cairn.Job) error {
	return m.d.around("Cleanup", func() error { return m.Backend.Cleanup(ctx, j) })
}
func (m mortalBackend) Reports(ctx context.Context, j cairn.Job, from int64) (r []cairn.Report, next int64, err error) {
	err = m.d.around("Reports", func() error { r, next, err = m.Backend.Reports(ctx, j, from); return err })
	return r, next, err
}

// world is what outlives a process: the database files and the supervisors.
type world struct {
	t       *testing.T
	dir     string
	backend *fake.Backend
	id      cairn.RunID
}

func killPlan() *cairn.Plan {
	test := node("test", "data")
	test.Strategy = genFixedStrategy("1", "2")
	test.Strategy.FailFast = cairn.Template{Kind: cairn.TemplateBool}
	call := cairn.Node{ID: "call", Kind: cairn.NodeCall, Needs: []string{"data"}, Body: []cairn.Node{node("x"), node("y", "x")}}
	clean := node("clean", "test")
	clean.If = "always()"
	return planOf(node("data"), test, call, node("after", "test"), clean, node("gone", "data"))
}

func genFixedStrategy(values ...string) *cairn.Strategy {
	var items []cairn.Template
	for _, v := range values {
		items = append(items, cairn.Str(v))
	}
	return &cairn.Strategy{Matrix: cairn.Template{Kind: cairn.TemplateMap, Pairs: []cairn.TemplateField{
		{Key: cairn.Str("v"), Value: cairn.Template{Kind: cairn.TemplateSeq, Items: items}},
	}}}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), backend: fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		switch s.Path {
		case "test[2]":
			return fake.Outcome{Conclusion: cairn.Failure, Steps: 3}
		case "gone":
			return fake.Outcome{Die: true}
		}
		return fake.Outcome{Outputs: map[string]string{"of": s.Path}}
	}})}
	st := openStore(t, w.dir)
	defer st.Close()
	r, err := run.New(run.Options{Store: st, Backend: w.backend, Resolver: resolver{}}).Submit(context.Background(), run.Request{
		Workspace: "default", Repository: "ana/digits", Plan: killPlan(), Actor: "ana", Ref: "refs/heads/main",
		Commit: cairn.Commit{SHA: "0123456789012345678901234567890123456789"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.id = r.ID
	return w
}

// life lets one process live until it dies at its n-th contact, or until the run
// ends; n 0 means it does not die. It reports whether the run ended.
func (w *world) life(n int) (ended bool, at string) {
	w.t.Helper()
	st := openStore(w.t, w.dir)
	d := newDeath(n)
	e := run.New(run.Options{
		Store: mortalStore{st, d}, Backend: mortalBackend{w.backend, d}, Resolver: resolver{}, Log: logger(),
		Poll: 20 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		e.Run(ctx)
	}()
	signal, stop := st.Watch()
	deadline := time.After(30 * time.Second)
	for !ended {
		r, err := st.Run(ctx, w.id)
		if err != nil {
			w.t.Fatal(err)
		}
		effects, err := st.Effects(ctx, 100)
		if err != nil {
			w.t.Fatal(err)
		}
		if ended = r.Status == cairn.StatusCompleted && len(effects) == 0; ended {
			break
		}
		select {
		case <-d.done:
		case <-signal:
			continue
		case <-time.After(5 * time.Millisecond):
			continue
		case <-deadline:
			jobs, _ := st.Jobs(ctx, w.id, 0, false)
			w.t.Fatalf("nothing goes on: %+v %+v %+v", r, jobs, effects)
		}
		break
	}
	d.mu.Lock()
	d.dead = true
	at = d.at
	d.mu.Unlock()
	cancel()
	<-gone
	stop()
	st.Close()
	return ended, at
}

// check compares with what a run that nobody killed comes to.
func (w *world) check() {
	w.t.Helper()
	ctx := context.Background()
	st := openStore(w.t, w.dir)
	defer st.Close()
	r, err := st.Run(ctx, w.id)
	if err != nil || r.Conclusion != cairn.Failure {
		w.t.Errorf("run: %+v %v", r, err)
	}
	jobs, err := st.Jobs(ctx, w.id, 0, true)
	if err != nil {
		w.t.Fatal(err)
	}
	want := map[string]cairn.Conclusion{
		"data": cairn.Success, "test[1]": cairn.Success, "test[2]": cairn.Failure, "call/x": cairn.Success,
		"call/y": cairn.Success, "after": cairn.Skipped, "clean": cairn.Success, "gone": cairn.Lost,
	}
	if len(jobs) != len(want) {
		w.t.Errorf("%d jobs, want %d", len(jobs), len(want))
	}
	ran := 0
	for _, j := range jobs {
		if j.Conclusion != want[j.Path] || j.Status != cairn.StatusCompleted {
			w.t.Errorf("%s: %s %s (%s), want %s", j.Path, j.Status, j.Conclusion, j.Reason, want[j.Path])
		}
		if j.Epoch > 1 {
			w.t.Errorf("%s was handed out %d times", j.Path, j.Epoch)
		}
		ran += int(j.Epoch)
		for _, s := range j.Steps {
			if s.Status != cairn.StatusCompleted {
				w.t.Errorf("%s step %d: %s", j.Path, s.Number, s.Status)
			}
		}
		if j.Path == "test[2]" && len(j.Steps) != 3 {
			w.t.Errorf("test[2] has %d steps", len(j.Steps))
		}
	}
	specs := w.backend.Started()
	seen := map[string]bool{}
	for _, s := range specs {
		if seen[s.Path] {
			w.t.Errorf("%s ran twice", s.Path)
		}
		seen[s.Path] = true
	}
	if len(specs) != ran || w.backend.Alives() != 0 {
		w.t.Errorf("%d supervisors for %d leases, %d alive", len(specs), ran, w.backend.Alives())
	}
	checkFold(w.t, st, w.id)
}

// The process is killed at each of its contacts with the world in turn; the one
// after it brings the run to the same end.
func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	points := 0
	for n := 1; ; n++ {
		w := newWorld(t)
		ended, at := w.life(n)
		if !ended {
			points++
			if ended, _ = w.life(0); !ended {
				t.Fatalf("killed %s (point %d): it does not end", at, n)
			}
		}
		w.check()
		if t.Failed() {
			t.Fatalf("killed %s (point %d)", at, n)
		}
		if at == "" {
			break
		}
		if slow || testing.Short() {
			n += 6
		}
	}
	t.Logf("killed at %d points", points)
	if points < 20 && !slow && !testing.Short() {
		t.Errorf("only %d points", points)
	}
}

// Every process is killed after a few contacts, again and again.
func TestKillAgainAndAgain(t *testing.T) {
	t.Parallel()
	lengths := []int{5, 7, 11}
	if slow || testing.Short() {
		lengths = []int{11}
	}
	for _, n := range lengths {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			lives := 0
			for ended := false; !ended; lives++ {
				if lives > 400 {
					t.Fatal("it does not get on")
				}
				// Each life is a little longer, so that none is too short to do anything.
				ended, _ = w.life(n + lives/8)
			}
			t.Logf("%d lives", lives)
			w.check()
		})
	}
}

// The same while a run is being cancelled: the supervisor is told, jobs with
// always() run once, nothing else starts.
func TestKillWhileCancelling(t *testing.T) {
	t.Parallel()
	clean := node("clean", "long")
	clean.If = "always()"
	p := planOf(node("long"), clean, node("never", "long"))
	points := 0
	for n := 1; ; n++ {
		w := &world{t: t, dir: t.TempDir(), backend: fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
			return fake.Outcome{Hold: s.Path == "long", Steps: 2}
		}})}
		x := &bench{t: t, store: openStore(t, w.dir), backend: w.backend}
		x.engine = run.New(run.Options{Store: x.store, Backend: w.backend, Resolver: resolver{}, Log: logger()})
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() { defer close(gone); x.engine.Run(ctx) }()
		w.id = x.submit(p).ID
		x.until(w.id, "long runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "long").PID != 0 })
		cancel()
		<-gone
		if err := x.engine.Cancel(context.Background(), w.id, "ben"); err != nil {
			t.Fatal(err)
		}
		x.store.Close()
		ended, at := w.life(n)
		if !ended {
			points++
			w.life(0)
		}
		st := openStore(t, w.dir)
		jobs, err := st.Jobs(context.Background(), w.id, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]cairn.Conclusion{"long": cairn.Cancelled, "clean": cairn.Success, "never": cairn.Cancelled}
		for _, j := range jobs {
			if j.Conclusion != want[j.Path] || j.Epoch > 1 {
				t.Errorf("%s: %s, lease %d", j.Path, j.Conclusion, j.Epoch)
			}
		}
		if got := len(w.backend.Started()); got != 2 || w.backend.Alives() != 0 {
			t.Errorf("%d started, %d alive", got, w.backend.Alives())
		}
		checkFold(t, st, w.id)
		st.Close()
		if t.Failed() {
			t.Fatalf("killed %s (point %d)", at, n)
		}
		if at == "" {
			break
		}
		if slow || testing.Short() {
			n += 6
		}
	}
	t.Logf("killed at %d points", points)
	if points < 20 && !slow && !testing.Short() {
		t.Errorf("only %d points", points)
	}
}
