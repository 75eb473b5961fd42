package git_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// sink keeps what it is given in memory; a directory is the text of its entries.
type sink struct {
	mu    sync.Mutex
	blobs map[cairn.Digest]string
	dirs  map[cairn.Digest][]cairn.TreeEntry
}

func (s *sink) Put(_ context.Context, r io.Reader, _ cairn.Digest) (cairn.Digest, int64, error) {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[cairn.SumBytes(b)] = string(b)
	return cairn.SumBytes(b), int64(len(b)), err
}

func (s *sink) PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error) {
	out := make([]cairn.Blob, n)
	for i := range out {
		r, err := open(i)
		if err != nil {
			return nil, err
		}
		out[i].Digest, out[i].Size, _ = s.Put(ctx, r, "")
	}
	return out, nil
}

func (s *sink) PutTrees(_ context.Context, dirs [][]cairn.TreeEntry) ([]cairn.Digest, error) {
	out := make([]cairn.Digest, len(dirs))
	for i, es := range dirs {
		for _, e := range es {
			_, blob := s.blobs[e.Digest]
			if _, dir := s.dirs[e.Digest]; !dir && !blob {
				return nil, fmt.Errorf("%s is not there", e.Name)
			}
		}
		out[i] = cairn.SumBytes(fmt.Append(nil, es))
		s.dirs[out[i]] = es
	}
	return out, nil
}

func (s *sink) list(d cairn.Digest, at string, out *strings.Builder) {
	for _, e := range s.dirs[d] {
		fmt.Fprintf(out, "%s%s %o %d %d\n", at, e.Name, e.Mode, e.Size, e.Files)
		if e.Mode == cairn.ModeDir {
			s.list(e.Digest, at+e.Name+"/", out)
		}
	}
}

func TestToTree(t *testing.T) {
	t.Parallel()
	u := newUser(t).repo()
	u.write(map[string]string{"a/b/c": "deep", "a/copy": "deep", "a.txt": "", "large": strings.Repeat("x", 5<<20), "run": "#!"})
	must(t, os.Chmod(filepath.Join(u.dir, "run"), 0o755))
	must(t, os.Symlink("/anywhere", filepath.Join(u.dir, "link")))
	h := u.host()
	s, err := h.Import(t.Context(), "local/x", u.dir, "")
	must(t, err)
	k := &sink{blobs: map[cairn.Digest]string{}, dirs: map[cairn.Digest][]cairn.TreeEntry{}}
	root, err := h.ToTree(t.Context(), "local/x", s.TreeGit, k)
	must(t, err)
	var got strings.Builder
	k.list(root, "", &got)
	want := `.gitignore 644 18 0
README.md 644 6 0
a 40000 8 2
a/b 40000 4 1
a/b/c 644 4 0
a/copy 644 4 0
a.txt 644 0 0
large 644 5242880 0
link 120000 9 0
run 755 2 0
src 40000 9 1
src/a.py 644 9 0
`
	if got.String() != want {
		t.Errorf("got:\n%s", got.String())
	}
	_, err = h.ToTree(t.Context(), "local/x", strings.Repeat("1", 40), k)
	wantCode(t, err, cairn.CodeNotFound)
}

func BenchmarkFind(b *testing.B) {
	u := newUser(b).repo()
	for b.Loop() {
		if _, err := u.g.Find(b.Context(), u.dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkImport is what `cairn run` waits for: a new uncommitted state each time.
func BenchmarkImport(b *testing.B) {
	u := newUser(b).repo()
	h := u.host()
	for i := 0; b.Loop(); i++ {
		u.write(map[string]string{"src/a.py": fmt.Sprint(i, b.N)})
		if _, err := h.Import(b.Context(), "local/x", u.dir, ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkImportFirst has a new host and a new commit.
func BenchmarkImportFirst(b *testing.B) {
	u := newUser(b).repo()
	for b.Loop() {
		if _, err := u.host().Import(b.Context(), "local/x", u.dir, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckout(b *testing.B) {
	u := newUser(b).repo()
	s, err := u.host().Import(b.Context(), "local/x", u.dir, "")
	must(b, err)
	base := b.TempDir()
	for i := 0; b.Loop(); i++ {
		if _, err := u.g.Checkout(b.Context(), s.CodeRef(), filepath.Join(base, fmt.Sprint(i)), git.CheckoutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
