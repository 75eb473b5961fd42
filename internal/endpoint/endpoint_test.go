package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

// rows is a store in memory.
type rows struct {
	mu  sync.Mutex
	all map[string]cairn.Endpoint
}

func (r *rows) Endpoints(context.Context, string) ([]cairn.Endpoint, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []cairn.Endpoint{}
	for _, k := range sortedNames(r.all) {
		e := r.all[k]
		b, _ := json.Marshal(e) // a copy, as a database gives
		var c cairn.Endpoint
		_ = json.Unmarshal(b, &c)
		out = append(out, c)
	}
	return out, nil
}

func sortedNames(m map[string]cairn.Endpoint) []string {
	var e cairn.Endpoint
	for k := range m {
		e.Deployments = append(e.Deployments, cairn.EndpointDeployment{Name: k})
	}
	out := names(&e)
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if out[j] < out[i] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

func (r *rows) PutEndpoint(_ context.Context, e cairn.Endpoint, _ cairn.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[e.Name] = e
	return nil
}

func (r *rows) DeleteEndpoint(_ context.Context, _, name string, _ cairn.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, name)
	return nil
}

// models are stages whose programs are servers of the test, by the digest of their image.
type models struct {
	servers map[cairn.Digest]*httptest.Server
	mu      sync.Mutex
	stopped []string
	put     []string // images by the order in which they went live
	there   map[string]bool
}

func (m *models) Put(_ context.Context, r StageRequest, _ cairn.Principal) (*Live, error) {
	s := m.servers[r.Image]
	if s == nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "the program ended: no such model")
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	n, _ := strconv.Atoi(port)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put = append(m.put, string(r.Image))
	if m.there == nil {
		m.there = map[string]bool{}
	}
	m.there[r.Config.Name] = true
	return &Live{Repository: "a/b", Deployment: cairn.DeploymentID(len(m.put)), Port: n}, nil
}

func (m *models) Repository(context.Context, string, cairn.Principal) (string, error) {
	return "a/b", nil
}

func (m *models) Stop(_ context.Context, _, stage string, _ cairn.Principal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = append(m.stopped, stage)
	delete(m.there, stage)
	return nil
}

type world struct {
	*Service
	t      testing.TB
	rows   *rows
	models *models
	random atomic.Int64
	client *http.Client
}

var me = cairn.Principal{Name: "ada"}

func open(t testing.TB, handlers map[cairn.Digest]http.HandlerFunc) *world {
	w := &world{t: t, rows: &rows{all: map[string]cairn.Endpoint{}}, models: &models{servers: map[cairn.Digest]*httptest.Server{}}, client: &http.Client{Transport: &http.Transport{}}}
	for d, h := range handlers {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		w.models.servers[d] = s
	}
	w.Service = New(Options{Store: w.rows, Stages: w.models, Default: func(n string) cairn.StageConfig { return cairn.StageConfig{Name: n} }, Workspace: "w",
		Secret: []byte("s"), Random: func(n int) int { return int(w.random.Load()) % n }, FirstPort: 20000})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; w.client.CloseIdleConnections() })
	for { // until it runs
		w.mu.Lock()
		runs := w.run != nil
		w.mu.Unlock()
		if runs {
			return w
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) post(e *cairn.Endpoint, key string, body string, headers ...string) (int, http.Header, string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, e.ScoringURI(), strings.NewReader(body))
	w.must(err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.client.Do(r)
	w.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp.StatusCode, resp.Header, string(b)
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", text, r.URL.Path, b)
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	var auth atomic.Value
	var copies atomic.Int64
	w := open(t, map[cairn.Digest]http.HandlerFunc{
		"blue": func(rw http.ResponseWriter, r *http.Request) {
			auth.Store(r.Header.Get("Authorization"))
			says("blue")(rw, r)
		},
		"green": says("green"),
		"black": func(rw http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if string(b) == "hello" {
				copies.Add(1)
			}
			http.Error(rw, "nobody sees this", 500)
		},
	})
	ctx := t.Context()
	e, err := w.Create(ctx, cairn.Endpoint{Name: "digits"}, me)
	w.must(err)
	k, err := w.Credentials(ctx, "digits")
	w.must(err)
	if code, _, body := w.post(e, k.Primary, "x"); code != 404 || !strings.Contains(body, "no deployment with traffic") {
		t.Errorf("without deployments: %d %s", code, body)
	}
	for _, d := range []string{"blue", "green", "black"} {
		if _, err := w.Deploy(ctx, Deploy{Endpoint: "digits", Name: d + "-1", Image: cairn.Digest(d), AllTraffic: d == "blue"}, me); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Deploy(ctx, Deploy{Endpoint: "digits", Name: "bad", Image: "none"}, me); err == nil || !strings.Contains(err.Error(), "no such model") {
		t.Errorf("a deployment that does not come up: %v", err)
	}
	if code, h, body := w.post(e, k.Secondary, "x"); code != 200 || body != "blue /score x" || h.Get(headerDeployment) != "blue-1" || auth.Load() != "" {
		t.Errorf("all to blue: %d %s %v, key passed on: %q", code, body, h, auth.Load())
	}
	_, err = w.Update(ctx, "digits", Update{Traffic: map[string]int{"blue-1": 90, "green-1": 10}}, me)
	w.must(err)
	for n, want := range map[int64]string{0: "blue", 89: "blue", 90: "green", 99: "green"} {
		w.random.Store(n)
		if _, _, body := w.post(e, k.Primary, "x"); !strings.HasPrefix(body, want) {
			t.Errorf("%d of a hundred: %s, want %s", n, body, want)
		}
	}
	if code, _, body := w.post(e, k.Primary, "x", headerDeployment, "green-1"); code != 200 || !strings.HasPrefix(body, "green") {
		t.Errorf("by name: %d %s", code, body)
	}
	if code, _, body := w.post(e, k.Primary, "x", headerDeployment, "red"); code != 404 {
		t.Errorf("by a name that is not there: %d %s", code, body)
	}
	// Copies: the callers' answers stay the same, and are not waited for.
	_, err = w.Update(ctx, "digits", Update{Mirror: map[string]int{"black-1": 50}}, me)
	w.must(err)
	w.random.Store(10)
	if code, _, body := w.post(e, k.Primary, "hello"); code != 200 || body != "blue /score hello" {
		t.Errorf("with a copy: %d %s", code, body)
	}
	for copies.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if code, h, _ := w.post(e, k.Primary, "x", headerDeployment, "black-1"); code != 424 || h.Get(headerModelError) != "500" {
		t.Errorf("an error of the model: %d %v", code, h)
	}
	if err := w.Remove(ctx, "digits", "blue-1", me); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("one with traffic is deleted: %v", err)
	}
	w.must(w.Remove(ctx, "digits", "black-1", me))
	w.must(w.Delete(ctx, "digits", me))
	if len(w.models.there) != 0 {
		t.Errorf("stopped %v", w.models.stopped)
	}
	if _, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(e.Port), time.Second); err == nil {
		t.Error("its port is still answered")
	}
}

// TestSameDeploymentAtOnce holds that the row tells of what went live last, and that
// deleting an endpoint takes down what a deployment that was cut short left.
func TestSameDeploymentAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t, map[cairn.Digest]http.HandlerFunc{"a": says("a"), "b": says("b"), "c": says("c")})
	ctx := t.Context()
	e, err := w.Create(ctx, cairn.Endpoint{Name: "one"}, me)
	w.must(err)
	var all sync.WaitGroup
	for range 20 {
		for _, image := range []cairn.Digest{"a", "b", "c"} {
			all.Go(func() {
				if _, err := w.Deploy(ctx, Deploy{Endpoint: e.Name, Name: "blue", Image: image}, me); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if e, err = w.Get(ctx, e.Name); err != nil || len(e.Deployments) != 1 {
		t.Fatalf("%+v %v", e, err)
	}
	if d := e.Deployments[0]; string(d.Image) != w.models.put[len(w.models.put)-1] || int(d.Deployment) != len(w.models.put) {
		t.Errorf("the row tells of %s (%d); live is %s (%d)", d.Image, d.Deployment, w.models.put[len(w.models.put)-1], len(w.models.put))
	}
	// The owner ends between the two writes: the stage comes up all the same. Another's of a
	// like name stays.
	w.must(w.expect(ctx, e.Name, cairn.EndpointStage{Repository: "a/b", Stage: "one.green"}, me))
	w.models.mu.Lock()
	w.models.there["one.green"], w.models.there["one.mine"] = true, true
	w.models.mu.Unlock()
	w.must(w.Delete(ctx, e.Name, me))
	if len(w.models.there) != 1 || !w.models.there["one.mine"] {
		t.Errorf("left are %v", w.models.there)
	}
}

func TestKeysAndTokens(t *testing.T) {
	t.Parallel()
	w := open(t, map[cairn.Digest]http.HandlerFunc{"a": says("a")})
	ctx := t.Context()
	now := time.Now()
	w.o.Now = func() time.Time { return now }
	for _, mode := range []string{cairn.EndpointKey, cairn.EndpointToken} {
		name := "e-" + strings.ReplaceAll(mode, "_", "")
		e, err := w.Create(ctx, cairn.Endpoint{Name: name, Auth: mode}, me)
		w.must(err)
		_, err = w.Deploy(ctx, Deploy{Endpoint: name, Name: "one", Image: "a", AllTraffic: true}, me)
		w.must(err)
		k, err := w.Credentials(ctx, name)
		w.must(err)
		good := k.Primary + k.Token
		for shown, want := range map[string]int{good: 200, "": 401, "x": 401, good + "x": 401, good[:len(good)-1]: 401} {
			if code, _, body := w.post(e, shown, "x"); code != want {
				t.Errorf("%s, %q: %d %s", mode, shown, code, body)
			}
		}
	}
	old, err := w.Credentials(ctx, "e-key")
	w.must(err)
	fresh, err := w.Regenerate(ctx, "e-key", "secondary", me)
	w.must(err)
	if fresh.Primary != old.Primary || fresh.Secondary == old.Secondary {
		t.Error("another key than the secondary was made anew")
	}
	e, err := w.Get(ctx, "e-key")
	w.must(err)
	if code, _, _ := w.post(e, old.Secondary, "x"); code != 401 {
		t.Errorf("a key of before: %d", code)
	}
	tok, err := w.Get(ctx, "e-amltoken")
	w.must(err)
	k := keys{[]byte("s")}
	if k.admits(tok, k.token(tok, now.Add(-time.Second)), now) {
		t.Error("an expired token passes")
	}
	if _, err := w.Regenerate(ctx, "e-amltoken", "primary", me); err == nil {
		t.Error("an endpoint with tokens has a key")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	entered := make(chan struct{}, 10)
	w := open(t, map[cairn.Digest]http.HandlerFunc{"slow": func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}})
	ctx := t.Context()
	e, err := w.Create(ctx, cairn.Endpoint{Name: "slow-one"}, me)
	w.must(err)
	_, err = w.Deploy(ctx, Deploy{Endpoint: e.Name, Name: "one", Image: "slow", AllTraffic: true, Spec: cairn.EndpointSpec{Wait: 1, Timeout: 60_000}}, me)
	w.must(err)
	k, err := w.Credentials(ctx, e.Name)
	w.must(err)
	first := make(chan int)
	go func() { code, _, _ := w.post(e, k.Primary, "x"); first <- code }()
	<-entered
	if code, h, body := w.post(e, k.Primary, "x"); code != 429 || h.Get("Retry-After") == "" {
		t.Errorf("one more than it works on: %d %s", code, body)
	}
	close(release)
	if code := <-first; code != 200 {
		t.Errorf("the first: %d", code)
	}
	for _, bad := range []cairn.EndpointSpec{{Timeout: 180_001}, {Instances: -1}, {Wait: -1}, {Concurrent: 5000}} {
		if _, err := w.Deploy(ctx, Deploy{Endpoint: e.Name, Name: "two", Image: "slow", Spec: bad}, me); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, name := range []string{"", "a", "1ab", "ab-", "a_b", strings.Repeat("a", 33), "../x"} {
		if _, err := w.Create(ctx, cairn.Endpoint{Name: name}, me); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	w := open(t, map[cairn.Digest]http.HandlerFunc{"never": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	ctx := t.Context()
	e, err := w.Create(ctx, cairn.Endpoint{Name: "never"}, me)
	w.must(err)
	_, err = w.Deploy(ctx, Deploy{Endpoint: e.Name, Name: "one", Image: "never", AllTraffic: true, Spec: cairn.EndpointSpec{Timeout: 20}}, me)
	w.must(err)
	k, err := w.Credentials(ctx, e.Name)
	w.must(err)
	if code, _, body := w.post(e, k.Primary, ""); code != 408 {
		t.Errorf("%d %s", code, body)
	}
}

// TestShares holds that each number below a hundred leads where the weights say, whatever
// they are.
func TestShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		traffic := map[string]int{}
		left := hundred
		for i := range rapid.IntRange(1, 6).Draw(t, "deployments") {
			n := rapid.IntRange(0, left).Draw(t, "share")
			traffic["d"+strconv.Itoa(i)], left = n, left-n
		}
		got := map[string]int{}
		for n := range hundred {
			got[pick(traffic, n)]++
		}
		for name, want := range traffic {
			if got[name] != want {
				t.Fatalf("%s got %d of %v", name, got[name], traffic)
			}
		}
	})
}

func TestWeightsThatCannotBe(t *testing.T) {
	t.Parallel()
	e := cairn.Endpoint{Name: "e", Deployments: []cairn.EndpointDeployment{{Name: "blue"}, {Name: "green"}}}
	for _, c := range []struct {
		traffic, mirror map[string]int
		want            string
	}{
		{map[string]int{"blue": 99}, nil, "adds up to 99"},
		{map[string]int{"blue": 110, "green": -10}, nil, "it is 0 to 100"},
		{map[string]int{"bleu": 100}, nil, "no deployment bleu"},
		{map[string]int{"blue": 100}, map[string]int{"blue": 10}, "cannot get copies"},
		{map[string]int{"blue": 100}, map[string]int{"green": 51}, "at most 50"},
		{nil, nil, ""},
		{map[string]int{"blue": 100}, map[string]int{"green": 50}, ""},
	} {
		e.Traffic, e.Mirror = c.traffic, c.mirror
		err := check(&e)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v, want %q", c.traffic, c.mirror, err, c.want)
		}
	}
}

// BenchmarkRequest is a request through an endpoint with two deployments, and the same to
// the program itself.
func BenchmarkRequest(b *testing.B) {
	w := open(b, map[cairn.Digest]http.HandlerFunc{"a": says("a"), "b": says("b")})
	ctx := b.Context()
	e, err := w.Create(ctx, cairn.Endpoint{Name: "digits"}, me)
	w.must(err)
	for _, n := range []string{"a", "b"} {
		_, err := w.Deploy(ctx, Deploy{Endpoint: e.Name, Name: "dep-" + n, Image: cairn.Digest(n), Spec: cairn.EndpointSpec{Concurrent: 100}}, me)
		w.must(err)
	}
	_, err = w.Update(ctx, e.Name, Update{Traffic: map[string]int{"dep-a": 50, "dep-b": 50}}, me)
	w.must(err)
	k, err := w.Credentials(ctx, e.Name)
	w.must(err)
	bare := *e
	bare.URL = w.models.servers["a"].URL
	for name, to := range map[string]*cairn.Endpoint{"endpoint": e, "bare": &bare} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.random.Add(37)
				if code, _, _ := w.post(to, k.Primary, `{"data": [1, 2, 3]}`); code != 200 {
					b.Fatal(code)
				}
			}
		})
	}
}
