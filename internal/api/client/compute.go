package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/cairn-ml/cairn"
)

func computePath(name string) string { return "/computes/" + url.PathEscape(name) }

// Computes lists the computes, by name.
func (c *Client) Computes(ctx context.Context) ([]cairn.Compute, error) {
	return list[cairn.Compute](ctx, c, "/computes", nil)
}

// Compute is one of them.
func (c *Client) Compute(ctx context.Context, name string) (*cairn.Compute, error) {
	return call[cairn.Compute](ctx, c, http.MethodGet, computePath(name), nil)
}

// PutCompute makes a compute, or says anew what it is.
func (c *Client) PutCompute(ctx context.Context, x cairn.Compute) (*cairn.Compute, error) {
	return call[cairn.Compute](ctx, c, http.MethodPut, computePath(x.Name), x)
}

// MoveCompute starts, stops or restarts a compute instance.
func (c *Client) MoveCompute(ctx context.Context, name, to string) (*cairn.Compute, error) {
	return call[cairn.Compute](ctx, c, http.MethodPost, computePath(name)+"/"+to, nil)
}

// DeleteCompute forgets one.
func (c *Client) DeleteCompute(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, computePath(name), nil, nil)
}
