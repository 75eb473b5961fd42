package live

import (
	"context"
	"iter"
	"time"

	"github.com/cairn-ml/cairn"
)

// tick is how often durations are redrawn; it has no influence on events.
const tick = 200 * time.Millisecond

// Follow folds events until their end and shows each. between is called on this
// goroutine with every event and tick, so that a caller can look at the model
// and talk to people; it may be nil.
func Follow(ctx context.Context, p Printer, m *Model, events iter.Seq2[cairn.Event, error], between func(context.Context) error) error {
	type item struct {
		ev  cairn.Event
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ch := make(chan item)
	go func() {
		defer close(ch)
		for ev, err := range events {
			select {
			case ch <- item{ev, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case it, ok := <-ch:
			switch {
			case !ok:
				return nil
			case it.err != nil:
				return it.err
			}
			c, err := m.Apply(it.ev)
			if err != nil {
				return err
			}
			if c != nil {
				p.News(m, it.ev, c)
			}
		case <-t.C:
			p.Tick(m)
		}
		if between != nil {
			if err := between(ctx); err != nil {
				return err
			}
		}
	}
}
