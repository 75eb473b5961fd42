package layer_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/oci/layer"
)

func manyFiles() []layer.File {
	var files []layer.File
	for i := range 5000 {
		files = append(files, text(fmt.Sprintf("usr/lib/python3/site-packages/pkg%d/sub/mod%d.py", i/50, i), strings.Repeat("x = 1\n", 500)))
	}
	return files
}

// BenchmarkWrite writes 5,000 files of 3 kB.
func BenchmarkWrite(b *testing.B) {
	files := manyFiles()
	b.SetBytes(5000 * 3000)
	for b.Loop() {
		if err := layer.Write(io.Discard, files); err != nil {
			b.Fatal(err)
		}
	}
}

func onDisk(b *testing.B) layer.Source {
	l, err := layer.Build(b.Context(), b.TempDir(), manyFiles())
	if err != nil {
		b.Fatal(err)
	}
	return layer.Source{Digest: l.Digest, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(l.Path) }}
}

func BenchmarkApply(b *testing.B) {
	s := onDisk(b)
	base := b.TempDir()
	b.SetBytes(5000 * 3000)
	for i := 0; b.Loop(); i++ {
		d := filepath.Join(base, fmt.Sprint(i))
		if err := os.Mkdir(d, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := layer.Apply(b.Context(), d, []layer.Source{s}, layer.ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	s := onDisk(b)
	b.SetBytes(5000 * 3000)
	for b.Loop() {
		if _, err := layer.Index(b.Context(), []layer.Source{s}); err != nil {
			b.Fatal(err)
		}
	}
}
