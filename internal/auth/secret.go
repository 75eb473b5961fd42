package auth

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Limits of a scope, as GitHub has them.
const (
	valueLimit = 48 << 10 // bytes of a secret or variable
	nameLimit  = 1000     // of each kind
)

var namePattern = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// SetSecret keeps a secret, encrypted.
func (s *Service) SetSecret(ctx context.Context, scope cairn.Scope, name, value string) error {
	name, err := checkNamed("a secret", scope, name, value)
	if err != nil {
		return err
	}
	if value == "" {
		return cairn.Errorf(cairn.CodeInvalid, "the value of the secret %s is empty", name)
	}
	scope = foldScope(scope)
	have, err := s.store.Secrets(ctx, scope)
	if err != nil {
		return err
	}
	if len(have) >= nameLimit && !slices.ContainsFunc(have, func(x cairn.Secret) bool { return x.Name == name }) {
		return tooMany("secrets", scope)
	}
	return s.putSecrets(ctx, scope, map[string]string{name: value})
}

func (s *Service) putSecrets(ctx context.Context, scope cairn.Scope, values map[string]string) error {
	by := Actor(ctx)
	var xs []cairn.Secret
	ch := cairn.Change{By: by.Name}
	for name, value := range values {
		b, err := s.key.Seal(scope, name, value)
		if err != nil {
			return err
		}
		x := cairn.Secret{Scope: scope, Name: name, Sealed: b, By: by.Name, UpdatedAt: s.now().UTC()}
		xs = append(xs, x)
		ch.Events = append(ch.Events, recorded(by, "secret.set", namedRef("secret", scope, name), x).Events...)
	}
	return s.store.PutSecrets(ctx, xs, ch)
}

func tooMany(what string, scope cairn.Scope) error {
	return cairn.Errorf(cairn.CodeTooLarge, "%s has %d %s already; no more are kept", scope, nameLimit, what).
		WithHint("delete some, or keep several values in one, as JSON")
}

func namedRef(kind string, scope cairn.Scope, name string) cairn.Ref {
	return cairn.NewRef(kind, string(scope)+"/"+name)
}

// Secrets lists secrets without their values.
func (s *Service) Secrets(ctx context.Context, scope cairn.Scope) ([]cairn.Secret, error) {
	if scope == "" {
		return s.store.Secrets(ctx)
	}
	return s.store.Secrets(ctx, foldScope(scope))
}

// DeleteSecret removes a secret.
func (s *Service) DeleteSecret(ctx context.Context, scope cairn.Scope, name string) error {
	name = strings.ToUpper(name)
	return bothSpellings(scope, func(scope cairn.Scope) error {
		return s.store.DeleteSecret(ctx, scope, name, recorded(Actor(ctx), "secret.deleted", namedRef("secret", scope, name), nil))
	})
}

// bothSpellings looks for what is to be removed under the name of an environment as
// it is kept, then as it was asked for: an earlier Cairn kept that.
func bothSpellings(scope cairn.Scope, remove func(cairn.Scope) error) error {
	err := remove(foldScope(scope))
	if cairn.CodeOf(err) == cairn.CodeNotFound && foldScope(scope) != scope {
		return remove(scope)
	}
	return err
}

// SetVariable keeps a variable.
func (s *Service) SetVariable(ctx context.Context, scope cairn.Scope, name, value string) error {
	name, err := checkNamed("a variable", scope, name, value)
	if err != nil {
		return err
	}
	scope = foldScope(scope)
	have, err := s.store.Variables(ctx, scope)
	if err != nil {
		return err
	}
	if len(have) >= nameLimit && !slices.ContainsFunc(have, func(x cairn.Variable) bool { return x.Name == name }) {
		return tooMany("variables", scope)
	}
	by := Actor(ctx)
	x := cairn.Variable{Scope: scope, Name: name, Value: value, By: by.Name, UpdatedAt: s.now().UTC()}
	return s.store.PutVariable(ctx, x, recorded(by, "variable.set", namedRef("variable", scope, name), x))
}

// Variables lists variables.
func (s *Service) Variables(ctx context.Context, scope cairn.Scope) ([]cairn.Variable, error) {
	if scope == "" {
		return s.store.Variables(ctx)
	}
	return s.store.Variables(ctx, foldScope(scope))
}

// DeleteVariable removes a variable.
func (s *Service) DeleteVariable(ctx context.Context, scope cairn.Scope, name string) error {
	name = strings.ToUpper(name)
	return bothSpellings(scope, func(scope cairn.Scope) error {
		return s.store.DeleteVariable(ctx, scope, name, recorded(Actor(ctx), "variable.deleted", namedRef("variable", scope, name), nil))
	})
}

// DropScope removes everything of a scope, with what it belongs to.
func (s *Service) DropScope(ctx context.Context, scope cairn.Scope) error {
	return s.store.DropScope(ctx, scope, recorded(Actor(ctx), "scope.dropped", cairn.NewRef("scope", string(scope)), nil))
}

// KeepEnvFile keeps the values of a run's --env-file, encrypted.
func (s *Service) KeepEnvFile(ctx context.Context, run cairn.RunID, values map[string]string) error {
	if len(values) == 0 {
		return nil
	}
	return s.putSecrets(ctx, cairn.ScopeRun(run), values)
}

// EnvFile returns the values of a run's --env-file.
func (s *Service) EnvFile(ctx context.Context, run cairn.RunID) (map[string]string, error) {
	return s.openAll(ctx, nil, cairn.ScopeRun(run))
}

// RunSecrets are the secrets of a run, with those of an environment where one is
// named: the narrowest scope wins, an --env-file is the narrowest.
func (s *Service) RunSecrets(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error) {
	return s.openAll(ctx, strings.ToUpper, append(scopes(run, environment), cairn.ScopeRun(run.ID))...)
}

// RunVariables are the variables of a run, likewise.
func (s *Service) RunVariables(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error) {
	order := scopes(run, environment)
	vs, err := s.store.Variables(ctx, order...)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, scope := range order {
		for _, v := range vs {
			if v.Scope == scope {
				out[v.Name] = v.Value
			}
		}
	}
	file, err := s.openAll(ctx, strings.ToUpper, cairn.ScopeRun(run.ID))
	for name, value := range file {
		out[name] = value
	}
	return out, err
}

// scopes lists what applies to a run, widest first.
func scopes(run *cairn.Run, environment string) []cairn.Scope {
	out := []cairn.Scope{cairn.ScopeWorkspace, cairn.ScopeRepo(run.Repository)}
	if environment != "" {
		out = append(out, EnvironmentScope(run.Repository, environment))
	}
	return out
}

// EnvironmentScope is the scope of an environment; names are compared without case.
func EnvironmentScope(repository, environment string) cairn.Scope {
	return cairn.ScopeEnv(repository, strings.ToLower(environment))
}

// openAll opens the secrets of scopes, later ones over earlier ones.
func (s *Service) openAll(ctx context.Context, fold func(string) string, order ...cairn.Scope) (map[string]string, error) {
	xs, err := s.store.Secrets(ctx, order...)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, scope := range order {
		for _, x := range xs {
			if x.Scope != scope {
				continue
			}
			v, err := s.key.Open(x)
			if err != nil {
				return nil, err
			}
			name := x.Name
			if fold != nil {
				name = fold(name)
			}
			out[name] = v
		}
	}
	return out, nil
}

// checkNamed checks name and scope and returns the name in upper case.
func checkNamed(what string, scope cairn.Scope, name, value string) (string, error) {
	up := strings.ToUpper(name)
	if len(name) > 200 || !namePattern.MatchString(up) {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q cannot be the name of %s", clip(name), what).
			WithHint("letters, digits and underscores, not beginning with a digit")
	}
	if strings.HasPrefix(up, "GITHUB_") {
		return "", cairn.Errorf(cairn.CodeInvalid, "%s: names that begin with GITHUB_ belong to the runner", up)
	}
	if len(value) > valueLimit {
		return "", cairn.Errorf(cairn.CodeTooLarge, "the value of %s has %d bytes; at most %d", up, len(value), valueLimit)
	}
	return up, CheckScope(scope)
}

// CheckScope checks the form of a scope that somebody may write to.
func CheckScope(scope cairn.Scope) error {
	kind, rest, _ := strings.Cut(string(scope), ":")
	switch {
	case scope == cairn.ScopeWorkspace:
		return nil
	case kind == "repo" && validRepo(rest):
		return nil
	case kind == "env":
		if repo, env, ok := strings.Cut(rest, ":"); ok && validRepo(repo) && env != "" && len(env) <= 255 {
			return nil
		}
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is not a scope", clip(string(scope))).
		WithHint("workspace, repo:owner/name or env:owner/name:environment")
}

func validRepo(name string) bool {
	owner, repo, ok := strings.Cut(name, "/")
	return ok && owner != "" && repo != "" && !strings.ContainsAny(repo, "/:") && len(name) <= 200
}
