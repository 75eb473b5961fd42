package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// benchWorld is the course's image with a model of 10 MB and 200 files of code.
func benchWorld(b *testing.B) (*world, string) {
	w := newWorld(b)
	files := map[string]string{"Dockerfile": course, "requirements.txt": "fastapi\nuvicorn\n", ".dockerignore": "Dockerfile\n"}
	for i := range 200 {
		files[fmt.Sprintf("pkg/m%03d.py", i)] = strings.Repeat(fmt.Sprintf("x = %d\n", i), 300)
	}
	dir := write(b, files)
	writeModel(b, w, dir, 0)
	if _, err := w.b.Build(context.Background(), w, cairn.BuildRequest{Context: dir}, io.Discard); err != nil {
		b.Fatal(err)
	}
	return w, dir
}

func writeModel(b *testing.B, w *world, dir string, i int) {
	b.Helper()
	model := make([]byte, 10<<20)
	for at := range len(model) / 32 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", i, at>>10))
		copy(model[at*32:], sum[:])
	}
	w.held[cairn.SumBytes(model)] = []cairn.Ref{cairn.Ref(fmt.Sprintf("model/digits:%d", i+1))}
	if err := os.WriteFile(filepath.Join(dir, "model.joblib"), model, 0o644); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkModelOnly builds after the model alone changed. The server is in memory:
// what its disk costs comes on top.
func BenchmarkModelOnly(b *testing.B) {
	w, dir := benchWorld(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		writeModel(b, w, dir, i+1)
		b.StartTimer()
		benchBuild(b, w, dir, 10<<20)
	}
}

// BenchmarkCodeOnly builds after one file of code changed.
func BenchmarkCodeOnly(b *testing.B) {
	w, dir := benchWorld(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		if err := os.WriteFile(filepath.Join(dir, "pkg/m007.py"), fmt.Appendf(nil, "%d", i), 0o644); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		benchBuild(b, w, dir, 100_000)
	}
}

// BenchmarkNothing builds what is there already.
func BenchmarkNothing(b *testing.B) {
	w, dir := benchWorld(b)
	for b.Loop() {
		benchBuild(b, w, dir, 0)
	}
}

func benchBuild(b *testing.B, w *world, dir string, least int64) {
	res, err := w.b.Build(context.Background(), w, cairn.BuildRequest{Context: dir}, io.Discard)
	if err != nil || res.Sent < least {
		b.Fatal(err, res)
	}
	b.ReportMetric(float64(res.Sent), "sent-B/op")
}
