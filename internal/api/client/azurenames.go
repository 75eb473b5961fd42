package client

import (
	"context"
	"net/http"

	"github.com/cairn-ml/cairn"
)

// AzureNames lists what is said of names of workspaces of Azure.
func (c *Client) AzureNames(ctx context.Context) ([]cairn.AzureName, error) {
	return list[cairn.AzureName](ctx, c, "/azure-names", nil)
}

// PutAzureName lets a name lead to a workspace, or refuses it: n.Name, n.Workspace and
// n.Refused count.
func (c *Client) PutAzureName(ctx context.Context, n cairn.AzureName) (*cairn.AzureName, error) {
	return call[cairn.AzureName](ctx, c, http.MethodPut, "/azure-names", map[string]any{"name": n.Name, "workspace": n.Workspace, "refused": n.Refused})
}

// DeleteAzureName forgets what was said of one.
func (c *Client) DeleteAzureName(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/azure-names?"+query("name", name).Encode(), nil, nil)
}
