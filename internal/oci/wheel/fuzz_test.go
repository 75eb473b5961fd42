package wheel_test

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// oneLock knows one lock for everything.
type oneLock []byte

func (l oneLock) Get(context.Context, cairn.Digest) ([]byte, error) { return l, nil }
func (oneLock) Put(context.Context, cairn.Digest, []byte) error     { return nil }

// FuzzWheel unpacks whatever claims to be a wheel: it is refused, or all of it
// lies below the prefix.
func FuzzWheel(f *testing.F) {
	b, err := os.ReadFile(makeWheel(f, f.TempDir(), "a-1-py3-none-any.whl", zipFile{name: "a.py", text: "1"}, zipFile{name: "a-1.data/scripts/x", text: "#!python\n"},
		zipFile{name: "a-1.dist-info/entry_points.txt", text: "[console_scripts]\nx2 = a:b\n"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	cache := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		h := sha256.Sum256(b)
		sum := hex.EncodeToString(h[:])
		p := filepath.Join(cache, "wheels", sum[:2], sum+".whl")
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(p)
		r := request("a")
		l := wheel.Lock{Python: r.Python, Platform: r.Platform, Libc: r.Libc, Packages: []wheel.Package{{Name: "a", Version: "1", File: "a-1-py3-none-any.whl", SHA256: sum}}}
		r.Locks = oneLock(l.Render())
		res, err := wheel.New(wheel.Options{Cache: cache}).Layer(t.Context(), r)
		if err != nil {
			if cairn.CodeOf(err) == cairn.CodeInternal {
				t.Errorf("a plain error: %v", err)
			}
			return
		}
		defer os.Remove(res.Layer.Path)
		in, err := os.Open(res.Layer.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if err := layer.Read(in, "", func(h *tar.Header, _ io.Reader) error {
			if p := strings.TrimSuffix(h.Name, "/"); p != "usr" && p != "usr/local" && !strings.HasPrefix(p, "usr/local/") || strings.Contains(p, "/.wh.") {
				t.Errorf("%s is in the layer", h.Name)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}
