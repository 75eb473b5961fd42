package api

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
)

// jobsOnly lets only a job's own token through.
func jobsOnly(ctx context.Context) (cairn.Principal, error) {
	p := auth.Actor(ctx)
	if p.Role != cairn.RoleJob {
		return p, cairn.Errorf(cairn.CodeForbidden, "only a job can do this, with its own token")
	}
	return p, nil
}

// lockLimit bounds the list of packages of a job.
const lockLimit = 4 << 20

func (a *API) jobRoutes() {
	route(a, op{method: "POST", path: "/job/artifacts", id: "create-artifact", summary: "Record an artifact of the calling job", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Name      string       `json:"name" minLength:"1" maxLength:"255"`
				Digest    cairn.Digest `json:"digest"`
				Size      int64        `json:"size" minimum:"0"`
				Files     int64        `json:"files" minimum:"0"`
				ExpiresAt time.Time    `json:"expires_at,omitzero"`
				Overwrite bool         `json:"overwrite,omitempty"`
				// MediaType is set for a single file that is kept as it is.
				MediaType string `json:"media_type,omitempty" maxLength:"200"`
			}
		}) (*cairn.Artifact, error) {
			p, err := jobsOnly(ctx)
			if err != nil {
				return nil, err
			}
			b := in.Body
			info, err := a.measure(ctx, "folder", b.Digest)
			if err != nil {
				return nil, err
			}
			made := cairn.Artifact{
				Run: p.Run, Attempt: p.Attempt, Job: p.Job, Name: b.Name, Digest: b.Digest, Size: info.Size, Files: info.Files,
				ExpiresAt: b.ExpiresAt,
			}
			if b.MediaType != "" {
				es, err := a.o.Blobs.ReadTree(ctx, b.Digest)
				if err != nil {
					return nil, err
				}
				if len(es) != 1 || es[0].Mode == cairn.ModeDir || es[0].Name != b.Name {
					return nil, cairn.Errorf(cairn.CodeInvalid, "an artifact with a media type is one file of its name")
				}
				made.MediaType, made.Archive, made.ArchiveSize = b.MediaType, es[0].Digest, es[0].Size
			}
			return a.o.Assets.CreateArtifact(ctx, made, b.Overwrite, p)
		})
	routeDo(a, op{method: "POST", path: "/job/uses", id: "use-artifact", summary: "Record that the calling job took an artifact", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Ref cairn.Ref `json:"ref" maxLength:"500"`
			}
		}) error {
			p, err := jobsOnly(ctx)
			if err != nil {
				return err
			}
			_, err = a.o.Assets.UseArtifact(ctx, in.Body.Ref, p)
			return err
		})
	route(a, op{method: "POST", path: "/job/environments", id: "record-environment", summary: "Keep the packages that the calling job resolved", need: makers, limit: lockLimit},
		func(ctx context.Context, in *struct {
			Body struct {
				Name       string            `json:"name" minLength:"1" maxLength:"255"`
				Lock       string            `json:"lock"`
				Properties map[string]string `json:"properties,omitempty"`
			}
		}) (map[string]cairn.Ref, error) {
			p, err := jobsOnly(ctx)
			if err != nil {
				return nil, err
			}
			v, err := a.recordEnvironment(ctx, p, in.Body.Name, []byte(in.Body.Lock), in.Body.Properties)
			if err != nil {
				return nil, err
			}
			return map[string]cairn.Ref{"ref": v.Ref()}, nil
		})
}

// recordEnvironment keeps a lock file as the only file of an environment's
// version. The same packages again are the same version.
func (a *API) recordEnvironment(ctx context.Context, p cairn.Principal, name string, lock []byte, props map[string]string) (*cairn.AssetVersion, error) {
	if !bytes.HasSuffix(lock, []byte("\n")) {
		lock = append(lock, '\n')
	}
	bs, err := a.o.Blobs.PutMany(ctx, 1, func(int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(lock)), nil })
	if err != nil {
		return nil, err
	}
	return a.o.Assets.Create(ctx, asset.NewVersion{
		Kind: cairn.AssetEnvironment, Name: name, Type: "file", Digest: bs[0].Digest, Size: bs[0].Size, Files: 1,
		Properties: props, Reuse: true,
	}, p)
}
