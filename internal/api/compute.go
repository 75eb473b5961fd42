package api

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// Computes are names that jobs may ask for.
type Computes interface {
	Computes(ctx context.Context) ([]cairn.Compute, error)
	Compute(ctx context.Context, name string) (*cairn.Compute, error)
	PutCompute(ctx context.Context, c cairn.Compute) (*cairn.Compute, error)
	MoveCompute(ctx context.Context, name, to string) (*cairn.Compute, error)
	DeleteCompute(ctx context.Context, name string) error
}

// ComputePath is the compute that a path names.
type ComputePath struct {
	Name string `path:"name" maxLength:"255"`
}

func (a *API) computeRoutes() {
	c := a.o.Computes
	route(a, op{method: "GET", path: "/computes", id: "list-computes", summary: "Computes, by name", need: readers},
		func(ctx context.Context, _ *none) ([]cairn.Compute, error) { return orEmpty(c.Computes(ctx)) })
	route(a, op{method: "GET", path: "/computes/{name}", id: "get-compute", summary: "One compute", need: readers},
		func(ctx context.Context, in *ComputePath) (*cairn.Compute, error) { return c.Compute(ctx, in.Name) })
	route(a, op{method: "PUT", path: "/computes/{name}", id: "put-compute", summary: "Make a compute, or say anew what it is", need: makers, trusted: true},
		func(ctx context.Context, in *struct {
			ComputePath
			Body cairn.Compute
		}) (*cairn.Compute, error) {
			in.Body.Name = in.Name
			return c.PutCompute(ctx, in.Body)
		})
	route(a, op{method: "POST", path: "/computes/{name}/{to}", id: "move-compute", summary: "Start, stop or restart a compute instance", need: makers, trusted: true},
		func(ctx context.Context, in *struct {
			ComputePath
			To string `path:"to" enum:"start,stop,restart"`
		}) (*cairn.Compute, error) {
			return c.MoveCompute(ctx, in.Name, in.To)
		})
	routeDo(a, op{method: "DELETE", path: "/computes/{name}", id: "delete-compute", summary: "Forget a compute", need: makers, trusted: true},
		func(ctx context.Context, in *ComputePath) error { return c.DeleteCompute(ctx, in.Name) })
}
