package run_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
	"github.com/cairn-ml/cairn/internal/store"
)

var _ run.Store = (*store.Store)(nil)
var _ run.Backend = (*fake.Backend)(nil)

// resolver answers fixed things.
type resolver struct {
	vars, secrets, envSecrets map[string]string
}

func (r resolver) Vars(context.Context, *cairn.Run, string) (map[string]string, error) {
	return r.vars, nil
}
func (r resolver) Secrets(_ context.Context, _ *cairn.Run, env string) (map[string]string, error) {
	if env != "" && r.envSecrets != nil {
		return r.envSecrets, nil
	}
	return r.secrets, nil
}
func (resolver) EnvFile(context.Context, *cairn.Run) (map[string]string, error) { return nil, nil }
func (resolver) JobToken(_ context.Context, _ *cairn.Run, j *cairn.Job) (string, error) {
	return "token-of-" + j.Path, nil
}
func (resolver) JobEnv(context.Context, *cairn.Run, *cairn.Job) (map[string]string, error) {
	return map[string]string{"CAIRN_URL": "http://127.0.0.1:7077"}, nil
}
func (resolver) Code(_ context.Context, r *cairn.Run) (cairn.CodeRef, error) {
	return cairn.CodeRef{Repository: r.Repository, Commit: r.Commit.SHA}, nil
}
func (resolver) Addresses() (server, api string) {
	return "http://127.0.0.1:7077", "http://127.0.0.1:7077/api/v3"
}

// bench is what tests of the engine stand on: a real store, a scripted backend.
type bench struct {
	t       testing.TB
	store   *store.Store
	backend *fake.Backend
	engine  *run.Engine
	stop    func()
}

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func newBench(t testing.TB, b *fake.Backend) *bench {
	t.Helper()
	x := &bench{t: t, store: openStore(t, t.TempDir()), backend: b}
	x.engine = run.New(run.Options{Store: x.store, Backend: b, Resolver: resolver{}, Log: logger()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.engine.Run(ctx)
	}()
	x.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		x.stop()
		x.store.Close()
	})
	return x
}

func logger() *slog.Logger {
	if os.Getenv("CAIRN_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

func (x *bench) submit(p *cairn.Plan, change ...func(*run.Request)) *cairn.Run {
	x.t.Helper()
	r := run.Request{
		Workspace: "default", Repository: "ana/digits", Plan: p, Actor: "ana", Ref: "refs/heads/main",
		Commit: cairn.Commit{SHA: "0123456789012345678901234567890123456789", Subject: "a subject"},
	}
	for _, c := range change {
		c(&r)
	}
	got, err := x.engine.Submit(context.Background(), r)
	if err != nil {
		x.t.Fatal(err)
	}
	return got
}

// until waits for cond on the current attempt of a run.
func (x *bench) until(id cairn.RunID, what string, cond func(*cairn.RunSnapshot) bool) *cairn.RunSnapshot {
	x.t.Helper()
	signal, stop := x.store.Watch()
	defer stop()
	deadline := time.After(30 * time.Second)
	for {
		snap, err := x.store.RunSnapshot(context.Background(), id, 0)
		if err != nil {
			x.t.Fatal(err)
		}
		if cond(snap) {
			return snap
		}
		select {
		case <-signal:
		case <-deadline:
			for _, j := range snap.Jobs {
				x.t.Logf("%s %s %s %s", j.Path, j.Status, j.Conclusion, j.Reason)
			}
			x.t.Fatalf("run %d never came to: %s (it is %s %s)", id, what, snap.Run.Status, snap.Run.Reason)
		}
	}
}

func (x *bench) ended(id cairn.RunID) *cairn.RunSnapshot {
	x.t.Helper()
	s := x.until(id, "its end", func(s *cairn.RunSnapshot) bool { return s.Run.Status == cairn.StatusCompleted })
	if strings.HasPrefix(s.Run.Reason, "a defect") {
		x.t.Errorf("run %d: %s", id, s.Run.Reason)
	}
	return s
}

func jobOf(s *cairn.RunSnapshot, path string) cairn.Job {
	for _, j := range s.Jobs {
		if j.Path == path {
			return j
		}
	}
	return cairn.Job{}
}

// node makes a job for a plan.
func node(id string, needs ...string) cairn.Node {
	return cairn.Node{
		ID: id, Kind: cairn.NodeJob, Needs: needs, RunsOn: cairn.Str("ubuntu-latest"),
		Steps: []cairn.Step{{Run: cairn.Str("true")}},
	}
}

func planOf(nodes ...cairn.Node) *cairn.Plan {
	return &cairn.Plan{Schema: 1, Name: "ci", Path: ".github/workflows/ci.yml", Event: "push", Nodes: nodes}
}

func chain(n int) *cairn.Plan {
	var nodes []cairn.Node
	for i := range n {
		nodes = append(nodes, node(name("j", i)))
		if i > 0 {
			nodes[i].Needs = []string{name("j", i-1)}
		}
	}
	return planOf(nodes...)
}

func name(prefix string, i int) string {
	return prefix + string(rune('a'+i/26)) + string(rune('a'+i%26))
}
