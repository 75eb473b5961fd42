package predlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

// written makes a log of one segment and returns its bytes, where its records
// end, and what is in it.
func written(t testing.TB, n int, body func(i int) []byte) (text []byte, ends []int64, ids []cairn.PredictionID) {
	t.Helper()
	dir, err := os.MkdirTemp("", "predlog")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w, err := Open(Options{Dir: dir, Stage: 7, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p := sample(i)
		p.Request.Body = body(i)
		ids = append(ids, add(t, w, p))
		w.mu.Lock()
		ends = append(ends, w.cur.next)
		w.mu.Unlock()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, segmentName(1))); err != nil {
		t.Fatal(err)
	}
	return text, ends, ids
}

// restart puts a segment into a folder, starts a writer on it, and lists.
func restart(t testing.TB, text []byte) (string, []cairn.Prediction) {
	t.Helper()
	dir, err := os.MkdirTemp("", "predlog")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), text, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Open(Options{Dir: dir, Stage: 7, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var out []cairn.Prediction
	_ = List(t.Context(), dir, cairn.PredictionFilter{Limit: 1000}, false, func(p cairn.Prediction) error {
		out = append(out, p)
		return nil
	})
	return dir, out
}

// TestCutAnywhere cuts a segment at every byte: what was whole before stays, and
// the rest is cut off.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	text, ends, ids := written(t, 4, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*20) })
	for cut := segHeader; cut < len(text); cut++ {
		whole := 0
		for _, e := range ends {
			if e <= int64(cut) {
				whole++
			}
		}
		for _, tail := range [][]byte{nil, make([]byte, 4096)} {
			b := append(text[:cut:cut], tail...)
			r, err := newReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			end, err := r.end()
			if err != nil {
				t.Fatal(err)
			}
			// Padding that was cut is zeros all the same: such a record is whole.
			if want := append([]int64{segHeader}, ends...); end != want[whole] && end != want[min(whole+1, 4)] {
				t.Fatalf("cut at %d of %d: the end is %d, not %d", cut, len(text), end, want[whole])
			}
			if cut%211 != 0 {
				continue
			}
			dir, got := restart(t, b)
			if len(got) < whole || len(got) > whole+1 {
				t.Fatalf("cut at %d of %d: %d records, not %d", cut, len(text), len(got), whole)
			}
			for i := range got {
				p, err := Read(t.Context(), dir, got[i].ID)
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				if n := len(got) - 1 - i; p.ID != ids[n] || !bytes.Equal(p.Request.Body, bytes.Repeat([]byte{byte(n)}, n*20)) {
					t.Fatalf("cut at %d: record %d is %+v", cut, n, p)
				}
			}
		}
	}
}

// TestFlipAnywhere changes any byte: at most the record it lies in is lost, and
// nothing wrong is shown.
func TestFlipAnywhere(t *testing.T) {
	t.Parallel()
	text, ends, ids := written(t, 5, func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 40+i) })
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(segHeader, len(text)-1).Draw(rt, "at")
		bit := rapid.IntRange(0, 7).Draw(rt, "bit")
		b := bytes.Clone(text)
		b[at] ^= 1 << bit
		hit := 0
		for int64(at) >= ends[hit] {
			hit++
		}
		dir, _ := restart(t, b)
		defer os.RemoveAll(dir)
		for i, id := range ids {
			p, err := Read(t.Context(), dir, id)
			switch {
			case i != hit && err != nil:
				rt.Fatalf("byte %d, in record %d: record %d: %v", at, hit, i, err)
			case err != nil || p.Deleted:
			case !bytes.Equal(p.Request.Body, bytes.Repeat([]byte{byte(i + 1)}, 40+i)) || string(p.Response.Body) != fmt.Sprintf("answer %d", i):
				rt.Fatalf("byte %d: record %d is %+v", at, i, p)
			}
		}
	})
}

// TestLostWrite zeroes a piece of the middle, as when a crash loses one page and
// keeps a later one.
func TestLostWrite(t *testing.T) {
	t.Parallel()
	text, ends, ids := written(t, 8, func(int) []byte { return make([]byte, 300) })
	for from := segHeader; from < int(ends[5]); from += 237 {
		b := bytes.Clone(text)
		to := min(from+500, int(ends[5]))
		clear(b[from:to])
		dir, got := restart(t, b)
		if len(got) < 5 {
			t.Fatalf("zeros from %d to %d: %d records are left", from, to, len(got))
		}
		for _, id := range ids[6:] {
			if _, err := Read(t.Context(), dir, id); err != nil {
				t.Fatalf("zeros from %d to %d: %v", from, to, err)
			}
		}
		os.RemoveAll(dir)
	}
}

// FuzzSegment reads anything as a segment: no panic, no record of another one.
func FuzzSegment(f *testing.F) {
	text, ends, _ := written(f, 3, func(int) []byte { return []byte("body") })
	f.Add(text, 0, byte(0))
	f.Add(text[:ends[1]], 100, byte(1))
	f.Add([]byte(segMagic), 3, byte(9))
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		if len(b) > 1<<16 {
			return
		}
		b = bytes.Clone(b)
		if at >= 0 && at < len(b) {
			b[at] ^= x
		}
		r, err := newReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		end, err := r.end()
		if err != nil || end < segHeader || end > int64(len(b))+align {
			t.Fatalf("end %d of %d: %v", end, len(b), err)
		}
		for off := int64(segHeader); ; {
			at, fx, text, ok, err := r.next(off)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if h, err := decodeHead(text); err == nil {
				h.prediction(r.s, at, &fx)
			}
			if _, _, err := r.bodies(at, &fx); err == nil && !fx.erased && at+int64(recHeader+fx.head+fx.req+fx.resp) > int64(len(b)) {
				t.Fatal("bodies behind the end")
			}
			off = at + fx.size()
		}
	})
}
