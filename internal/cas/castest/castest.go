// Package castest is the contract that every implementation of the blob store
// keeps: on a local directory, in object storage, behind a client.
package castest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
)

// Store is what other rooms use of a blob store.
type Store interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
	Has(ctx context.Context, d cairn.Digest) (bool, error)
	Stat(ctx context.Context, d cairn.Digest) (int64, error)
	Missing(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	Verify(ctx context.Context, d cairn.Digest) error
	PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error)
	ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)
	WalkTree(ctx context.Context, root cairn.Digest, fn func(path string, e cairn.TreeEntry) error) error
}

// Run tests the implementation that open gives; every call of open gives an
// empty store.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"PutGet": putGet, "PutWant": putWant, "PutMany": putMany, "Failing": failing, "Missing": missing,
		"Trees": trees, "TreeHoles": treeHoles, "Concurrent": concurrent, "Cancelled": cancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func sizes() []int { return []int{0, 1, 1000, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3<<20 + 7} }

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func putGet(t *testing.T, s Store) {
	for _, n := range sizes() {
		b := content(n)
		for range 2 { // the second time it is there already
			d, size, err := s.Put(t.Context(), bytes.NewReader(b), "")
			if err != nil || d != cairn.SumBytes(b) || size != int64(n) {
				t.Fatalf("Put of %d bytes: %s, %d, %v", n, d, size, err)
			}
		}
		r, size, err := s.Get(t.Context(), cairn.SumBytes(b))
		if err != nil || size != int64(n) {
			t.Fatalf("Get of %d bytes: %d, %v", n, size, err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("read %d of %d bytes: %v", len(got), n, err)
		}
		if _, err := r.Seek(int64(n/2), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err = io.ReadAll(r); err != nil || !bytes.Equal(got, b[n/2:]) {
			t.Fatalf("second half of %d bytes: %d, %v", n, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), cairn.SumBytes(b)); err != nil {
			t.Fatal(err)
		}
	}
}

func putWant(t *testing.T, s Store) {
	want := cairn.SumBytes([]byte("this"))
	_, _, err := s.Put(t.Context(), bytes.NewReader([]byte("that")), want)
	wantCode(t, err, cairn.CodeInvalid)
	for _, d := range []cairn.Digest{want, cairn.SumBytes([]byte("that"))} {
		if has, err := s.Has(t.Context(), d); has || err != nil {
			t.Errorf("after a refused Put: Has(%s) = %v, %v", d, has, err)
		}
	}
	if _, _, err := s.Put(t.Context(), bytes.NewReader([]byte("this")), want); err != nil {
		t.Error(err)
	}
	_, _, err = s.Put(t.Context(), bytes.NewReader(nil), "sha256:short")
	wantCode(t, err, cairn.CodeInvalid)
	_, _, err = s.Get(t.Context(), "../../etc/passwd")
	wantCode(t, err, cairn.CodeInvalid)
	_, _, err = s.Get(t.Context(), cairn.SumBytes([]byte("absent")))
	wantCode(t, err, cairn.CodeNotFound)
}

func putMany(t *testing.T, s Store) {
	blobs, err := s.PutMany(t.Context(), 300, func(i int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(fmt.Appendf(nil, "number %d", i%200))), nil
	})
	if err != nil || len(blobs) != 300 {
		t.Fatalf("%d blobs, %v", len(blobs), err)
	}
	for i, b := range blobs {
		want := fmt.Appendf(nil, "number %d", i%200)
		if b.Digest != cairn.SumBytes(want) || b.Size != int64(len(want)) {
			t.Fatalf("blob %d is %+v", i, b)
		}
		if err := s.Verify(t.Context(), b.Digest); err != nil {
			t.Fatal(err)
		}
	}
	if blobs, err := s.PutMany(t.Context(), 0, nil); err != nil || len(blobs) != 0 {
		t.Errorf("none: %v, %v", blobs, err)
	}
}

func failing(t *testing.T, s Store) {
	broken := errors.New("the line is dead")
	for _, n := range sizes() {
		r := io.MultiReader(bytes.NewReader(content(n)), &errReader{broken})
		if _, _, err := s.Put(t.Context(), r, ""); !errors.Is(err, broken) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if has, _ := s.Has(t.Context(), cairn.SumBytes(content(n))); has {
			t.Errorf("%d bytes are stored although reading failed", n)
		}
	}
	_, err := s.PutMany(t.Context(), 50, func(i int) (io.ReadCloser, error) {
		if i == 40 {
			return nil, broken
		}
		return io.NopCloser(bytes.NewReader(fmt.Appendf(nil, "many %d", i))), nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("PutMany: %v", err)
	}
}

func missing(t *testing.T, s Store) {
	a, _, err := s.Put(t.Context(), bytes.NewReader([]byte("a")), "")
	if err != nil {
		t.Fatal(err)
	}
	b, c := cairn.SumBytes([]byte("b")), cairn.SumBytes([]byte("c"))
	got, err := s.Missing(t.Context(), []cairn.Digest{c, a, b, c, a})
	if err != nil || len(got) != 2 || got[0] != c || got[1] != b {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = s.Missing(t.Context(), []cairn.Digest{"nonsense"})
	wantCode(t, err, cairn.CodeInvalid)
}

func file(t *testing.T, s Store, name, text string) cairn.TreeEntry {
	t.Helper()
	d, size, err := s.Put(t.Context(), bytes.NewReader([]byte(text)), "")
	if err != nil {
		t.Fatal(err)
	}
	return cairn.TreeEntry{Name: name, Mode: cairn.ModeFile, Size: size, Digest: d}
}

func trees(t *testing.T, s Store) {
	x, y := file(t, s, "x", "one"), file(t, s, "a b", "three")
	inner, err := s.PutTree(t.Context(), []cairn.TreeEntry{x, y})
	if err != nil {
		t.Fatal(err)
	}
	dir := cairn.TreeEntry{Name: "dir", Mode: cairn.ModeDir, Size: 8, Files: 2, Digest: inner}
	root, err := s.PutTree(t.Context(), []cairn.TreeEntry{dir, x})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := s.WalkTree(t.Context(), root, func(p string, e cairn.TreeEntry) error {
		got = append(got, fmt.Sprintf("%s %o %d", p, e.Mode, e.Size))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := "[dir 40000 8 dir/a b 644 5 dir/x 644 3 x 644 3]"; fmt.Sprint(got) != want {
		t.Errorf("walked %v, want %s", got, want)
	}
	_, err = s.ReadTree(t.Context(), x.Digest)
	wantCode(t, err, cairn.CodeInvalid)
}

func treeHoles(t *testing.T, s Store) {
	x := file(t, s, "x", "one")
	absent := x
	absent.Digest = cairn.SumBytes([]byte("absent"))
	_, err := s.PutTree(t.Context(), []cairn.TreeEntry{absent})
	wantCode(t, err, cairn.CodeConflict)
	wrong := x
	wrong.Size = 4
	_, err = s.PutTree(t.Context(), []cairn.TreeEntry{wrong})
	wantCode(t, err, cairn.CodeInvalid)
	for _, name := range []string{"", ".", "..", "a/b", "a\x00b"} {
		bad := x
		bad.Name = name
		_, err = s.PutTree(t.Context(), []cairn.TreeEntry{bad})
		wantCode(t, err, cairn.CodeInvalid)
	}
	_, err = s.PutTree(t.Context(), []cairn.TreeEntry{x, x})
	wantCode(t, err, cairn.CodeInvalid)
}

func concurrent(t *testing.T, s Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				b := fmt.Appendf(nil, "shared %d", (i+j)%10)
				d, _, err := s.Put(t.Context(), bytes.NewReader(b), cairn.SumBytes(b))
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Verify(t.Context(), d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func cancelled(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Put(ctx, bytes.NewReader([]byte("late")), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
	if has, _ := s.Has(t.Context(), cairn.SumBytes([]byte("late"))); has {
		t.Error("stored although cancelled")
	}
}

type errReader struct{ err error }

func (e *errReader) Read([]byte) (int, error) { return 0, e.err }

func wantCode(t *testing.T, err error, code cairn.Code) {
	t.Helper()
	if cairn.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, cairn.CodeOf(err), code)
	}
}
