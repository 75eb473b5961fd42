package api

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// AzureNames say what scripts written for Azure Machine Learning reach under which name.
type AzureNames interface {
	AzureNames(ctx context.Context) ([]cairn.AzureName, error)
	PutAzureName(ctx context.Context, n cairn.AzureName) (*cairn.AzureName, error)
	DeleteAzureName(ctx context.Context, name string) error
}

func (a *API) azureNameRoutes() {
	n := a.o.AzureNames
	route(a, op{method: "GET", path: "/azure-names", id: "list-azure-names", summary: "What names of workspaces of Azure lead to", need: readers},
		func(ctx context.Context, _ *struct{}) ([]cairn.AzureName, error) {
			return orEmpty(n.AzureNames(ctx))
		})
	route(a, op{method: "PUT", path: "/azure-names", id: "put-azure-name", summary: "Let a name of a workspace of Azure lead to this one, or refuse it", need: writers, trusted: true},
		func(ctx context.Context, in *struct {
			Body struct {
				Name      string `json:"name" minLength:"1" maxLength:"800" doc:"[SUBSCRIPTION/]GROUP/WORKSPACE, each a name or * for any"`
				Workspace string `json:"workspace,omitempty" maxLength:"260" doc:"the workspace that is meant"`
				Refused   bool   `json:"refused,omitempty" doc:"the name is an error"`
			}
		}) (*cairn.AzureName, error) {
			return n.PutAzureName(ctx, cairn.AzureName{Name: in.Body.Name, Workspace: in.Body.Workspace, Refused: in.Body.Refused})
		})
	routeDo(a, op{method: "DELETE", path: "/azure-names", id: "delete-azure-name", summary: "Forget what was said of a name", need: writers, trusted: true},
		func(ctx context.Context, in *struct {
			Name string `query:"name" required:"true" minLength:"1" maxLength:"800"`
		}) error {
			return n.DeleteAzureName(ctx, in.Name)
		})
}
