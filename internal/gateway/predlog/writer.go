package predlog

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options say where a log lies and how much of it is kept.
type Options struct {
	Dir    string // predictions/ of a stage; made where it is not there
	Stage  int64
	Now    func() time.Time
	Logger *slog.Logger
	// SegmentSize and SegmentAge are when the next segment begins; 0: 16 MiB, a day.
	SegmentSize int64
	SegmentAge  time.Duration
	Keep        Keep
}

// Keep bounds the log: the oldest segments go first. Zero fields: 1 GiB, 30 days.
type Keep struct {
	Size int64
	For  time.Duration
}

// The defaults of a log.
const (
	DefaultSegmentSize = 16 << 20
	DefaultSegmentAge  = 24 * time.Hour
	DefaultKeepSize    = 1 << 30
	DefaultKeepFor     = 30 * 24 * time.Hour

	minSegment = 64 << 10
	// allocChunk is how far a segment's file is ahead of what is written.
	allocChunk = 1 << 20
	// maxPending bounds what waits for the disk on behalf of answers that do not.
	maxPending = 64 << 20
	// joinBelow is up to where records are copied together to be written at once.
	joinBelow = 64 << 10
)

// Writer appends to the log of one stage. There is one for a folder at a time:
// the process of the stage holds a lock.
type Writer struct {
	o Options

	mu      sync.Mutex
	work    *sync.Cond // the loop waits on it
	turned  *sync.Cond // callers that need the next segment wait on it
	keep    Keep
	cur     *active // nil: the next append begins a segment
	last    int64   // the highest number that was ever tried
	turn    bool    // somebody needs the next segment
	turns   int64   // how often one was tried
	turnErr error   // how the last try went
	pending []*entry
	bytes   int64 // of pending
	lost    int64
	closed  bool
	writing bool // somebody is at the files: the loop, or a caller

	// Of whoever is writing.
	joined []byte  // records that are written at once
	empty  []int64 // segments that failed, and may hold nothing

	done chan struct{}
	quit chan struct{} // ends the sweeper
}

// active is the segment that is written.
type active struct {
	segment
	next int64 // where the next record goes
	// The rest belongs to whoever is writing.
	file      *os.File
	written   int64
	allocated int64
}

type entry struct {
	seg  *active
	off  int64
	b    []byte
	done chan error // nil: nobody waits
}

// Open finds the torn end that a crash may have left, cuts it off, and begins a
// new segment.
func Open(o Options) (*Writer, error) {
	if o.SegmentSize <= 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.SegmentAge <= 0 {
		o.SegmentAge = DefaultSegmentAge
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, writeError(err)
	}
	ns, err := segments(o.Dir)
	if err != nil {
		return nil, writeError(err)
	}
	w := &Writer{o: o, done: make(chan struct{}), quit: make(chan struct{})}
	w.work, w.turned = sync.NewCond(&w.mu), sync.NewCond(&w.mu)
	w.setKeep(o.Keep)
	if len(ns) > 0 {
		w.last = ns[len(ns)-1]
		if err := w.recover(ns); err != nil {
			return nil, err
		}
	}
	w.last++
	if w.cur, err = w.create(w.last); err != nil {
		return nil, writeError(err)
	}
	w.dropEmpty(ns)
	w.sweep()
	go w.loop()
	go w.sweeper()
	return w, nil
}

// recover cuts the torn end off the segment that was written last. Others were
// cut when they were closed, or by an earlier start.
func (w *Writer) recover(ns []int64) error {
	n := ns[len(ns)-1]
	path := filepath.Join(w.o.Dir, segmentName(n))
	r, err := openSegment(w.o.Dir, n)
	if err != nil {
		if cairn.CodeOf(err) != cairn.CodeFailed {
			return writeError(err)
		}
		// Its header never reached the disk whole, or the disk damaged it: nothing
		// of it was acknowledged in the first case, nothing can be read in the other.
		w.o.Logger.Warn("a segment of the prediction log cannot be read", "segment", n, "error", err)
		return nil
	}
	defer r.close()
	end, err := r.end()
	if err != nil {
		return writeError(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		return writeError(err)
	}
	if fi.Size() <= end {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return writeError(err)
	}
	err = errors.Join(f.Truncate(end), f.Sync(), f.Close())
	return writeError(err)
}

// dropEmpty removes those of earlier segments that hold nothing, so that restarts
// and failures leave no heap of files. The newest one stays: it keeps the numbers
// growing.
func (w *Writer) dropEmpty(ns []int64) {
	for _, n := range ns {
		path := filepath.Join(w.o.Dir, segmentName(n))
		if fi, err := os.Stat(path); err == nil && fi.Size() <= segHeader {
			os.Remove(path) // one that stays is only untidy
		}
	}
}

// create makes the file of a segment; it is on the disk when it returns.
func (w *Writer) create(n int64) (*active, error) {
	a := &active{segment: segment{stage: w.o.Stage, number: n, created: w.o.Now()}, next: segHeader, written: segHeader}
	// Read never fails and fills all of it.
	_, _ = rand.Read(a.salt[:])
	path := filepath.Join(w.o.Dir, segmentName(n))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(a.encode())
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(w.o.Dir)
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	a.file, a.allocated = f, segHeader
	return a, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// errClosed says that the writer was closed.
var errClosed = cairn.Errorf(cairn.CodeUnavailable, "the prediction log is closed")

// writeError says for people that the log cannot be written; nil stays nil.
func writeError(err error) error {
	if err == nil {
		return nil
	}
	e := cairn.Errorf(cairn.CodeUnavailable, "the prediction log cannot be written: %w", err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return e.WithHint("free space on the disk of CAIRN_HOME, or keep less: log.keep_size of the stage; with log.mode async answers do not wait for the log")
	}
	return e
}

// append gives a record its place and hands it to the writing goroutine. With
// wait it returns when the record is on the disk.
func (w *Writer) append(ctx context.Context, f *fixed, h *head, req, resp []byte, wait bool) (seg, off int64, err error) {
	text, err := encodeHead(h)
	if err != nil {
		return 0, 0, err
	}
	e := &entry{b: f.build(text, req, resp)}
	if wait {
		e.done = make(chan error, 1)
	}
	if err := w.place(e, wait); err != nil {
		return 0, 0, err
	}
	if wait {
		w.lead()
		select {
		case err = <-e.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return e.seg.number, e.off, err
}

// place reserves room for an entry and queues it.
func (w *Writer) place(e *entry, wait bool) error {
	size := int64(len(e.b))
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.turn || w.cur == nil || w.full(size) {
		if w.closed {
			return errClosed
		}
		w.turn = true
		w.work.Signal()
		for seen := w.turns; w.turns == seen && !w.closed; {
			w.turned.Wait()
		}
		if w.turnErr != nil {
			if !wait {
				w.lost++
			}
			return w.turnErr
		}
	}
	if w.closed {
		return errClosed
	}
	if !wait && w.bytes+size > maxPending {
		w.lost++
		return cairn.Errorf(cairn.CodeUnavailable, "the disk is too slow for the prediction log: %d bytes wait", w.bytes)
	}
	e.seg, e.off = w.cur, w.cur.next
	seal(e.b, &e.seg.segment, e.off)
	w.cur.next += size
	w.bytes += size
	w.pending = append(w.pending, e)
	if !wait {
		w.work.Signal()
	}
	return nil
}

// full reports whether the next segment has to begin before size more bytes.
func (w *Writer) full(size int64) bool {
	if w.cur.next == segHeader {
		return false // a record that is larger than a segment has one for itself
	}
	limit := max(min(w.o.SegmentSize, w.keep.Size/4), minSegment)
	return w.cur.next+size > limit || w.o.Now().Sub(w.cur.created) > w.o.SegmentAge
}

// Lost is how many records were not written although their answers went out, in
// mode async.
func (w *Writer) Lost() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Segment is the number of the segment that is written.
func (w *Writer) Segment() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Close writes what waits and closes the log.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		<-w.done
		return nil
	}
	w.closed = true
	w.work.Signal()
	w.turned.Broadcast()
	w.mu.Unlock()
	close(w.quit)
	<-w.done
	w.mu.Lock()
	a := w.cur
	w.cur = nil
	w.mu.Unlock()
	if a == nil {
		return nil
	}
	return writeError(a.finish())
}
