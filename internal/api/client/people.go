package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// WhoAmI returns who the owner takes this client for.
func (c *Client) WhoAmI(ctx context.Context) (*cairn.Principal, error) {
	return call[cairn.Principal](ctx, c, http.MethodGet, "/whoami", nil)
}

// Secrets lists the secrets of a scope (empty: all), without values.
func (c *Client) Secrets(ctx context.Context, scope cairn.Scope) ([]cairn.Secret, error) {
	return list[cairn.Secret](ctx, c, "/secrets", query("scope", string(scope)))
}

// SecretsSeen lists what a run of a scope would see: those of wider scopes too.
func (c *Client) SecretsSeen(ctx context.Context, scope cairn.Scope) ([]cairn.Secret, error) {
	return list[cairn.Secret](ctx, c, "/secrets", query("scope", string(scope), "seen", "true"))
}

// SetSecret keeps a secret, encrypted.
func (c *Client) SetSecret(ctx context.Context, scope cairn.Scope, name, value string) error {
	return c.do(ctx, http.MethodPut, "/secrets", map[string]string{"scope": string(scope), "name": name, "value": value}, nil, idempotent)
}

// DeleteSecret removes a secret.
func (c *Client) DeleteSecret(ctx context.Context, scope cairn.Scope, name string) error {
	return c.del(ctx, "/secrets", query("scope", string(scope), "name", name))
}

// Variables lists the variables of a scope (empty: all).
func (c *Client) Variables(ctx context.Context, scope cairn.Scope) ([]cairn.Variable, error) {
	return list[cairn.Variable](ctx, c, "/variables", query("scope", string(scope)))
}

// VariablesSeen lists what a run of a scope would see: those of wider scopes too.
func (c *Client) VariablesSeen(ctx context.Context, scope cairn.Scope) ([]cairn.Variable, error) {
	return list[cairn.Variable](ctx, c, "/variables", query("scope", string(scope), "seen", "true"))
}

// SetVariable keeps a variable.
func (c *Client) SetVariable(ctx context.Context, scope cairn.Scope, name, value string) error {
	return c.do(ctx, http.MethodPut, "/variables", map[string]string{"scope": string(scope), "name": name, "value": value}, nil, idempotent)
}

// DeleteVariable removes a variable.
func (c *Client) DeleteVariable(ctx context.Context, scope cairn.Scope, name string) error {
	return c.del(ctx, "/variables", query("scope", string(scope), "name", name))
}

// Users lists everybody.
func (c *Client) Users(ctx context.Context) ([]cairn.Principal, error) {
	return list[cairn.Principal](ctx, c, "/users", nil)
}

// CreateUser adds a user.
func (c *Client) CreateUser(ctx context.Context, p cairn.Principal) (*cairn.Principal, error) {
	return call[cairn.Principal](ctx, c, http.MethodPost, "/users", userBody(p))
}

// UpdateUser changes a user's email, role and whether it is disabled.
func (c *Client) UpdateUser(ctx context.Context, p cairn.Principal) (*cairn.Principal, error) {
	return call[cairn.Principal](ctx, c, http.MethodPut, "/users", userBody(p))
}

func userBody(p cairn.Principal) map[string]any {
	return map[string]any{"name": p.Name, "email": p.Email, "role": p.Role, "disabled": p.Disabled}
}

// Tokens lists the tokens of a principal (empty: all that the caller may see).
func (c *Client) Tokens(ctx context.Context, principal string) ([]cairn.Token, error) {
	return list[cairn.Token](ctx, c, "/tokens", query("principal", principal))
}

// CreateToken makes a token for a principal (empty: the caller); a zero expiry
// means that it does not expire.
func (c *Client) CreateToken(ctx context.Context, principal, name string, expires time.Time) (*NewToken, error) {
	b := map[string]any{"principal": principal, "name": name}
	if !expires.IsZero() {
		b["expires_at"] = expires
	}
	return call[NewToken](ctx, c, http.MethodPost, "/tokens", b)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.del(ctx, "/tokens", query("id", id))
}

// Environments lists the environments of a repository (empty: all).
func (c *Client) Environments(ctx context.Context, repository string) ([]cairn.Environment, error) {
	return list[cairn.Environment](ctx, c, "/environments", query("repository", repository))
}

// PutEnvironment creates or changes an environment. Its rules then stand as set
// by hand, unless From says that the file's shall hold from the next run on.
func (c *Client) PutEnvironment(ctx context.Context, e cairn.Environment) (*cairn.Environment, error) {
	body := map[string]any{
		"repository": e.Repository, "name": e.Name, "reviewers": e.Reviewers, "wait": e.Wait,
		"branches": e.Branches, "tags": e.Tags, "required": e.Required, "gate": e.Gate,
		"allow_dirty": e.AllowDirty, "no_self_review": e.NoSelfReview}
	if e.From == cairn.EnvironmentFromFile {
		body["from"] = e.From
	}
	return call[cairn.Environment](ctx, c, http.MethodPut, "/environments", body, idempotent)
}

// DeleteEnvironment removes an environment with its secrets and variables.
func (c *Client) DeleteEnvironment(ctx context.Context, repository, name string) error {
	return c.del(ctx, "/environments", query("repository", repository, "name", name))
}

// Repositories lists the repositories that Cairn knows.
func (c *Client) Repositories(ctx context.Context) ([]cairn.Repository, error) {
	return list[cairn.Repository](ctx, c, "/repositories", nil)
}

// Doctor looks at everything that Cairn needs from its machine.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	return list[Check](ctx, c, "/doctor", nil)
}

// Fsck reads everything that is stored and compares it with its digests. With
// repair damaged blobs are moved aside, so that storing them again repairs them.
func (c *Client) Fsck(ctx context.Context, repair bool) (*FsckReport, error) {
	return call[FsckReport](ctx, c, http.MethodPost, "/fsck?repair="+strconv.FormatBool(repair), nil, idempotent)
}

func (c *Client) del(ctx context.Context, path string, q url.Values) error {
	return c.do(ctx, http.MethodDelete, path+"?"+q.Encode(), nil, nil)
}
