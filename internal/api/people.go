package api

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/stages"
)

type scopeQuery struct {
	Scope string `query:"scope" maxLength:"500"`
	Seen  bool   `query:"seen" doc:"what a run of the scope would see: those of wider scopes too, with what hides them"`
}

type namedQuery struct {
	Scope string `query:"scope" required:"true" maxLength:"500"`
	Name  string `query:"name" required:"true" maxLength:"200"`
}

type namedBody struct {
	Body struct {
		Scope cairn.Scope `json:"scope"`
		Name  string      `json:"name"`
		Value string      `json:"value"`
	}
}

type userBody struct {
	Body struct {
		Name     string     `json:"name"`
		Email    string     `json:"email,omitempty"`
		Role     cairn.Role `json:"role,omitempty"`
		Disabled bool       `json:"disabled,omitempty"`
	}
}

func (u *userBody) principal() cairn.Principal {
	return cairn.Principal{Name: u.Body.Name, Email: u.Body.Email, Role: u.Body.Role, Disabled: u.Body.Disabled}
}

func (a *API) peopleRoutes() {
	people := a.o.People
	route(a, op{method: "GET", path: "/secrets", id: "list-secrets", summary: "Secrets, without values", need: writers},
		func(ctx context.Context, in *scopeQuery) ([]cairn.Secret, error) {
			if in.Seen {
				return people.SecretsSeen(ctx, cairn.Scope(in.Scope))
			}
			return orEmpty(people.Secrets(ctx, cairn.Scope(in.Scope)))
		})
	routeDo(a, op{method: "PUT", path: "/secrets", id: "set-secret", summary: "Keep a secret, encrypted", need: admins},
		func(ctx context.Context, in *namedBody) error {
			return people.SetSecret(ctx, in.Body.Scope, in.Body.Name, in.Body.Value)
		})
	routeDo(a, op{method: "DELETE", path: "/secrets", id: "delete-secret", summary: "Remove a secret", need: admins},
		func(ctx context.Context, in *namedQuery) error {
			return people.DeleteSecret(ctx, cairn.Scope(in.Scope), in.Name)
		})
	route(a, op{method: "GET", path: "/variables", id: "list-variables", summary: "Variables", need: writers},
		func(ctx context.Context, in *scopeQuery) ([]cairn.Variable, error) {
			if in.Seen {
				return people.VariablesSeen(ctx, cairn.Scope(in.Scope))
			}
			return orEmpty(people.Variables(ctx, cairn.Scope(in.Scope)))
		})
	routeDo(a, op{method: "PUT", path: "/variables", id: "set-variable", summary: "Keep a variable", need: admins},
		func(ctx context.Context, in *namedBody) error {
			return people.SetVariable(ctx, in.Body.Scope, in.Body.Name, in.Body.Value)
		})
	routeDo(a, op{method: "DELETE", path: "/variables", id: "delete-variable", summary: "Remove a variable", need: admins},
		func(ctx context.Context, in *namedQuery) error {
			return people.DeleteVariable(ctx, cairn.Scope(in.Scope), in.Name)
		})
	route(a, op{method: "GET", path: "/users", id: "list-users", summary: "Everybody", need: auth.Need{Role: cairn.RoleReader}},
		func(ctx context.Context, _ *none) ([]cairn.Principal, error) { return orEmpty(people.Users(ctx)) })
	route(a, op{method: "POST", path: "/users", id: "create-user", summary: "Add a user", need: admins},
		func(ctx context.Context, in *userBody) (*cairn.Principal, error) {
			return people.CreateUser(ctx, in.principal())
		})
	route(a, op{method: "PUT", path: "/users", id: "update-user", summary: "Change a user", need: admins},
		func(ctx context.Context, in *userBody) (*cairn.Principal, error) {
			return people.UpdateUser(ctx, in.principal())
		})
	route(a, op{method: "GET", path: "/tokens", id: "list-tokens", summary: "Tokens, without their text", need: auth.Need{Role: cairn.RoleReader}},
		func(ctx context.Context, in *struct {
			Principal string `query:"principal" maxLength:"100"`
		}) ([]cairn.Token, error) {
			return orEmpty(people.Tokens(ctx, in.Principal))
		})
	route(a, op{method: "POST", path: "/tokens", id: "create-token", summary: "Make a token; its text is only in this answer", need: auth.Need{Role: cairn.RoleReader}},
		func(ctx context.Context, in *struct {
			Body struct {
				Principal string    `json:"principal,omitempty"`
				Name      string    `json:"name,omitempty"`
				ExpiresAt time.Time `json:"expires_at,omitzero"`
			}
		}) (*client.NewToken, error) {
			t, text, err := people.CreateToken(ctx, in.Body.Principal, in.Body.Name, in.Body.ExpiresAt)
			return &client.NewToken{Token: t, Text: text}, err
		})
	routeDo(a, op{method: "DELETE", path: "/tokens", id: "revoke-token", summary: "End a token", need: auth.Need{Role: cairn.RoleReader}},
		func(ctx context.Context, in *struct {
			ID string `query:"id" required:"true" maxLength:"100"`
		}) error {
			return people.RevokeToken(ctx, in.ID)
		})
	a.environmentRoutes()
	a.oidcRoutes()
}

func (a *API) environmentRoutes() {
	route(a, op{method: "GET", path: "/environments", id: "list-environments", summary: "Environments of a repository, or of all", need: readers},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
		}) ([]cairn.Environment, error) {
			return a.environments(ctx, in.Repository)
		})
	route(a, op{method: "PUT", path: "/environments", id: "put-environment", summary: "Create or change an environment", need: admins},
		func(ctx context.Context, in *struct {
			Body struct {
				Repository string        `json:"repository" minLength:"3" maxLength:"255"`
				Name       string        `json:"name" minLength:"1" maxLength:"255"`
				Reviewers  []string      `json:"reviewers,omitempty" maxItems:"50"`
				Wait       time.Duration `json:"wait,omitempty" minimum:"0" doc:"nanoseconds"`
				Branches   []string      `json:"branches,omitempty" maxItems:"100"`
				Required   int           `json:"required,omitempty" minimum:"0" maximum:"50" doc:"how many of the reviewers must approve; 0: one"`
				Tags       []string      `json:"tags,omitempty" maxItems:"100"`
				Gate       string        `json:"gate,omitempty" maxLength:"4000" doc:"a condition in CEL"`
				AllowDirty bool          `json:"allow_dirty,omitempty"`
				NoSelf     bool          `json:"no_self_review,omitempty"`
				From       string        `json:"from,omitempty" enum:"file" doc:"file: the next run takes the rules of .cairn/stages.yml"`
			}
		}) (*cairn.Environment, error) {
			b := in.Body
			if err := auth.CheckScope(auth.EnvironmentScope(b.Repository, b.Name)); err != nil {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a repository", b.Repository).WithHint("write owner/name")
			}
			e := cairn.Environment{
				Repository: b.Repository, Name: b.Name, Reviewers: b.Reviewers, Required: b.Required, Wait: b.Wait, Branches: b.Branches,
				Tags: b.Tags, AllowDirty: b.AllowDirty, NoSelfReview: b.NoSelf, Gate: strings.TrimSpace(b.Gate), From: b.From, CreatedAt: time.Now().UTC(),
			}
			if err := checkRules(&e); err != nil {
				return nil, err
			}
			if err := a.o.Rows.PutEnvironment(ctx, e, cairn.Change{By: auth.Actor(ctx).Name}); err != nil {
				return nil, err
			}
			e, err := a.o.Rows.Environment(ctx, b.Repository, b.Name)
			return &e, err
		})
	routeDo(a, op{method: "DELETE", path: "/environments", id: "delete-environment", summary: "Remove an environment with its secrets and variables", need: admins},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" required:"true"`
			Name       string `query:"name" required:"true"`
		}) error {
			if err := a.o.Rows.DeleteEnvironment(ctx, in.Repository, in.Name, cairn.Change{By: auth.Actor(ctx).Name}); err != nil {
				return err
			}
			return a.o.People.DropScope(ctx, auth.EnvironmentScope(in.Repository, in.Name))
		})
}

// checkRules refuses rules that nothing and nobody could fulfil.
func checkRules(e *cairn.Environment) error {
	if err := cairn.CheckReviewers(e.Reviewers, e.Required); err != nil {
		return err
	}
	for i, r := range e.Reviewers {
		if slices.ContainsFunc(e.Reviewers[:i], func(have string) bool { return strings.EqualFold(have, r) }) {
			return cairn.Errorf(cairn.CodeInvalid, "the reviewer %s is named twice", r)
		}
	}
	for _, p := range slices.Concat(e.Branches, e.Tags) {
		if p == "" || len(p) > 255 || strings.HasPrefix(p, "!") || strings.ContainsFunc(p, unicode.IsControl) {
			return cairn.Errorf(cairn.CodeInvalid, "%q is no pattern of branches or tags", p).WithHint("write main, release/* or v*; patterns only allow")
		}
	}
	if e.Gate == "" {
		return nil
	}
	g, err := stages.NewGate()
	if err != nil {
		return err
	}
	return g.Validate(e.Gate)
}

func (a *API) environments(ctx context.Context, repository string) ([]cairn.Environment, error) {
	if repository != "" {
		return orEmpty(a.o.Rows.Environments(ctx, repository))
	}
	out := []cairn.Environment{}
	repos, err := a.o.Rows.Repositories(ctx, a.o.Workspace)
	for _, r := range repos {
		es, err := a.o.Rows.Environments(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, es...)
	}
	return out, err
}
