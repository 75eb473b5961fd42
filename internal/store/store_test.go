package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// open gives a store in a fresh folder, closed with the test.
func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, t.TempDir())
}

func openAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func event(run cairn.RunID, subject string) cairn.Event {
	return cairn.Event{Run: run, Kind: cairn.EvRunChanged, Subject: cairn.Ref(subject)}
}

func TestEventsAreSequencedPerRunWithoutGaps(t *testing.T) {
	t.Parallel()
	s := open(t)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := s.write(t.Context(), func(tx *Tx) error {
				if err := tx.Change(cairn.Change{By: "ana", Events: []cairn.Event{event(cairn.RunID(i%3), "x")}}); err != nil {
					return err
				}
				if i%5 == 0 {
					return errors.New("taken back")
				}
				return nil
			})
			if (i%5 == 0) != (err != nil) {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	total := 0
	for run := range cairn.RunID(3) {
		evs, err := s.Events(t.Context(), run, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range evs {
			if e.Seq != int64(i+1) || e.By != "ana" || e.At.IsZero() {
				t.Fatalf("run %d event %d: %+v", run, i, e)
			}
		}
		total += len(evs)
	}
	if total != 160 {
		t.Fatalf("%d events, want the 160 that were committed", total)
	}
}

func TestOneCallersFailureLeavesTheGroup(t *testing.T) {
	t.Parallel()
	s := open(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := s.write(t.Context(), func(tx *Tx) error {
				if _, err := tx.Exec(`INSERT INTO meta (key, value) VALUES (?, 'x')`, fmt.Sprint(i)); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					panic("a defect")
				case 2:
					_, err := tx.Exec(`INSERT INTO meta (key, value) VALUES (?, 'y')`, fmt.Sprint(i))
					return err
				}
				return nil
			})
			switch i % 3 {
			case 0:
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			case 1:
				if err == nil || !strings.Contains(err.Error(), "a defect") {
					t.Errorf("%d: %v", i, err)
				}
			case 2:
				if cairn.CodeOf(err) != cairn.CodeConflict {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	var n int
	if err := s.reads.QueryRow(`SELECT COUNT(*) FROM meta`).Scan(&n); err != nil || n != 20 {
		t.Fatalf("%d rows (%v), want 20", n, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "metrics.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if fi, err := f.Info(); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", f.Name(), fi.Mode(), err)
		}
	}
}

func TestLinksAndEffectsAreIdempotent(t *testing.T) {
	t.Parallel()
	s := open(t)
	ch := cairn.Change{
		By:      "ana",
		Links:   []cairn.Link{{From: "job/1", Relation: cairn.RelMade, To: "data/a:1"}},
		Effects: []cairn.Effect{{ID: "start/1", Kind: "job.start", Payload: []byte(`{"job":1}`)}},
	}
	for range 2 {
		if err := s.write(t.Context(), func(tx *Tx) error { return tx.Change(ch) }); err != nil {
			t.Fatal(err)
		}
	}
	es, err := s.Effects(t.Context(), 10)
	if err != nil || len(es) != 1 {
		t.Fatalf("%v %v", es, err)
	}
	if err := s.EffectDone(t.Context(), "start/1"); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), func(tx *Tx) error { return tx.Change(ch) }); err != nil {
		t.Fatal(err)
	}
	if es, _ := s.Effects(t.Context(), 10); len(es) != 0 {
		t.Fatalf("an effect that was done is due again: %v", es)
	}
	var n int
	if err := s.reads.QueryRow(`SELECT COUNT(*) FROM links`).Scan(&n); err != nil || n != 1 {
		t.Fatalf("%d links (%v)", n, err)
	}
}

func TestEffectRetryWaits(t *testing.T) {
	t.Parallel()
	s := open(t)
	ch := cairn.Change{Effects: []cairn.Effect{{ID: "e", Kind: "k"}}}
	if err := s.write(t.Context(), func(tx *Tx) error { return tx.Change(ch) }); err != nil {
		t.Fatal(err)
	}
	if err := s.EffectRetry(t.Context(), "e", time.Now().Add(time.Hour), "busy"); err != nil {
		t.Fatal(err)
	}
	if es, _ := s.Effects(t.Context(), 10); len(es) != 0 {
		t.Fatalf("due too early: %v", es)
	}
	if err := s.EffectRetry(t.Context(), "e", time.Now().Add(-time.Second), "busy"); err != nil {
		t.Fatal(err)
	}
	es, _ := s.Effects(t.Context(), 10)
	if len(es) != 1 || es[0].Tries != 2 {
		t.Fatalf("%v", es)
	}
}

func TestReserveNeverRepeats(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	seen := map[int64]bool{}
	for range 3 {
		first, err := s.Reserve(t.Context(), "job", 5)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(5) {
			if seen[first+i] || first+i < 1 {
				t.Fatalf("%d given twice", first+i)
			}
			seen[first+i] = true
		}
	}
	s.Close()
	if first, err := openAt(t, dir).Reserve(t.Context(), "job", 1); err != nil || seen[first] {
		t.Fatalf("%d given again after reopening (%v)", first, err)
	}
}

func TestWatchCoalesces(t *testing.T) {
	t.Parallel()
	s := open(t)
	signal, stop := s.Watch()
	defer stop()
	for range 10 {
		if err := s.write(t.Context(), func(tx *Tx) error {
			return tx.Change(cairn.Change{Events: []cairn.Event{event(1, "x")}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	<-signal
	select {
	case <-signal:
		t.Fatal("more than one signal was kept")
	default:
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.Close()
	if err := s.write(t.Context(), func(*Tx) error { return nil }); cairn.CodeOf(err) != cairn.CodeUnavailable {
		t.Fatal(err)
	}
}

func TestNewerHomeIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openAt(t, dir).Close()
	db, err := sql.Open("sqlite", filepath.Join(dir, "cairn.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	_, err = Open(t.Context(), Options{Dir: dir})
	if cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "newer Cairn") {
		t.Fatal(err)
	}
}

func TestLostRowsAreNoNewHome(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(string) error{
		"is missing": os.Remove,
		"is empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		dir := t.TempDir()
		openAt(t, dir).Close()
		path := filepath.Join(dir, "cairn.db")
		for _, side := range []string{"-wal", "-shm"} {
			if err := os.Remove(path + side); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := lose(path); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Options{Dir: dir})
		if e := cairn.AsError(err); err == nil || e.Code != cairn.CodeConflict || !strings.Contains(e.Message, name) || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFirstStartCutShort opens a home whose first start got as far as the rows.
func TestFirstStartCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openAt(t, dir).Close()
	for _, f := range []string{"metrics.db", "metrics.db-wal", "metrics.db-shm"} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	openAt(t, dir)
}

func TestMigrationBacksUpFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cairn.db")
	db, err := openSQLite(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	// A home that stopped at the first migration, with something in it.
	first, err := migrations.ReadFile("migrations/sqlite/00001_core.sql")
	if err != nil {
		t.Fatal(err)
	}
	old := string(first) + `
		CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1);
		INSERT INTO meta (key, value) VALUES ('kept', 'yes');`
	if _, err := db.Exec(old); err != nil {
		t.Fatal(err)
	}
	db.Close()
	s := openAt(t, dir)
	var v string
	if err := s.reads.QueryRow(`SELECT value FROM meta WHERE key = 'kept'`).Scan(&v); err != nil || v != "yes" {
		t.Fatalf("%q %v", v, err)
	}
	copies, err := filepath.Glob(filepath.Join(dir, "backups", "cairn.db.schema1.*"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("backups: %v %v", copies, err)
	}
	if info, err := os.Stat(copies[0]); err != nil || info.Size() == 0 {
		t.Fatal(err)
	}
}

func TestCancelledCallerWritesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.write(ctx, func(*Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// BenchmarkWrite is one small durable transaction per caller, with as many
// callers as group commit is made for.
func BenchmarkWrite(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b)
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := s.write(b.Context(), func(tx *Tx) error {
						return tx.Change(cairn.Change{Events: []cairn.Event{event(1, "x")}})
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
