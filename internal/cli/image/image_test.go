package image

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func TestOutside(t *testing.T) {
	t.Parallel()
	tags := []string{"api:main", "docker.io/library/x:latest", "ghcr.io/me/api:v1", "localhost:5000/api:v1", "me/api:v2"}
	for asked, want := range map[string][]string{
		"ghcr.io/me/api:v1": {"ghcr.io/me/api:v1"}, "x": {"docker.io/library/x:latest"}, "api:main": nil, "me/api:v2": nil,
		"sha256:12": {"docker.io/library/x:latest", "ghcr.io/me/api:v1", "localhost:5000/api:v1"},
	} {
		if got := outside(asked, tags); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", asked, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	tm, b := term.Test()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	k := &kit.Kit{Term: tm, Env: func(string) string { return "" }, Now: func() time.Time { return now }}
	d := func(s string) cairn.Digest { return cairn.SumBytes([]byte(s)) }
	img := cairn.Image{
		Digest: d("manifest"), Config: d("config"), Platform: "linux/amd64", Size: 123_456_789, Builder: "cairn", By: "job/7", Job: 7, Run: 3, CreatedAt: now,
		Commit: "3f2a9c1b7d04e5f6a7b8c9d0e1f2a3b4c5d6e7f8", Repository: "acme/api", Dirty: true, Base: d("base"), BaseName: "docker.io/library/python:3.11-slim",
		Tags: []string{"api:main", "ghcr.io/acme/api:v1.2.3"},
		Layers: []cairn.ImageLayer{{Digest: d("base"), Size: 50_000_000, Role: cairn.LayerBase}, {Digest: d("code"), Size: 2048, Role: cairn.LayerCode, Note: "COPY . ."},
			{Digest: d("model"), Size: 10_000_000, Role: cairn.LayerModel, Note: "model/digits:1"}},
		Packed: []cairn.Packed{{Path: "app/model.joblib", Digest: d("m"), Size: 10_000_000, Ref: "model/digits:1", Others: []cairn.Ref{"model/x:2"}}},
	}
	for range 7 {
		img.Packed = append(img.Packed, cairn.Packed{Path: "app/data/x", Ref: "data/digits:3", Size: 10})
	}
	out := detail(k, &img, "Ana Lee <ana@example.com>")
	index := cairn.Image{Digest: d("index"), Manifests: []cairn.Digest{d("manifest"), d("other")}, By: "ana", Builder: "pull", CreatedAt: now}
	out += detail(k, &index, "")
	if err := writeList(k, []cairn.Image{img, index}); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, *update, "show.txt", out+b.Out.String())
}
