package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Raw sends a request as it is given, for cairn api: path is below /api/v1. A
// body is JSON. It is never sent twice, save a GET. Errors of the owner come
// back as errors.
func (c *Client) Raw(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	path = strings.TrimPrefix(path, "/api/v1")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPatch:
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a method", method).WithHint("GET, POST, PUT, PATCH, DELETE or HEAD")
	}
	resp, err := c.send(ctx, method, path, nil, func(o *callOptions) {
		if body != nil {
			o.kind = "application/json"
			o.body = func() (io.Reader, error) { return bytes.NewReader(body), nil }
		}
	})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
