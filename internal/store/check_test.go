package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// A page of zeros in the middle of the database is found, and what stumbles over
// it says what it is.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.Check(ctx); err != nil || len(d) > 0 {
		t.Fatalf("whole: %v %v", d, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "cairn.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// All but the first pages, which hold the schema that opening reads.
	for i := len(b) / 2; i < len(b); i++ {
		b[i] = 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Open(ctx, Options{Dir: dir})
	if err != nil {
		if !strings.Contains(err.Error(), "damaged") || !strings.Contains(cairn.AsError(err).Hint, "backups") {
			t.Fatalf("opening: %v (%s)", err, cairn.AsError(err).Hint)
		}
		return
	}
	defer s.Close()
	d, err := s.Check(ctx)
	if err != nil || len(d) != 1 || d[0].File != "cairn.db" || len(d[0].Problems) == 0 {
		t.Fatalf("damaged: %v %v", d, err)
	}
	for _, p := range d[0].Problems {
		if strings.ContainsAny(p, "\n") {
			t.Errorf("%q", p)
		}
	}
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cairn.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), Options{Dir: dir})
	if e := cairn.AsError(err); err == nil || !strings.Contains(e.Message, "cairn.db is damaged") || !strings.Contains(e.Hint, "backups") {
		t.Fatalf("%v", err)
	}
}
