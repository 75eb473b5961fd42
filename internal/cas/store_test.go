package cas_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/cas/castest"
	"pgregory.net/rapid"
)

func open(t testing.TB, o cas.Options) (*cas.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := cas.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestContract(t *testing.T) {
	t.Parallel()
	castest.Run(t, func(t *testing.T) castest.Store { s, _ := open(t, cas.Options{}); return s })
	castest.Run(t, func(t *testing.T) castest.Store {
		s, _ := open(t, cas.Options{VerifyReads: true, Workers: 1})
		return s
	})
}

func blobPath(dir string, d cairn.Digest) string {
	return filepath.Join(dir, "blobs", "sha256", d.Hex()[:2], d.Hex())
}

// damage changes a blob's bytes, not their number.
func damage(t *testing.T, dir string, d cairn.Digest) {
	t.Helper()
	p := blobPath(dir, d)
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := errors.Join(os.Chmod(p, 0o600), os.WriteFile(p, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for p, text := range files {
		p = filepath.Join(dir, filepath.FromSlash(p))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// listing is every entry of a directory: mode, and content or target.
func listing(t interface{ Fatal(...any) }, dir string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		fi, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			out[rel] = "dir"
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			out[rel] = "link " + target
			return err
		default:
			b, err := os.ReadFile(p)
			out[rel] = fmt.Sprintf("%v %s", fi.Mode()&0o100 != 0, b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOpenRemovesUnfinished(t *testing.T) {
	t.Parallel()
	s, dir := open(t, cas.Options{})
	d, err := s.PutBytes(t.Context(), []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"tmp/dead.1": "half a fi", "tmp/dead.2": ""})
	s, err = cas.Open(dir, cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(filepath.Join(dir, "tmp"))
	if has, _ := s.Has(t.Context(), d); len(left) != 0 || !has {
		t.Errorf("left %v, blob there: %v", left, has)
	}
	fi, err := os.Stat(blobPath(dir, d))
	if err != nil || fi.Mode().Perm() != 0o444 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	s, dir := open(t, cas.Options{})
	s.Put(t.Context(), strings.NewReader("that"), cairn.SumBytes([]byte("this")))
	s.Put(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), &fail{}), "")
	s.PutMany(t.Context(), 9, func(i int) (io.ReadCloser, error) {
		if i == 8 {
			return nil, io.ErrClosedPipe
		}
		return io.NopCloser(strings.NewReader(fmt.Sprint(i))), nil
	})
	big := bytes.Repeat([]byte("x"), 1<<20)
	for range 2 {
		if _, err := s.PutBytes(t.Context(), big); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

type fail struct{}

func (*fail) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestVerify(t *testing.T) {
	t.Parallel()
	s, dir := open(t, cas.Options{VerifyReads: true})
	d, err := s.PutBytes(t.Context(), []byte("precious"))
	if err != nil {
		t.Fatal(err)
	}
	damage(t, dir, d)
	if err := s.Verify(t.Context(), d); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Verify: %v", err)
	}
	r, _, err := s.Get(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("read to the end: %v", err)
	}
	if _, err := s.ReadBlob(t.Context(), d, 100); err == nil {
		t.Error("ReadBlob gives damaged bytes")
	}
	if _, err := s.ReadBlob(t.Context(), d, 3); cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Errorf("beyond the limit: %v", err)
	}
	// A truncated one is repaired by storing the content again.
	if err := os.Truncate(blobPath(dir, d), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBytes(t.Context(), []byte("precious")); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), d); err != nil {
		t.Error(err)
	}
}

func TestCheckInCheckOut(t *testing.T) {
	t.Parallel()
	s, _ := open(t, cas.Options{})
	src := t.TempDir()
	write(t, src, map[string]string{
		"a.txt": "a", "deep/er/b.txt": "b", "deep/run.sh": "#!", "with space/new\nline": "n", "ünï/ö\\": "u", "empty": "",
	})
	must(t, os.Mkdir(filepath.Join(src, "void"), 0o755))
	must(t, os.Chmod(filepath.Join(src, "deep/run.sh"), 0o755))
	must(t, os.Symlink("../a.txt", filepath.Join(src, "deep/up")))
	must(t, os.Symlink("deep", filepath.Join(src, "folder")))
	in, err := s.CheckIn(t.Context(), src, cas.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if in.Files != 8 || in.Size != 1+1+2+1+1+0+8+4 {
		t.Errorf("checked in %+v", in)
	}
	m, err := cas.Scan(t.Context(), src, cas.ScanOptions{})
	if err != nil || m.Result != in {
		t.Errorf("Scan says %+v (%v), CheckIn %+v", m.Result, err, in)
	}
	dst := filepath.Join(t.TempDir(), "made", "here")
	out, err := s.CheckOut(t.Context(), in.Root, dst, cas.CheckOutOptions{})
	if err != nil || out != in {
		t.Fatalf("checked out %+v, %v", out, err)
	}
	if a, b := listing(t, src), listing(t, dst); !maps.Equal(a, b) {
		t.Errorf("differs:\n%v\n%v", a, b)
	}
	// A checked-out file is the job's own.
	must(t, os.WriteFile(filepath.Join(dst, "a.txt"), []byte("changed"), 0o644))
	if err := s.Verify(t.Context(), cairn.SumBytes([]byte("a"))); err != nil {
		t.Error(err)
	}
	_, err = s.CheckOut(t.Context(), in.Root, dst, cas.CheckOutOptions{})
	wantCode(t, err, cairn.CodeConflict)
	write(t, dst, map[string]string{"mine": "stays"})
	if _, err = s.CheckOut(t.Context(), in.Root, dst, cas.CheckOutOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	want := listing(t, src)
	want["mine"] = "false stays"
	if got := listing(t, dst); !maps.Equal(got, want) {
		t.Errorf("overwritten:\n%v\n%v", got, want)
	}
	e, err := s.Lookup(t.Context(), in.Root, "deep/er/b.txt")
	if err != nil || e.Digest != cairn.SumBytes([]byte("b")) {
		t.Errorf("Lookup: %+v, %v", e, err)
	}
	_, err = s.Lookup(t.Context(), in.Root, "deep/er/b.tx")
	if cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(cairn.AsError(err).Hint, "b.txt") {
		t.Errorf("Lookup: %v", err)
	}
}

func TestCheckInRoundTripProperty(t *testing.T) {
	t.Parallel()
	s, _ := open(t, cas.Options{})
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		src, dst := filepath.Join(base, fmt.Sprint("s", n)), filepath.Join(base, fmt.Sprint("d", n))
		if err := os.Mkdir(src, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, p := range rapid.SliceOfN(rapid.StringMatching(`[a-c](/[a-c]){0,3}`), 0, 12).Draw(t, "paths") {
			p = filepath.Join(src, p)
			os.MkdirAll(filepath.Dir(p), 0o755) // fails below a file: left out
			os.WriteFile(p, rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "content"), rapid.SampledFrom([]fs.FileMode{0o644, 0o755, 0o600}).Draw(t, "mode"))
		}
		in, err := s.CheckIn(context.Background(), src, cas.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CheckOut(context.Background(), in.Root, dst, cas.CheckOutOptions{}); err != nil {
			t.Fatal(err)
		}
		if a, b := listing(t, src), listing(t, dst); !maps.Equal(a, b) {
			t.Fatalf("differs:\n%v\n%v", a, b)
		}
		again, err := s.CheckIn(context.Background(), dst, cas.ScanOptions{})
		if err != nil || again != in {
			t.Fatalf("%+v, then %+v (%v)", in, again, err)
		}
	})
}

func TestCheckInOptions(t *testing.T) {
	t.Parallel()
	s, _ := open(t, cas.Options{})
	src := t.TempDir()
	write(t, src, map[string]string{"a.py": "1", "b.txt": "2", "d/c.py": "3", "d/e/f.txt": "4", ".git/config": "5", "x/y.log": "6"})
	for name, c := range map[string]struct {
		o    cas.ScanOptions
		want string
	}{
		"all":     {cas.ScanOptions{}, ".git/config a.py b.txt d/c.py d/e/f.txt x/y.log"},
		"include": {cas.ScanOptions{Include: []string{"**/*.py"}}, "a.py d/c.py"},
		"exclude": {cas.ScanOptions{Exclude: []string{".git", "d/**", "*.txt"}}, "a.py x/y.log"},
		"both":    {cas.ScanOptions{Include: []string{"**/*.{py,txt}"}, Exclude: []string{"d/e/"}}, "a.py b.txt d/c.py"},
		"paths":   {cas.ScanOptions{Paths: []string{"d/e", "./a.py", "x/y.log"}}, "a.py d/e/f.txt x/y.log"},
		"dot":     {cas.ScanOptions{Paths: []string{"."}, Exclude: []string{".git"}}, "a.py b.txt d/c.py d/e/f.txt x/y.log"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := s.CheckIn(t.Context(), src, c.o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			must(t, s.WalkTree(t.Context(), r.Root, func(p string, e cairn.TreeEntry) error {
				if e.Mode != cairn.ModeDir {
					got = append(got, p)
				}
				return nil
			}))
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
	for _, o := range []cas.ScanOptions{{Include: []string{"[a"}}, {Paths: []string{"../out"}}, {Paths: []string{"/etc"}}} {
		_, err := s.CheckIn(t.Context(), src, o)
		wantCode(t, err, cairn.CodeInvalid)
	}
	_, err := s.CheckIn(t.Context(), src, cas.ScanOptions{Paths: []string{"d/none"}})
	wantCode(t, err, cairn.CodeNotFound)
}

func TestCheckInRefuses(t *testing.T) {
	t.Parallel()
	s, dir := open(t, cas.Options{})
	for name, c := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"pipe":     {func(d string) error { return syscall.Mkfifo(d+"/pipe", 0o600) }, "pipe is a named pipe"},
		"absolute": {func(d string) error { return os.Symlink("/etc/passwd", d+"/link") }, "absolute"},
		"escaping": {func(d string) error { return os.Symlink("../x", d+"/link") }, "leads out"},
		"detour":   {func(d string) error { return os.Symlink("a/../../x", d+"/link") }, "behind a name"},
	} {
		t.Run(name, func(t *testing.T) {
			src := t.TempDir()
			write(t, src, map[string]string{"ok": "new in " + name})
			must(t, c.make(src))
			_, err := s.CheckIn(t.Context(), src, cas.ScanOptions{})
			wantCode(t, err, cairn.CodeInvalid)
			if err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	_, err := s.CheckIn(t.Context(), filepath.Join(dir, "none"), cas.ScanOptions{})
	wantCode(t, err, cairn.CodeNotFound)
	_, err = s.CheckIn(t.Context(), os.DevNull, cas.ScanOptions{})
	wantCode(t, err, cairn.CodeInvalid)
}

// Trees may come from a client: what CheckIn would not make, CheckOut refuses.
func TestCheckOutRefuses(t *testing.T) {
	t.Parallel()
	s, store := open(t, cas.Options{})
	link := func(target string) cairn.TreeEntry {
		d, err := s.PutBytes(t.Context(), []byte(target))
		must(t, err)
		return cairn.TreeEntry{Name: "a", Mode: cairn.ModeSymlink, Size: int64(len(target)), Digest: d}
	}
	good, err := s.PutBytes(t.Context(), []byte("good"))
	must(t, err)
	for _, target := range []string{"/etc", "..", "x/../../y"} {
		root, err := s.PutTree(t.Context(), []cairn.TreeEntry{link(target), {Name: "b", Mode: cairn.ModeFile, Size: 4, Digest: good}})
		must(t, err)
		dir := filepath.Join(t.TempDir(), "out")
		_, err = s.CheckOut(t.Context(), root, dir, cas.CheckOutOptions{})
		wantCode(t, err, cairn.CodeInvalid)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left behind", dir)
		}
	}
	// A link that lies in the target already is replaced, never followed.
	src, dst, outside := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, src, map[string]string{"sub/f": "new"})
	write(t, outside, map[string]string{"f": "old"})
	must(t, os.Symlink(outside, filepath.Join(dst, "sub")))
	in, err := s.CheckIn(t.Context(), src, cas.ScanOptions{})
	must(t, err)
	_, err = s.CheckOut(t.Context(), in.Root, dst, cas.CheckOutOptions{Overwrite: true})
	must(t, err)
	if b, _ := os.ReadFile(filepath.Join(outside, "f")); string(b) != "old" {
		t.Errorf("a file outside was overwritten: %q", b)
	}
	// Damaged bytes are not handed out.
	damage(t, store, good)
	root, err := s.PutTree(t.Context(), []cairn.TreeEntry{{Name: "b", Mode: cairn.ModeFile, Size: 4, Digest: good}})
	must(t, err)
	if _, err = s.CheckOut(t.Context(), root, t.TempDir(), cas.CheckOutOptions{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged: %v", err)
	}
}

func roots(rs ...cas.Root) iter.Seq2[cas.Root, error] {
	return func(yield func(cas.Root, error) bool) {
		for _, r := range rs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestFsck(t *testing.T) {
	t.Parallel()
	s, dir := open(t, cas.Options{})
	src := t.TempDir()
	write(t, src, map[string]string{"a": "aaa", "d/b": "bbb", "d/c": "ccc"})
	in, err := s.CheckIn(t.Context(), src, cas.ScanOptions{})
	must(t, err)
	root := cas.Root{Digest: in.Root, Tree: true, Name: "data/x:1"}
	res, err := s.Fsck(t.Context(), cas.FsckOptions{Roots: roots(root)}, func(f cas.Finding) { t.Errorf("clean, but %+v", f) })
	if err != nil || res.Blobs != 5 || res.Corrupt+res.Missing != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	damage(t, dir, cairn.SumBytes([]byte("bbb")))
	must(t, os.Remove(blobPath(dir, cairn.SumBytes([]byte("ccc")))))
	write(t, dir, map[string]string{"blobs/sha256/00/notes.txt": "?"})
	var got []string
	top, err := s.ReadTree(t.Context(), in.Root)
	must(t, err)
	part := cas.Root{Digest: top[1].Digest, Tree: true, Name: "data/y:1"}
	res, err = s.Fsck(t.Context(), cas.FsckOptions{Roots: roots(root, part), Quarantine: true}, func(f cas.Finding) {
		got = append(got, fmt.Sprint(f.Problem, " ", f.Holders))
	})
	slices.Sort(got)
	if want := "[corrupt [{data/x:1 d/b} {data/y:1 b}] foreign [] missing [{data/x:1 d/c} {data/y:1 c}]]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v (%v), want %s", got, err, want)
	}
	if res.Corrupt != 1 || res.Missing != 1 {
		t.Errorf("%+v", res)
	}
	// The same content stored again repairs it.
	again, err := s.CheckIn(t.Context(), src, cas.ScanOptions{})
	if err != nil || again != in {
		t.Fatalf("%+v, %v", again, err)
	}
	if res, err = s.Fsck(t.Context(), cas.FsckOptions{Roots: roots(root)}, func(cas.Finding) {}); err != nil || res.Corrupt+res.Missing != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, dir := open(t, cas.Options{Now: func() time.Time { return now }})
	src := t.TempDir()
	write(t, src, map[string]string{"keep/a": "aaa", "b": "bbb"})
	in, err := s.CheckIn(t.Context(), src, cas.ScanOptions{})
	must(t, err)
	for _, x := range []string{"old 1", "old 2", "found again"} {
		_, err := s.PutBytes(t.Context(), []byte(x))
		must(t, err)
	}
	root := cas.Root{Digest: in.Root, Tree: true, Name: "data/x:1"}
	collect := func(o cas.CollectOptions) (cas.CollectResult, int) {
		n := 0
		o.Report = func(cairn.Blob) { n++ }
		res, err := s.Collect(t.Context(), roots(root), o)
		must(t, err)
		return res, n
	}
	if res, _ := collect(cas.CollectOptions{Grace: time.Hour}); res.Removed != 0 || res.Kept != 7 {
		t.Errorf("within the grace: %+v", res)
	}
	now = now.Add(2 * time.Hour)
	if missing, err := s.Missing(t.Context(), []cairn.Digest{cairn.SumBytes([]byte("found again"))}); err != nil || len(missing) != 0 {
		t.Fatalf("%v, %v", missing, err)
	}
	if res, n := collect(cas.CollectOptions{Grace: time.Hour, DryRun: true}); res.Removed != 2 || n != 2 || res.RemovedBytes != 10 {
		t.Errorf("dry run: %+v, %d", res, n)
	}
	if has, _ := s.Has(t.Context(), cairn.SumBytes([]byte("old 1"))); !has {
		t.Error("a dry run removed something")
	}
	if res, _ := collect(cas.CollectOptions{Grace: time.Hour}); res.Removed != 2 || res.Kept != 5 {
		t.Errorf("collected %+v", res)
	}
	if _, err := s.CheckOut(t.Context(), in.Root, filepath.Join(t.TempDir(), "o"), cas.CheckOutOptions{}); err != nil {
		t.Error(err)
	}
	now = now.Add(2 * time.Hour)
	must(t, os.Remove(blobPath(dir, cairn.SumBytes([]byte("aaa")))))
	_, err = s.Collect(t.Context(), roots(root), cas.CollectOptions{Grace: time.Hour})
	wantCode(t, err, cairn.CodeConflict)
	if has, _ := s.Has(t.Context(), cairn.SumBytes([]byte("found again"))); !has {
		t.Error("removed although a root is broken")
	}
}

// A file whose bytes are the text of a directory does not hide that directory.
func TestCollectTellsFilesFromFolders(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, _ := open(t, cas.Options{Now: func() time.Time { return now }})
	leaf, err := s.PutBytes(t.Context(), []byte("leaf"))
	must(t, err)
	inner, err := s.PutTree(t.Context(), []cairn.TreeEntry{{Name: "leaf", Mode: cairn.ModeFile, Size: 4, Digest: leaf}})
	must(t, err)
	now = now.Add(time.Hour)
	res, err := s.Collect(t.Context(), roots(cas.Root{Digest: inner}, cas.Root{Digest: inner, Tree: true}), cas.CollectOptions{})
	if err != nil || res.Removed != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code cairn.Code) {
	t.Helper()
	if cairn.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, cairn.CodeOf(err), code)
	}
}
