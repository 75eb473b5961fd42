package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

func reach(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{URL: s.URL, Token: "t", Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestErrorsKeepTheirForm(t *testing.T) {
	t.Parallel()
	want := cairn.Error{Code: cairn.CodeConflict, Message: "taken", Hint: "other", Position: &cairn.Position{File: "a", Line: 3}}
	c := reach(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" {
			t.Error("no token")
		}
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(want)
	})
	_, err := c.Run(context.Background(), 1)
	got := cairn.AsError(err)
	if got.Code != want.Code || got.Message != want.Message || got.Hint != want.Hint || got.Position.Line != 3 {
		t.Errorf("%+v", got)
	}
	c = reach(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	if _, err := c.Run(context.Background(), 1); cairn.CodeOf(err) != cairn.CodeInternal {
		t.Errorf("not JSON: %v", err)
	}
}

// hijack cuts the connection without an answer.
func hijack(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func TestCutRequestsAreRepeatedOnlyWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	c := reach(t, func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) < 3 {
			hijack(w)
			return
		}
		io.WriteString(w, `{}`)
	})
	if _, err := c.Run(context.Background(), 1); err != nil || tries.Load() != 3 {
		t.Errorf("a GET: %v after %d tries", err, tries.Load())
	}
	tries.Store(0)
	if _, err := c.Rerun(context.Background(), 1, client.RerunRequest{}); cairn.CodeOf(err) != cairn.CodeUnavailable || tries.Load() != 1 {
		t.Errorf("a POST: %v after %d tries", err, tries.Load())
	}
	tries.Store(0)
	if _, err := c.SubmitRun(context.Background(), client.RunRequest{}); err != nil || tries.Load() != 3 {
		t.Errorf("a POST with a key: %v after %d tries", err, tries.Load())
	}
}

func TestOwnerThatComesLater(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c, err := client.New(client.Options{URL: "http://" + addr, Patience: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return
		}
		http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"id":7}`) }))
	}()
	r, err := c.Rerun(context.Background(), 7, client.RerunRequest{})
	if err != nil || r.ID != 7 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestEventsAreTakenUpWhereTheyWereCut(t *testing.T) {
	t.Parallel()
	c := reach(t, func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		for seq := after + 1; seq <= 6; seq++ {
			fmt.Fprintf(w, "{\"seq\":%d,\"kind\":\"x\"}\n", seq)
			if seq%2 == 0 && seq < 6 {
				w.(http.Flusher).Flush()
				hijack(w)
				return
			}
			fmt.Fprintln(w, `{"alive":true}`)
		}
		fmt.Fprintln(w, `{"end":true}`)
	})
	var got []int64
	for e, err := range c.RunEvents(context.Background(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Seq)
	}
	if fmt.Sprint(got) != "[1 2 3 4 5 6]" {
		t.Errorf("%v", got)
	}
}

func TestLogIsTakenUpWhereItWasCut(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789\n", 5000)
	c := reach(t, func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		w.Header().Set("Trailer", client.LogEnd)
		part := text[offset:min(len(text), offset+12345)]
		io.WriteString(w, part)
		if offset+len(part) < len(text) {
			w.(http.Flusher).Flush()
			hijack(w)
			return
		}
		w.Header().Set(client.LogEnd, strconv.Itoa(len(text)))
	})
	l, err := c.Logs(context.Background(), 1, 1, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err := io.ReadAll(l); err != nil || string(b) != text {
		t.Errorf("%d of %d bytes: %v", len(b), len(text), err)
	}
}

func TestDownloadStaysInside(t *testing.T) {
	t.Parallel()
	blob := []byte("evil")
	d := cairn.SumBytes(blob)
	outside := t.TempDir()
	for _, files := range [][]client.TreeFile{
		{{Path: "../x", Mode: cairn.ModeFile, Size: 4, Digest: d}},
		{{Path: "/tmp/cairn-test-x", Mode: cairn.ModeFile, Size: 4, Digest: d}},
		{{Path: "../d", Mode: cairn.ModeDir}},
	} {
		c := reach(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/files") {
				json.NewEncoder(w).Encode(files)
				return
			}
			client.WriteBlob(w, d, 4, strings.NewReader("evil"))
		})
		dir := filepath.Join(outside, "in")
		if err := c.DownloadTree(context.Background(), d, dir); err == nil {
			t.Errorf("%v was taken", files)
		}
	}
	es, _ := os.ReadDir(outside)
	if len(es) != 1 {
		t.Errorf("something lies outside: %v", es)
	}
}

func TestDamagedBlobIsFound(t *testing.T) {
	t.Parallel()
	d := cairn.SumBytes([]byte("good"))
	c := reach(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/files") {
			json.NewEncoder(w).Encode([]client.TreeFile{{Path: "x", Mode: cairn.ModeFile, Size: 4, Digest: d}})
			return
		}
		client.WriteBlob(w, d, 4, strings.NewReader("evil"))
	})
	to := t.TempDir()
	if err := c.DownloadTree(context.Background(), d, to); err == nil || !strings.Contains(err.Error(), "lost them") {
		t.Errorf("%v", err)
	}
	// Bytes that are not the right ones do not stay.
	if es, err := os.ReadDir(to); err != nil || len(es) > 0 {
		t.Errorf("%v %v", es, err)
	}
}

func TestBlobStream(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"x", "{}\n", `{"digest":"sha256:1","size":1}` + "\na", fmt.Sprintf("{%q:%q,%q:5}\nabc", "digest", cairn.SumBytes(nil), "size"),
		strings.Repeat("a", 1<<20)} {
		err := client.ReadBlobs(strings.NewReader(bad), func(_ client.BlobHead, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
		if cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%.50q: %v", bad, err)
		}
	}
}

func TestLongHome(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := client.ListenSocket(client.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"name":"ana"}`) }))
	c, err := client.Connect(context.Background(), client.Options{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.WhoAmI(context.Background()); err != nil || p.Name != "ana" {
		t.Errorf("%+v %v", p, err)
	}
	if fi, _ := os.Stat(client.SocketPath(home)); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", fi.Mode().Perm())
	}
}

func TestNoOwner(t *testing.T) {
	t.Parallel()
	_, err := client.Connect(context.Background(), client.Options{Home: t.TempDir()})
	if e := cairn.AsError(err); e.Code != cairn.CodeUnavailable || !strings.Contains(e.Message, "no Cairn server runs") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"x", "ftp://a", "http://", "127.0.0.1:7077"} {
		if _, err := client.New(client.Options{URL: bad}); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, _ := client.New(client.Options{URL: "http://127.0.0.1:1"})
	if _, err := c.Run(ctx, 1); cairn.CodeOf(err) != cairn.CodeCanceled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestOwnerThatDiesWhileItStarts gives owners that end at once: killed while they
// started, say. Two more are started before that is an error.
func TestOwnerThatDiesWhileItStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exe, starts := filepath.Join(dir, "cairn"), filepath.Join(dir, "starts")
	script := "#!/bin/sh\necho start >> '" + starts + "'\n"
	if err := os.WriteFile(exe, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := client.Connect(context.Background(), client.Options{Home: filepath.Join(dir, "home"), AutoStart: true, Exec: exe})
	if e := cairn.AsError(err); e.Code != cairn.CodeUnavailable || !strings.Contains(e.Message, "ended while it started") || e.Hint == "" {
		t.Errorf("%v", err)
	}
	if b, _ := os.ReadFile(starts); string(b) != "start\nstart\nstart\n" {
		t.Errorf("started as\n%s", b)
	}
}
