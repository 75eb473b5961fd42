package wheel

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

const (
	// aheadMax is the largest file that is unpacked into memory before its turn.
	aheadMax = 16 << 20
	// aheadBudget bounds what lies in memory unpacked.
	aheadBudget = 64 << 20
)

// ahead unpacks and checks files in the order in which they will be read, on all
// processors, as far ahead as its budget allows.
type ahead struct {
	ctx  context.Context
	sem  *semaphore.Weighted
	jobs []*aheadJob
}

type aheadJob struct {
	f placedFile
	// taken is set by whoever reads the file first: a worker, or a reader that came
	// for it before its turn. So a reader never waits for budget.
	taken atomic.Bool
	done  chan struct{}
	b     []byte
	err   error
}

func newAhead(ctx context.Context) *ahead {
	return &ahead{ctx: ctx, sem: semaphore.NewWeighted(aheadBudget)}
}

// add queues a file; what it returns waits for it, and can be called once.
func (q *ahead) add(f placedFile) func() (io.ReadCloser, error) {
	j := &aheadJob{f: f, done: make(chan struct{})}
	q.jobs = append(q.jobs, j)
	return func() (io.ReadCloser, error) {
		if j.taken.CompareAndSwap(false, true) {
			return f.a.open(f.from)
		}
		select {
		case <-j.done:
		case <-q.ctx.Done():
			return nil, q.ctx.Err()
		}
		if j.err != nil {
			return nil, j.err
		}
		return &aheadReader{Reader: bytes.NewReader(j.b), q: q, j: j}, nil
	}
}

type aheadReader struct {
	*bytes.Reader
	q *ahead
	j *aheadJob
}

func (r *aheadReader) Close() error {
	r.q.sem.Release(r.j.weight())
	r.j.b = nil
	return nil
}

func (j *aheadJob) weight() int64 { return j.f.size + 1 }

// start begins to unpack; one goroutine takes budget in the order of the files.
func (q *ahead) start() {
	work := make(chan *aheadJob)
	go func() {
		defer close(work)
		for _, j := range q.jobs {
			if q.sem.Acquire(q.ctx, j.weight()) != nil {
				return
			}
			if !j.taken.CompareAndSwap(false, true) {
				q.sem.Release(j.weight())
				continue
			}
			select {
			case work <- j:
			case <-q.ctx.Done():
				return
			}
		}
	}()
	for range max(2, runtime.GOMAXPROCS(0)) {
		go func() {
			for j := range work {
				j.b, j.err = j.f.a.verified(j.f.from)
				close(j.done)
			}
		}()
	}
}

// verified reads a whole file and checks it.
func (a *archive) verified(p string) ([]byte, error) {
	b, err := a.content(a.files[p], aheadMax)
	if err != nil {
		return nil, err
	}
	h, err := newHash(a.record[p].algorithm)
	if err != nil {
		return nil, a.bad("%s: %w", p, err)
	}
	h.Write(b)
	return b, a.check(p, h.Sum(nil))
}
