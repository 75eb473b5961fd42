package action

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// fakeKeeper keeps caches in memory, by key and version.
type fakeKeeper struct {
	*fakeServer
	blobs   map[cairn.Digest][]byte
	entries []cairn.CacheEntry
	broken  error
	damaged bool
}

func newKeeper() *fakeKeeper {
	return &fakeKeeper{fakeServer: newServer(), blobs: map[cairn.Digest][]byte{}}
}

func (f *fakeKeeper) FindCache(_ context.Context, keys []string, version string) (*cairn.CacheEntry, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	for i, k := range keys {
		for j := len(f.entries) - 1; j >= 0; j-- {
			e := f.entries[j]
			if e.Version == version && (e.Key == k || i > 0 && strings.HasPrefix(e.Key, k)) {
				return &e, nil
			}
		}
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "none")
}

func (f *fakeKeeper) CheckCache(_ context.Context, key, version string) error {
	for _, e := range f.entries {
		if e.Key == key && e.Version == version {
			return cairn.Errorf(cairn.CodeConflict, "taken")
		}
	}
	return f.broken
}

func (f *fakeKeeper) SaveCache(_ context.Context, key, version string, d cairn.Digest) (*cairn.CacheEntry, error) {
	e := cairn.CacheEntry{Key: key, Version: version, Digest: d, Size: int64(len(f.blobs[d]))}
	f.entries = append(f.entries, e)
	return &e, nil
}

func (f *fakeKeeper) UploadFile(_ context.Context, name string) (cairn.Digest, int64, error) {
	b, err := os.ReadFile(name)
	d := cairn.SumBytes(b)
	f.blobs[d] = b
	return d, int64(len(b)), err
}

func (f *fakeKeeper) GetBlob(_ context.Context, d cairn.Digest) (io.ReadCloser, int64, error) {
	b, ok := f.blobs[d]
	if !ok {
		return nil, 0, cairn.Errorf(cairn.CodeNotFound, "no blob")
	}
	if f.damaged {
		b = append(bytes.Clone(b[:len(b)-1]), 'x')
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

// tree makes a folder of files: names and what they hold.
func tree(t *testing.T, namesAndTexts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(namesAndTexts); i += 2 {
		p := filepath.Join(dir, namesAndTexts[i])
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(namesAndTexts[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// cacheStep is a step that can start programs.
func cacheStep(t *testing.T, s runner.Server, ws string, with ...string) (*runner.StepContext, *bytes.Buffer) {
	t.Helper()
	c, log := step(t, s, ws, with...)
	c.Exec = func(ctx context.Context, p runner.Process) (int, error) {
		cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, p.Stdout, p.Stderr
		if cmd.Stderr == nil {
			cmd.Stdout, cmd.Stderr = log, log
		}
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), nil
		}
		return 0, err
	}
	return c, log
}

// TestCacheVersionAsClient: the hash of @actions/cache for the same paths, so that
// both find each other's entries. The values are the client's own.
func TestCacheVersionAsClient(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"7fcda33c1e1d849a13bcc06f49b9ab64efc01ca9dabe4d7a8d0d387feef4fc88": cacheVersion([]string{"node_modules"}, packZstd),
		"e8b3a685285692a3770e54c14123013feb0f76ec5ad602424264d6d54c32b731": cacheVersion([]string{"node_modules", "dist"}, packGzip),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestCacheRoundTrip: what actions/cache keeps comes back with the outputs of the
// original.
func TestCacheRoundTrip(t *testing.T) {
	t.Parallel()
	s := newKeeper()
	ws := tree(t, "deps/a.txt", "one", "deps/.hidden", "h", "lib/b.txt", "two", "lib/c.md", "no")
	first, log := cacheStep(t, s, ws, "path", "deps\nlib/*.txt\n", "key", "linux-1", "restore-keys", "linux-\n")
	a := act(t, "actions/cache@v4", Deps{}).(runner.PostAction)
	if err := a.Run(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, ok := first.Outputs["cache-hit"]; ok || !strings.Contains(log.String(), "Cache not found for input keys: linux-1, linux-") {
		t.Errorf("outputs %v\n%s", first.Outputs, log)
	}
	if p := a.(runner.PostCondition).PostIf(); p != "success()" {
		t.Errorf("post-if %q", p)
	}
	if err := a.Post(t.Context(), first); err != nil || len(s.entries) != 1 {
		t.Fatalf("%v %d entries\n%s", err, len(s.entries), log)
	}
	if !strings.Contains(log.String(), "Cache saved with key: linux-1") {
		t.Error(log)
	}

	restored := t.TempDir()
	again, log := cacheStep(t, s, restored, "path", "deps\nlib/*.txt\n", "key", "linux-1")
	if err := a.Run(t.Context(), again); err != nil || again.Outputs["cache-hit"] != "true" {
		t.Fatalf("%v %v\n%s", err, again.Outputs, log)
	}
	for name, want := range map[string]string{"deps/a.txt": "one", "deps/.hidden": "h", "lib/b.txt": "two"} {
		if b, err := os.ReadFile(filepath.Join(restored, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(restored, "lib/c.md")); err == nil {
		t.Error("a file that does not match was kept")
	}
	if err := a.Post(t.Context(), again); err != nil || len(s.entries) != 1 || !strings.Contains(log.String(), "Cache hit occurred on the primary key linux-1, not saving cache.") {
		t.Errorf("%v\n%s", err, log)
	}

	r, log := cacheStep(t, s, t.TempDir(), "path", "deps\nlib/*.txt\n", "key", "linux-2", "restore-keys", "mac-\nlinux-", "lookup-only", "true")
	if err := act(t, "actions/cache/restore@v4", Deps{}).Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if o := r.Outputs; o["cache-hit"] != "false" || o["cache-primary-key"] != "linux-2" || o["cache-matched-key"] != "linux-1" {
		t.Errorf("%v\n%s", o, log)
	}
	if e, _ := os.ReadDir(r.Dirs.Workspace); len(e) != 0 {
		t.Error("lookup-only wrote files")
	}
}

// TestCacheKindness: what goes wrong with a cache does not fail the job, save what
// the step itself says wrongly.
func TestCacheKindness(t *testing.T) {
	t.Parallel()
	ws := tree(t, "deps/a.txt", "one")
	for _, c := range []struct {
		name, uses string
		with       []string
		change     func(*fakeKeeper)
		fails, log string
	}{
		{"miss that fails", "actions/cache@v4", []string{"path", "deps", "key", "k", "fail-on-cache-miss", "true"}, nil, "Exiting as fail-on-cache-miss is set. Input key: k", ""},
		{"no key", "actions/cache@v4", []string{"path", "deps"}, nil, "Input required and not supplied: key", ""},
		{"no path", "actions/cache/restore@v4", []string{"key", "k"}, nil, "Input required and not supplied: path", ""},
		{"comma", "actions/cache@v4", []string{"path", "deps", "key", "a,b"}, nil, "cannot contain commas", ""},
		{"long", "actions/cache@v4", []string{"path", "deps", "key", strings.Repeat("é", 513)}, nil, "cannot be larger than 512 characters", ""},
		{"many", "actions/cache@v4", []string{"path", "deps", "key", "k", "restore-keys", strings.Repeat("x\n", 10)}, nil, "limited to a maximum of 10", ""},
		{"server away", "actions/cache@v4", []string{"path", "deps", "key", "k"}, func(f *fakeKeeper) { f.broken = cairn.Errorf(cairn.CodeUnavailable, "away") }, "", "Warning: Failed to restore: away"},
		{"damaged", "actions/cache@v4", []string{"path", "deps", "key", "there"}, func(f *fakeKeeper) { f.damaged = true }, "", "Warning: Failed to restore: the cache is damaged"},
		{"nothing to save", "actions/cache/save@v4", []string{"path", "nothing", "key", "k"}, nil, "", "Path(s) specified in the action for caching do(es) not exist"},
		{"taken", "actions/cache/save@v4", []string{"path", "deps", "key", "there"}, nil, "", "Failed to save: Unable to reserve cache with key there, another job may be creating this cache."},
		{"old", "actions/cache@v1", []string{"path", "deps", "key", "k"}, nil, "", "no longer works on GitHub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newKeeper()
			keep, _ := cacheStep(t, s, ws, "path", "deps", "key", "there")
			if err := act(t, "actions/cache/save@v4", Deps{}).Run(t.Context(), keep); err != nil || len(s.entries) != 1 {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(s)
			}
			st, log := cacheStep(t, s, ws, c.with...)
			err := act(t, c.uses, Deps{}).Run(t.Context(), st)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v", err)
			}
			if !strings.Contains(log.String(), c.log) {
				t.Error(log)
			}
		})
	}
}

// TestCachePaths: the client's resolvePaths: what matches itself, not what lies in it.
func TestCachePaths(t *testing.T) {
	t.Parallel()
	home := tree(t, ".cache/pip/x", "1")
	ws := tree(t, "deps/a.txt", "1", "pkg/one/node_modules/x.js", "1", "pkg/two/node_modules/y.js", "1", "pkg/two/keep", "1", "--checkpoint-action=exec=touch evil", "1")
	rel, err := filepath.Rel(ws, home)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"deps":                         "deps",
		"deps\n!deps/a.txt":            "deps",
		"deps/*":                       "deps/a.txt",
		"**/node_modules":              "pkg/one/node_modules pkg/two/node_modules",
		"pkg/*/\n!pkg/one/":            "pkg/two",
		"~/.cache/pip":                 filepath.ToSlash(rel) + "/.cache/pip",
		".":                            ".",
		"missing":                      "",
		"# only a comment\ndeps/a.txt": "deps/a.txt",
		"--*":                          "./--checkpoint-action=exec=touch evil",
	} {
		got, err := findPaths(in, ws, home)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q (%v)", in, got, want, err)
		}
	}
}
