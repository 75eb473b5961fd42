package actions_test

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/actions"
)

// packed makes a zip of files, names that end in * being executable.
func packed(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &zip.FileHeader{Name: strings.TrimSuffix(files[i], "*"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasSuffix(files[i], "*") {
			h.SetMode(0o755)
		}
		if strings.HasSuffix(files[i], "/") {
			h.Method = zip.Store
			h.SetMode(0o755 | 1<<31)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArtifactV4: what a zip holds is the tree of the artifact; its bytes and its
// digest stay as they came.
func TestArtifactV4(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := packed(t, "a.txt", "hello", "deep/er/b.bin*", strings.Repeat("b", 100_000), "empty/", "", "größe.txt", "")
	status, out := w.upload("small", body, map[string]any{"expires_at": time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)})
	if status != http.StatusOK {
		t.Fatal(status, out)
	}
	a := w.artifact("small")
	if id := out["artifact_id"]; id != strconv.FormatInt(a.ID, 10) {
		t.Errorf("id %v, want %d", id, a.ID)
	}
	f := w.files(a)
	if len(f) != 4 || f["a.txt"] != "hello" || len(f["deep/er/b.bin*"]) != 100_000 || f["größe.txt"] != "" {
		t.Errorf("files %v", len(f))
	}
	if _, ok := f["empty/"]; !ok {
		t.Error("the empty folder is lost")
	}
	if d := time.Until(a.ExpiresAt); d > 49*time.Hour || d < 47*time.Hour {
		t.Errorf("kept for %v", d)
	}
	got := w.must("ListArtifacts", w.ids(nil))["artifacts"].([]any)[0].(map[string]any)
	if got["digest"] != string(cairn.SumBytes(body)) || got["size"] != strconv.Itoa(len(body)) || got["name"] != "small" {
		t.Errorf("%v", got)
	}
	url := w.must("GetSignedArtifactURL", w.ids(map[string]any{"name": "small"}))["signed_url"].(string)
	status2, h, b := w.send(http.MethodGet, url, nil)
	if status2 != http.StatusOK || !bytes.Equal(b, body) || h.Get("Content-Type") != "application/zip" || !strings.Contains(h.Get("Content-Disposition"), "small.zip") {
		t.Errorf("%d %d bytes, %v", status2, len(b), h)
	}
	links, err := w.store.LinksTo(t.Context(), a.Ref())
	if err != nil || len(links) != 2 { // made and used
		t.Errorf("links %v %v", links, err)
	}
	// The same call again, its answer lost: the same answer.
	again := w.must("FinalizeArtifact", w.ids(map[string]any{"name": "small", "size": len(body), "hash": string(cairn.SumBytes(body))}))
	if again["artifact_id"] != out["artifact_id"] {
		t.Errorf("again: %v", again)
	}
	if status, out := w.twirp("CreateArtifact", w.ids(map[string]any{"name": "small"})); status != http.StatusConflict || out["code"] != "already_exists" {
		t.Errorf("a name twice: %d %v", status, out)
	}
}

// TestArtifactOfATreeAsZip: one that a built-in action made is a zip, the same each
// time, with the length that was announced.
func TestArtifactOfATreeAsZip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := map[string]string{"z.txt": "last", "a/b/c.txt": strings.Repeat("x", 300_000), "run.sh*": "#!/bin/sh\n", "日本.txt": "語"}
	for i := range 300 {
		files[fmt.Sprintf("many/%03d", i)] = fmt.Sprint(i)
	}
	w.builtin("made", files)
	url := w.must("GetSignedArtifactURL", w.ids(map[string]any{"name": "made"}))["signed_url"].(string)
	_, h, first := w.send(http.MethodGet, url, nil)
	_, hh, second := w.send(http.MethodGet, url, nil)
	if !bytes.Equal(first, second) || h.Get("Content-Length") != strconv.Itoa(len(first)) || hh.Get("ETag") != h.Get("ETag") {
		t.Errorf("not the same each time: %d %d bytes, %v", len(first), len(second), h)
	}
	if status, h, b := w.send(http.MethodHead, url, nil); status != http.StatusOK || len(b) != 0 || h.Get("Content-Length") != strconv.Itoa(len(first)) {
		t.Errorf("head: %d %v", status, h)
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != len(files) {
		t.Errorf("%d files, want %d", len(z.File), len(files))
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r) // checks the sum
		want, ok := files[f.Name]
		if x, exec := files[f.Name+"*"]; exec {
			if want, ok = x, true; f.Mode()&0o111 == 0 {
				t.Errorf("%s is not executable", f.Name)
			}
		}
		if err != nil || !ok || string(b) != want {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

// TestArtifactRaw: a single file that is no zip stays what it is.
func TestArtifactRaw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if status, out := w.upload("report.html", []byte("<p>"), map[string]any{"mime_type": "text/html"}); status != http.StatusOK {
		t.Fatal(status, out)
	}
	a := w.artifact("report.html")
	if f := w.files(a); f["report.html"] != "<p>" || a.MediaType != "text/html" {
		t.Errorf("%v %+v", f, a)
	}
	url := w.must("GetSignedArtifactURL", w.ids(map[string]any{"name": "report.html"}))["signed_url"].(string)
	_, h, b := w.send(http.MethodGet, url, nil)
	if string(b) != "<p>" || h.Get("Content-Type") != "text/html" || strings.Contains(url, ".zip") {
		t.Errorf("%s %v %s", b, h, url)
	}
}

func TestArtifactDeletedAndForeign(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.builtin("x", map[string]string{"a": "1"})
	if out := w.must("DeleteArtifact", w.ids(map[string]any{"name": "x"})); out["ok"] != true {
		t.Error(out)
	}
	if l := w.must("ListArtifacts", w.ids(nil))["artifacts"].([]any); len(l) != 0 {
		t.Error(l)
	}
	if status, out := w.twirp("GetSignedArtifactURL", w.ids(map[string]any{"name": "x"})); status != http.StatusNotFound {
		t.Error(status, out)
	}
	if status, out := w.twirp("ListArtifacts", map[string]any{"workflow_run_backend_id": "r43a1", "workflow_job_run_backend_id": "j1"}); status != http.StatusForbidden {
		t.Errorf("another run: %d %v", status, out)
	}
	for _, name := range []string{"", "a/b", `a\b`, "a:b", "a\n", strings.Repeat("x", 256)} {
		if status, out := w.twirp("CreateArtifact", w.ids(map[string]any{"name": name})); status != http.StatusBadRequest {
			t.Errorf("name %.10q: %d %v", name, status, out)
		}
	}
	if status, out := w.twirp("MigrateArtifact", w.ids(nil)); status != http.StatusNotFound {
		t.Error(status, out)
	}
}

// TestBlocksInParallel: blocks come in any order and at once; the list says what
// counts; one that is sent again counts once.
func TestBlocksInParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.must("CreateCacheEntry", map[string]any{"key": "k", "version": strings.Repeat("a", 64)})["signed_upload_url"].(string)
	const n, size = 24, 300_000
	var want bytes.Buffer
	var list strings.Builder
	list.WriteString(`<?xml version="1.0" encoding="utf-8"?><BlockList>`)
	var wg sync.WaitGroup
	for i := range n {
		b := bytes.Repeat([]byte{byte(i)}, size)
		want.Write(b)
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "block-%06d", i))
		fmt.Fprintf(&list, "<Latest>%s</Latest>", id)
		wg.Go(func() {
			for range 2 {
				sum := md5.Sum(b)
				if status, _, out := w.send(http.MethodPut, url+"&comp=block&blockid="+strings.ReplaceAll(id, "=", "%3D"), b,
					"Content-MD5", base64.StdEncoding.EncodeToString(sum[:])); status != http.StatusCreated {
					t.Errorf("block %d: %d %s", i, status, out)
				}
			}
		})
	}
	wg.Wait()
	list.WriteString("</BlockList>")
	fin := map[string]any{"key": "k", "version": strings.Repeat("a", 64), "size_bytes": strconv.Itoa(want.Len())}
	if status, out := w.twirp("FinalizeCacheEntryUpload", fin); status != http.StatusPreconditionFailed {
		t.Errorf("without a list: %d %v", status, out)
	}
	if status, _, b := w.send(http.MethodPut, url+"&comp=blocklist", []byte(list.String())); status != http.StatusCreated {
		t.Fatalf("list: %d %s", status, b)
	}
	if status, out := w.twirp("FinalizeCacheEntryUpload", map[string]any{"key": "k", "version": strings.Repeat("a", 64), "size_bytes": "5"}); status != http.StatusPreconditionFailed {
		t.Errorf("another size: %d %v", status, out)
	}
	first := w.must("FinalizeCacheEntryUpload", fin)
	if again := w.must("FinalizeCacheEntryUpload", fin); again["entry_id"] != first["entry_id"] {
		t.Errorf("%v, again %v", first, again)
	}
	got := w.must("GetCacheEntryDownloadURL", map[string]any{"key": "x", "restoreKeys": []string{"k"}, "version": strings.Repeat("a", 64)})
	if got["ok"] != true || got["matched_key"] != "k" {
		t.Fatal(got)
	}
	down := got["signed_download_url"].(string)
	if _, _, b := w.send(http.MethodGet, down, nil); !bytes.Equal(b, want.Bytes()) {
		t.Errorf("%d bytes, want %d", len(b), want.Len())
	}
	status, h, b := w.send(http.MethodGet, down, nil, "x-ms-range", "bytes=299999-300000")
	if status != http.StatusPartialContent || !bytes.Equal(b, []byte{0, 1}) || h.Get("Content-Range") != fmt.Sprintf("bytes 299999-300000/%d", want.Len()) {
		t.Errorf("range: %d %v %v", status, b, h)
	}
	if status, h, _ := w.send(http.MethodHead, down, nil); status != http.StatusOK || h.Get("Content-Length") != strconv.Itoa(want.Len()) {
		t.Errorf("head: %d %v", status, h)
	}
	if status, _, _ := w.send(http.MethodGet, down, nil, "Range", "bytes=99999999-"); status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("behind the end: %d", status)
	}
	if status, out := w.twirp("CreateCacheEntry", map[string]any{"key": "k", "version": strings.Repeat("a", 64)}); status != http.StatusConflict {
		t.Errorf("a key twice: %d %v", status, out)
	}
	if got := w.must("GetCacheEntryDownloadURL", map[string]any{"key": "none", "version": strings.Repeat("a", 64)}); got["ok"] != false {
		t.Error(got)
	}
}

// TestSignedAddresses: an address is for one thing, one way, a time, and a job that
// runs.
func TestSignedAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.builtin("x", map[string]string{"a": "1"})
	up := w.must("CreateArtifact", w.ids(map[string]any{"name": "up"}))["signed_upload_url"].(string)
	down := w.must("GetSignedArtifactURL", w.ids(map[string]any{"name": "x"}))["signed_url"].(string)
	refused := func(what, method, url string, headers ...string) {
		t.Helper()
		if status, _, b := w.send(method, url, []byte("x"), headers...); status != http.StatusForbidden && status != http.StatusNotFound {
			t.Errorf("%s: %d %s", what, status, b)
		}
	}
	refused("no signature", http.MethodGet, strings.Split(down, "?")[0])
	refused("another artifact", http.MethodGet, strings.Replace(down, "/artifacts/1/", "/artifacts/2/", 1))
	refused("read of an upload", http.MethodGet, up)
	refused("write of a download", http.MethodPut, down, "x-ms-blob-type", "BlockBlob")
	refused("another upload", http.MethodPut, strings.Replace(up, "/uploads/", "/uploads/0", 1), "x-ms-blob-type", "BlockBlob")
	refused("a path", http.MethodGet, w.URL+"/results/../etc/passwd")
	w.clock.advance(2 * time.Hour)
	refused("later", http.MethodGet, down)
	w.clock.advance(30 * time.Hour)
	refused("much later", http.MethodPut, up, "x-ms-blob-type", "BlockBlob")
	w.clock.advance(-32 * time.Hour)
	if status, _, _ := w.send(http.MethodGet, down, nil); status != http.StatusOK {
		t.Errorf("in time: %d", status)
	}
	w.endJob()
	refused("after the job", http.MethodGet, down)
	refused("after the job", http.MethodPut, up, "x-ms-blob-type", "BlockBlob")
	status, _, _ := w.send(http.MethodPost, w.URL+"/twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts", []byte("{}"),
		"Authorization", "Bearer "+w.token, "Content-Type", "application/json")
	if status != http.StatusForbidden { // what the guard of this test answers
		t.Errorf("a token of a job that ended: %d", status)
	}
}

// TestBlobRefusals: what the blob interface does not take, with Azure's words.
func TestBlobRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *actions.Options) { o.MaxUpload = 1000 })
	url := w.must("CreateArtifact", w.ids(map[string]any{"name": "up"}))["signed_upload_url"].(string)
	for _, c := range []struct {
		what, query string
		body        string
		headers     []string
		code        string
	}{
		{"append blob", "", "x", []string{"x-ms-blob-type", "AppendBlob"}, "InvalidInput"},
		{"another operation", "&comp=lease", "", nil, "InvalidQueryParameterValue"},
		{"no block id", "&comp=block", "x", nil, "InvalidInput"},
		{"long block id", "&comp=block&blockid=" + strings.Repeat("a", 129), "x", nil, "InvalidInput"},
		{"md5", "&comp=block&blockid=aa", "x", []string{"Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16))}, "InvalidInput"},
		{"odd md5", "&comp=block&blockid=aa", "x", []string{"Content-MD5", "x"}, "InvalidInput"},
		{"large", "", strings.Repeat("x", 1001), []string{"x-ms-blob-type", "BlockBlob"}, "RequestBodyTooLarge"},
		{"list of nothing that is there", "&comp=blocklist", "<BlockList><Latest>bb</Latest></BlockList>", nil, "InvalidInput"},
		{"no list", "&comp=blocklist", "blocks: 1", nil, "InvalidInput"},
		{"cut list", "&comp=blocklist", "<BlockList><Latest>bb</Latest>", nil, "InvalidInput"},
		{"entities", "&comp=blocklist", `<!DOCTYPE x [<!ENTITY a "b">]><BlockList><Latest>&a;</Latest></BlockList>`, nil, "InvalidInput"},
		{"other elements", "&comp=blocklist", "<BlockList><Any>bb</Any></BlockList>", nil, "InvalidInput"},
	} {
		status, h, b := w.send(http.MethodPut, url+c.query, []byte(c.body), c.headers...)
		if status < 400 || status > 499 || h.Get("x-ms-error-code") != c.code || !strings.Contains(string(b), "<Code>"+c.code+"</Code>") {
			t.Errorf("%s: %d %s %s", c.what, status, h.Get("x-ms-error-code"), b)
		}
	}
	// A refused block is as if it had never come.
	w.put(url, bytes.Repeat([]byte("x"), 1000))
}

// TestUploadGoesOnAfterAKill: blocks that came before the owner was killed count for
// the next one; half a block does not, and what nobody goes on with is swept.
func TestUploadGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := packed(t, "a.txt", "hello")
	url := w.must("CreateArtifact", w.ids(map[string]any{"name": "x"}))["signed_upload_url"].(string)
	block := func(id string, b []byte) {
		if status, _, out := w.send(http.MethodPut, url+"&comp=block&blockid="+id, b); status != http.StatusCreated {
			t.Fatalf("%d %s", status, out)
		}
	}
	block("one", body[:10])
	w.restart()
	block("two", body[10:])
	w.restart()
	if status, _, b := w.send(http.MethodPut, url+"&comp=blocklist", []byte("<BlockList><Latest>one</Latest><Latest>two</Latest></BlockList>")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, b)
	}
	w.restart()
	// Not with other bytes than the client hashed, nor with another size.
	if status, _ := w.twirp("FinalizeArtifact", w.ids(map[string]any{"name": "x", "size": len(body), "hash": string(cairn.SumBytes([]byte("other")))})); status != http.StatusBadRequest {
		t.Errorf("another hash: %d", status)
	}
	if status, _ := w.twirp("FinalizeArtifact", w.ids(map[string]any{"name": "x", "size": len(body) + 1})); status != http.StatusPreconditionFailed {
		t.Errorf("another size: %d", status)
	}
	w.must("FinalizeArtifact", w.ids(map[string]any{"name": "x", "size": len(body), "hash": string(cairn.SumBytes(body))}))
	if f := w.files(w.artifact("x")); f["a.txt"] != "hello" {
		t.Error(f)
	}
	url = w.must("CreateArtifact", w.ids(map[string]any{"name": "left"}))["signed_upload_url"].(string)
	block("one", body)
	if n := w.transfers(); n != 1 {
		t.Errorf("%d uploads lie there", n)
	}
	w.clock.advance(23 * time.Hour)
	if err := w.api.Clean(); err != nil || w.transfers() != 1 {
		t.Errorf("swept too early: %v", err)
	}
	w.clock.advance(2 * time.Hour)
	if err := w.api.Clean(); err != nil || w.transfers() != 0 {
		t.Errorf("%d uploads were not swept, %v", w.transfers(), err)
	}
}

// TestFinalizeAtOnce: a call that comes again while the first is at work gets the
// same answer, and there is one artifact.
func TestFinalizeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var files []string
	for i := range 500 {
		files = append(files, fmt.Sprintf("%d/%d.txt", i%7, i), fmt.Sprint(i))
	}
	body := packed(t, files...)
	out := w.must("CreateArtifact", w.ids(map[string]any{"name": "x"}))
	w.put(out["signed_upload_url"].(string), body)
	ids := make([]any, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			_, out := w.twirp("FinalizeArtifact", w.ids(map[string]any{"name": "x", "size": len(body), "hash": string(cairn.SumBytes(body))}))
			ids[i] = out["artifact_id"]
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == nil || id != ids[0] {
			t.Fatalf("%v", ids)
		}
	}
	if a := w.artifact("x"); a.Files != 500 {
		t.Errorf("%+v", a)
	}
}
