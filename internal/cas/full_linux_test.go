package cas_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"golang.org/x/sys/unix"
)

// A full disk is said by name, leaves nothing behind, and is over when there is
// room again. Needs the right to mount.
func TestDiskFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	must(t, os.Mkdir(dir, 0o700))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	defer unix.Unmount(dir, 0)
	s, err := cas.Open(dir, cas.Options{})
	must(t, err)
	kept, err := s.PutBytes(t.Context(), []byte("kept"))
	must(t, err)
	src := t.TempDir()
	write(t, src, map[string]string{"small": "s", "large": strings.Repeat("x", 8<<20)})
	for range 2 {
		_, err = s.PutBytes(t.Context(), bytes.Repeat([]byte("large"), 2<<20))
		wantCode(t, err, cairn.CodeUnavailable)
		_, err = s.CheckIn(t.Context(), src, cas.ScanOptions{})
		wantCode(t, err, cairn.CodeUnavailable)
	}
	if !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	must(t, s.Verify(t.Context(), kept))
	if _, err := s.PutBytes(t.Context(), bytes.Repeat([]byte("y"), 2<<20)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
