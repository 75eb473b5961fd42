package client

import (
	"context"
	"net/http"

	"github.com/cairn-ml/cairn"
)

// EnvironmentMaps lists where jobs of environments run, other than in what is built for them.
func (c *Client) EnvironmentMaps(ctx context.Context) ([]cairn.EnvironmentMap, error) {
	return list[cairn.EnvironmentMap](ctx, c, "/environment-maps", nil)
}

// MapEnvironment lets jobs of an environment run with a Python of the server's machine, in a
// container, or on the machine: m.Name, m.Where and m.Python count.
func (c *Client) MapEnvironment(ctx context.Context, m cairn.EnvironmentMap) (*cairn.EnvironmentMap, error) {
	body := map[string]string{"name": m.Name, "where": m.Where}
	if m.Python != "" {
		body["python"] = m.Python
	}
	return call[cairn.EnvironmentMap](ctx, c, http.MethodPut, "/environment-maps", body)
}

// UnmapEnvironment ends that.
func (c *Client) UnmapEnvironment(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/environment-maps?"+query("name", name).Encode(), nil, nil)
}
