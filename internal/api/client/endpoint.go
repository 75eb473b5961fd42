package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cairn-ml/cairn"
)

// EndpointRequest says what an endpoint is. Weights that are not given stay.
type EndpointRequest struct {
	Auth        string            `json:"auth,omitempty" maxLength:"20"` // key, aml_token or aad_token; "": key
	Traffic     map[string]int    `json:"traffic,omitempty"`
	Mirror      map[string]int    `json:"mirror,omitempty"`
	Description string            `json:"description,omitempty" maxLength:"10000"`
	Tags        map[string]string `json:"tags,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
}

// EndpointUpdate is what may be changed of an endpoint; what is nil stays.
type EndpointUpdate struct {
	Traffic     map[string]int    `json:"traffic,omitempty"`
	Mirror      map[string]int    `json:"mirror,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Description *string           `json:"description,omitempty" maxLength:"10000"`
	// Merge keeps the weights of deployments that Traffic does not name.
	Merge bool `json:"merge,omitempty"`
}

// EndpointDeploy puts an image behind an endpoint.
type EndpointDeploy struct {
	Repository string             `json:"repository,omitempty" maxLength:"255"` // in a job: its own
	Image      cairn.Digest       `json:"image" minLength:"1" maxLength:"100"`
	Model      cairn.Ref          `json:"model,omitempty" maxLength:"600"`
	Spec       cairn.EndpointSpec `json:"spec"`
	AllTraffic bool               `json:"all_traffic,omitempty"`
}

func endpointPath(name, rest string) string { return "/endpoints/" + url.PathEscape(name) + rest }

// Endpoints lists the endpoints, by name.
func (c *Client) Endpoints(ctx context.Context) ([]cairn.Endpoint, error) {
	return list[cairn.Endpoint](ctx, c, "/endpoints", nil)
}

// Endpoint is one of them.
func (c *Client) Endpoint(ctx context.Context, name string) (*cairn.Endpoint, error) {
	return call[cairn.Endpoint](ctx, c, http.MethodGet, endpointPath(name, ""), nil)
}

// PutEndpoint makes an endpoint, or says anew what it is.
func (c *Client) PutEndpoint(ctx context.Context, name string, r EndpointRequest) (*cairn.Endpoint, error) {
	return call[cairn.Endpoint](ctx, c, http.MethodPut, endpointPath(name, ""), r)
}

// UpdateEndpoint changes weights, tags or the description.
func (c *Client) UpdateEndpoint(ctx context.Context, name string, u EndpointUpdate) (*cairn.Endpoint, error) {
	return call[cairn.Endpoint](ctx, c, http.MethodPatch, endpointPath(name, ""), u)
}

// DeleteEndpoint ends one with its deployments.
func (c *Client) DeleteEndpoint(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, endpointPath(name, ""), nil, nil)
}

// EndpointCredentials are the keys of an endpoint, or a token for it. regenerate makes the
// primary or the secondary key anew first; "" leaves them.
func (c *Client) EndpointCredentials(ctx context.Context, name, regenerate string) (*cairn.EndpointCredentials, error) {
	body := map[string]string{}
	if regenerate != "" {
		body["regenerate"] = regenerate
	}
	return call[cairn.EndpointCredentials](ctx, c, http.MethodPost, endpointPath(name, "/credentials"), body)
}

// DeployToEndpoint answers when the deployment is ready, or why it is not.
func (c *Client) DeployToEndpoint(ctx context.Context, endpoint, name string, r EndpointDeploy) (*cairn.EndpointDeployment, error) {
	return call[cairn.EndpointDeployment](ctx, c, http.MethodPut, endpointPath(endpoint, "/deployments/"+url.PathEscape(name)), r)
}

// RemoveFromEndpoint takes a deployment from behind an endpoint.
func (c *Client) RemoveFromEndpoint(ctx context.Context, endpoint, name string) error {
	return c.do(ctx, http.MethodDelete, endpointPath(endpoint, "/deployments/"+url.PathEscape(name)), nil, nil)
}

// maxAnswer bounds what an endpoint answers.
const maxAnswer = 32 << 20

// Invoke sends a request to an endpoint's own address; deployment "" lets the traffic say
// which one answers.
func (c *Client) Invoke(ctx context.Context, e *cairn.Endpoint, k *cairn.EndpointCredentials, deployment string, body []byte, within time.Duration) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.ScoringURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+k.Primary+k.Token)
	if deployment != "" {
		req.Header.Set("azureml-model-deployment", deployment)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: nil}} // it is on this machine
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, cairn.Errorf(cairn.CodeUnavailable, "the endpoint %s cannot be reached at %s: %w", e.Name, e.URL, err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}
