package build

import (
	"context"
	"encoding/json"

	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// Wheels are Dependencies by way of a builder of package layers.
func Wheels(b *wheel.Builder) Dependencies { return wheels{b} }

type wheels struct{ *wheel.Builder }

// Target finds the Python of an image.
func (wheels) Target(ctx context.Context, fs *layer.FS, config dockerfile.Image) (wheel.Request, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return wheel.Request{}, err
	}
	return wheel.Target(ctx, fs, raw)
}
