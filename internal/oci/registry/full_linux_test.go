package registry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sys/unix"
)

// A disk that gets full during a push is said by name, and nothing is left of what
// was on its way. Needs the right to mount.
func TestDiskFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	h := &home{dir: dir}
	h.open(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 2<<20)
	d := string(cairn.SumBytes(large))
	full := func(what string, status int, body string) {
		t.Helper()
		if status != 503 || code(body) != "UNAVAILABLE" || !strings.Contains(body, "disk is full") {
			t.Errorf("%s: %d %s", what, status, body)
		}
		for _, at := range []string{"uploads", filepath.Join("blobs", "tmp")} {
			if left, err := os.ReadDir(filepath.Join(dir, at)); err != nil || len(left) > 0 {
				t.Errorf("%s left %v, %v", what, left, err)
			}
		}
	}
	status, _, body := h.do(t, "POST", "/v2/a/blobs/uploads/?digest="+d, large)
	full("in one piece", status, body)
	_, head, _ := h.do(t, "POST", "/v2/a/blobs/uploads/", nil)
	status, _, body = h.do(t, "PUT", head.Get("Location")+"?digest="+d, large)
	full("at its end", status, body)
	_, head, _ = h.do(t, "POST", "/v2/a/blobs/uploads/", nil)
	at := head.Get("Location")
	if status, _, body := h.do(t, "PATCH", at, large[:4<<20]); status != 202 {
		t.Fatal(status, body)
	}
	status, _, body = h.do(t, "PATCH", at, large[4<<20:])
	full("in pieces", status, body)
	if status, _, _ := h.do(t, "GET", at, nil); status != 404 {
		t.Error(status)
	}
	if status, _, _ := h.do(t, "HEAD", "/v2/a/blobs/"+d, nil); status != 404 {
		t.Error(status)
	}
	h.put(t, "a", large[:4<<20]) // there is room again
	h.manifest(t, "a", "v1", "small")
}
