package predlog

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
)

// Erase overwrites the bodies of a prediction with zeros where they lie; that it
// was asked, when, and by which release stays. It only touches records that are
// whole, so that the writer need not know of it.
func Erase(ctx context.Context, dir string, id cairn.PredictionID) error {
	_, f, r, off, err := find(dir, id)
	if err != nil {
		return err
	}
	n := r.s.number
	r.close()
	if err := erase(dir, n, off, f); err != nil {
		return err
	}
	if f.kind != kindBegin {
		return nil
	}
	return eraseEnd(ctx, dir, n, off, off+f.size())
}

// eraseEnd erases the end of a streamed answer, where it is there already. One
// that comes later sees the flag at its begin.
func eraseEnd(ctx context.Context, dir string, seg, begin, from int64) error {
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
		at, f, ok, err := locateEnd(dir, n, seg, begin, from)
		if err != nil {
			return err
		}
		if ok {
			return erase(dir, n, at, f)
		}
	}
	return nil
}

// locateEnd finds the end of a streamed answer in segment n.
func locateEnd(dir string, n, seg, begin, from int64) (int64, *fixed, bool, error) {
	r, err := openSegment(dir, n)
	if err != nil {
		return 0, nil, false, skippable(err)
	}
	defer r.close()
	off := int64(segHeader)
	if n == seg {
		off = from
	}
	for {
		at, f, text, ok, err := r.next(off)
		if err != nil || !ok {
			return 0, nil, false, err
		}
		off = at + f.size()
		if f.kind != kindEnd {
			continue
		}
		if h, err := decodeHead(text); err == nil && h.BeginSegment == seg && h.BeginOffset == begin {
			return at, &f, true, nil
		}
	}
}

// erase sets the flag first: a crash in between leaves bodies that are shown to
// nobody, and that the next Erase overwrites.
func erase(dir string, n, off int64, f *fixed) error {
	file, err := os.OpenFile(filepath.Join(dir, segmentName(n)), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(binary.LittleEndian.AppendUint32(nil, erasedYes), off+8); err != nil {
		return writeError(err)
	}
	if err := file.Sync(); err != nil {
		return writeError(err)
	}
	zeros := make([]byte, min(f.req+f.resp, 1<<20))
	at, end := off+int64(recHeader+f.head), off+int64(recHeader+f.head+f.req+f.resp)
	for at < end {
		k, err := file.WriteAt(zeros[:min(int64(len(zeros)), end-at)], at)
		if err != nil {
			return writeError(err)
		}
		at += int64(k)
	}
	return writeError(file.Sync())
}
