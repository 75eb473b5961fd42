package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/store"
)

func rooms(t *testing.T) *Server {
	t.Helper()
	st, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &Server{store: st, blobs: blobs(t)}
}

func TestFetchURL(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := rooms(t)
	text, tag, asked := "one", `"1"`, atomic.Int64{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/plain.csv": // says nothing of its state
			w.Write([]byte("plain"))
		case "/data.csv":
			w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Write([]byte(text))
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer web.Close()
	get := func(path string) cairn.FetchedURL {
		t.Helper()
		f, _, err := s.fetchURL(ctx, web.URL+path, false)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := get("/data.csv"); f.Digest != cairn.SumBytes([]byte("one")) || f.Name != "data.csv" || f.Size != 3 {
		t.Errorf("%+v", f)
	}
	if f := get("/data.csv"); f.Digest != cairn.SumBytes([]byte("one")) || asked.Load() != 2 {
		t.Errorf("as it was: %+v, asked %d times", f, asked.Load())
	}
	text, tag = "two", `"2"`
	if f := get("/data.csv"); f.Digest != cairn.SumBytes([]byte("two")) {
		t.Errorf("changed: %+v", f)
	}
	asked.Store(0)
	for range 3 {
		get("/plain.csv")
	}
	if asked.Load() != 1 {
		t.Errorf("without a state it is fetched once; asked %d times", asked.Load())
	}
	for path, want := range map[string]string{"/nothing": "404", "/round": "too often"} {
		if _, _, err := s.fetchURL(ctx, web.URL+path, false); cairn.CodeOf(err) != cairn.CodeFailed || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	web.Close()
	f, note, err := s.fetchURL(ctx, web.URL+"/data.csv", false)
	if err != nil || f.Digest != cairn.SumBytes([]byte("two")) || !strings.Contains(note, "cannot be reached") {
		t.Errorf("away: %+v %q %v", f, note, err)
	}
}

func TestRefusedURLs(t *testing.T) {
	t.Parallel()
	j := &jobRefs{s: rooms(t), c: &jobCode{}}
	for text, want := range map[string]string{
		"wasbs://c@a.blob.core.windows.net/x": "storage of Azure is not read", "abfss://x@y/z": "storage of Azure", "adl://x/y": "storage of Azure",
		"git+https://github.com/a/b": "not cloned", "ftp://x/y": `"ftp"`, "https://u:p@host/x": "no password", "https://host/folder/": "is a folder",
		"https://" + strings.Repeat("x", maxURL): "not a URL",
	} {
		_, err := j.url(context.Background(), &pipeline.Reference{Kind: pipeline.RefURL, Text: text})
		e := cairn.AsError(err)
		if e == nil || !strings.Contains(e.Message+" "+e.Hint, want) || strings.Contains(e.Message, "u:p@") {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	j.c.untrusted = true
	if _, err := j.url(context.Background(), &pipeline.Reference{Text: "https://host/x"}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("untrusted code: %v", err)
	}
}
