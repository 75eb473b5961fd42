package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// computeClock starts and stops compute instances by their schedules and when they are idle,
// and keeps what of computes was in use. It moves rows: nothing of this machine is started.
type computeClock struct {
	s    *Server
	look chan struct{} // a compute was written, or its use changed

	mu   sync.Mutex
	told bool // the engine said what is in use: before, nobody knows what is idle
	busy map[string]int
	// peak is the most that was in use since it was last written down, of those whose use
	// changed; at is when it last did.
	peak map[string]int
	at   map[string]time.Time
}

func newComputeClock(s *Server) *computeClock {
	return &computeClock{s: s, look: make(chan struct{}, 1), busy: map[string]int{}, peak: map[string]int{}, at: map[string]time.Time{}}
}

// used takes what is in use from the engine, whose loop does not wait.
func (c *computeClock) used(now map[string]int) {
	c.mu.Lock()
	for _, m := range []map[string]int{c.busy, now} {
		for name := range m {
			if c.busy[name] != now[name] {
				c.peak[name], c.at[name] = max(c.peak[name], c.busy[name], now[name]), c.s.now().UTC()
			}
		}
	}
	c.busy, c.told = now, true
	c.mu.Unlock()
	c.wake()
}

func (c *computeClock) wake() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

// inUse is how many instances of a compute jobs use.
func (c *computeClock) inUse(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy[strings.ToLower(name)]
}

// perhaps is inUse, and 1 while nobody knows: what runs since before this owner was there
// must not be taken for idle.
func (c *computeClock) perhaps(name string) int {
	c.mu.Lock()
	told := c.told
	c.mu.Unlock()
	if !told {
		return 1
	}
	return c.inUse(name)
}

// keepComputes moves what is due, for as long as this owner is there.
func (c *computeClock) keepComputes(ctx context.Context) {
	for {
		next, err := c.tick(ctx)
		if err != nil && ctx.Err() == nil {
			c.s.log.Error("computes cannot be looked at", "error", err)
		}
		pause := clockLooks
		if !next.IsZero() {
			pause = min(max(next.Sub(c.s.now()), 0)+time.Millisecond, clockLooks)
		}
		if !wait(ctx, c.look, pause) {
			return
		}
	}
}

// tick writes down what was in use, moves what is due and says when the next is.
func (c *computeClock) tick(ctx context.Context) (next time.Time, err error) {
	if err := c.note(ctx); err != nil {
		return next, err
	}
	all, err := c.s.store.Computes(ctx, Workspace)
	if err != nil {
		return next, err
	}
	now := c.s.now().UTC()
	for i := range all {
		x := &all[i]
		if x.Type != cairn.ComputeInstance {
			continue
		}
		move, at, err := nextMove(x, c.perhaps(x.Name), now)
		if err != nil {
			c.s.log.Warn("the schedules of a compute cannot be read", "compute", x.Name, "error", err)
			continue
		}
		if move != nil {
			if err := c.move(ctx, x.Name, now); err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
				return next, err
			}
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}

// move does what is due on an instance. It is judged once more inside the transaction:
// somebody may have moved it since.
func (c *computeClock) move(ctx context.Context, name string, now time.Time) error {
	busy := c.perhaps(name)
	x, err := c.s.store.ChangeCompute(ctx, Workspace, name, func(x *cairn.Compute) (cairn.Change, bool, error) {
		m, _, err := nextMove(x, busy, now)
		if err != nil || m == nil {
			return cairn.Change{}, false, err
		}
		x.Looked = now
		// What a person did after it was due stays.
		if !x.MovedAt.After(m.at) {
			moveCompute(x, m.to, m.why, x.By, now)
		}
		return computeChange(x.By, x), true, nil
	})
	if err == nil {
		c.s.log.Info("a compute was looked after", "compute", x.Name, "state", x.State, "by", x.MovedWhy)
	}
	return err
}

// note writes down what was in use, once for each change.
func (c *computeClock) note(ctx context.Context) error {
	c.mu.Lock()
	peak, at := c.peak, c.at
	c.peak, c.at = map[string]int{}, map[string]time.Time{}
	c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(peak)) {
		_, err := c.s.store.ChangeCompute(ctx, Workspace, name, func(x *cairn.Compute) (cairn.Change, bool, error) {
			x.Used, x.UsedAt = peak[name], at[name]
			return computeChange(x.By, x), true, nil
		})
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			c.mu.Lock()
			for name := range peak { // the next look writes it
				c.peak[name] = max(c.peak[name], peak[name])
				if c.at[name].IsZero() {
					c.at[name] = at[name]
				}
			}
			c.mu.Unlock()
			return err
		}
	}
	return nil
}
