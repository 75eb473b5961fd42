package deploy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// Limits of what is kept in memory for followers.
const (
	keptDeployments = 100
	keptEvents      = 500
	keptLines       = 50
)

// progress is what the target said of one deployment.
type progress struct {
	mu     sync.Mutex
	events []cairn.StageEvent
	more   chan struct{} // closed at the next event
}

// begin starts the progress of a deployment anew: a target that takes one up
// again tells it from the beginning. The caller holds s.mu.
func (s *Service) begin(id cairn.DeploymentID) *progress {
	p := s.find(id)
	p.mu.Lock()
	p.events = nil
	p.mu.Unlock()
	return p
}

// find gives the progress of a deployment, also before there is any, so that who
// follows hears the first event. The caller holds s.mu.
func (s *Service) find(id cairn.DeploymentID) *progress {
	if p := s.progress[id]; p != nil {
		return p
	}
	if len(s.progress) >= keptDeployments {
		var oldest cairn.DeploymentID
		for k := range s.progress {
			if !s.carried[k] && (oldest == 0 || k < oldest) {
				oldest = k
			}
		}
		delete(s.progress, oldest)
	}
	p := &progress{more: make(chan struct{})}
	s.progress[id] = p
	return p
}

func (s *Service) progressOf(id cairn.DeploymentID) *progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(id)
}

func (p *progress) add(e cairn.StageEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.At = e.At.UTC()
	// Followers go on behind the time of the last event that they saw.
	if n := len(p.events); n > 0 && !e.At.After(p.events[n-1].At) {
		e.At = p.events[n-1].At.Add(time.Microsecond)
	}
	if len(p.events) < keptEvents || e.Kind == cairn.StageEvFailed || e.Kind == cairn.StageEvLive {
		p.events = append(p.events, e)
	}
	close(p.more)
	p.more = make(chan struct{})
}

// after gives the events behind a time, and what is closed at the next one.
func (p *progress) after(t time.Time) ([]cairn.StageEvent, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.events, func(e cairn.StageEvent) bool { return e.At.After(t) })
	if i < 0 {
		return nil, p.more
	}
	return slices.Clone(p.events[i:]), p.more
}

func (p *progress) mode() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range slices.Backward(p.events) {
		if e.Mode != "" {
			return e.Mode
		}
	}
	return ""
}

func (p *progress) notes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, e := range p.events {
		if e.Kind == cairn.StageEvNote && !slices.Contains(out, e.Text) && len(out) < keptLines {
			out = append(out, e.Text)
		}
	}
	return out
}

// lastLines are the last lines of the program when it failed.
func (p *progress) lastLines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range slices.Backward(p.events) {
		if n := len(e.Log); n > 0 {
			return slices.Clone(e.Log[max(0, n-keptLines):])
		}
	}
	return nil
}

// Update is one thing that a follower learns: an event of the stage, or the row
// after a change. One without either says only that it goes on.
type Update struct {
	Event      *cairn.StageEvent
	Deployment *cairn.Deployment
}

// Follow tells fn of a deployment until it is live or has ended; events only
// behind since. Every alive it says so when there is nothing else (0: never).
func (s *Service) Follow(ctx context.Context, id cairn.DeploymentID, since time.Time, alive time.Duration, fn func(Update) error) error {
	signal, stop := s.o.Store.Watch()
	defer stop()
	var tick <-chan time.Time
	if alive > 0 {
		t := time.NewTicker(alive)
		defer t.Stop()
		tick = t.C
	}
	var version int64
	for {
		d, err := s.o.Store.Deployment(ctx, id)
		if err != nil {
			return err
		}
		done := d.Status == cairn.DeployLive || d.Status.Ended()
		row := func() error {
			if d.Version == version {
				return nil
			}
			version = d.Version
			return fn(Update{Deployment: &d})
		}
		if !done {
			if err := row(); err != nil {
				return err
			}
		}
		events, more := s.progressOf(id).after(since)
		for i := range events {
			since = events[i].At
			if err := fn(Update{Event: &events[i]}); err != nil {
				return err
			}
		}
		if done {
			return row()
		}
		select {
		case <-signal:
		case <-more:
		case <-tick:
			if err := fn(Update{}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Await returns a deployment once it is live or has ended.
func (s *Service) Await(ctx context.Context, id cairn.DeploymentID) (*cairn.Deployment, error) {
	var last *cairn.Deployment
	err := s.Follow(ctx, id, time.Time{}, 0, func(u Update) error {
		if u.Deployment != nil {
			last = u.Deployment
		}
		return nil
	})
	return last, err
}
