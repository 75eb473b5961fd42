package image

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// Tools are what the commands of images do on this machine; the process passes
// them in.
type Tools struct {
	// Build makes an image from a build context. log gets lines for people.
	Build func(ctx context.Context, c *kit.Client, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error)
	// BaseFromHost makes a base image of this machine's Python: of the interpreter
	// at a path, or of the one that is found ("").
	BaseFromHost func(ctx context.Context, c *kit.Client, r BaseRequest, log io.Writer) (*cairn.Image, error)
	// Pull fetches an image from the registry that its name says; platform is
	// "linux/amd64", "all", or "" for this machine's.
	Pull func(ctx context.Context, c *kit.Client, name, platform string, log io.Writer) (*cairn.Image, error)
	// Push sends an image to registries outside, one result for each name.
	Push func(ctx context.Context, c *kit.Client, img *cairn.Image, names []string, log io.Writer) ([]cairn.PushResult, error)
	// Load stores the images of an archive, under the names as where they are given.
	Load func(ctx context.Context, c *kit.Client, file string, as []string, log io.Writer) ([]*cairn.Image, error)
	// Save writes an image with names as an archive.
	Save func(ctx context.Context, c *kit.Client, img *cairn.Image, names []string, w io.Writer) error
}

// BaseRequest asks for a base image from this machine.
type BaseRequest struct {
	Python string // path of the interpreter, or a version; "": the one that is found
	As     string // reference to name it with
}
