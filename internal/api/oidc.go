package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// IDTokens is the issuer of identity tokens.
type IDTokens interface {
	// JobIDToken makes a token for the job that acts in ctx.
	JobIDToken(ctx context.Context, audience string) (string, error)
	// Discovery and Keys are what everybody may read, to check tokens.
	Discovery() any
	Keys(ctx context.Context) (any, error)
	Info(ctx context.Context) (*cairn.IDTokenIssuer, error)
	Rotate(ctx context.Context) (*cairn.SigningKey, error)
}

// IDTokenPath is where a job asks for its token, below Prefix. The clients of
// GitHub add &audience=…, so that the address must have a query already.
const IDTokenPath = "/job/id-token?api-version=2.0"

// idToken is the answer that GitHub's clients read.
type idToken struct {
	Count int    `json:"count"`
	Value string `json:"value"`
}

func (a *API) oidcRoutes() {
	route(a, op{method: "GET", path: "/job/id-token", id: "get-id-token", summary: "An identity token for the calling job, which needs permissions: id-token: write", need: makers},
		func(ctx context.Context, in *struct {
			Audience string `query:"audience" maxLength:"1000"`
			Version  string `query:"api-version" maxLength:"20"`
		}) (*idToken, error) {
			if _, err := jobsOnly(ctx); err != nil {
				return nil, err
			}
			if err := auth.Permit(ctx, "id-token", cairn.PermissionWrite); err != nil {
				return nil, err
			}
			token, err := a.o.IDTokens.JobIDToken(ctx, in.Audience)
			if err != nil {
				return nil, err
			}
			return &idToken{len(token), token}, nil
		})
	route(a, op{method: "GET", path: "/oidc", id: "get-oidc", summary: "The issuer of identity tokens and its keys", need: readers},
		func(ctx context.Context, _ *none) (*cairn.IDTokenIssuer, error) { return a.o.IDTokens.Info(ctx) })
	route(a, op{method: "POST", path: "/oidc/rotate", id: "rotate-oidc", summary: "Sign identity tokens with a new key from now on", need: admins},
		func(ctx context.Context, _ *none) (*cairn.SigningKey, error) { return a.o.IDTokens.Rotate(ctx) })
}

// WellKnown answers what is below /.well-known/: it asks nobody who they are, since
// those who check tokens are strangers.
func WellKnown(t IDTokens) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			WriteError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_ = json.NewEncoder(w).Encode(v) // the reader has gone
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, t.Discovery(), nil)
	})
	mux.HandleFunc("GET /.well-known/jwks", func(w http.ResponseWriter, r *http.Request) {
		set, err := t.Keys(r.Context())
		answer(w, set, err)
	})
	return mux
}
