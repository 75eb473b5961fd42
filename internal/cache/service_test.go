package cache_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cache"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/store"
	"pgregory.net/rapid"
)

// room is the service on real stores, with a clock by hand.
type room struct {
	*cache.Service
	t      testing.TB
	store  *store.Store
	blobs  *cas.Store
	now    time.Time
	place  cache.Place
	limits cache.Limits
}

func newRoom(t testing.TB) *room {
	t.Helper()
	r := &room{t: t, now: time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC),
		place: cache.Place{Repository: "ana/digits", Scopes: []string{"refs/heads/main"}}}
	var err error
	if r.store, err = store.Open(t.Context(), store.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	if r.blobs, err = cas.Open(t.TempDir(), cas.Options{}); err != nil {
		t.Fatal(err)
	}
	r.Service = cache.New(cache.Options{Store: r.store, Blobs: r.blobs, Now: func() time.Time { return r.now },
		Place:  func(context.Context, cairn.Principal) (cache.Place, error) { return r.place, nil },
		Limits: func(string) cache.Limits { return r.limits }})
	return r
}

func job(id cairn.JobID) cairn.Principal {
	return cairn.Principal{Name: string(cairn.JobRef(id)), Role: cairn.RoleJob, Job: id, Run: 1, Attempt: 1, Epoch: 1}
}

const version = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// keep saves content under a key in a scope, a minute after the last.
func (r *room) keep(scope, key, content string) *cairn.CacheEntry {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	d, err := r.blobs.PutBytes(r.t.Context(), []byte(content))
	if err != nil {
		r.t.Fatal(err)
	}
	old := r.place
	r.place.Scopes = []string{scope}
	defer func() { r.place = old }()
	e, err := r.Save(r.t.Context(), job(7), key, version, d)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *room) find(scopes string, keys ...string) string {
	r.t.Helper()
	r.place.Scopes = strings.Fields(scopes)
	e, err := r.Find(r.t.Context(), job(8), keys, version)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return ""
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimPrefix(e.Scope, "refs/heads/") + " " + e.Key
}

// TestCacheKeysAndScopes: the key itself first, then the newest that begins so, then
// the restore keys in their order; all of that in the own branch before the next.
func TestCacheKeysAndScopes(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, k := range []string{"pip-1", "pip-2", "npm-1", "pip"} {
		r.keep("refs/heads/main", k, "main "+k)
	}
	r.keep("refs/heads/feature", "pip-3", "feature pip-3")
	r.keep("refs/heads/other", "pip-4", "other pip-4")
	const main, feature = "refs/heads/main", "refs/heads/feature"
	for _, c := range []struct{ scopes, keys, want string }{
		{main, "pip-1", "main pip-1"},
		{main, "pip", "main pip"},             // exactly
		{main, "pip-", "main pip-2"},          // the newest that begins so
		{main, "pip-3", ""},                   // of another branch
		{main, "x pip-", "main pip-2"},        // by a restore key
		{main, "x y npm- pip-", "main npm-1"}, // in their order
		{feature + " " + main, "pip-9 pip-", "feature pip-3"},
		{feature + " " + main, "pip-1", "main pip-1"},
		{feature + " " + main, "npm-1 pip-", "feature pip-3"}, // the own branch is looked through first
		{feature + " " + main, "go-1 go-", ""},
	} {
		if got := r.find(c.scopes, strings.Fields(c.keys)...); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.keys, c.scopes, got, c.want)
		}
	}
	if _, err := r.Find(t.Context(), job(8), []string{"pip-1"}, strings.Repeat("f", 64)); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("of another version: %v", err)
	}
}

// TestCacheIsNeverChanged: a key is taken once; the same job that asks again gets
// what it has.
func TestCacheIsNeverChanged(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	e := r.keep("refs/heads/main", "k", "one")
	if again := r.keep("refs/heads/main", "k", "one"); again.ID != e.ID {
		t.Errorf("%d, want %d", again.ID, e.ID)
	}
	d, err := r.blobs.PutBytes(t.Context(), []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context(), job(9), "k", version); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("check: %v", err)
	}
	if _, err := r.Save(t.Context(), job(9), "k", version, d); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("save: %v", err)
	}
	if _, err := r.Save(t.Context(), job(9), "k2", version, cairn.SumBytes([]byte("absent"))); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("bytes that are not there: %v", err)
	}
}

func TestCacheRefuses(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	d, err := r.blobs.PutBytes(t.Context(), []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, version string
		code         cairn.Code
	}{
		{"", version, cairn.CodeInvalid}, {"a,b", version, cairn.CodeInvalid}, {strings.Repeat("é", 513), version, cairn.CodeInvalid},
		{"a\nb", version, cairn.CodeInvalid}, {"k", "../x", cairn.CodeInvalid}, {"k", "", cairn.CodeInvalid},
	} {
		if _, err := r.Save(t.Context(), job(1), c.key, c.version, d); cairn.CodeOf(err) != c.code {
			t.Errorf("save %.20q %q: %v", c.key, c.version, err)
		}
		if _, err := r.Find(t.Context(), job(1), []string{c.key}, c.version); cairn.CodeOf(err) != c.code {
			t.Errorf("find %.20q %q: %v", c.key, c.version, err)
		}
	}
	if _, err := r.Save(t.Context(), job(1), strings.Repeat("é", 512), version, d); err != nil {
		t.Errorf("a key of 512 characters: %v", err)
	}
	if _, err := r.Find(t.Context(), job(1), strings.Split(strings.Repeat("k ", 11), " "), version); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("11 keys: %v", err)
	}
	if err := r.Check(t.Context(), cairn.Principal{Name: "ana", Role: cairn.RoleAdmin}, "k", version); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("of nobody's job: %v", err)
	}
	r.place.ReadOnly = true
	if err := r.Check(t.Context(), job(1), "k", version); cairn.CodeOf(err) != cairn.CodeForbidden || !strings.HasPrefix(err.Error(), "cache write denied:") {
		t.Errorf("of code that is not trusted: %v", err)
	}
	r.place = cache.Place{Repository: "ana/digits"}
	if _, err := r.Find(t.Context(), job(1), []string{"k"}, version); cairn.CodeOf(err) != cairn.CodeUnsupported {
		t.Errorf("of a detached head: %v", err)
	}
	r.place.Scopes, r.place.ReadOnly, r.limits.Size = []string{"refs/heads/main"}, false, 2
	if _, err := r.Save(t.Context(), job(1), "large", version, d); cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Errorf("larger than all: %v", err)
	}
}

// TestCacheEviction: what nobody asked for in time goes, and beyond the limit what
// was not asked for the longest; the bytes are noted as free.
func TestCacheEviction(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.limits = cache.Limits{Size: 30, Age: 48 * time.Hour}
	for i := range 3 {
		r.keep("refs/heads/main", fmt.Sprint("k", i), fmt.Sprint("content-", i, " ")) // 10 bytes
	}
	r.now = r.now.Add(time.Hour)
	if got := r.find("refs/heads/main", "k0"); got != "main k0" {
		t.Fatal(got)
	}
	r.keep("refs/heads/main", "k3", "content-3 ")
	if got := keys(r); got != "k3 k0 k2" {
		t.Errorf("kept %s, want k3 k0 k2: k1 was not used the longest", got)
	}
	freed, err := r.store.Freed(t.Context(), 10)
	if err != nil || len(freed) != 1 || freed[0].Digest != cairn.SumBytes([]byte("content-1 ")) {
		t.Errorf("freed %v, %v", freed, err)
	}
	r.now = r.now.Add(47*time.Hour + 30*time.Minute)
	if got := r.find("refs/heads/main", "k2"); got != "main k2" {
		t.Fatal(got)
	}
	r.now = r.now.Add(time.Hour)
	if n, err := r.EvictAll(t.Context()); err != nil || n != 2 || keys(r) != "k2" {
		t.Errorf("%d went, %v; %s", n, err, keys(r))
	}
}

func keys(r *room) string {
	r.t.Helper()
	es, err := r.List(r.t.Context(), cairn.CacheFilter{})
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Key)
	}
	return strings.Join(out, " ")
}

// TestCacheLimitHolds: whatever is kept and asked for, a repository never keeps more
// than its limit, and the newest entry is there.
func TestCacheLimitHolds(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.limits.Size = 200
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(rt, "saves") {
			n++
			e := r.keep("refs/heads/main", fmt.Sprint("key-", n), fmt.Sprint(n, strings.Repeat(".", rapid.IntRange(0, 150).Draw(rt, "size"))))
			if rapid.Bool().Draw(rt, "ask") {
				r.find("refs/heads/main", fmt.Sprint("key-", rapid.IntRange(1, n).Draw(rt, "which")))
			}
			use, err := r.store.CacheUse(t.Context())
			if err != nil || use["ana/digits"] > 200 {
				rt.Fatalf("%v %v", use, err)
			}
			if got := r.find("refs/heads/main", e.Key); got != "main "+e.Key {
				rt.Fatalf("the newest is gone: %q", got)
			}
		}
	})
}

// BenchmarkFind is a restore with ten keys among 2,000 entries.
func BenchmarkFind(b *testing.B) {
	r := newRoom(b)
	for i := range 2000 {
		r.keep("refs/heads/main", fmt.Sprintf("linux-pip-%d", i), fmt.Sprint(i))
	}
	b.ResetTimer()
	for b.Loop() {
		if _, err := r.Find(b.Context(), job(1), []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "linux-pip-19"}, version); err != nil {
			b.Fatal(err)
		}
	}
}
