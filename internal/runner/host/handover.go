package host

import (
	"context"
	"errors"

	"github.com/cairn-ml/cairn/internal/proc"
)

// handOver gives a job to a supervisor that has none, or to a new one.
func (b *Backend) handOver(ctx context.Context, l layout, h []byte) (*identity, error) {
	for w := b.workers.take(); w != nil; w = b.workers.take() {
		id, mine, err := w.assign(ctx, l, h)
		switch {
		case errors.Is(err, errGone): // then by another one: nothing has run
			continue
		case err != nil || !mine: // it leaves by itself
			w.line.Close()
		default:
			b.attend(w)
		}
		return id, err
	}
	w, id, err := spawn(ctx, l, b.o.Command, inherited(b.o.Environ), h, b.signal)
	if w != nil {
		b.attend(w)
		go func() {
			<-w.end
			b.workers.gone(w)
		}()
	}
	return id, err
}

// attend waits beside for the end of a worker's job.
func (b *Backend) attend(w *worker) {
	b.workers.busy(w)
	go func() {
		again := w.attend()
		if again {
			b.workers.rest(w)
		} else {
			w.line.Close()
		}
		b.signal()
	}()
}

// supervises reports whether the process of id is alive and has the job of l: one of
// our own may have gone on to another job.
func (b *Backend) supervises(l layout, id *identity) bool {
	if !id.Alive() {
		return false
	}
	if w := b.workers.find(id.Identity); w != nil {
		_, ok := w.has(l)
		return ok
	}
	return true
}

// awaitEnd returns when the process of id has not the job of l any more.
func (b *Backend) awaitEnd(l layout, id *identity) {
	if w := b.workers.find(id.Identity); w != nil {
		if done, ok := w.has(l); ok {
			<-done
		}
		return
	}
	if id.Alive() {
		proc.WaitExit(id.PID, id.Start)
	}
}
