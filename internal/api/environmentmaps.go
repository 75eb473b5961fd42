package api

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// EnvironmentMaps are environments of jobs that run with a Python of this machine.
type EnvironmentMaps interface {
	EnvironmentMaps(ctx context.Context) ([]cairn.EnvironmentMap, error)
	MapEnvironment(ctx context.Context, name, python string) (*cairn.EnvironmentMap, error)
	UnmapEnvironment(ctx context.Context, name string) error
}

func (a *API) environmentMapRoutes() {
	m := a.o.EnvironmentMaps
	route(a, op{method: "GET", path: "/environment-maps", id: "list-environment-maps", summary: "Environments that are mapped to a Python of this machine", need: readers, trusted: true},
		func(ctx context.Context, _ *struct{}) ([]cairn.EnvironmentMap, error) {
			return orEmpty(m.EnvironmentMaps(ctx))
		})
	route(a, op{method: "PUT", path: "/environment-maps", id: "map-environment", summary: "Let jobs of an environment run with a Python of this machine", need: writers},
		func(ctx context.Context, in *struct {
			Body struct {
				Name   string `json:"name" minLength:"1" maxLength:"500" doc:"of an environment, with or without a version, or of an image"`
				Python string `json:"python" minLength:"1" maxLength:"4000" doc:"path of the interpreter, or of its environment"`
			}
		}) (*cairn.EnvironmentMap, error) {
			return m.MapEnvironment(ctx, in.Body.Name, in.Body.Python)
		})
	routeDo(a, op{method: "DELETE", path: "/environment-maps", id: "unmap-environment", summary: "Build the environment again", need: writers},
		func(ctx context.Context, in *struct {
			Name string `query:"name" required:"true" minLength:"1" maxLength:"500"`
		}) error {
			return m.UnmapEnvironment(ctx, in.Name)
		})
}
