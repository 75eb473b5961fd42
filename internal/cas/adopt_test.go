package cas_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
)

func TestAdopt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := cas.Open(filepath.Join(dir, "blobs"), cas.Options{})
	must(t, err)
	file := filepath.Join(dir, "file")
	b := cairn.Blob{Digest: cairn.SumBytes([]byte("content")), Size: 7}
	for range 2 { // the second time it is there
		must(t, os.WriteFile(file, []byte("content"), 0o600))
		must(t, s.Adopt(t.Context(), file, b))
		if _, err := os.Stat(file); err == nil {
			t.Error("the file is still there")
		}
		must(t, s.Verify(t.Context(), b.Digest))
	}
	must(t, os.WriteFile(file, []byte("longer content"), 0o600))
	wantCode(t, s.Adopt(t.Context(), file, cairn.Blob{Digest: cairn.SumBytes([]byte("longer")), Size: 6}), cairn.CodeInternal)
	wantCode(t, s.Adopt(t.Context(), file, cairn.Blob{Digest: "x", Size: 6}), cairn.CodeInvalid)
	if ok, err := s.Has(t.Context(), cairn.SumBytes([]byte("longer"))); ok || err != nil {
		t.Error(ok, err)
	}
}
