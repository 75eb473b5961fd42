package predlog

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-ml/cairn"
)

// Append keeps one answered request with its bodies and returns its id. With
// p.Async it does not wait for the disk.
func (w *Writer) Append(ctx context.Context, p *cairn.Prediction) (cairn.PredictionID, error) {
	return w.start(ctx, kindWhole, p)
}

// Begin keeps what is known when an answer begins that is passed on as it comes.
// The request's body may be kept once more at its end.
func (w *Writer) Begin(ctx context.Context, p *cairn.Prediction) (cairn.PredictionID, error) {
	return w.start(ctx, kindBegin, p)
}

func (w *Writer) start(ctx context.Context, k kind, p *cairn.Prediction) (cairn.PredictionID, error) {
	if err := checkBodies(p); err != nil {
		return "", err
	}
	f := &fixed{kind: k, at: p.At.UnixMicro(), status: p.Status}
	seg, off, err := w.append(ctx, f, headOf(p), p.Request.Body, p.Response.Body, !p.Async)
	if err != nil {
		return "", err
	}
	return cairn.NewPredictionID(p.Release, w.o.Stage, seg, off), nil
}

func checkBodies(p *cairn.Prediction) error {
	if len(p.Request.Body) > MaxBody || len(p.Response.Body) > MaxBody {
		return cairn.Errorf(cairn.CodeTooLarge, "a body of more than %d bytes cannot be kept", MaxBody)
	}
	return nil
}

// End keeps how an answer ended that Begin was called for: p is what Begin was
// given, with its ID, Took, Error, and the sizes and bodies as far as they are
// kept now. Bodies that somebody had erased meanwhile are not written.
func (w *Writer) End(ctx context.Context, p *cairn.Prediction) error {
	if err := checkBodies(p); err != nil {
		return err
	}
	_, _, seg, off, err := p.ID.Parts()
	if err != nil {
		return err
	}
	h := &head{
		Took: p.Took, Error: clip(p.Error, maxText), Request: sideOf(&p.Request), Response: sideOf(&p.Response),
		BeginSegment: seg, BeginOffset: off, Async: p.Async,
	}
	f := &fixed{kind: kindEnd, at: p.At.Add(time.Duration(p.Took) * time.Microsecond).UnixMicro(), status: p.Status}
	req, resp := p.Request.Body, p.Response.Body
	if w.erased(seg, off) {
		f.erased, req, resp = true, nil, nil
	}
	_, _, err = w.append(ctx, f, h, req, resp, !p.Async)
	return err
}

// erased looks whether the bodies at the begin were erased.
func (w *Writer) erased(seg, off int64) bool {
	f, err := os.Open(filepath.Join(w.o.Dir, segmentName(seg)))
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, recHeader)
	if _, err := f.ReadAt(b, off); err != nil {
		return false // it waits to be written: nobody has seen its id yet
	}
	x, ok := decodeFixed(b)
	return ok && x.erased
}
