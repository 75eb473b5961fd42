package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/gateway/predlog"
)

const (
	releaseA = "aaaaaaaaaaaa"
	releaseB = "bbbbbbbbbbbb"
)

// stageDir makes the folder of a stage.
func stageDir(t testing.TB) (layout, *cairn.StageFile) {
	t.Helper()
	dir, err := os.MkdirTemp("", "stage")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	f := &cairn.StageFile{
		Schema: 1, ID: 5, Repository: "acme/digits", Name: "staging",
		Listen: "127.0.0.1:" + strconv.Itoa(port), Socket: filepath.Join(dir, "s"),
	}
	l := layout(dir)
	if err := writeJSON(l.stage(), f); err != nil {
		t.Fatal(err)
	}
	return l, f
}

// running is a stage process of a test.
type running struct {
	t      testing.TB
	l      layout
	url    string
	client *http.Client
}

func (l layout) of(t testing.TB, f *cairn.StageFile) *running {
	return &running{t: t, l: l, url: "http://" + f.Listen, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", f.Socket)
		}, DisableKeepAlives: true,
	}}}
}

// inside runs a stage in this process until the test ends.
func inside(t testing.TB) *running {
	t.Helper()
	l, f := stageDir(t)
	r := l.of(t, f)
	r.run(t)
	return r
}

// run runs a stage's process here; stop ends it in order.
func (r *running) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	go func() {
		done <- Run(ctx, Options{Dir: string(r.l), Version: "test", Now: time.Now, Logger: log, StopGrace: 500 * time.Millisecond, Ready: func() { close(ready) }})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		cancel()
		if !ended {
			ended = true
			if err := <-done; err != nil {
				t.Error(err)
			}
			if left := strays(r.l.markBase(), nil); len(left) > 0 {
				t.Errorf("programs are left: %+v", left)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// spec is an instance of the test program.
func spec(t testing.TB, d cairn.DeploymentID, release, mode string, change ...func(*cairn.StageInstance)) cairn.StageInstance {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	x := cairn.StageInstance{
		Deployment: d, Release: release, Image: "sha256:1", Model: "sha256:" + cairn.Digest(strings.Repeat("2", 64)),
		Exec: cairn.ExecSpec{
			Mode: "host", Args: []string{exe}, Dir: os.TempDir(),
			Env: []string{"GATEWAY_TEST=program", "MODE=" + mode, "PORT={PORT}", "RELEASE=" + release},
		},
		Start: 20_000, Drain: 5_000, Warm: 600_000,
	}
	for _, c := range change {
		c(&x)
	}
	return x
}

// deploy sends a deployment and returns its events.
func (r *running) deploy(x cairn.StageInstance) ([]cairn.StageEvent, error) {
	b, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Post("http://stage/v1/deploy", "application/json", bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	if resp.StatusCode != 200 {
		var e cairn.Error
		if err := d.Decode(&e); err != nil {
			return nil, err
		}
		return nil, &e
	}
	var out []cairn.StageEvent
	for {
		var e cairn.StageEvent
		err := d.Decode(&e)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
}

// live deploys and expects it to become live.
func (r *running) live(x cairn.StageInstance) []cairn.StageEvent {
	r.t.Helper()
	es, err := r.deploy(x)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(es) == 0 || es[len(es)-1].Kind != cairn.StageEvLive {
		r.t.Fatalf("not live: %+v", es)
	}
	return es
}

// fails deploys and expects it to fail.
func (r *running) fails(x cairn.StageInstance) (cairn.StageEvent, []cairn.StageEvent) {
	r.t.Helper()
	es, err := r.deploy(x)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(es) == 0 || es[len(es)-1].Kind != cairn.StageEvFailed || es[len(es)-1].Error == nil {
		r.t.Fatalf("did not fail: %+v", es)
	}
	return es[len(es)-1], es
}

func (r *running) status() *cairn.StageStatus {
	r.t.Helper()
	resp, err := r.client.Get("http://stage/v1/status")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var st cairn.StageStatus
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		r.t.Fatal(err)
	}
	return &st
}

type got struct {
	*http.Response
	body string
}

func (r *running) do(method, path, body string, header ...string) got {
	r.t.Helper()
	g, err := r.try(method, path, body, header...)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return g
}

func (r *running) try(method, path, body string, header ...string) (got, error) {
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		return got{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return got{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return got{resp, string(b)}, err
}

// logged reads the record of an answer.
func (r *running) logged(g got) *cairn.Prediction {
	r.t.Helper()
	id := g.Header.Get(headerPrediction)
	if id == "" {
		r.t.Fatalf("no prediction: %d %v", g.StatusCode, g.Header)
	}
	p, err := predlog.Read(context.Background(), r.l.predictions(), cairn.PredictionID(id))
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// eventually waits for something that takes an unknown, short time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}
