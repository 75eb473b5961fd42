package layer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

func seeds(f *testing.F) {
	f.Add(bytesOf(f, layerOf(f, text("a/b", "1"), symlink("l", "/etc"), layer.Whiteout("x"), layer.Opaque("a"))))
	f.Add(bytesOf(f, raw(f, lnk("a", "../.."), reg("a/x", "1"), hard("h", "a/x"))))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0})
}

var small = layer.Limits{Entries: 1000, Size: 16 << 20}

func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		err := layer.ReadLimited(bytes.NewReader(b), "", small, func(_ *tar.Header, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
		if err != nil && cairn.CodeOf(err) == cairn.CodeInternal && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, tar.ErrHeader) {
			t.Logf("plain error: %v", err)
		}
	})
}

// FuzzApply looks whether anything appears beside the folder, and whether the
// index tells the same.
func FuzzApply(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		outside := t.TempDir()
		d := filepath.Join(outside, "root")
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		s := source(b)
		aerr := layer.Apply(context.Background(), d, []layer.Source{s}, layer.ApplyOptions{Unprivileged: true, Limits: small})
		es, err := os.ReadDir(outside)
		if err != nil || len(es) != 1 {
			t.Fatalf("beside the folder: %v %v", es, err)
		}
		_, ierr := layer.IndexWith(context.Background(), []layer.Source{s}, layer.IndexOptions{Limits: small})
		if aerr == nil && ierr != nil {
			t.Fatalf("unpacked, but not indexed: %v", ierr)
		}
	})
}
