package client

import (
	"context"
	"net/http"

	"github.com/cairn-ml/cairn"
)

// EnvironmentMaps lists environments that are mapped to a Python of the server's machine.
func (c *Client) EnvironmentMaps(ctx context.Context) ([]cairn.EnvironmentMap, error) {
	return list[cairn.EnvironmentMap](ctx, c, "/environment-maps", nil)
}

// MapEnvironment lets jobs of an environment run with a Python of the server's machine.
func (c *Client) MapEnvironment(ctx context.Context, name, python string) (*cairn.EnvironmentMap, error) {
	return call[cairn.EnvironmentMap](ctx, c, http.MethodPut, "/environment-maps", map[string]string{"name": name, "python": python})
}

// UnmapEnvironment ends that.
func (c *Client) UnmapEnvironment(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/environment-maps?"+query("name", name).Encode(), nil, nil)
}
