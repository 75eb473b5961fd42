package predlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

const testRelease = "4f2a91c03d17"

func open(t testing.TB, dir string, change ...func(*Options)) *Writer {
	t.Helper()
	o := Options{Dir: dir, Stage: 7, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func sample(i int) *cairn.Prediction {
	req, resp := fmt.Appendf(nil, "request %d", i), fmt.Appendf(nil, "answer %d", i)
	return &cairn.Prediction{
		Deployment: 3, Release: testRelease, Image: "sha256:aa", Model: "sha256:bb",
		At: time.UnixMicro(1_700_000_000_000_000 + int64(i)).UTC(), Took: 1500, Remote: "127.0.0.1", Method: "POST",
		Path: fmt.Sprintf("/predict?n=%d&x=<a>", i), Status: 200,
		Request:  cairn.Exchanged{Type: "text/plain", Size: int64(len(req)), Body: req},
		Response: cairn.Exchanged{Type: "application/json", Size: int64(len(resp)), Body: resp},
	}
}

func add(t testing.TB, w *Writer, p *cairn.Prediction) cairn.PredictionID {
	t.Helper()
	id, err := w.Append(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func list(t testing.TB, dir string, f cairn.PredictionFilter, bodies bool) []cairn.Prediction {
	t.Helper()
	var out []cairn.Prediction
	if err := List(context.Background(), dir, f, bodies, func(p cairn.Prediction) error {
		out = append(out, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t testing.TB, got *cairn.Prediction, want *cairn.Prediction, id cairn.PredictionID) {
	t.Helper()
	w := *want
	w.ID = id
	if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", w) {
		t.Errorf("got  %+v\nwant %+v", *got, w)
	}
}

func TestAppendReadList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	var ids []cairn.PredictionID
	for i := range 20 {
		ids = append(ids, add(t, w, sample(i)))
	}
	for i, id := range ids {
		got, err := Read(t.Context(), dir, id)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, sample(i), id)
	}
	all := list(t, dir, cairn.PredictionFilter{}, true)
	if len(all) != 20 {
		t.Fatalf("%d listed", len(all))
	}
	for i := range all {
		same(t, &all[i], sample(19-i), ids[19-i])
	}
	if got := list(t, dir, cairn.PredictionFilter{Limit: 3}, false); len(got) != 3 || got[0].ID != ids[19] || got[0].Request.Body != nil {
		t.Errorf("limit: %+v", got)
	}
	for name, c := range map[string]struct {
		f    cairn.PredictionFilter
		want int
	}{
		"release":       {cairn.PredictionFilter{Release: "4f2a"}, 20},
		"other release": {cairn.PredictionFilter{Release: "5"}, 0},
		"status":        {cairn.PredictionFilter{Status: 404}, 0},
		"since":         {cairn.PredictionFilter{Since: sample(15).At}, 5},
		"until":         {cairn.PredictionFilter{Until: sample(15).At}, 15},
		"path":          {cairn.PredictionFilter{Path: "/predict"}, 20},
		"path pattern":  {cairn.PredictionFilter{Path: "/pre*"}, 20},
		"other path":    {cairn.PredictionFilter{Path: "/p"}, 0},
	} {
		if got := list(t, dir, c.f, false); len(got) != c.want {
			t.Errorf("%s: %d, want %d", name, len(got), c.want)
		}
	}
}

func TestReadUnknown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	id := add(t, w, sample(1))
	for _, bad := range []cairn.PredictionID{
		cairn.NewPredictionID("000000000000", 7, 1, 64), cairn.NewPredictionID(testRelease, 8, 1, 64),
		cairn.NewPredictionID(testRelease, 7, 2, 64), cairn.NewPredictionID(testRelease, 7, 1, 80),
		cairn.NewPredictionID(testRelease, 7, 1, 65), cairn.NewPredictionID(testRelease, 7, 1, 0),
		cairn.NewPredictionID(testRelease, 7, 1, 1<<60),
	} {
		if _, err := Read(t.Context(), dir, bad); cairn.CodeOf(err) != cairn.CodeNotFound {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := Read(t.Context(), dir, "../../etc/passwd"); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("%v", err)
	}
	if _, err := Read(t.Context(), dir, id); err != nil {
		t.Error(err)
	}
}

// TestForgedRecord sends a body that holds a copy of a whole record, header and
// all: it is no record, since it lies elsewhere.
func TestForgedRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	add(t, w, sample(1))
	b, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	p := sample(2)
	p.Request.Body = append(bytes.Repeat([]byte{0}, 16), b[segHeader:segHeader+600]...)
	id := add(t, w, p)
	_, _, _, off, _ := id.Parts()
	// Damage its header: what is inside must not come out.
	f, err := os.OpenFile(filepath.Join(dir, segmentName(1)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff}, off+13); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir, cairn.PredictionFilter{}, true); len(got) != 1 {
		t.Errorf("%d records: %+v", len(got), got)
	}
	for o := off; o < off+900; o++ {
		if _, err := Read(t.Context(), dir, cairn.NewPredictionID(testRelease, 7, 1, o)); err == nil {
			t.Errorf("a record at %d", o)
		}
	}
}

func TestStreamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, func(o *Options) { o.SegmentSize = minSegment })
	p := sample(1)
	p.Response = cairn.Exchanged{Type: "text/event-stream"}
	id, err := w.Begin(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(t.Context(), dir, id)
	if err != nil || !got.Open {
		t.Fatalf("%+v %v", got, err)
	}
	// Its end goes into another segment.
	big := sample(2)
	big.Response.Body = make([]byte, minSegment)
	add(t, w, big)
	p.ID, p.Took, p.Error = id, 9000, "the client went away"
	p.Response.Size, p.Response.Body, p.Response.Cut = 1000, []byte("data: 1"), true
	if err := w.End(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if w.Segment() == 1 {
		t.Error("no second segment")
	}
	got, err = Read(t.Context(), dir, id)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, p, id)
	all := list(t, dir, cairn.PredictionFilter{}, true)
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	same(t, &all[1], p, id)
}

func TestErase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	a, b := add(t, w, sample(1)), add(t, w, sample(2))
	p := sample(3)
	stream, err := w.Begin(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	q := sample(4)
	late, err := w.Begin(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	p.ID, q.ID = stream, late
	if err := w.End(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for _, id := range []cairn.PredictionID{a, stream, late} {
		if err := Erase(t.Context(), dir, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(t.Context(), q); err != nil { // after it was erased
		t.Fatal(err)
	}
	c := add(t, w, sample(5))
	for _, id := range []cairn.PredictionID{a, stream, late} {
		got, err := Read(t.Context(), dir, id)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Deleted || got.Request.Body != nil || got.Response.Body != nil || got.Status != 200 || got.Request.Size == 0 {
			t.Errorf("%+v", got)
		}
	}
	for i, id := range map[int]cairn.PredictionID{2: b, 5: c} {
		got, err := Read(t.Context(), dir, id)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, sample(i), id)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"request 1", "answer 1", "request 3", "answer 3", "request 4", "answer 4"} {
		if bytes.Contains(text, []byte(gone)) {
			t.Errorf("%q is still there", gone)
		}
	}
	// Erased records are whole ones for the next start.
	open(t, dir)
	if got := list(t, dir, cairn.PredictionFilter{}, true); len(got) != 5 {
		t.Errorf("%d records", len(got))
	}
}

func TestRotationAndKeep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	w := open(t, dir, func(o *Options) {
		o.SegmentSize, o.Now = minSegment, clock
		o.Keep = Keep{Size: 4 * minSegment, For: time.Hour}
	})
	p := sample(1)
	p.Request.Body = make([]byte, minSegment/2)
	var last cairn.PredictionID
	for range 40 {
		last = add(t, w, p)
	}
	w.sweep()
	if n := Size(dir); n > 5*minSegment+allocChunk {
		t.Errorf("%d bytes are kept", n)
	}
	if _, err := Read(t.Context(), dir, last); err != nil {
		t.Error(err)
	}
	if _, err := Read(t.Context(), dir, cairn.NewPredictionID(testRelease, 7, 1, segHeader)); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("the oldest: %v", err)
	}
	mu.Lock()
	now = now.Add(30 * time.Hour) // a segment a day, and an hour is kept
	mu.Unlock()
	before := w.Segment()
	last = add(t, w, sample(2))
	if w.Segment() != before+1 {
		t.Errorf("segment %d after %d", w.Segment(), before)
	}
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	w.sweep()
	if ns, _ := segments(dir); !slices.Equal(ns, []int64{before + 1}) {
		t.Errorf("segments %v", ns)
	}
	if _, err := Read(t.Context(), dir, last); err != nil {
		t.Error(err)
	}
}

// TestManyWriters appends from many goroutines while others read and erase.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, func(o *Options) { o.SegmentSize = minSegment })
	var mu sync.Mutex
	ids := map[cairn.PredictionID]int{}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 50 {
				n := g*1000 + i
				p := sample(n)
				p.Request.Body = bytes.Repeat([]byte(fmt.Sprint(n)), 100)
				p.Async = i%5 == 0
				id, err := w.Append(context.Background(), p)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if _, twice := ids[id]; twice {
					t.Errorf("%s was given twice", id)
				}
				ids[id] = n
				mu.Unlock()
				if i%10 == 3 {
					if err := Erase(context.Background(), dir, id); err != nil {
						t.Error(err)
					}
				}
				if i%10 == 4 {
					_ = List(context.Background(), dir, cairn.PredictionFilter{}, true, func(cairn.Prediction) error { return nil })
				}
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for id, n := range ids {
		p, err := Read(t.Context(), dir, id)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Deleted && string(p.Request.Body) != strings.Repeat(fmt.Sprint(n), 100) {
			t.Errorf("%s has the body of another one", id)
		}
	}
	if w.Lost() != 0 {
		t.Errorf("%d lost", w.Lost())
	}
}

// TestWriteFails takes the disk away: callers hear of it, and the log goes on in
// a new segment once there is room.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	first := add(t, w, sample(1))
	w.mu.Lock()
	w.cur.file.Close() // as good as a broken disk: writes fail
	w.mu.Unlock()
	if _, err := w.Append(t.Context(), sample(2)); cairn.CodeOf(err) != cairn.CodeUnavailable {
		t.Fatalf("%v", err)
	}
	second := add(t, w, sample(3))
	for i, id := range map[int]cairn.PredictionID{1: first, 3: second} {
		got, err := Read(t.Context(), dir, id)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, sample(i), id)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	w.mu.Lock()
	w.cur.file.Close()
	w.mu.Unlock()
	p := sample(4)
	p.Async = true
	if _, err := w.Append(t.Context(), p); err != nil {
		t.Fatalf("async: %v", err)
	}
	for range 1000 {
		if w.Lost() > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the loss was not counted")
}

func TestRestartNeverReusesIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := map[cairn.PredictionID]bool{}
	for i := range 5 {
		w := open(t, dir)
		id := add(t, w, sample(i))
		if seen[id] {
			t.Errorf("%s was given twice", id)
		}
		seen[id] = true
		w.Close()
		// Starts without a record leave no heap of files.
		open(t, dir).Close()
	}
	ns, err := segments(dir)
	if err != nil || len(ns) != 6 {
		t.Errorf("segments %v %v", ns, err)
	}
	if got := list(t, dir, cairn.PredictionFilter{}, false); len(got) != 5 {
		t.Errorf("%d records", len(got))
	}
}

func TestDamagedSegmentIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	add(t, w, sample(1))
	w.Close()
	w = open(t, dir)
	id := add(t, w, sample(2))
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []cairn.PredictionID
	err := List(t.Context(), dir, cairn.PredictionFilter{}, false, func(p cairn.Prediction) error {
		got = append(got, p.ID)
		return nil
	})
	if err == nil || !slices.Equal(got, []cairn.PredictionID{id}) {
		t.Errorf("%v %v", got, err)
	}
	stop := errors.New("enough")
	if err := List(t.Context(), dir, cairn.PredictionFilter{}, false, func(cairn.Prediction) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}
