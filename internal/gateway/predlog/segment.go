package predlog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// segmentName is the file of a segment.
func segmentName(n int64) string { return fmt.Sprintf("%06d.seg", n) }

// segments lists the numbers of a folder's segments, oldest first. A folder that
// is not there has none.
func segments(dir string) ([]int64, error) {
	es, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, e := range es {
		text, ok := strings.CutSuffix(e.Name(), ".seg")
		n, err := strconv.ParseInt(text, 10, 64)
		if ok && err == nil && n > 0 && segmentName(n) == e.Name() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// reader reads one segment through a window, so that heads of small records cost
// few system calls and large bodies are not read at all.
type reader struct {
	f   io.ReaderAt
	c   io.Closer
	s   *segment
	buf []byte // what lies at from
	at  int64
}

const window = 64 << 10

// openSegment opens segment n of a folder.
func openSegment(dir string, n int64) (*reader, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(n)))
	if err != nil {
		return nil, err
	}
	r, err := newReader(f)
	if err == nil && r.s.number != n {
		err = damaged(n, fmt.Errorf("it is segment %d", r.s.number))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r.c = f
	return r, nil
}

func damaged(n int64, err error) error {
	return cairn.Errorf(cairn.CodeFailed, "segment %s of the prediction log is damaged: %w", segmentName(n), err)
}

func newReader(f io.ReaderAt) (*reader, error) {
	b := make([]byte, segHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	s, err := decodeSegment(b[:n])
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "a segment of the prediction log is damaged: %w", err)
	}
	return &reader{f: f, s: s}, nil
}

func (r *reader) close() {
	if r.c != nil {
		r.c.Close()
	}
}

// peek gives n bytes at an offset, or fewer at the end of the file. They are
// valid until the next call.
func (r *reader) peek(off int64, n int) ([]byte, error) {
	if off < r.at || off+int64(n) > r.at+int64(len(r.buf)) {
		want := max(n, window)
		if cap(r.buf) < want {
			r.buf = make([]byte, want)
		}
		got, err := r.f.ReadAt(r.buf[:want], off)
		r.buf, r.at = r.buf[:got], off
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	b := r.buf[off-r.at:]
	return b[:min(n, len(b))], nil
}

// record reads the fixed part and the head at an offset; ok is false where no
// whole record lies there. head is valid until the next call.
func (r *reader) record(off int64) (f fixed, head []byte, ok bool, err error) {
	b, err := r.peek(off, recHeader)
	if err != nil {
		return fixed{}, nil, false, err
	}
	f, ok = decodeFixed(b)
	if !ok {
		return fixed{}, nil, false, nil
	}
	b, err = r.peek(off, recHeader+f.head)
	if err != nil || len(b) < recHeader+f.head {
		return fixed{}, nil, false, err
	}
	if recordCRC(r.s, off, b, b[recHeader:]) != binary.LittleEndian.Uint32(b[36:]) {
		return fixed{}, nil, false, nil
	}
	return f, b[recHeader:], true, nil
}

// bodies reads the bodies of a record and looks at their CRC. Erased ones are nil.
func (r *reader) bodies(off int64, f *fixed) (req, resp []byte, err error) {
	b := make([]byte, f.req+f.resp)
	if f.erased {
		b = b[:min(len(b), 1)] // only whether they are there
		off += int64(f.req + f.resp - len(b))
	}
	if _, err := r.f.ReadAt(b, off+int64(recHeader+f.head)); len(b) > 0 && err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil, errBody
		}
		return nil, nil, err
	}
	if f.erased {
		return nil, nil, nil
	}
	req, resp = b[:f.req:f.req], b[f.req:]
	if bodyCRC(req, resp) != f.bodyCRC {
		return nil, nil, errBody
	}
	return req, resp, nil
}

var errBody = errors.New("the bodies do not have their checksum")

// next finds the first record at or after an offset. Where the bytes at the
// offset are damaged, the rest of the segment is searched: a crash may lose one
// write and keep a later one. ok is false at the end of the log.
func (r *reader) next(off int64) (at int64, f fixed, head []byte, ok bool, err error) {
	for {
		f, head, ok, err = r.record(off)
		if err != nil || ok {
			return off, f, head, ok, err
		}
		if off, ok, err = r.search(off + align); err != nil || !ok {
			return off, fixed{}, nil, false, err
		}
	}
}

// search finds the next place that begins like a record.
func (r *reader) search(off int64) (int64, bool, error) {
	for {
		b, err := r.peek(off, window)
		if err != nil || len(b) < recHeader {
			return off, false, err
		}
		for i := 0; i+recHeader <= len(b); i += align {
			if binary.LittleEndian.Uint32(b[i:]) == recMagic {
				return off + int64(i), true, nil
			}
		}
		off += int64((len(b) - recHeader + align) &^ (align - 1))
	}
}

// end is where the last whole record ends: one whose bodies are whole too.
func (r *reader) end() (int64, error) {
	end := int64(segHeader)
	for off := end; ; {
		at, f, _, ok, err := r.next(off)
		if err != nil {
			return 0, err
		}
		if !ok {
			return end, nil
		}
		_, _, err = r.bodies(at, &f)
		switch {
		case errors.Is(err, errBody):
			// What follows may still be whole: only then this one is kept.
			off = at + align
			continue
		case err != nil:
			return 0, err
		}
		end = at + f.size()
		off = end
	}
}

func decodeHead(b []byte) (*head, error) {
	var h head
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, err
	}
	return &h, nil
}
