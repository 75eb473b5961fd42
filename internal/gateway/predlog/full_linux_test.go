package predlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sys/unix"
)

// TestDiskFull: a full disk is said by name, loses nothing that was acknowledged,
// and is over when there is room again. Needs the right to mount.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	dir := filepath.Join(small, "predictions")
	w := open(t, dir)
	p := sample(1)
	p.Request.Body = make([]byte, 200<<10)
	var ids []cairn.PredictionID
	var err error
	for err == nil {
		var id cairn.PredictionID
		if id, err = w.Append(t.Context(), p); err == nil {
			ids = append(ids, id)
		}
	}
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.Contains(err.Error(), "no space") || cairn.AsError(err).Hint == "" {
		t.Errorf("%v", err)
	}
	for range 20 {
		if _, err := w.Append(t.Context(), p); err == nil {
			t.Fatal("written on a full disk")
		}
	}
	if len(ids) < 10 || len(list(t, dir, cairn.PredictionFilter{}, true)) != len(ids) {
		t.Errorf("%d acknowledged", len(ids))
	}
	for _, id := range ids {
		if _, err := Read(t.Context(), dir, id); err != nil {
			t.Error(err)
		}
	}
	if err := unix.Mount("", small, "", unix.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	add(t, w, p)
	if ns, _ := segments(dir); len(ns) > 3 {
		t.Errorf("segments are left: %v", ns)
	}
	w.Close()
}
