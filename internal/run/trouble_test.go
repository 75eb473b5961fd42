package run_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
	"github.com/cairn-ml/cairn/internal/store"
)

// brittle is a store whose runs can be neither read nor written for a while.
type brittle struct {
	*store.Store
	broken  atomic.Bool
	refused atomic.Int64
}

func (b *brittle) trouble() error {
	if !b.broken.Load() {
		return nil
	}
	b.refused.Add(1)
	return cairn.Errorf(cairn.CodeUnavailable, "the disk is full")
}

func (b *brittle) ApplyRun(ctx context.Context, x cairn.RunBatch, ch cairn.Change) error {
	if err := b.trouble(); err != nil {
		return err
	}
	return b.Store.ApplyRun(ctx, x, ch)
}

func (b *brittle) RunSnapshot(ctx context.Context, id cairn.RunID, attempt int) (*cairn.RunSnapshot, error) {
	if err := b.trouble(); err != nil {
		return nil, err
	}
	return b.Store.RunSnapshot(ctx, id, attempt)
}

// slowStart is a backend whose start of one job takes until somebody lets it go on.
type slowStart struct {
	*fake.Backend
	path     string
	starting chan struct{}
	goOn     chan struct{}
	started  atomic.Bool
}

func (b *slowStart) Start(ctx context.Context, spec cairn.JobSpec, s cairn.JobSecrets) (int, int64, error) {
	if spec.Path == b.path && b.started.CompareAndSwap(false, true) {
		close(b.starting)
		<-b.goOn
	}
	return b.Backend.Start(ctx, spec, s)
}

// TestStartWhileRowsCannotBeWritten: the supervisor of a job that was started
// while its run could not be written is known afterwards, so that its death is
// seen.
func TestStartWhileRowsCannotBeWritten(t *testing.T) {
	t.Parallel()
	backend := fake.New(fake.Options{Script: func(cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: true} }})
	b := &slowStart{Backend: backend, path: "a", starting: make(chan struct{}), goOn: make(chan struct{})}
	st := &brittle{Store: openStore(t, t.TempDir())}
	x := &bench{t: t, store: st.Store, backend: backend}
	x.engine = run.New(run.Options{Store: st, Backend: b, Resolver: resolver{}, Log: logger(), Poll: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.engine.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		st.Close()
	})
	id := x.submit(planOf(node("a"), node("b"))).ID
	<-b.starting
	x.until(id, "b", func(s *cairn.RunSnapshot) bool { return jobOf(s, "b").PID != 0 })
	st.broken.Store(true)
	backend.Finish("b", fake.Outcome{}) // what it reports cannot be written: the run is read again
	for st.refused.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	close(b.goOn)
	for len(backend.Started()) < 2 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // some passes without the run
	st.broken.Store(false)
	x.until(id, "the supervisor of a", func(s *cairn.RunSnapshot) bool { return jobOf(s, "a").PID != 0 })
	backend.Kill("a")
	if got := jobOf(x.ended(id), "a"); got.Conclusion != cairn.Lost {
		t.Errorf("a: %s (%s)", got.Conclusion, got.Reason)
	}
}
