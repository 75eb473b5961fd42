package job

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/run"
)

// taskAction begins the names of the actions that carry a task out: what the runner says
// around them is of no interest while it goes well.
const taskAction = "cairn/task/"

// maxTails bounds the logs that are read at once; further ones wait for their turn.
const maxTails = 32

// drain is how long the end of the view waits for logs that are still on their way.
const drain = 10 * time.Second

// tails reads the logs of jobs as they are written: of each job one step after
// another, of all jobs at the same time.
type tails struct {
	ctx  context.Context
	read func(ctx context.Context, job cairn.JobID, step int, line func(string) error) error
	line func(j *live.Job, text string) // nil: lines are only kept as the last ones
	free chan struct{}
	all  sync.WaitGroup

	mu sync.Mutex
	by map[cairn.JobID]*tail
}

type tail struct {
	queue []int
	seen  map[int]bool
	going bool
	last  string
}

func newTails(ctx context.Context, cl *kit.Client) *tails {
	return &tails{ctx: ctx, by: map[cairn.JobID]*tail{}, free: make(chan struct{}, maxTails),
		read: func(ctx context.Context, job cairn.JobID, step int, line func(string) error) error {
			return run.LogLines(ctx, cl, job, step, true, line)
		}}
}

// look begins to read what steps began to write.
func (t *tails) look(m *live.Model) {
	for _, j := range m.Jobs() {
		if j.Call || j.Kept || reused(j) {
			continue
		}
		for _, s := range j.Steps() {
			if s.StartedAt.IsZero() || s.Conclusion == cairn.Skipped || s.From > 0 || !strings.HasPrefix(s.Uses, taskAction) {
				continue
			}
			t.add(j, s.Number)
		}
	}
}

func (t *tails) add(j *live.Job, step int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.by[j.ID]
	if l == nil {
		l = &tail{seen: map[int]bool{}}
		t.by[j.ID] = l
	}
	if l.seen[step] {
		return
	}
	l.seen[step] = true
	l.queue = append(l.queue, step)
	if !l.going {
		l.going = true
		copied := *j
		t.all.Go(func() { t.follow(&copied, l) })
	}
}

// follow reads the steps of one job until none is left.
func (t *tails) follow(j *live.Job, l *tail) {
	select {
	case t.free <- struct{}{}:
		defer func() { <-t.free }()
	case <-t.ctx.Done():
	}
	for {
		t.mu.Lock()
		if len(l.queue) == 0 || t.ctx.Err() != nil {
			l.going = false
			t.mu.Unlock()
			return
		}
		step := l.queue[0]
		l.queue = l.queue[1:]
		t.mu.Unlock()
		// A log that cannot be read is missing from the view only; cairn run logs says why.
		_ = t.read(t.ctx, j.ID, step, func(text string) error {
			t.mu.Lock()
			if text != "" {
				l.last = text
			}
			t.mu.Unlock()
			if t.line != nil {
				t.line(j, text)
			}
			return nil
		})
	}
}

// busy reports whether lines of a job are still to come.
func (t *tails) busy(id cairn.JobID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.by[id]
	return l != nil && l.going
}

// last is what a job said last.
func (t *tails) last(id cairn.JobID) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.by[id]; l != nil {
		return l.last
	}
	return ""
}

// wait lets what was written come out.
func (t *tails) wait() {
	done := make(chan struct{})
	go func() { t.all.Wait(); close(done) }()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
