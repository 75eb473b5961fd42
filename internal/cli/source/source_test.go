package source

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

func newKit(dir string) (*kit.Kit, *term.Buffers) {
	tm, b := term.Test()
	return &kit.Kit{Term: tm, Env: func(string) string { return "" }, Dir: dir,
		Now: func() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }}, b
}

// lay writes files: "path: text"; "path/" is a folder.
func lay(t *testing.T, dir string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		name, text, _ := strings.Cut(l, ": ")
		full := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(strings.ReplaceAll(text, "|", "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fakeStore keeps what it is sent.
type fakeStore struct {
	mu    sync.Mutex
	blobs map[cairn.Digest]string
	trees map[cairn.Digest][]string
	sent  int
}

func (s *fakeStore) MissingBlobs(_ context.Context, ds []cairn.Digest) (out []cairn.Digest, _ error) {
	for _, d := range ds {
		if _, has := s.blobs[d]; !has {
			out = append(out, d)
		}
	}
	return out, nil
}

func (s *fakeStore) UploadBlobs(_ context.Context, bs []client.Blob) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bs {
		r, err := b.Open()
		if err != nil {
			return err
		}
		body, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return err
		}
		if s.blobs == nil {
			s.blobs = map[cairn.Digest]string{}
		}
		s.blobs[b.Digest] = string(body)
		s.sent++
	}
	return nil
}

func (s *fakeStore) PutTree(_ context.Context, files []client.TreeFile) (*client.TreeInfo, error) {
	info := &client.TreeInfo{Files: int64(len(files))}
	var names []string
	for _, f := range files {
		names = append(names, f.Path+" "+s.blobs[f.Digest])
		info.Size += f.Size
	}
	info.Root = cairn.SumBytes([]byte(strings.Join(names, "\n")))
	if s.trees == nil {
		s.trees = map[cairn.Digest][]string{}
	}
	s.trees[info.Root] = names
	return info, nil
}

func (s *fakeStore) UploadTree(_ context.Context, dir string, _ []string) (cairn.Digest, int64, int64, error) {
	return cairn.SumBytes([]byte(dir)), 10, 2, nil
}

func (s *fakeStore) UploadFile(_ context.Context, name string) (cairn.Digest, int64, error) {
	return sum(name)
}

func ref(use, path string) pipeline.Reference {
	return pipeline.Reference{Kind: pipeline.RefLocal, Use: use, Path: path, Text: "./" + path}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, "repo/.git/HEAD: x", "repo/ml/pipeline.yml: type: pipeline", "plain/ml/pipeline.yml: type: pipeline")
	k, _ := newKit(filepath.Join(dir, "repo"))
	for _, tc := range []struct{ file, root, name string }{
		{"ml/pipeline.yml", "repo", "ml/pipeline.yml"},
		{"../plain/ml/pipeline.yml", "plain/ml", "pipeline.yml"},
		{filepath.Join(dir, "repo/ml/pipeline.yml"), "repo", "ml/pipeline.yml"},
	} {
		f, name, err := Open(k, tc.file)
		if err != nil {
			t.Fatal(err)
		}
		if f.Root != filepath.Join(dir, tc.root) || name != tc.name || f.Repository != (tc.root == "repo") {
			t.Errorf("%s: %s in %s", tc.file, name, f.Root)
		}
	}
	if _, _, err := Open(k, "ml/pipelin.yml"); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(cairn.AsError(err).Hint, "pipeline.yml") {
		t.Error(err)
	}
	f, _, _ := Open(k, "ml/pipeline.yml")
	if b, err := f.ReadFile("../plain/ml/pipeline.yml"); err != nil || len(b) == 0 {
		t.Error("a file above the root that is named is not read:", err)
	}
	if dir, err := f.Stat("ml"); err != nil || !dir {
		t.Error(err)
	}
	if _, err := f.Stat("nothing"); !os.IsNotExist(err) {
		t.Error(err)
	}
	if got := f.Shown("../plain/x"); got != "../plain/x" {
		t.Error(got)
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, ".git/HEAD: x", ".gitignore: *.bin", "ml/src/train.py: print(1)", "ml/src/big.bin: x", "ml/src/util/a.py: print(1)",
		"ml/one.py: print(2)", "ml/conda.yml: dependencies: []", "data/a.csv: 1,2", "data/sub/b.csv: 3", "empty/", "ml/ignored/x.bin: x")
	k, _ := newKit(filepath.Join(dir, "ml"))
	f := &Folder{Root: dir, Repository: true, k: k}
	store := &fakeStore{}
	doc := &pipeline.Document{
		Sources: []pipeline.Source{{Path: "ml/job.yml", Bytes: []byte("command: x")}},
		References: []pipeline.Reference{ref("code", "ml/src"), ref("code", "ml/src"), ref("code", "ml/one.py"), ref("conda", "ml/conda.yml"),
			ref("data", "data"), ref("data", "data/a.csv"), {Kind: pipeline.RefAsset, Use: "data", Text: "azureml:x:1"}, ref("compute", "cpu")},
	}
	sent, err := f.Send(t.Context(), doc, store)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range sent.Files {
		got = append(got, "text "+x.Path)
	}
	for _, l := range sent.Local {
		got = append(got, strings.Join([]string{l.Data.Type, l.Path, l.Data.Name, strings.Join(store.trees[l.Data.Digest], ",")}, " "))
	}
	want := []string{"text ml/job.yml", "text ml/conda.yml",
		"folder ml/src  train.py print(1),util/a.py print(1)", "folder ml/one.py  one.py print(2)", "folder data  ", "file data/a.csv a.csv "}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if store.sent != 2 {
		t.Errorf("%d blobs were sent: the same bytes go once", store.sent)
	}
	if told := strings.Join(sent.Told, "; "); !strings.HasPrefix(told, "code src: 2 files, 16 B; code one.py: 1 file, 8 B; data ../data: 2 files") {
		t.Error(told)
	}
	for _, tc := range []struct {
		ref  pipeline.Reference
		want string
	}{
		{ref("code", "nothing"), "there is no ../nothing"},
		{ref("code", "ml/ignored"), "holds no files"},
		{ref("data", "nothing"), "there is no ../nothing"},
		{ref("conda", "ml"), "cannot read ."},
	} {
		if _, err := f.Send(t.Context(), &pipeline.Document{References: []pipeline.Reference{tc.ref}}, store); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.ref.Path, err, tc.want)
		}
	}
	// Without a store nothing is read.
	names, err := f.Send(t.Context(), doc, nil)
	if err != nil || len(names.Local) != 4 || len(names.Told) > 0 {
		t.Errorf("%+v %v", names, err)
	}
}

func TestLargeSnapshotsNameTheirFiles(t *testing.T) {
	t.Parallel()
	s := &snapshot{size: 60 << 20}
	for i := range 7 {
		s.files = append(s.files, file(string(rune('a'+i)), int64(i)<<20))
	}
	told := s.told("src")
	if len(told) != 1+shownLargest+1 || !strings.Contains(told[1], " g") || !strings.Contains(told[0], "7 files, 62.9 MB") {
		t.Errorf("%q", told)
	}
}

func TestIncludes(t *testing.T) {
	t.Parallel()
	s := &snapshot{}
	s.files = append(s.files, file("a.py", 1), file("z.py", 1))
	if err := s.add("lib", &snapshot{files: slices.Clone(s.files)}, true); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range s.files {
		got = append(got, f.Path)
	}
	if !slices.Equal(got, []string{"a.py", "lib/a.py", "lib/z.py", "z.py"}) {
		t.Error(got)
	}
	one := &snapshot{}
	one.files = append(one.files, file("a.py", 1))
	if err := s.add("a.py", one, false); err == nil {
		t.Error("two files of one name were taken")
	}
}
