package wheel_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// TestDamagedCache: what the disk lost of the cache is made or fetched again, and
// the layer is the same.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := makeWheel(t, dir, "acme-1.0-py3-none-any.whl", zipFile{name: "acme/__init__.py", text: "x = 1\n"})
	cache := t.TempDir()
	b := wheel.New(wheel.Options{Cache: cache, UV: fakeUV(t, lockOf(t, w))})
	first, err := b.Layer(t.Context(), request("acme\n"))
	if err != nil {
		t.Fatal(err)
	}
	damage := func(pattern string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(cache, pattern))
		if err != nil || len(found) != 1 {
			t.Fatal(pattern, found, err)
		}
		raw, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		if raw[len(raw)/2] ^= 1; pattern == "locks/*" {
			raw = raw[:len(raw)/2] // cut: a lock is text, where another letter may be as right
		}
		if err := os.WriteFile(found[0], raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, hit := range [][]string{{"layers/*.tar"}, {"layers/*.tar", "wheels/*/*.whl", "locks/*"}} {
		for _, pattern := range hit {
			damage(pattern)
		}
		again, err := b.Layer(t.Context(), request("acme\n"))
		if err != nil {
			t.Fatalf("%v: %v", hit, err)
		}
		raw, err := os.ReadFile(again.Layer.Path)
		if err != nil || again.Layer.Digest != first.Layer.Digest || !again.Built {
			t.Errorf("%v: %+v, %v", hit, again.Layer, err)
		}
		if got := cairn.SumBytes(raw); got != first.Layer.Digest {
			t.Errorf("%v: the bytes are %s", hit, got)
		}
	}
}
