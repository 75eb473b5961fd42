package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// Tracking are the tracking runs; *track.Service satisfies it. What MLflow's own
// interface gives is not repeated here.
type Tracking interface {
	// RunFiles lists the artifacts of a tracking run with paths below its root.
	RunFiles(ctx context.Context, id string) ([]cairn.MLFile, error)
}

func (a *API) trackingRoutes() {
	route(a, op{method: "GET", path: "/tracking/runs/{id}/files", id: "tracking-files", summary: "The artifacts of a tracking run, with digests", need: readers},
		func(ctx context.Context, in *struct {
			ID string `path:"id" minLength:"1" maxLength:"64"`
		}) ([]client.TreeFile, error) {
			if a.o.Tracking == nil {
				return nil, cairn.Errorf(cairn.CodeUnsupported, "this server keeps no tracking runs")
			}
			files, err := a.o.Tracking.RunFiles(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			out := make([]client.TreeFile, len(files))
			for i, f := range files {
				out[i] = client.TreeFile{Path: f.Path, Mode: cairn.ModeFile, Size: f.Size, Digest: f.Digest}
			}
			return out, nil
		})
}
