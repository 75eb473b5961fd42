package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
)

// term is the time in which an instance is live. Requests belong to a term, so
// that one that follows another is told from it, also on the same instance.
type term struct {
	in       *instance
	spec     cairn.StageInstance // what its answers say they come from
	log      cairn.PredictionLog
	inflight atomic.Int64
	ctx      context.Context // ends when what is still under way is cut
	cut      context.CancelFunc
}

func newTerm(in *instance, x cairn.StageInstance) *term {
	t := &term{in: in, spec: x, log: x.Log}
	t.ctx, t.cut = context.WithCancel(context.Background())
	return t
}

// instance is the term's; nil for no term.
func (t *term) instance() *instance {
	if t == nil {
		return nil
	}
	return t.in
}

// drain is how long requests may take after the next one took over.
func (t *term) drain() time.Duration {
	if d := t.spec.Drain.Duration(); d > 0 {
		return d
	}
	return defaultDrain
}

// acquire counts a request on the live term; nil where nothing is live. Once a
// switch has happened no request joins the old term: who counted itself before
// looks again.
func (s *Stage) acquire() *term {
	for {
		t := s.live.Load()
		if t == nil {
			return nil
		}
		t.inflight.Add(1)
		if s.live.Load() == t {
			return t
		}
		t.inflight.Add(-1)
	}
}

func (t *term) release() { t.inflight.Add(-1) }

// finish waits until nothing is under way any more, at most until ctx ends; then
// it cuts what is left.
func (t *term) finish(ctx context.Context) {
	for wait := time.Millisecond; t.inflight.Load() > 0 && ctx.Err() == nil; wait = min(2*wait, 50*time.Millisecond) {
		time.Sleep(wait)
	}
	t.cut()
	for end := time.Now().Add(cutTime); t.inflight.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}
