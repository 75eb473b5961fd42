package follow_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/follow"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/store"
)

// The rooms meet by shape.
var (
	_ follow.Store  = (*store.Store)(nil)
	_ follow.Mirror = (*git.Host)(nil)
	_ follow.Sealer = (*auth.Key)(nil)
)

const zero = "0000000000000000000000000000000000000000"

// sha is the id of a commit that is called so.
func sha(name string) string {
	sum := sha1.Sum([]byte(name))
	return hex.EncodeToString(sum[:])
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// runs starts things: once for each key, as the server does.
type runs struct {
	mu     sync.Mutex
	keys   map[string]cairn.RunID
	pushes []follow.Push // each key once
	made   []string      // refs that were told of as new
	events []cairn.TriggerEvent
	err    error
}

func (r *runs) once(key string) (cairn.RunID, bool) {
	if id, known := r.keys[key]; known {
		return id, false
	}
	id := cairn.RunID(len(r.keys) + 1)
	r.keys[key] = id
	return id, true
}

func (r *runs) Push(_ context.Context, p follow.Push) ([]cairn.RunID, []string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, nil, r.err
	}
	if p.Old == zero && p.Known != "create" {
		if _, fresh := r.once("create:" + p.ID); fresh {
			r.made = append(r.made, p.Ref)
		}
	}
	if p.Known == "push" {
		return nil, nil, nil
	}
	id, fresh := r.once("push:" + p.ID)
	if fresh {
		r.pushes = append(r.pushes, p)
	}
	return []cairn.RunID{id}, nil, nil
}

func (r *runs) Event(_ context.Context, e cairn.TriggerEvent) ([]cairn.RunID, []string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, nil, r.err
	}
	id, fresh := r.once(e.Key)
	if fresh {
		r.events = append(r.events, e)
	}
	return []cairn.RunID{id}, nil, nil
}

// said lists the pushes that started something: ref old new.
func (r *runs) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, p := range r.pushes {
		out = append(out, fmt.Sprintf("%s %.4s %.4s", strings.TrimPrefix(p.Ref, "refs/"), p.Old, p.New))
	}
	return out
}

// frail is a store whose writes of a kind fail so often, as if the process had
// been killed before them.
type frail struct {
	*store.Store
	mu    sync.Mutex
	fails int
}

var errKilled = cairn.Errorf(cairn.CodeUnavailable, "killed")

func (f *frail) killed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errKilled
	}
	return nil
}

func (f *frail) SetFollowedRef(ctx context.Context, seen cairn.SeenRef, version int64, ch cairn.Change) error {
	if err := f.killed(); err != nil {
		return err
	}
	return f.Store.SetFollowedRef(ctx, seen, version, ch)
}

func (f *frail) AddSeenRef(ctx context.Context, seen cairn.SeenRef, ch cairn.Change) error {
	if err := f.killed(); err != nil {
		return err
	}
	return f.Store.AddSeenRef(ctx, seen, ch)
}

func (f *frail) DeliveryDone(ctx context.Context, seq int64, note string, ch cairn.Change) error {
	if err := f.killed(); err != nil {
		return err
	}
	return f.Store.DeliveryDone(ctx, seq, note, ch)
}

// origins are the rows of repositories.
type origins struct {
	mu sync.Mutex
	of map[string]string
	// branch is the default one that was said last.
	branch string
}

func (o *origins) Keep(_ context.Context, name, origin, branch string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[name], o.branch = origin, branch
	return nil
}

func (o *origins) Origin(_ context.Context, name string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of[name], nil
}

func parse(text string) (follow.Place, error) {
	r, err := git.ParseRemote(text)
	return follow.Place{URL: r.URL, Scheme: r.Scheme, Host: r.Host, Path: r.Path, Name: r.Name, Plain: r.Plain()}, err
}

// counting is randomness that tests know.
type counting struct {
	mu sync.Mutex
	n  uint64
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(p); i += 20 {
		c.n++
		sum := sha1.Sum(fmt.Append(nil, c.n))
		copy(p[i:], sum[:])
	}
	return len(p), nil
}

// rig is a service with everything around it.
type rig struct {
	t     testing.TB
	s     *follow.Service
	store *frail
	m     *mirror
	runs  *runs
	clock *clock
	opts  follow.Options
}

func newRig(t testing.TB) *rig {
	c := &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	rows, err := store.Open(context.Background(), store.Options{Dir: t.TempDir(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rows.Close() })
	key, err := auth.OpenKey(path.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: &frail{Store: rows}, m: newMirror(), runs: &runs{keys: map[string]cairn.RunID{}}, clock: c}
	r.opts = follow.Options{
		Store: r.store, Mirror: r.m, Keys: key, Start: r.runs, Repositories: &origins{of: map[string]string{}}, Parse: parse,
		Actor: func(context.Context) string { return "admin" },
		Local: func(context.Context) bool { return true }, URL: func() string { return "http://cairn.example" },
		HTTP: http.DefaultTransport, Random: &counting{}, Now: c.now,
	}
	r.s = follow.New(r.opts)
	return r
}

// add follows a repository that has one commit, and looks at it once.
func (r *rig) add(url string, c follow.Change) *follow.Added {
	r.t.Helper()
	a, err := r.s.Add(context.Background(), url, "", c, false)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sync(a.Follow.Repository)
	return a
}

func (r *rig) sync(repo string) *cairn.FollowSync {
	r.t.Helper()
	got, err := r.s.Sync(context.Background(), repo)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

func (r *rig) show(repo string) *cairn.FollowInfo {
	r.t.Helper()
	f, err := r.s.Show(context.Background(), repo)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

func ptr[T any](v T) *T { return &v }
