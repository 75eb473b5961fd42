package cas

import (
	"errors"
	"iter"
	"os"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// TestRelease: what went goes, without what something else holds, what is young, and
// all where a root cannot be read.
func TestRelease(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) cairn.Digest {
		d, err := s.PutBytes(ctx, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	file := func(name, text string) cairn.TreeEntry {
		return cairn.TreeEntry{Name: name, Mode: cairn.ModeFile, Size: int64(len(text)), Digest: put(text)}
	}
	tree := func(es ...cairn.TreeEntry) cairn.Digest {
		d, err := s.PutTree(ctx, es)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	gone := tree(file("own", "only here"), file("shared", "in both"))
	stays := tree(file("shared", "in both"), file("other", "not of what went"))
	archive := put("an archive")
	unrelated := put("nobody's, and not of what went")
	young := put("found again a moment ago")
	age := func(ds ...cairn.Digest) {
		for _, d := range ds {
			if err := os.Chtimes(s.path(d), time.Now().Add(-3*time.Hour), time.Now().Add(-3*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	own, shared := cairn.SumBytes([]byte("only here")), cairn.SumBytes([]byte("in both"))
	age(gone, stays, archive, unrelated, own, shared)
	roots := func(err error) iter.Seq2[Root, error] {
		return func(yield func(Root, error) bool) {
			if yield(Root{Digest: stays, Tree: true, Name: "stays"}, nil) && err != nil {
				yield(Root{}, err)
			}
		}
	}
	went := []Root{{Digest: gone, Tree: true, Name: "gone"}, {Digest: archive, Name: "gone"}, {Digest: young, Name: "gone"},
		{Digest: cairn.SumBytes([]byte("lost")), Name: "gone before"}}
	broken := errors.New("rows cannot be read")
	if res, err := s.Release(ctx, went, roots(broken), CollectOptions{Grace: ReleaseGrace}); !errors.Is(err, broken) || res.Removed != 0 {
		t.Fatalf("%+v %v", res, err)
	}
	// Somebody reads what goes: he comes to the end of it.
	r, _, err := s.Get(ctx, archive)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res, err := s.Release(ctx, went, roots(nil), CollectOptions{Grace: ReleaseGrace})
	if err != nil || res.Removed != 3 || res.Kept != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	for d, want := range map[cairn.Digest]bool{gone: false, own: false, archive: false, shared: true, stays: true, unrelated: true, young: true} {
		if there, err := s.Has(ctx, d); err != nil || there != want {
			t.Errorf("%s there: %v, %v", d, there, err)
		}
	}
	b := make([]byte, 10)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "an archive" {
		t.Errorf("%q %v", b[:n], err)
	}
}
