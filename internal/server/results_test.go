package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// startHere is an owner of a home of its own.
func startHere(t *testing.T) *Server {
	t.Helper()
	home, err := os.MkdirTemp("", "cairn-r") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	s, err := Start(t.Context(), Options{Home: home, Version: "test", Listen: "127.0.0.1:0", Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSweepExpiresAndReleases: an artifact whose time is over keeps its row, and its
// bytes go, save those that something else holds; so do those of a cache that was
// evicted and of an upload that was refused.
func TestSweepExpiresAndReleases(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startHere(t)
	plan := []byte("{}")
	now := time.Now()
	run, err := s.store.CreateRun(ctx, cairn.Run{ID: 1, Workspace: Workspace, Repository: "ana/digits", Attempt: 1, Ref: "refs/heads/main",
		Plan: cairn.SumBytes(plan), Status: cairn.StatusRunning, CreatedAt: now}, cairn.Attempt{Run: 1, Number: 1, StartedAt: now}, plan, cairn.Change{By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	job := cairn.Job{ID: 1, Run: 1, Attempt: 1, Path: "build", Epoch: 1, Status: cairn.StatusRunning}
	for { // the engine looks at the run too
		err := s.store.ApplyRun(ctx, cairn.RunBatch{ID: 1, Version: run.Version, Jobs: []cairn.Job{job}}, cairn.Change{By: "ana"})
		if err == nil {
			break
		}
		if cairn.CodeOf(err) != cairn.CodeConflict {
			t.Fatal(err)
		}
		if run, err = s.store.Run(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
	who := auth.JobPrincipal(&job)
	put := func(text string) cairn.TreeEntry {
		d, err := s.blobs.PutBytes(ctx, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cairn.TreeEntry{Name: text, Mode: cairn.ModeFile, Size: int64(len(text)), Digest: d}
	}
	own, shared, tracked, inRow := put("own"), put("shared"), put("tracked"), put("named by a repository of images")
	tree := func(es ...cairn.TreeEntry) cairn.Digest {
		d, err := s.blobs.PutTree(ctx, es)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	short, err := s.assets.CreateArtifact(ctx, cairn.Artifact{Name: "short", Digest: tree(own, shared, tracked, inRow), ExpiresAt: time.Now().Add(2 * time.Second)}, false, who)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.assets.CreateArtifact(ctx, cairn.Artifact{Name: "long", Digest: tree(shared)}, false, who); err != nil {
		t.Fatal(err)
	}
	if err := s.store.PutMLFile(ctx, cairn.MLFile{Path: "runs/x", Digest: tracked.Digest, Size: tracked.Size, By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.AddImageBlob(ctx, Workspace, "app", inRow.Digest); err != nil {
		t.Fatal(err)
	}
	cached, refused := put("cached"), put("refused")
	e, err := s.caches.Save(ctx, who, "k", strings.Repeat("a", 64), cached.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.caches.Delete(ctx, e.ID, who); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Free(ctx, refused.Digest); err != nil {
		t.Fatal(err)
	}
	for n := 0; n == 0; time.Sleep(10 * time.Millisecond) {
		if n, err = s.assets.Expire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.release(ctx, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		e    cairn.TreeEntry
		want bool
	}{{own, false}, {cached, false}, {refused, false}, {shared, true}, {tracked, true}, {inRow, true}, {cairn.TreeEntry{Name: "the tree", Digest: short.Digest}, false}} {
		if there, err := s.blobs.Has(ctx, c.e.Digest); err != nil || there != c.want {
			t.Errorf("%s there: %v, want %v (%v)", c.e.Name, there, c.want, err)
		}
	}
	all, err := s.store.Artifacts(ctx, 1)
	if err != nil || len(all) != 2 || all[1].Name != "short" || all[1].Gone != cairn.ArtifactExpired || all[1].Digest != short.Digest {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := s.assets.UseArtifact(ctx, short.Ref(), who); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("use: %v", err)
	}
	tr, err := s.tracer.Trace(ctx, "", string(short.Ref()), false)
	if err != nil || len(tr.Roots) != 1 || !strings.Contains(tr.Roots[0].Title, "short") {
		t.Errorf("its trace: %+v %v", tr, err)
	}
	if rep, err := s.Fsck(ctx, false); err != nil || len(rep.Findings) > 0 {
		t.Errorf("fsck: %+v %v", rep, err)
	}
	if left, err := s.store.Freed(ctx, 10); err != nil || len(left) != 0 {
		t.Errorf("left to look at: %v %v", left, err)
	}
}

// TestCachePlaces: whose caches a run finds, its own first.
func TestCachePlaces(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startHere(t)
	if err := s.store.PutRepository(ctx, cairn.Repository{Workspace: Workspace, Name: "ana/digits", DefaultBranch: "main"}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		ref, base string
		untrusted bool
		want      string
		readOnly  bool
	}{
		{"refs/heads/main", "", false, "refs/heads/main", false},
		{"refs/heads/feature", "", false, "refs/heads/feature refs/heads/main", false},
		{"refs/tags/v1", "", false, "refs/tags/v1 refs/heads/main", false},
		{"refs/pull/7/merge", "release", false, "refs/pull/7/merge refs/heads/release refs/heads/main", false},
		{"refs/pull/7/merge", "main", true, "refs/pull/7/merge refs/heads/main", false},
		{"refs/heads/main", "", true, "refs/heads/main", true},
		{"", "", false, "", false},
	} {
		plan := []byte("{}")
		id := cairn.RunID(i + 1)
		if _, err := s.store.CreateRun(ctx, cairn.Run{ID: id, Workspace: Workspace, Repository: "ana/digits", Attempt: 1, Ref: c.ref, BaseRef: c.base,
			Untrusted: c.untrusted, Plan: cairn.SumBytes(plan), Status: cairn.StatusRunning}, cairn.Attempt{Run: id, Number: 1}, plan, cairn.Change{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		p, err := s.cachePlace(ctx, cairn.Principal{Run: id, Job: 1})
		if err != nil || strings.Join(p.Scopes, " ") != c.want || p.ReadOnly != c.readOnly || p.Repository != "ana/digits" {
			t.Errorf("%+v: %+v %v", c, p, err)
		}
	}
}

func TestRetentionSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	load := func(text string) (Config, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadConfig(path)
	}
	c, err := load(`
artifacts: {retention_days: 30, repositories: {ana/big: {retention_days: 1, max_retention_days: 2}}}
caches: {max_size: 2GiB, max_age_days: 3, repositories: {ana/big: {max_size: 500MB}}}
max_upload: 1000
`)
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	if r := c.retention("ana/x").Filled(); r.Default != 30*day || r.Max != 90*day {
		t.Errorf("%v", r)
	}
	if r := c.retention("ana/big").Filled(); r.Default != day || r.Max != 2*day || c.retentionDays("ana/big") != "2" {
		t.Errorf("%v", r)
	}
	if l := c.cacheLimits("ana/x"); l.Size != 2<<30 || l.Age != 3*day {
		t.Errorf("%v", l)
	}
	if l := c.cacheLimits("ana/big"); l.Size != 500e6 || l.Age != 3*day || c.MaxUpload != 1000 {
		t.Errorf("%v", l)
	}
	for text, want := range map[string]string{
		"artifacts: {retention_days: -1}":                              "artifacts.retention_days is -1",
		"artifacts: {repositories: {a/b: {max_retention_days: .inf}}}": "artifacts.repositories.a/b.max_retention_days",
		"caches: {max_age_days: .nan}":                                 "caches.max_age_days",
		"caches: {max_size: much}":                                     `"much" is not a size`,
		"max_upload: -5":                                               `"-5" is not a size`,
		"artifact: {retention_days: 1}":                                "artifact",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
