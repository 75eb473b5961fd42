package api

import (
	"context"
	"net/http"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
)

type none struct{}

func (a *API) systemRoutes() {
	route(a, op{method: "GET", path: "/status", id: "status", summary: "How the owner is doing", need: readers},
		func(ctx context.Context, _ *none) (*client.Status, error) { return a.o.System.Status(ctx) })
	route(a, op{method: "GET", path: "/whoami", id: "whoami", summary: "Who the caller is taken for", need: readers},
		func(ctx context.Context, _ *none) (cairn.Principal, error) { return auth.Actor(ctx), nil })
	route(a, op{method: "GET", path: "/doctor", id: "doctor", summary: "Look at everything that Cairn needs", need: writers},
		func(ctx context.Context, _ *none) ([]client.Check, error) { return a.o.System.Doctor(ctx), nil })
	route(a, op{method: "POST", path: "/fsck", id: "fsck", summary: "Compare everything stored with its digests", need: admins},
		func(ctx context.Context, in *struct {
			Repair bool `query:"repair" doc:"Move damaged blobs aside"`
		}) (*client.FsckReport, error) {
			return a.o.System.Fsck(ctx, in.Repair)
		})
	routeDo(a, op{method: "POST", path: "/owner/handover", id: "handover", summary: "Let the owner leave; jobs go on", need: admins},
		func(ctx context.Context, _ *none) error {
			if !auth.Trusted(ctx) {
				return cairn.Errorf(cairn.CodeForbidden, "only the user of the server itself can ask it to leave")
			}
			return a.o.System.Handover(ctx)
		})
	route(a, op{method: "GET", path: "/trace", id: "trace", summary: "Walk the links of a thing, up or down", need: readers},
		func(ctx context.Context, in *struct {
			Ref        string `query:"ref" required:"true" maxLength:"1000"`
			Down       bool   `query:"down"`
			Repository string `query:"repository" maxLength:"255" doc:"where names of stages and releases are looked for first"`
		}) (*cairn.Trace, error) {
			return a.o.Tracer.Trace(ctx, in.Repository, in.Ref, in.Down)
		})
	route(a, op{method: "GET", path: "/repositories", id: "list-repositories", summary: "Repositories", need: readers},
		func(ctx context.Context, _ *none) ([]cairn.Repository, error) {
			return orEmpty(a.o.Rows.Repositories(ctx, a.o.Workspace))
		})
}

// Health answers that the owner is up.
func Health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// A failure to write has nowhere to be told.
	_, _ = w.Write([]byte("OK"))
}
