package gateway

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiskFull: on a full disk an answer whose record does not fit is not given, and
// says why; all is well again when there is room. Needs the right to mount.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	l, f := stageDir(t)
	if err := os.Mkdir(l.predictions(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", l.predictions(), "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	defer unix.Unmount(l.predictions(), unix.MNT_DETACH)
	r := l.of(t, f)
	stop := r.run(t)
	r.live(spec(t, 1, releaseA, "ok"))
	body := strings.Repeat("x", 300_000)
	var ids []got
	for {
		g := r.do("POST", "/predict", body)
		if g.StatusCode == 200 {
			if ids = append(ids, g); len(ids) > 100 {
				t.Fatal("the disk does not get full")
			}
			continue
		}
		if g.StatusCode != 507 || !strings.Contains(g.body, "its record could not be kept") || !strings.Contains(g.body, "free space") {
			t.Errorf("%d %s", g.StatusCode, g.body)
		}
		break
	}
	for _, g := range ids {
		r.logged(g)
	}
	if err := unix.Mount("", l.predictions(), "", unix.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	r.logged(r.do("POST", "/predict", body))
	stop()
}
