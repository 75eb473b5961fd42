package api

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// EnvironmentMaps say where jobs of environments run.
type EnvironmentMaps interface {
	EnvironmentMaps(ctx context.Context) ([]cairn.EnvironmentMap, error)
	MapEnvironment(ctx context.Context, m cairn.EnvironmentMap) (*cairn.EnvironmentMap, error)
	UnmapEnvironment(ctx context.Context, name string) error
}

func (a *API) environmentMapRoutes() {
	m := a.o.EnvironmentMaps
	route(a, op{method: "GET", path: "/environment-maps", id: "list-environment-maps", summary: "Where jobs of environments run", need: readers, trusted: true},
		func(ctx context.Context, _ *struct{}) ([]cairn.EnvironmentMap, error) {
			return orEmpty(m.EnvironmentMaps(ctx))
		})
	route(a, op{method: "PUT", path: "/environment-maps", id: "map-environment", summary: "Let jobs of an environment run with a Python of this machine, in a container, or on this machine", need: writers},
		func(ctx context.Context, in *struct {
			Body struct {
				Name   string `json:"name" minLength:"1" maxLength:"500" doc:"of an environment, with or without a version, or of an image; * is for all that have no line of their own"`
				Where  string `json:"where,omitempty" enum:"python,docker,host" doc:"python where it is not given"`
				Python string `json:"python,omitempty" maxLength:"4000" doc:"path of the interpreter, or of its environment"`
			}
		}) (*cairn.EnvironmentMap, error) {
			where := in.Body.Where
			if where == "" {
				where = cairn.MapPython
			}
			return m.MapEnvironment(ctx, cairn.EnvironmentMap{Name: in.Body.Name, Where: where, Python: in.Body.Python})
		})
	routeDo(a, op{method: "DELETE", path: "/environment-maps", id: "unmap-environment", summary: "Build the environment on this machine again", need: writers},
		func(ctx context.Context, in *struct {
			Name string `query:"name" required:"true" minLength:"1" maxLength:"500"`
		}) error {
			return m.UnmapEnvironment(ctx, in.Name)
		})
}
