package server

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/oci/build"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// buildServer is the owner as builds reach it.
type buildServer struct {
	*client.Client
	// tracked answers which files are code of the repository that is built by hand;
	// nil in a job: the owner knows the code of its run.
	tracked func(ctx context.Context, sums []string) (map[string]bool, error)
}

// HeldFiles asks which versions hold files, save for those that are code.
func (s buildServer) HeldFiles(ctx context.Context, qs []cairn.HeldQuery) (map[cairn.Digest][]cairn.Ref, error) {
	if s.tracked == nil {
		return s.Client.HeldFiles(ctx, qs)
	}
	sums := make([]string, len(qs))
	for i, q := range qs {
		sums[i] = q.Sum
	}
	code, err := s.tracked(ctx, sums)
	if err != nil {
		return nil, err
	}
	return s.Client.HeldFiles(ctx, slices.DeleteFunc(slices.Clone(qs), func(q cairn.HeldQuery) bool { return code[q.Sum] }))
}

// UploadBlobs sends blobs in one request with one durable point.
func (s buildServer) UploadBlobs(ctx context.Context, blobs []build.Blob) error {
	out := make([]client.Blob, len(blobs))
	for i, b := range blobs {
		out[i] = client.Blob{Digest: b.Digest, Size: b.Size, Open: b.Open}
	}
	return s.Client.UploadBlobs(ctx, out)
}

// buildImage builds on this machine, in the command line or in the supervisor of
// a job, and stores what it makes in the owner. tools are the Pythons of this
// machine; pip and uv see the environment of the request.
func buildImage(ctx context.Context, c *client.Client, tools python.Tools, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error) {
	if r.Env != nil {
		tools.Environ = nil
		for k, v := range r.Env {
			tools.Environ = append(tools.Environ, k+"="+v)
		}
		slices.Sort(tools.Environ)
	}
	srv := buildServer{Client: c}
	if r.JobToken == "" {
		g := git.New(git.Options{Env: tools.Environ})
		srv.tracked = func(ctx context.Context, sums []string) (map[string]bool, error) {
			return g.TrackedSums(ctx, r.Context, sums)
		}
	}
	return newBuilder(tools).Build(ctx, srv, r, log)
}

func newBuilder(tools python.Tools) *build.Builder {
	return build.New(build.Options{
		Cache: filepath.Join(tools.Home, "cache", "oci"), Deps: build.Wheels(wheel.New(WheelOptions(tools))),
		Puller: build.Outside{}, Pusher: build.Outside{},
	})
}

// imageTools are what the commands of images do on this machine.
func imageTools(env []string) image.Tools {
	t := image.Tools{
		Build: func(ctx context.Context, c *client.Client, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error) {
			home, err := Home(func(name string) string { return lookup(env, name) })
			if err != nil {
				return nil, err
			}
			exe, _ := os.Executable() // only where pip of a job would be called from
			return buildImage(ctx, c, python.Tools{Home: home, UserHome: lookup(env, "HOME"), Environ: env, Exe: exe}, r, log)
		},
		BaseFromHost: func(ctx context.Context, c *client.Client, r image.BaseRequest, log io.Writer) (*cairn.Image, error) {
			home, err := Home(func(name string) string { return lookup(env, name) })
			if err != nil {
				return nil, err
			}
			return baseFromHost(ctx, c, python.Tools{Home: home, UserHome: lookup(env, "HOME"), Environ: env}, r, log)
		},
	}
	addImageMoves(&t, env)
	return t
}

// buildInJob is the builder of the docker actions.
func buildInJob(tools python.Tools) func(context.Context, runner.Server, cairn.BuildRequest, io.Writer) (*cairn.BuildResult, error) {
	return func(ctx context.Context, srv runner.Server, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error) {
		c, ok := srv.(*client.Client)
		if !ok {
			return nil, cairn.Errorf(cairn.CodeUnavailable, "images are stored by a Cairn server, and this job has none")
		}
		return buildImage(ctx, c, tools, r, log)
	}
}
