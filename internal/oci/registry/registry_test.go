package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/registry"
	"github.com/cairn-ml/cairn/internal/store"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// home is a registry over real rows and blobs.
type home struct {
	dir    string
	store  *store.Store
	blobs  *cas.Store
	images *oci.Service
	reg    *registry.Registry
	http   *httptest.Server
	now    time.Time
	inUse  string
	deny   error
}

func start(t testing.TB) *home {
	t.Helper()
	h := &home{dir: t.TempDir(), now: time.Now()}
	h.open(t)
	return h
}

func (h *home) open(t testing.TB) {
	t.Helper()
	var err error
	if h.store, err = store.Open(context.Background(), store.Options{Dir: h.dir}); err != nil {
		t.Fatal(err)
	}
	if h.blobs, err = cas.Open(filepath.Join(h.dir, "blobs"), cas.Options{}); err != nil {
		t.Fatal(err)
	}
	h.images = oci.New(oci.Options{Store: h.store, Blobs: h.blobs, Own: func() []string { return []string{h.http.Listener.Addr().String()} },
		InUse: func(context.Context, cairn.Digest) (string, error) { return h.inUse, nil }})
	if h.reg, err = registry.New(registry.Options{Images: h.images, Blobs: h.blobs, Dir: filepath.Join(h.dir, "uploads"),
		Check: func(context.Context, registry.Access) error { return h.deny }, Asked: func(context.Context) bool { return false },
		Actor: func(context.Context) cairn.Principal { return cairn.Principal{Name: "ana", Role: cairn.RoleWriter} },
		Now:   func() time.Time { return h.now }}); err != nil {
		t.Fatal(err)
	}
	h.http = httptest.NewServer(h.reg)
	t.Cleanup(h.close)
}

func (h *home) close() {
	h.http.Close()
	h.store.Close()
}

func (h *home) host() string { return h.http.Listener.Addr().String() }

// do sends a request and returns status, headers and body.
func (h *home) do(t testing.TB, method, path string, body []byte, headers ...string) (int, http.Header, string) {
	t.Helper()
	u := path
	if strings.HasPrefix(path, "/") {
		u = h.http.URL + path
	}
	r, err := http.NewRequest(method, u, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// code reads the code of an error.
func code(body string) string {
	var e struct{ Errors []struct{ Code string } }
	if json.Unmarshal([]byte(body), &e) != nil || len(e.Errors) == 0 {
		return body
	}
	return e.Errors[0].Code
}

// put stores a blob and returns its digest.
func (h *home) put(t testing.TB, repo string, b []byte) cairn.Digest {
	t.Helper()
	d := cairn.SumBytes(b)
	if status, _, body := h.do(t, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+string(d), b); status != 201 {
		t.Fatal(status, body)
	}
	return d
}

// manifest puts an image of one layer and returns its digest.
func (h *home) manifest(t testing.TB, repo, tag, content string) cairn.Digest {
	t.Helper()
	raw := h.image(t, repo, content)
	status, head, body := h.do(t, "PUT", "/v2/"+repo+"/manifests/"+tag, raw, "Content-Type", oci.TypeManifest)
	if status != 201 {
		t.Fatal(status, body)
	}
	return cairn.Digest(head.Get("Docker-Content-Digest"))
}

func (h *home) image(t testing.TB, repo, content string) []byte {
	config := []byte(`{"os":"linux","architecture":"amd64","config":{"Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":[]}}`)
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":"text/plain","digest":%q,"size":%d}]}`,
		oci.TypeManifest, oci.TypeConfig, h.put(t, repo, config), len(config), h.put(t, repo, []byte(content)), len(content))
}

func TestUploads(t *testing.T) {
	t.Parallel()
	h := start(t)
	content := []byte(strings.Repeat("0123456789", 1000))
	d := cairn.SumBytes(content)
	begin := func() string {
		status, head, _ := h.do(t, "POST", "/v2/a/b/blobs/uploads/", nil)
		if status != 202 || head.Get("Location") == "" || head.Get("Docker-Upload-UUID") == "" {
			t.Fatal(status, head)
		}
		return head.Get("Location")
	}
	check := func(what string, status, want int, body, errCode string) {
		t.Helper()
		if status != want || errCode != "" && code(body) != errCode {
			t.Errorf("%s: %d %s, want %d %s", what, status, body, want, errCode)
		}
	}
	at := begin()
	status, head, body := h.do(t, "PATCH", at, content[:4000], "Content-Range", "0-3999")
	check("first piece", status, 202, body, "")
	if head.Get("Range") != "0-3999" {
		t.Error(head.Get("Range"))
	}
	status, head, body = h.do(t, "PATCH", at, content[5000:6000], "Content-Range", "5000-5999")
	check("a gap", status, 416, body, "BLOB_UPLOAD_INVALID")
	status, _, body = h.do(t, "PATCH", at, content[:4000], "Content-Range", "0-3999")
	check("again", status, 416, body, "BLOB_UPLOAD_INVALID")
	status, _, body = h.do(t, "PATCH", at, content[4000:5000], "Content-Range", "x")
	check("no range", status, 400, body, "BLOB_UPLOAD_INVALID")
	status, _, body = h.do(t, "PATCH", at, content[4000:5000], "Content-Range", "4000-4100")
	check("range and body differ", status, 400, body, "BLOB_UPLOAD_INVALID")
	status, _, body = h.do(t, "GET", strings.Replace(at, "/a/b/", "/a/c/", 1), nil)
	check("another repository's", status, 404, body, "BLOB_UPLOAD_UNKNOWN")

	// A restart keeps what was acknowledged, and drops what was not.
	session := filepath.Join(h.dir, "uploads", filepath.Base(at))
	f, err := os.OpenFile(session, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "torn")
	f.Close()
	h.close()
	h.open(t)
	status, head, _ = h.do(t, "GET", at, nil)
	if status != 204 || head.Get("Range") != "0-3999" {
		t.Error(status, head)
	}
	status, _, body = h.do(t, "PATCH", at, content[4000:9000])
	check("goes on", status, 202, body, "")
	status, head, body = h.do(t, "PUT", at+"?digest="+string(d), content[9000:], "Content-Range", "9000-9999")
	check("last piece", status, 201, body, "")
	if head.Get("Docker-Content-Digest") != string(d) {
		t.Error(head)
	}
	if status, _, got := h.do(t, "GET", head.Get("Location"), nil); status != 200 || got != string(content) {
		t.Error(status, len(got))
	}
	status, _, body = h.do(t, "PUT", at+"?digest="+string(d), nil)
	check("ended", status, 404, body, "BLOB_UPLOAD_UNKNOWN")

	at = begin()
	h.do(t, "PATCH", at, []byte("x"))
	status, _, body = h.do(t, "PUT", at+"?digest="+string(d), nil)
	check("wrong digest", status, 400, body, "DIGEST_INVALID")
	status, _, body = h.do(t, "POST", "/v2/a/b/blobs/uploads/?digest="+string(d), []byte("y"))
	check("wrong digest at once", status, 400, body, "DIGEST_INVALID")
	status, _, body = h.do(t, "POST", "/v2/a/b/blobs/uploads/?digest=sha512:00", []byte("y"))
	check("sha512", status, 400, body, "UNSUPPORTED")
	at = begin()
	status, _, body = h.do(t, "DELETE", at, nil)
	check("canceled", status, 204, body, "")
	status, _, body = h.do(t, "PATCH", at, content)
	check("after the cancel", status, 404, body, "BLOB_UPLOAD_UNKNOWN")
	for _, id := range []string{"../../key", "%2e%2e%2fkey", "x"} {
		status, _, _ = h.do(t, "GET", "/v2/a/b/blobs/uploads/"+id, nil)
		check(id, status, 404, "", "")
	}

	// What nobody goes on with is removed after a day.
	at = begin()
	h.do(t, "PATCH", at, content)
	h.now = h.now.Add(23 * time.Hour)
	if err := h.reg.Clean(); err != nil {
		t.Fatal(err)
	}
	status, _, body = h.do(t, "GET", at, nil)
	check("young", status, 204, body, "")
	h.now = h.now.Add(2 * time.Hour)
	if err := h.reg.Clean(); err != nil {
		t.Fatal(err)
	}
	status, _, body = h.do(t, "GET", at, nil)
	check("old", status, 404, body, "BLOB_UPLOAD_UNKNOWN")
	if left, _ := os.ReadDir(filepath.Join(h.dir, "uploads")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A client that goes away in the middle leaves nothing of its piece.
func TestCutUpload(t *testing.T) {
	t.Parallel()
	h := start(t)
	_, head, _ := h.do(t, "POST", "/v2/a/blobs/uploads/", nil)
	at := head.Get("Location")
	h.do(t, "PATCH", at, []byte("kept"))
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		w.Write(make([]byte, 1<<20))
		cancel()
		w.CloseWithError(context.Canceled)
	}()
	req, _ := http.NewRequestWithContext(ctx, "PATCH", h.http.URL+at, r)
	if _, err := http.DefaultTransport.RoundTrip(req); err == nil {
		t.Error("the request was answered")
	}
	// The session is busy until the server has seen the end.
	status, head, _ := h.do(t, "GET", at, nil)
	if status != 204 || head.Get("Range") != "0-3" {
		t.Error(status, head)
	}
	status, _, body := h.do(t, "PUT", at+"?digest="+string(cairn.SumBytes([]byte("kept"))), nil)
	if status != 201 {
		t.Error(status, body)
	}
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.put(t, "a", []byte("0123456789"))
	path := "/v2/a/blobs/" + string(d)
	for _, c := range []struct {
		method, path string
		headers      []string
		status       int
		body         string
	}{
		{"GET", path, nil, 200, "0123456789"},
		{"HEAD", path, nil, 200, ""},
		{"GET", path, []string{"Range", "bytes=2-4"}, 206, "234"},
		{"GET", path, []string{"Range", "bytes=-3"}, 206, "789"},
		{"GET", path, []string{"Range", "bytes=8-"}, 206, "89"},
		{"GET", path, []string{"Range", "bytes=20-30"}, 416, ""},
		{"GET", path, []string{"If-None-Match", `"` + string(d) + `"`}, 304, ""},
		{"GET", "/v2/b/blobs/" + string(d), nil, 404, "BLOB_UNKNOWN"},
		{"HEAD", "/v2/b/blobs/" + string(d), nil, 404, ""},
		{"GET", "/v2/a/blobs/sha256:12", nil, 400, "DIGEST_INVALID"},
		{"GET", "/v2/A/blobs/" + string(d), nil, 400, "NAME_INVALID"},
		{"GET", "/v2/a//b/blobs/" + string(d), nil, 400, "NAME_INVALID"},
		{"PUT", path, nil, 405, "UNSUPPORTED"},
		{"GET", "/v2/what", nil, 404, "NAME_UNKNOWN"},
		{"POST", "/v2/b/blobs/uploads/?mount=" + string(d) + "&from=c", nil, 202, ""},
		{"POST", "/v2/b/blobs/uploads/?mount=" + string(d) + "&from=a", nil, 201, ""},
		{"GET", "/v2/b/blobs/" + string(d), nil, 200, "0123456789"},
		{"POST", "/v2/c/blobs/uploads/?mount=" + string(d), nil, 201, ""},
		{"DELETE", path, nil, 202, ""},
		{"DELETE", path, nil, 404, "BLOB_UNKNOWN"},
		{"GET", path, nil, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/c/blobs/" + string(d), nil, 200, "0123456789"},
	} {
		status, head, body := h.do(t, c.method, c.path, nil, c.headers...)
		if status >= 400 && status != 416 {
			body = code(body)
		}
		if status != c.status || status != 416 && body != c.body {
			t.Errorf("%s %s %v: %d %s; want %d %s", c.method, c.path, c.headers, status, body, c.status, c.body)
		}
		if head.Get("Docker-Distribution-Api-Version") == "" {
			t.Errorf("%s %s: no version", c.method, c.path)
		}
	}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	h := start(t)
	one := h.manifest(t, "ghcr.io/me/api", "main", "one")
	raw := h.image(t, "ghcr.io/me/api", "two")
	two := cairn.SumBytes(raw)
	check := func(method, path string, body []byte, status int, want string, headers ...string) http.Header {
		t.Helper()
		got, head, text := h.do(t, method, path, body, headers...)
		if got >= 400 {
			text = code(text)
		}
		if got != status || want != "" && text != want {
			t.Errorf("%s %s: %d %s; want %d %s", method, path, got, text, status, want)
		}
		return head
	}
	base := "/v2/ghcr.io/me/api/manifests/"
	check("PUT", base+string(one), raw, 400, "DIGEST_INVALID", "Content-Type", oci.TypeManifest)
	check("PUT", base+"-bad", raw, 400, "MANIFEST_INVALID", "Content-Type", oci.TypeManifest)
	check("PUT", base+"x", []byte("{}"), 400, "MANIFEST_INVALID", "Content-Type", oci.TypeManifest)
	check("PUT", base+"x", raw, 400, "MANIFEST_INVALID", "Content-Type", oci.TypeIndex)
	check("PUT", base+"x", bytes.Repeat([]byte(" "), oci.MaxManifest+1), 413, "SIZE_INVALID", "Content-Type", oci.TypeManifest)
	check("PUT", base+"x", bytes.Replace(raw, []byte(cairn.SumBytes([]byte("two"))), []byte(cairn.SumBytes([]byte("three"))), 1), 404, "MANIFEST_BLOB_UNKNOWN", "Content-Type", oci.TypeManifest)
	check("PUT", base+string(two)+"?tag=a&tag=b", raw, 201, "", "Content-Type", oci.TypeManifest)
	check("GET", base+"a", nil, 200, string(raw))
	check("GET", base+"nope", nil, 404, "MANIFEST_UNKNOWN")
	check("GET", base+"_bad!", nil, 404, "MANIFEST_UNKNOWN")
	check("GET", "/v2/other/manifests/"+string(two), nil, 404, "MANIFEST_UNKNOWN")
	head := check("GET", "/v2/ghcr.io/me/api/tags/list?n=2", nil, 200, `{"name":"ghcr.io/me/api","tags":["a","b"]}`)
	if head.Get("Link") != `</v2/ghcr.io/me/api/tags/list?last=b&n=2>; rel="next"` {
		t.Error(head.Get("Link"))
	}
	check("GET", "/v2/ghcr.io/me/api/tags/list?n=2&last=b", nil, 200, `{"name":"ghcr.io/me/api","tags":["main"]}`)
	check("GET", "/v2/ghcr.io/me/api/tags/list?n=0", nil, 200, `{"name":"ghcr.io/me/api","tags":[]}`)
	check("GET", "/v2/ghcr.io/me/api/tags/list?n=x", nil, 400, "PAGINATION_NUMBER_INVALID")
	check("GET", "/v2/none/tags/list", nil, 404, "NAME_UNKNOWN")
	check("GET", "/v2/_catalog", nil, 200, `{"repositories":["ghcr.io/me/api"]}`)

	// Another repository keeps what this one lets go.
	h.manifest(t, "copy", "v1", "one")
	check("DELETE", base+"a", nil, 202, "")
	check("GET", base+"a", nil, 404, "MANIFEST_UNKNOWN")
	check("DELETE", base+string(one), nil, 202, "")
	check("GET", base+"main", nil, 404, "MANIFEST_UNKNOWN")
	check("GET", "/v2/copy/manifests/v1", nil, 200, "")
	h.inUse = "release/1 is live on production"
	check("DELETE", "/v2/copy/manifests/"+string(one), nil, 409, "DENIED")
	h.inUse = ""
	check("DELETE", "/v2/copy/manifests/"+string(one), nil, 202, "")
	if img, err := h.store.Image(t.Context(), "default", one); err != nil || !img.Deleted {
		t.Errorf("%+v, %v", img, err)
	}
	check("DELETE", "/v2/copy/manifests/"+string(one), nil, 404, "MANIFEST_UNKNOWN")
	// Pushed again, it is back.
	h.manifest(t, "copy", "v2", "one")
	check("GET", "/v2/copy/manifests/"+string(one), nil, 200, "")
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	h := start(t)
	subject := h.manifest(t, "a", "main", "one")
	empty := h.put(t, "a", []byte("{}"))
	for i, kind := range []string{"application/x.one", "application/x.two", "application/x.two"} {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},
			"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":{"n":"%d"}}`, oci.TypeManifest, kind, empty, oci.TypeManifest, subject, i)
		status, head, body := h.do(t, "PUT", "/v2/a/manifests/"+string(cairn.SumBytes(raw)), raw, "Content-Type", oci.TypeManifest)
		if status != 201 || head.Get("OCI-Subject") != string(subject) {
			t.Fatal(status, head, body)
		}
	}
	for query, want := range map[string]int{"": 3, "?artifactType=application/x.two": 2, "?artifactType=none": 0} {
		status, head, body := h.do(t, "GET", "/v2/a/referrers/"+string(subject)+query, nil)
		var index oci.Manifest
		if err := json.Unmarshal([]byte(body), &index); err != nil || status != 200 || len(index.Manifests) != want || head.Get("Content-Type") != oci.TypeIndex {
			t.Errorf("%s: %d %v %s", query, status, err, body)
		}
		if (head.Get("OCI-Filters-Applied") != "") != (query != "") {
			t.Errorf("%s: %v", query, head)
		}
	}
	if status, _, body := h.do(t, "GET", "/v2/none/referrers/"+string(subject), nil); status != 200 || !strings.Contains(body, `"manifests":[]`) {
		t.Error(status, body)
	}
	if status, _, _ := h.do(t, "GET", "/v2/a/referrers/x", nil); status != 400 {
		t.Error(status)
	}
	imgs, err := h.images.Images(t.Context(), cairn.ImageFilter{})
	if err != nil || len(imgs) != 1 {
		t.Errorf("%d images are listed, %v", len(imgs), err)
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	h := start(t)
	for agent, want := range map[string]string{"curl/8": "", "docker/27.0 go/1.22": "Bearer realm", "containers/5.29 (x)": "Bearer realm"} {
		status, head, _ := h.do(t, "GET", "/v2/", nil, "User-Agent", agent)
		if !strings.HasPrefix(head.Get("WWW-Authenticate"), want) || (status == 200) != (want == "") {
			t.Errorf("%s: %d %v", agent, status, head)
		}
	}
	if status, _, body := h.do(t, "GET", "/v2/token?service=cairn", nil); status != 200 || !strings.Contains(body, `"token":"anonymous"`) {
		t.Error(status, body)
	}
	h.deny = cairn.Errorf(cairn.CodeUnauthenticated, "this needs a token")
	if status, head, body := h.do(t, "GET", "/v2/", nil, "User-Agent", "docker/27.0"); status != 401 || !strings.HasPrefix(head.Get("WWW-Authenticate"), "Basic realm") || code(body) != "UNAUTHORIZED" {
		t.Error(status, head, body)
	}
	h.deny = cairn.Errorf(cairn.CodeForbidden, "ben is a reader")
	if status, _, body := h.do(t, "POST", "/v2/a/blobs/uploads/", nil); status != 403 || code(body) != "DENIED" {
		t.Error(status, body)
	}
}

// crane's library pushes and pulls; the digest stays.
func TestCrane(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, repo := range []string{"api", "ghcr.io/me/api", "localhost_5000/x"} {
		ref, err := name.ParseReference(h.host() + "/" + repo + ":v1")
		if err != nil {
			t.Fatal(err)
		}
		img, err := random.Image(100_000, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
		got, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := img.Digest()
		if d, err := got.Digest(); err != nil || d != want {
			t.Error(d, want, err)
		}
		idx, err := random.Index(1000, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref.Context().Tag("index"), idx); err != nil {
			t.Fatal(err)
		}
	}
	imgs, err := h.images.Images(t.Context(), cairn.ImageFilter{})
	if err != nil || len(imgs) != 6 {
		t.Errorf("%d images are listed, %v: the parts of an index are not", len(imgs), err)
	}
	for _, ask := range []string{"localhost:5000/x:v1", "ghcr.io/me/api:v1", "api:v1", h.host() + "/api:v1"} {
		img, err := h.images.Resolve(t.Context(), ask)
		if err != nil {
			t.Fatal(ask, err)
		}
		for _, other := range []string{string(img.Digest), string(img.Config), img.Config.Short(), "image/" + string(img.Digest), img.Digest.Hex()} {
			same, err := h.images.Resolve(t.Context(), other)
			if err != nil || same.Digest != img.Digest {
				t.Errorf("%s, %s: %v", ask, other, err)
			}
		}
	}
}

// The program of the specification, where CAIRN_OCI_CONFORMANCE names it.
func TestConformance(t *testing.T) {
	t.Parallel()
	program := os.Getenv("CAIRN_OCI_CONFORMANCE")
	if program == "" {
		t.Skip("CAIRN_OCI_CONFORMANCE names no program")
	}
	for _, version := range []string{"1.1", "dev"} {
		h := start(t)
		cmd := exec.Command(program)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "OCI_REGISTRY="+h.host(), "OCI_TLS=disabled", "OCI_VERSION="+version, "OCI_REPO1=conf/one", "OCI_REPO2=conf/two",
			"OCI_DATA_SHA512=false", "OCI_RESULTS_DIR="+cmd.Dir)
		out, err := cmd.CombinedOutput()
		if i := strings.Index(string(out), "OCI Conformance Result"); i >= 0 {
			t.Logf("%s: %s", version, out[i:])
		}
		if err != nil {
			t.Errorf("%s: %v", version, err)
			t.Logf("%s", out[:min(len(out), 6000)])
		}
	}
}

// What is kept as docker.io/acme/api is read as acme/api, too, until there is one of
// that name; a client that pushes hears of the very repository only.
func TestHubNamesAreRead(t *testing.T) {
	t.Parallel()
	h := start(t)
	push := func(repo string) (digest, layer string) {
		t.Helper()
		ref, err := name.ParseReference(h.host() + "/" + repo)
		if err != nil {
			t.Fatal(err)
		}
		img, err := random.Image(1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
		d, _ := img.Digest()
		layers, _ := img.Layers()
		l, _ := layers[0].Digest()
		return d.String(), l.String()
	}
	pull := func(repo string) string {
		t.Helper()
		ref, err := name.ParseReference(h.host() + "/" + repo)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(ref)
		if err != nil {
			return err.Error()
		}
		if layers, err := img.Layers(); err != nil {
			return err.Error()
		} else if rc, err := layers[0].Compressed(); err != nil {
			return err.Error()
		} else {
			rc.Close()
		}
		d, _ := img.Digest()
		return d.String()
	}
	hub, layer := push("docker.io/acme/api:main")
	library, _ := push("docker.io/library/web:1")
	if got := pull("acme/api:main"); got != hub {
		t.Error(got)
	}
	if got := pull("web:1"); got != library {
		t.Error(got)
	}
	if status, _, _ := h.do(t, "HEAD", "/v2/acme/api/blobs/"+layer, nil); status != http.StatusNotFound {
		t.Errorf("%d: a client that pushes would leave the layer out", status)
	}
	if status, _, _ := h.do(t, "DELETE", "/v2/acme/api/manifests/main", nil); status != http.StatusNotFound {
		t.Errorf("%d: what is deleted is named in full", status)
	}
	own, _ := push("acme/api:next")
	if got := pull("acme/api:next"); got != own {
		t.Error(got)
	}
	if got := pull("acme/api:main"); !strings.Contains(got, "MANIFEST_UNKNOWN") {
		t.Error(got)
	}
	if got := pull("ghcr.io/acme/api:main"); !strings.Contains(got, "MANIFEST_UNKNOWN") && !strings.Contains(got, "NAME_UNKNOWN") {
		t.Error(got)
	}
}
