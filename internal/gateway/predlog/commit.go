package predlog

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// loop is the goroutine that writes what no caller writes itself, and begins
// segments.
func (w *Writer) loop() {
	defer close(w.done)
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for w.writing || len(w.pending) == 0 && !w.turn && !w.closed {
			w.work.Wait()
		}
		switch {
		case len(w.pending) > 0:
			w.commit()
		case w.closed:
			return
		case w.turn:
			old := w.cur
			w.writing = true
			w.mu.Unlock()
			w.next(old)
			w.mu.Lock()
			w.writing = false
		}
	}
}

// lead writes what is queued where nobody writes yet: a caller that waits for the
// disk anyway does it sooner than a goroutine that has to be woken for it, and to
// wake it again. What is queued meanwhile is the next group, and the loop's: no
// caller works for others once its own record is on the disk.
func (w *Writer) lead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing || len(w.pending) == 0 {
		return
	}
	w.commit()
	if len(w.pending) > 0 || w.turn || w.closed {
		w.work.Signal()
	}
}

// commit writes everything that is queued as one group. w.mu is held, but not while
// the disk works; nobody else writes then.
func (w *Writer) commit() {
	group := w.pending
	w.pending, w.bytes, w.writing = nil, 0, true
	w.mu.Unlock()
	var err error
	w.joined, err = group[0].seg.write(group, w.joined)
	w.settle(group, err)
	w.mu.Lock()
	w.writing = false
}

// write puts a group of records, which follow each other, on the disk.
func (a *active) write(group []*entry, joined []byte) ([]byte, error) {
	last := group[len(group)-1]
	if end := last.off + int64(len(last.b)); end > a.allocated {
		to := (end + allocChunk) &^ (allocChunk - 1)
		// Without room ahead a sync takes longer, and that is all: a full disk shows
		// when the record itself does not fit.
		if allocate(a.file, a.allocated, to) == nil {
			a.allocated = to
		}
	}
	for i := 0; i < len(group); {
		from := group[i].off
		b := group[i].b
		i++
		if len(b) < joinBelow && i < len(group) {
			joined = append(joined[:0], b...)
			for ; i < len(group) && len(joined)+len(group[i].b) <= 4*joinBelow; i++ {
				joined = append(joined, group[i].b...)
			}
			b = joined
		}
		if _, err := a.file.WriteAt(b, from); err != nil {
			return joined, err
		}
	}
	if err := datasync(a.file); err != nil {
		return joined, err
	}
	a.written = last.off + int64(len(last.b))
	return joined, nil
}

// settle tells a group how it went. After a failure nothing more goes into the
// segment, also not what was queued behind it: an offset is never given twice.
func (w *Writer) settle(group []*entry, err error) {
	if err != nil {
		a := group[0].seg
		w.mu.Lock()
		group = append(group, w.pending...)
		w.pending, w.bytes = nil, 0
		w.cur = nil
		for _, e := range group {
			if e.done == nil {
				w.lost++
			}
		}
		w.mu.Unlock()
		w.o.Logger.Error("the prediction log cannot be written", "segment", a.number, "records", len(group), "error", err)
		_ = a.finish() // what is on the disk stays as it is, or is cut at the next start
		w.empty = append(w.empty, a.number)
	}
	for _, e := range group {
		if e.done != nil {
			e.done <- writeError(err)
		}
	}
}

// next closes a segment and begins the one after it.
func (w *Writer) next(old *active) {
	if old != nil {
		if err := old.finish(); err != nil {
			w.o.Logger.Warn("a segment of the prediction log was not closed in order", "segment", old.number, "error", err)
		}
	}
	w.mu.Lock()
	w.last++
	n := w.last
	w.mu.Unlock()
	a, err := w.create(n)
	if err == nil {
		w.dropEmpty(w.empty)
		w.empty = nil
	} else {
		w.o.Logger.Error("the prediction log cannot be written", "segment", n, "error", err)
	}
	w.mu.Lock()
	w.cur, w.turnErr, w.turn = a, writeError(err), false
	w.turns++
	w.turned.Broadcast()
	w.mu.Unlock()
	w.sweep()
}

// finish gives back the room ahead and closes the file.
func (a *active) finish() error {
	if a.file == nil {
		return nil
	}
	f := a.file
	a.file = nil
	return errors.Join(f.Truncate(a.written), f.Sync(), f.Close())
}

// SetKeep changes how much is kept, from the next sweep on.
func (w *Writer) SetKeep(k Keep) {
	w.mu.Lock()
	w.setKeep(k)
	w.mu.Unlock()
}

func (w *Writer) setKeep(k Keep) {
	if k.Size <= 0 {
		k.Size = DefaultKeepSize
	}
	if k.For <= 0 {
		k.For = DefaultKeepFor
	}
	w.keep = k
}

const sweepEvery = 10 * time.Minute

func (w *Writer) sweeper() {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-t.C:
			w.sweep()
		}
	}
}

// sweep removes the oldest segments while there is too much, or while all that
// they hold is too old: everything in a segment is older than the next one.
func (w *Writer) sweep() {
	w.mu.Lock()
	keep, now := w.keep, w.o.Now()
	current := w.last
	w.mu.Unlock()
	ns, err := segments(w.o.Dir)
	if err != nil {
		w.o.Logger.Warn("the prediction log cannot be listed", "error", err)
		return
	}
	sizes := make([]int64, len(ns))
	var total int64
	for i, n := range ns {
		if fi, err := os.Stat(filepath.Join(w.o.Dir, segmentName(n))); err == nil {
			sizes[i] = fi.Size()
			total += fi.Size()
		}
	}
	for i, n := range ns {
		if n >= current || i+1 >= len(ns) {
			return
		}
		if total <= keep.Size && !w.before(ns[i+1], now.Add(-keep.For)) {
			return
		}
		if err := os.Remove(filepath.Join(w.o.Dir, segmentName(n))); err != nil {
			w.o.Logger.Warn("an old segment of the prediction log cannot be removed", "segment", n, "error", err)
			return
		}
		total -= sizes[i]
	}
}

// before reports whether a segment began before a time.
func (w *Writer) before(n int64, t time.Time) bool {
	r, err := openSegment(w.o.Dir, n)
	if err != nil {
		return false
	}
	defer r.close()
	return r.s.created.Before(t)
}

// Size is how many bytes a log takes on the disk.
func Size(dir string) int64 {
	ns, _ := segments(dir) // an unreadable log counts as none
	var total int64
	for _, n := range ns {
		if fi, err := os.Stat(filepath.Join(dir, segmentName(n))); err == nil {
			total += fi.Size()
		}
	}
	return total
}
