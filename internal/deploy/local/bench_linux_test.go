package local

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

// BenchmarkPrepare is what a deployment costs before anything starts, when only a
// small layer of code is new above a base.
func BenchmarkPrepare(b *testing.B) {
	home := b.TempDir()
	store := &blobs{m: map[cairn.Digest][]byte{}}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	t, err := New(Options{Home: home, Stage: []string{exe, "_stage"}, Enter: []string{exe, "_enter"}, Serving: ServeRoot, Blobs: store, Unpack: store,
		Environ: []string{"PATH=" + os.Getenv("PATH")}})
	if err != nil {
		b.Fatal(err)
	}
	files := map[string]string{"usr/bin/api!": "#!"}
	for i := range 2000 {
		files[filepath.Join("usr/lib", strconv.Itoa(i))] = "a file of the base"
	}
	base := store.layer(cairn.LayerBase, files)
	for i := 0; b.Loop(); i++ {
		img := store.image(config{"Cmd": []string{"api"}, "Env": []string{"PATH=/usr/bin"}}, runtime.GOARCH, base,
			store.layer(cairn.LayerCode, map[string]string{"app/main.py": strconv.Itoa(i)}))
		r := deploy.TargetRequest{Stage: cairn.Stage{ID: 1}, Deployment: cairn.Deployment{ID: 1}, Image: img}
		if _, err := t.prepare(context.Background(), r); err != nil {
			b.Skip(err)
		}
	}
}
