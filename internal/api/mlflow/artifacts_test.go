package mlflow_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

const files = "/api/2.0/mlflow-artifacts/artifacts"

func TestArtifacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(path, body string) {
		t.Helper()
		if code, text, _ := w.send("PUT", files+path, "", body); code != 200 || text != "{}" {
			t.Fatalf("PUT %s: %d %s", path, code, text)
		}
	}
	put("/0/run/artifacts/a.txt", "alpha")
	put("/0/run/artifacts/plots/r%C3%B6c%20curve.png", "png")
	put("/0/run/artifacts/plots/deep/x", "")
	put("/0/run/artifacts/a.txt", "beta")

	code, text, h := w.send("GET", files+"/0/run/artifacts/a.txt", "reader", "")
	if code != 200 || text != "beta" {
		t.Errorf("%d %q", code, text)
	}
	for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment; filename=a.txt",
		"Content-Type": "text/plain; charset=utf-8", "Etag": `"` + string(cairn.SumBytes([]byte("beta"))) + `"`} {
		if h.Get(k) != want {
			t.Errorf("%s is %q, want %q", k, h.Get(k), want)
		}
	}
	if _, _, h := w.send("GET", files+"/0/run/artifacts/plots/r%C3%B6c%20curve.png", "", ""); !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; filename*=utf-8''r%C3%B6c%20curve.png") {
		t.Errorf("Content-Disposition %q", h.Get("Content-Disposition"))
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+files+"/0/run/artifacts/a.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=1-2")
	if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != http.StatusPartialContent || res.Header.Get("Content-Range") != "bytes 1-2/4" {
		t.Errorf("range: %v %v", res, err)
	} else {
		res.Body.Close()
	}

	list := func(dir string) string {
		t.Helper()
		var out []string
		fs, _ := w.ok("GET", files+"?path="+url.QueryEscape(dir), "")["files"].([]any)
		for _, f := range fs {
			out = append(out, fmt.Sprintf("%v:%v:%v", at(f, "path"), at(f, "is_dir"), at(f, "file_size")))
		}
		return strings.Join(out, " ")
	}
	for dir, want := range map[string]string{
		"0/run/artifacts":             "a.txt:false:4 plots:true:<nil>",
		"0/run/artifacts/plots":       "deep:true:<nil> röc curve.png:false:3",
		"0/run/artifacts/plots/deep/": "x:false:0",
		"0/run/artifacts/a.txt":       "",
		"none":                        "",
		"":                            "0:true:<nil>",
	} {
		if got := list(dir); got != want {
			t.Errorf("list %q: %s, want %s", dir, got, want)
		}
	}
	for _, p := range []string{"/0/run/artifacts", "/0/run/artifacts/none", "/0/run/artifacts/a.txt/b"} {
		if code, _, _ := w.send("GET", files+p, "", ""); code != 404 {
			t.Errorf("GET %s: %d, want 404", p, code)
		}
	}
	if code, text, _ := w.send("PUT", files+"/0/run/artifacts/a.txt/b", "", "x"); code != 400 || !strings.Contains(text, "is a file") {
		t.Errorf("a file below a file: %d %s", code, text)
	}
	if code, text, _ := w.send("PUT", files+"/0/run/artifacts/plots", "", "x"); code != 400 || !strings.Contains(text, "is a folder") {
		t.Errorf("a file in place of a folder: %d %s", code, text)
	}
	if code, text, _ := w.send("PUT", files+"/cas/"+strings.Repeat("0", 64)+"/x", "", "x"); code != 403 {
		t.Errorf("a write below cas: %d %s", code, text)
	}
	if code, _, _ := w.send("DELETE", files+"/0/run/artifacts/plots", "", ""); code != 200 {
		t.Errorf("DELETE: %d", code)
	}
	if got := list("0/run/artifacts"); got != "a.txt:false:4" {
		t.Errorf("after DELETE: %s", got)
	}
	if code, _, _ := w.send("GET", files+"/0/run/artifacts/plots/deep/x", "", ""); code != 404 {
		t.Errorf("a file below a deleted folder: %d", code)
	}
}

// Paths of past holes in MLflow and their kin: each is refused, on every way in.
func TestUnsafePaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.newRun(`{}`)
	for _, p := range []string{
		"../../etc/passwd", "a/../../b", "..", "./a", "a/./b", "a//b", "//proc/self/root", "/etc/passwd", "a/", "%2e%2e/etc/passwd",
		"a%2f..%2fb", "%252e%252e/x", "%25252e%25252e%25252fx", "a#/../../x", "a%23b", "a?b", "a%3fb", "a\x00b", "a%00b", "a\\b", "a%5cb",
		"..%5c..%5cx", "a\nb", "C:/x", "c%3a/x", "\xff\xfe", "%", "a%zz..%2f", strings.Repeat("a/", 3000) + "a",
	} {
		enc := url.PathEscape(p) // so that exactly p arrives
		for _, r := range [][2]string{
			{"PUT", files + "/" + enc}, {"GET", files + "/" + enc}, {"DELETE", files + "/" + enc},
			{"GET", "/get-artifact?run_id=" + run + "&path=" + url.QueryEscape(p)},
			{"GET", api + "artifacts/list?run_id=" + run + "&path=" + url.QueryEscape(p)},
			{"GET", files + "?path=" + url.QueryEscape(p)},
		} {
			code, text, _ := w.send(r[0], r[1], "", "x")
			lenient := p == "%" || p == "a/" && r[0] == "GET" && !strings.HasPrefix(r[1], files+"/")
			if lenient && code < 500 {
				continue
			}
			if code != 400 && code != 404 {
				t.Errorf("%s %q (%s): %d %s", r[0], p, r[1], code, text)
			}
		}
	}
	// As they are, without a client that cleans them first.
	for _, p := range []string{"/../../../etc/passwd", "//proc/self/root", "/..%2f..%2fetc%2fpasswd", "/a/%2e%2e/b", "/a#x/../b"} {
		if code := rawPut(t, w, files+p); code != "400" {
			t.Errorf("PUT %s as it is: %s, want 400", p, code)
		}
	}
	fs, err := w.store.MLFilesIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		if f.Path != "%" {
			t.Errorf("a refused path was kept: %q", f.Path)
		}
	}
}

// rawPut sends a request line as it is and returns the status.
func rawPut(t *testing.T, w *world, target string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", target)
	b := make([]byte, 12)
	if _, err := conn.Read(b); err != nil {
		t.Fatal(err)
	}
	return string(b[9:12])
}

func TestBrokenUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s/0/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this", files)
	conn.(*net.TCPConn).CloseWrite()
	b := make([]byte, 200)
	n, _ := conn.Read(b) // whatever the answer, there may be none
	conn.Close()
	if strings.Contains(string(b[:n]), " 200 ") {
		t.Errorf("half a file was accepted: %s", b[:n])
	}
	if _, err := w.store.MLFile(t.Context(), "0/x"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("half a file is there: %v", err)
	}
}
