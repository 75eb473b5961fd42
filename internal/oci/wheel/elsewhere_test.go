package wheel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// TestSameLayerInAnotherProcess builds under another umask, time zone, locale
// and home folder.
func TestSameLayerInAnotherProcess(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("CAIRN_TEST_WHEELS"); dir != "" {
		res, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lockOf(t, demoWheels(t, dir)...))}).Layer(t.Context(), request("demo-pkg\nother"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "digest"), []byte(res.Layer.Digest), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, setup := range []string{"umask 022; export TZ=UTC LC_ALL=C", "umask 077; export TZ=Asia/Tokyo LC_ALL=tr_TR.UTF-8 HOME=/nowhere GOMAXPROCS=7"} {
		dir := t.TempDir()
		cmd := exec.Command("/bin/sh", "-c", setup+`; exec "$0" -test.run 'TestSameLayerInAnotherProcess$'`, exe)
		cmd.Env = append(os.Environ(), "CAIRN_TEST_WHEELS="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(filepath.Join(dir, "digest"))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, string(b))
	}
	if digests[0] != digests[1] || !strings.HasPrefix(digests[0], "sha256:") {
		t.Errorf("%s and %s", digests[0], digests[1])
	}
}
