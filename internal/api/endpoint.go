package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/endpoint"
)

// Endpoints share requests out over deployments; *endpoint.Service satisfies it.
type Endpoints interface {
	List(ctx context.Context) ([]cairn.Endpoint, error)
	Get(ctx context.Context, name string) (*cairn.Endpoint, error)
	Create(ctx context.Context, e cairn.Endpoint, actor cairn.Principal) (*cairn.Endpoint, error)
	Update(ctx context.Context, name string, u endpoint.Update, actor cairn.Principal) (*cairn.Endpoint, error)
	Delete(ctx context.Context, name string, actor cairn.Principal) error
	Credentials(ctx context.Context, name string) (*cairn.EndpointCredentials, error)
	Regenerate(ctx context.Context, name, which string, actor cairn.Principal) (*cairn.EndpointCredentials, error)
	Deploy(ctx context.Context, r endpoint.Deploy, actor cairn.Principal) (*cairn.EndpointDeployment, error)
	Remove(ctx context.Context, endpoint, name string, actor cairn.Principal) error
}

// EndpointPath is the endpoint that a path names.
type EndpointPath struct {
	Endpoint string `path:"endpoint" maxLength:"255"`
}

func (a *API) endpointRoutes() {
	e := a.o.Endpoints
	route(a, op{method: "GET", path: "/endpoints", id: "list-endpoints", summary: "Endpoints, by name", need: readers},
		func(ctx context.Context, _ *none) ([]cairn.Endpoint, error) { return orEmpty(e.List(ctx)) })
	route(a, op{method: "GET", path: "/endpoints/{endpoint}", id: "get-endpoint", summary: "One endpoint", need: readers},
		func(ctx context.Context, in *EndpointPath) (*cairn.Endpoint, error) { return e.Get(ctx, in.Endpoint) })
	route(a, op{method: "PUT", path: "/endpoints/{endpoint}", id: "put-endpoint", summary: "Make an endpoint, or say anew what it is", need: makers, permit: deploys, trusted: true},
		func(ctx context.Context, in *struct {
			EndpointPath
			Body client.EndpointRequest
		}) (*cairn.Endpoint, error) {
			b := in.Body
			return e.Create(ctx, cairn.Endpoint{Name: in.Endpoint, Auth: b.Auth, Traffic: b.Traffic, Mirror: b.Mirror,
				Description: b.Description, Tags: b.Tags, Properties: b.Properties}, auth.Actor(ctx))
		})
	route(a, op{method: "PATCH", path: "/endpoints/{endpoint}", id: "update-endpoint", summary: "Change weights, tags or the description of an endpoint", need: makers, permit: deploys, trusted: true},
		func(ctx context.Context, in *struct {
			EndpointPath
			Body client.EndpointUpdate
		}) (*cairn.Endpoint, error) {
			return e.Update(ctx, in.Endpoint, endpoint.Update(in.Body), auth.Actor(ctx))
		})
	routeDo(a, op{method: "DELETE", path: "/endpoints/{endpoint}", id: "delete-endpoint", summary: "End an endpoint with its deployments", need: makers, permit: deploys, trusted: true},
		func(ctx context.Context, in *EndpointPath) error { return e.Delete(ctx, in.Endpoint, auth.Actor(ctx)) })
	route(a, op{method: "POST", path: "/endpoints/{endpoint}/credentials", id: "endpoint-credentials", summary: "The keys of an endpoint, or a token for it", need: makers, permit: deploys, trusted: true},
		func(ctx context.Context, in *struct {
			EndpointPath
			Body struct {
				Regenerate string `json:"regenerate,omitempty" enum:"primary,secondary," doc:"make this key anew first"`
			}
		}) (*cairn.EndpointCredentials, error) {
			if in.Body.Regenerate != "" {
				return e.Regenerate(ctx, in.Endpoint, in.Body.Regenerate, auth.Actor(ctx))
			}
			return e.Credentials(ctx, in.Endpoint)
		})
	route(a, op{method: "PUT", path: "/endpoints/{endpoint}/deployments/{name}", id: "deploy-to-endpoint", summary: "Put an image behind an endpoint; answers when it is ready", need: makers, permit: deploys, trusted: true},
		func(ctx context.Context, in *struct {
			EndpointPath
			Name string `path:"name" maxLength:"255"`
			Body client.EndpointDeploy
		}) (*cairn.EndpointDeployment, error) {
			b := in.Body
			return e.Deploy(ctx, endpoint.Deploy{Endpoint: in.Endpoint, Name: in.Name, Repository: b.Repository, Image: b.Image, Model: b.Model,
				Spec: b.Spec, AllTraffic: b.AllTraffic}, auth.Actor(ctx))
		})
	routeDo(a, op{method: "DELETE", path: "/endpoints/{endpoint}/deployments/{name}", id: "remove-from-endpoint", summary: "Take a deployment from behind an endpoint", need: makers, permit: deploys, trusted: true},
		func(ctx context.Context, in *struct {
			EndpointPath
			Name string `path:"name" maxLength:"255"`
		}) error {
			return e.Remove(ctx, in.Endpoint, in.Name, auth.Actor(ctx))
		})
}
