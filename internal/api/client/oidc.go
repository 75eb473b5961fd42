package client

import (
	"context"
	"net/http"

	"github.com/cairn-ml/cairn"
)

// IDTokens is the issuer of identity tokens, with its keys.
func (c *Client) IDTokens(ctx context.Context) (*cairn.IDTokenIssuer, error) {
	return call[cairn.IDTokenIssuer](ctx, c, http.MethodGet, "/oidc", nil)
}

// RotateIDTokens makes another key, which signs from now on.
func (c *Client) RotateIDTokens(ctx context.Context) (*cairn.SigningKey, error) {
	return call[cairn.SigningKey](ctx, c, http.MethodPost, "/oidc/rotate", nil)
}
