package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Images are the images of the registry; *oci.Service satisfies it.
type Images interface {
	Record(ctx context.Context, b cairn.ImageBuild, actor cairn.Principal) (*cairn.Image, error)
	HeldFiles(ctx context.Context, qs []cairn.HeldQuery, actor cairn.Principal) (map[cairn.Digest][]cairn.Ref, error)
	Use(ctx context.Context, asked string, actor cairn.Principal) (*cairn.Image, error)
	Images(ctx context.Context, f cairn.ImageFilter) ([]cairn.Image, error)
	Tag(ctx context.Context, asked string, names []string, actor cairn.Principal) ([]cairn.ImageTag, error)
	Untag(ctx context.Context, asked string, actor cairn.Principal) error
	Delete(ctx context.Context, asked string, actor cairn.Principal) error
}

func (a *API) imageRoutes() {
	route(a, op{method: "POST", path: "/images", id: "record-image", summary: "Record an image whose blobs are stored", need: makers, limit: 64 << 20},
		func(ctx context.Context, in *struct{ Body cairn.ImageBuild }) (*cairn.Image, error) {
			p := auth.Actor(ctx)
			if p.Untrusted {
				in.Body.Names = nil // what others pull is not changed by code that nobody answers for
			}
			return a.o.Images.Record(ctx, in.Body, p)
		})
	route(a, op{method: "POST", path: "/images/held", id: "held-files", summary: "Which versions hold files, the likeliest first", need: readers, limit: 16 << 20},
		func(ctx context.Context, in *struct {
			Body struct {
				Files []cairn.HeldQuery `json:"files"`
			}
		}) (map[cairn.Digest][]cairn.Ref, error) {
			return a.o.Images.HeldFiles(ctx, in.Body.Files, auth.Actor(ctx))
		})
	route(a, op{method: "GET", path: "/images", id: "list-images", summary: "Images, newest first", need: readers},
		func(ctx context.Context, in *struct {
			Name   string `query:"name" maxLength:"300" doc:"repository, in full or its last part"`
			Commit string `query:"commit" maxLength:"40"`
			Digest string `query:"digest" maxLength:"71" doc:"of the manifest or of the configuration"`
			Run    int64  `query:"run" minimum:"0"`
			Limit  int    `query:"limit" minimum:"0" maximum:"1000"`
			Before int64  `query:"before" minimum:"0" doc:"seq of the last image of the page before"`
			All    bool   `query:"all" doc:"referrers and parts of indexes too"`
		}) ([]cairn.Image, error) {
			return orEmpty(a.o.Images.Images(ctx, cairn.ImageFilter{Name: in.Name, Run: cairn.RunID(in.Run), Commit: in.Commit,
				Digest: cairn.Digest(in.Digest), Limit: in.Limit, Before: in.Before, All: in.All}))
		})
	route(a, op{method: "GET", path: "/images/resolve", id: "resolve-image", summary: "The image that a name, digest or id means; a job's use of it is recorded", need: readers},
		func(ctx context.Context, in *struct {
			Ref string `query:"ref" required:"true" maxLength:"500"`
		}) (*cairn.Image, error) {
			return a.o.Images.Use(ctx, in.Ref, auth.Actor(ctx))
		})
	routeDo(a, op{method: "DELETE", path: "/images", id: "delete-image", summary: "Take a name away, and with the last one its image", need: writers},
		func(ctx context.Context, in *struct {
			Ref string `query:"ref" required:"true" maxLength:"500"`
		}) error {
			return a.o.Images.Delete(ctx, in.Ref, auth.Actor(ctx))
		})
	route(a, op{method: "POST", path: "/images/tags", id: "tag-image", summary: "Point names to an image", need: makers, permit: writesPackages},
		func(ctx context.Context, in *struct {
			Body struct {
				Ref   string   `json:"ref" minLength:"1"`
				Names []string `json:"names" minItems:"1"`
			}
		}) ([]cairn.ImageTag, error) {
			return a.o.Images.Tag(ctx, in.Body.Ref, in.Body.Names, auth.Actor(ctx))
		})
	routeDo(a, op{method: "DELETE", path: "/images/tags", id: "untag-image", summary: "Remove a name; the image stays", need: writers},
		func(ctx context.Context, in *struct {
			Name string `query:"name" required:"true" maxLength:"500"`
		}) error {
			return a.o.Images.Untag(ctx, in.Name, auth.Actor(ctx))
		})
}
