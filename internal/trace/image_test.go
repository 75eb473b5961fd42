package trace

import (
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func TestCameFrom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for want, img := range map[string]cairn.Image{
		"the Python of this machine, captured by ana on 2026-05-04": {Builder: cairn.BuilderHostPython, By: "ana"},
		"pulled from docker.io by ana on 2026-05-04":                {Builder: cairn.BuilderPull, By: "ana", Tags: []string{"docker.io/library/python:3.11-slim"}},
		"pulled by ana on 2026-05-04":                               {Builder: cairn.BuilderPull, By: "ana"},
		"loaded from an archive by ana on 2026-05-04":               {Builder: cairn.BuilderLoad, By: "ana"},
		"pushed by somebody on 2026-05-04":                          {Builder: cairn.BuilderPush},
		"built by hand by ana on 2026-05-04":                        {Builder: "cairn", By: "ana"},
	} {
		img.CreatedAt = at
		if got := cameFrom(&img); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	base := cairn.Image{Layers: []cairn.ImageLayer{{Role: cairn.LayerBase}, {Role: cairn.LayerBase}}}
	code := cairn.Image{Layers: []cairn.ImageLayer{{Role: cairn.LayerBase}, {Role: cairn.LayerCode}}}
	if !isBase(&base) || isBase(&code) || isBase(&cairn.Image{}) {
		t.Error("a base is what has layers of a base only")
	}
}
