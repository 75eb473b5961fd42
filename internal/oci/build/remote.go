package build

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// Outside reaches the registries outside: a Puller and a Pusher.
type Outside struct{}

// Pull fetches a base and stores it under its name.
func (Outside) Pull(ctx context.Context, srv Server, r ref.Reference, platform string, env map[string]string, log io.Writer) (*cairn.Image, error) {
	return remote.New(remote.Options{Env: env}).Pull(ctx, r, platform, sink{srv}, log)
}

// Push sends an image under a name.
func (Outside) Push(ctx context.Context, srv Server, img *cairn.Image, r ref.Reference, env map[string]string, jobToken string, log io.Writer) (cairn.PushResult, error) {
	res, err := remote.New(remote.Options{Env: env, JobToken: jobToken}).Push(ctx, img, []ref.Reference{r}, srv, log)
	if len(res) == 0 {
		return cairn.PushResult{Name: r.String()}, err
	}
	return res[0], err
}

// sink is the server as a place for what is fetched.
type sink struct{ Server }

func (s sink) UploadBlobs(ctx context.Context, blobs []remote.Blob) error {
	out := make([]Blob, len(blobs))
	for i, b := range blobs {
		out[i] = Blob(b)
	}
	return s.Server.UploadBlobs(ctx, out)
}
