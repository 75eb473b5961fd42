package predlog

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Read finds one prediction by its id, with its bodies.
func Read(ctx context.Context, dir string, id cairn.PredictionID) (*cairn.Prediction, error) {
	p, f, r, off, err := find(dir, id)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if p.Request.Body, p.Response.Body, err = r.bodies(off, f); err != nil {
		return nil, bodyError(id, err)
	}
	if f.kind != kindBegin {
		return p, nil
	}
	if err := addEnd(ctx, dir, r.s.number, off+f.size(), off, p); err != nil {
		return nil, err
	}
	return p, nil
}

func bodyError(id cairn.PredictionID, err error) error {
	if errors.Is(err, errBody) {
		return cairn.Errorf(cairn.CodeFailed, "the bodies of prediction %s are damaged on the disk: %w", id, err)
	}
	return err
}

func notFound(id cairn.PredictionID) *cairn.Error {
	return cairn.Errorf(cairn.CodeNotFound, "there is no prediction %s", id)
}

// find reads the record that an id names. The caller closes the reader.
func find(dir string, id cairn.PredictionID) (*cairn.Prediction, *fixed, *reader, int64, error) {
	release, stage, n, off, err := id.Parts()
	if err != nil {
		return nil, nil, nil, 0, err
	}
	r, err := openSegment(dir, n)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, 0, notFound(id).WithHint("the log keeps 30 days or 1 GiB, unless .cairn/stages.yml says otherwise: it may be gone already")
	}
	if err != nil {
		return nil, nil, nil, 0, err
	}
	p, f, err := r.find(id, release, stage, off)
	if err != nil {
		r.close()
		return nil, nil, nil, 0, err
	}
	return p, f, r, off, nil
}

func (r *reader) find(id cairn.PredictionID, release string, stage, off int64) (*cairn.Prediction, *fixed, error) {
	if r.s.stage != stage || off < segHeader || off%align != 0 {
		return nil, nil, notFound(id)
	}
	f, text, ok, err := r.record(off)
	if err != nil {
		return nil, nil, err
	}
	if !ok || f.kind == kindEnd {
		return nil, nil, notFound(id).WithHint("its record never reached the disk whole, or the id was mistyped")
	}
	h, err := decodeHead(text)
	if err != nil {
		return nil, nil, err
	}
	if h.Release != release {
		return nil, nil, notFound(id).WithHint("the record at this place belongs to release %s", h.Release)
	}
	p := h.prediction(r.s, off, &f)
	return &p, &f, nil
}

// addEnd looks for the end of a streamed answer, from a place behind its begin on.
func addEnd(ctx context.Context, dir string, seg, from, begin int64, p *cairn.Prediction) error {
	ns, err := segments(dir)
	if err != nil {
		return err
	}
	for _, n := range ns {
		if n < seg {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := endIn(dir, n, seg, from, begin, p)
		if err != nil || found {
			return err
		}
	}
	return nil
}

func endIn(dir string, n, seg, from, begin int64, p *cairn.Prediction) (bool, error) {
	at, _, ok, err := locateEnd(dir, n, seg, begin, from)
	if err != nil || !ok {
		return false, err
	}
	r, err := openSegment(dir, n)
	if err != nil {
		return false, skippable(err)
	}
	defer r.close()
	return true, r.addEnd(at, p, true)
}

// addEnd reads an end into the prediction that began before it.
func (r *reader) addEnd(at int64, p *cairn.Prediction, bodies bool) error {
	g, text, ok, err := r.record(at)
	if err != nil || !ok {
		return err
	}
	h, err := decodeHead(text)
	if err != nil {
		return err
	}
	h.finish(p, &g)
	if p.Deleted {
		p.Request.Body, p.Response.Body = nil, nil
	}
	if !bodies || p.Deleted {
		return nil
	}
	req, resp, err := r.bodies(at, &g)
	if err != nil {
		return bodyError(p.ID, err)
	}
	if len(req) > 0 {
		p.Request.Body = req
	}
	p.Response.Body = resp
	return nil
}

// skippable takes a segment that went away meanwhile, or cannot be read, for one
// without records.
func skippable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || cairn.CodeOf(err) == cairn.CodeFailed {
		return nil
	}
	return err
}

// List visits predictions, the newest first. Of the filter it looks at Release,
// Since, Until, Status, Path (without query; "*" stands for anything) and Limit;
// the rest is the caller's. Without bodies only heads are read.
func List(ctx context.Context, dir string, f cairn.PredictionFilter, bodies bool, visit func(cairn.Prediction) error) error {
	ns, err := segments(dir)
	if err != nil {
		return err
	}
	l := lister{dir: dir, f: f, bodies: bodies, visit: visit, left: 50, ends: map[[2]int64]place{}}
	if f.Limit > 0 {
		l.left = min(f.Limit, 1000)
	}
	var bad []error
	for _, n := range slices.Backward(ns) {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := l.segment(n)
		switch {
		case err != nil && cairn.CodeOf(err) == cairn.CodeFailed:
			bad = append(bad, err) // the other segments are shown all the same
		case err != nil:
			return err
		}
		if !more && err == nil {
			break
		}
	}
	return errors.Join(bad...)
}

type lister struct {
	dir    string
	f      cairn.PredictionFilter
	bodies bool
	visit  func(cairn.Prediction) error
	left   int
	// ends are those of streamed answers, by segment and offset of their begin.
	ends map[[2]int64]place
}

// place is where a record lies.
type place struct {
	seg, off int64
	f        fixed
}

// segment visits what one segment holds; more is false when older ones hold
// nothing that is asked for.
func (l *lister) segment(n int64) (more bool, err error) {
	r, err := openSegment(l.dir, n)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	defer r.close()
	ps, err := l.scan(r)
	if err != nil {
		return true, err
	}
	for _, p := range slices.Backward(ps) {
		if err := l.show(r, p); err != nil {
			return false, err
		}
		if l.left == 0 {
			return false, nil
		}
	}
	return l.f.Since.IsZero() || !r.s.created.Before(l.f.Since.Add(-clockSlack)), nil
}

// clockSlack is how far an answer may be older than the segment that has its
// record: it is noted when it is complete, and dated when it began.
const clockSlack = time.Hour

// scan notes where the records of a segment are that may be asked for.
func (l *lister) scan(r *reader) ([]place, error) {
	var out []place
	for off := int64(segHeader); ; {
		at, f, text, ok, err := r.next(off)
		if err != nil || !ok {
			return out, err
		}
		off = at + f.size()
		if f.kind == kindEnd {
			if h, err := decodeHead(text); err == nil {
				l.ends[[2]int64{h.BeginSegment, h.BeginOffset}] = place{seg: r.s.number, off: at, f: f}
			}
			continue
		}
		t := time.UnixMicro(f.at)
		if l.f.Status != 0 && f.status != l.f.Status || !l.f.Since.IsZero() && t.Before(l.f.Since) || !l.f.Until.IsZero() && !t.Before(l.f.Until) {
			continue
		}
		out = append(out, place{seg: r.s.number, off: at, f: f})
	}
}

// show visits one record if it is asked for.
func (l *lister) show(r *reader, at place) error {
	f, text, ok, err := r.record(at.off)
	if err != nil || !ok {
		return err
	}
	h, err := decodeHead(text)
	if err != nil {
		return nil // damaged in a way that its checksum does not know of: not ours
	}
	path, _, _ := strings.Cut(h.Path, "?")
	if !strings.HasPrefix(h.Release, l.f.Release) || l.f.Path != "" && !cairn.PathMatches(l.f.Path, path) {
		return nil
	}
	p := h.prediction(r.s, at.off, &f)
	if l.bodies {
		if p.Request.Body, p.Response.Body, err = r.bodies(at.off, &f); err != nil && !errors.Is(err, errBody) {
			return err
		}
	}
	if end, ok := l.ends[[2]int64{at.seg, at.off}]; ok {
		if err := l.finish(r, end, &p); err != nil {
			return err
		}
	}
	l.left--
	return l.visit(p)
}

// finish adds what the end says.
func (l *lister) finish(r *reader, end place, p *cairn.Prediction) error {
	if end.seg != r.s.number {
		other, err := openSegment(l.dir, end.seg)
		if err != nil {
			return nil // gone meanwhile
		}
		defer other.close()
		r = other
	}
	err := r.addEnd(end.off, p, l.bodies)
	if cairn.CodeOf(err) == cairn.CodeFailed {
		return nil // its bodies are damaged: what is known is shown
	}
	return err
}
