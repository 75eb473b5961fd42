package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	r := inside(t)
	if g := r.do("GET", "/", ""); g.StatusCode != 503 || !strings.Contains(g.body, "nothing is live on stage staging") {
		t.Errorf("nothing live: %d %s", g.StatusCode, g.body)
	}
	es := r.live(spec(t, 1, releaseA, "ok"))
	if len(es) != 3 || es[1].Health != "/health" || es[2].Port == 0 {
		t.Errorf("events: %+v", es)
	}

	g := r.do("POST", "/predict?x=1", "picture", "Content-Type", "image/png")
	p := r.logged(g)
	if g.Header.Get(headerRelease) != releaseA || g.Header.Get(headerModel) == "" || p.ID.Ref() == "" {
		t.Errorf("headers: %v", g.Header)
	}
	if p.Deployment != 1 || p.Release != releaseA || p.Method != "POST" || p.Path != "/predict?x=1" || p.Status != 200 ||
		string(p.Request.Body) != "picture" || p.Request.Type != "image/png" || string(p.Response.Body) != g.body || p.Open || p.Remote != "127.0.0.1" {
		t.Errorf("record: %+v", p)
	}
	g = r.do("GET", "/nowhere", "")
	if p := r.logged(g); p.Status != 404 || g.StatusCode != 404 {
		t.Errorf("404: %+v", p)
	}
	for _, c := range [][2]string{{"GET", "/health"}, {"HEAD", "/predict"}, {"OPTIONS", "/predict"}, {"GET", "/docs"}} {
		if g := r.do(c[0], c[1], ""); g.Header.Get(headerPrediction) != "" || g.Header.Get(headerRelease) != releaseA {
			t.Errorf("%v: %v", c, g.Header)
		}
	}
	st := r.status()
	if st.Live == nil || !st.Live.Healthy || st.Live.Deployment != 1 || st.Live.PID == 0 || st.Live.Memory == 0 || st.Requests < 6 || st.Segment != 1 {
		t.Errorf("status: %+v %+v", st, st.Live)
	}
}

func TestPassThrough(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok", func(x *cairn.StageInstance) { x.Log.MaxBody = 1000 }))

	g := r.do("POST", "/echo/../echo?a=b;c&d=%zz", "hello", "X-One", "1", "X-Forwarded-For", "10.0.0.9", "Te", "trailers")
	for k, want := range map[string]string{
		"Echo-X-One": "1", "Echo-Host": strings.TrimPrefix(r.url, "http://"), "Echo-Query": "a=b;c&d=%zz",
		"Echo-X-Forwarded-For": "10.0.0.9, 127.0.0.1", "Echo-X-Forwarded-Proto": "http", "Echo-User-Agent": "Go-http-client/1.1",
	} {
		if got := g.Header.Get(k); got != want && g.StatusCode == 200 {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	g = r.do("GET", "/echo", "")
	if p := r.logged(g); p.ID == "forged" || g.Header.Get(headerPrediction) == "forged" {
		t.Error("the program chose the id")
	}
	// A body beyond what is kept.
	big := strings.Repeat("x", 300_000)
	g = r.do("POST", "/echo", big)
	p := r.logged(g)
	if g.body != big || p.Request.Size != 300_000 || !p.Request.Cut || len(p.Request.Body) != 1000 ||
		p.Response.Size != 300_000 || !p.Response.Cut || len(p.Response.Body) != 1000 || p.Open {
		t.Errorf("big: %d bytes; %d %d %v", len(g.body), p.Request.Size, p.Response.Size, p.Open)
	}
	// Chunked, both ways, with trailers.
	req, err := http.NewRequest("POST", r.url+"/echo", io.MultiReader(strings.NewReader("a"), strings.NewReader("b")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sum": {"7"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("Echo-Trailer") != "7" {
		t.Errorf("trailer of the request: %v", resp.Header)
	}
	resp, err = http.Get(r.url + "/trailer")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(b) != "body" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("trailer of the answer: %q %v", b, resp.Trailer)
	}
	// Expect: 100-continue reaches the program: it refuses before the body is sent.
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 401") {
		t.Errorf("expect: %q %v", line, err)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	resp, err := http.Get(r.url + "/stream?n=3&gap=20ms")
	if err != nil {
		t.Fatal(err)
	}
	id := resp.Header.Get(headerPrediction)
	br := bufio.NewReader(resp.Body)
	if line, err := br.ReadString('\n'); err != nil || line != "data: 0\n" {
		t.Fatalf("%q %v", line, err)
	}
	// The first event is here while the rest is not made yet: its record is open.
	g := got{Response: resp}
	if p := r.logged(g); !p.Open {
		t.Errorf("%+v", p)
	}
	rest, err := io.ReadAll(br)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := r.logged(g)
	if p.Open || string(p.ID) != id || string(p.Response.Body) != "data: 0\n"+string(rest) || p.Took < 40_000 {
		t.Errorf("%+v", p)
	}
	// A client that goes away.
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/stream?n=1000&gap=10ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	eventually(t, "the end of the record", func() bool { return !r.logged(got{Response: resp}).Open })
	if p := r.logged(got{Response: resp}); p.Error == "" {
		t.Errorf("%+v", p)
	}
}

// webSocket opens an upgraded connection through the gateway.
func (r *running) webSocket() (net.Conn, *bufio.Reader, got) {
	r.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 {
		r.t.Fatalf("%v %v", resp, err)
	}
	return c, br, got{Response: resp}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok", func(x *cairn.StageInstance) { x.Drain = 1000 }))
	c, br, g := r.webSocket()
	for i := range 3 {
		fmt.Fprintln(c, i)
		if line, err := br.ReadString('\n'); err != nil || line != fmt.Sprintln("echo", i) {
			t.Fatalf("%q %v", line, err)
		}
	}
	c.Close()
	eventually(t, "the end of the record", func() bool { return !r.logged(g).Open })
	if p := r.logged(g); p.Status != 101 || string(p.Request.Body) != "0\n1\n2\n" || string(p.Response.Body) != "echo 0\necho 1\necho 2\n" {
		t.Errorf("%+v", p)
	}
	// One that stays open is cut when its release was replaced and its time is over.
	c, br, g = r.webSocket()
	fmt.Fprintln(c, "before")
	if _, err := br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.live(spec(t, 2, releaseB, "ok", func(x *cairn.StageInstance) { x.Drain = 50 }))
	fmt.Fprintln(c, "after")
	if line, err := br.ReadString('\n'); err != nil || line != "echo after\n" {
		t.Errorf("after the switch: %q %v", line, err)
	}
	r.live(spec(t, 3, releaseA, "ok", func(x *cairn.StageInstance) { x.Drain = 50 }))
	c2, br2, _ := r.webSocket()
	r.live(spec(t, 4, releaseB, "ok", func(x *cairn.StageInstance) { x.Warm = 0 }))
	_ = c2.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := br2.ReadString('\n'); err == nil {
		t.Error("it was not cut")
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := br.ReadString('\n'); err == nil {
		t.Error("the first one was not cut")
	}
	eventually(t, "the end of the record", func() bool { return !r.logged(g).Open })
}

func TestProgramDies(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	// Sent and not answered: never again by itself.
	g := r.do("POST", "/die", "x")
	if g.StatusCode != 502 || !strings.Contains(g.body, "did not answer this request") || !strings.Contains(g.body, `"hint"`) {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
	// The next one waits until the program is back.
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
	if st := r.status(); st.Live.Restarts != 1 || !st.Live.Healthy {
		t.Errorf("%+v", st.Live)
	}
	// Harmless to repeat: repeated.
	file := filepath.Join(t.TempDir(), "once")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if g := r.do("GET", "/dieonce?file="+file, ""); g.StatusCode != 200 || g.body != "alive" {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
	if g := r.do("GET", "/half", ""); g.StatusCode != 502 && g.StatusCode != 503 {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
}

func TestSyncLogRefusesWithoutRecord(t *testing.T) {
	t.Parallel()
	l, f := stageDir(t)
	if err := os.WriteFile(l.predictions(), nil, 0o600); err != nil { // no folder: no log
		t.Fatal(err)
	}
	r := l.of(t, f)
	r.run(t)
	r.live(spec(t, 1, releaseA, "ok"))
	g := r.do("POST", "/predict", "x")
	if g.StatusCode != 503 || !strings.Contains(g.body, "its record could not be kept") || g.Header.Get(headerPrediction) != "" {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
	if g := r.do("GET", "/health", ""); g.StatusCode != 200 {
		t.Errorf("what is not logged: %d", g.StatusCode)
	}
	r.live(spec(t, 2, releaseA, "ok", func(x *cairn.StageInstance) { x.Log.Mode = "async" }))
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 {
		t.Errorf("async: %d %s", g.StatusCode, g.body)
	}
	if err := os.Remove(l.predictions()); err != nil {
		t.Fatal(err)
	}
	r.live(spec(t, 3, releaseA, "ok"))
	eventually(t, "the log is back", func() bool { return r.do("POST", "/predict", "x").StatusCode == 200 })
	r.live(spec(t, 4, releaseA, "ok", func(x *cairn.StageInstance) { x.Log.Mode = "off" }))
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 || g.Header.Get(headerPrediction) != "" {
		t.Errorf("off: %d %v", g.StatusCode, g.Header)
	}
}

// TestSwitchUnderLoad: 50 connections, several deployments and rollbacks, and not
// one request that fails. Connections of clients are kept over the switches.
func TestSwitchUnderLoad(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen, dials := map[string]int{}, 0
	for i := range 50 {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
				mu.Lock()
				dials++
				mu.Unlock()
				return (&net.Dialer{}).DialContext(ctx, n, a)
			}}}
			for n := 0; ctx.Err() == nil; n++ {
				method, path, body := "POST", "/predict", strings.Repeat("x", n%2000)
				if i%10 == 0 {
					method, path, body = "GET", "/sleep?d=15ms", ""
				}
				req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := c.Do(req)
				if err != nil {
					t.Errorf("request %d of %d: %v", n, i, err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || resp.Header.Get(headerPrediction) == "" {
					t.Errorf("request %d of %d: %d %s %v", n, i, resp.StatusCode, b, err)
					return
				}
				mu.Lock()
				seen[resp.Header.Get(headerRelease)]++
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	d := cairn.DeploymentID(2)
	for i := range 6 {
		time.Sleep(100 * time.Millisecond)
		release := []string{releaseB, releaseA, "cccccccccccc", releaseA, releaseB, "dddddddddddd"}[i]
		warm := cairn.Milliseconds(600_000)
		if i%2 == 1 {
			warm = 0 // the one before ends as soon as it is drained
		}
		r.live(spec(t, d, release, "ok", func(x *cairn.StageInstance) { x.Warm = warm }))
		d++
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	wg.Wait()
	if len(seen) != 4 || dials > 60 {
		t.Errorf("answers %v, %d connections", seen, dials)
	}
	t.Logf("answers %v, %d connections", seen, dials)
	if st := r.status(); st.Failed != 0 {
		t.Errorf("%d failed", st.Failed)
	}
}

func TestRejectsWhatIsNoHTTP(t *testing.T) {
	t.Parallel()
	r := inside(t)
	r.live(spec(t, 1, releaseA, "ok"))
	for _, text := range []string{
		"GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", maxHeader+8<<10) + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\nabc",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, text)
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		b, _ := io.ReadAll(c)
		c.Close()
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 5")) {
			t.Errorf("%.40q: %.80q", text, b)
		}
	}
	if g := r.do("POST", "/predict", "x"); g.StatusCode != 200 {
		t.Errorf("%d", g.StatusCode)
	}
}

func TestErrorsAreJSON(t *testing.T) {
	t.Parallel()
	r := inside(t)
	g := r.do("POST", "/predict", "x")
	var e cairn.Error
	if err := json.Unmarshal([]byte(g.body), &e); err != nil || e.Code != cairn.CodeUnavailable || e.Hint == "" || g.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", g.body, err)
	}
}
