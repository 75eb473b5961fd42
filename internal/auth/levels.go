package auth

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// SecretsSeen lists what a run of a scope would see, of all levels, the widest
// first; those that a narrower level hides say by which.
func (s *Service) SecretsSeen(ctx context.Context, scope cairn.Scope) ([]cairn.Secret, error) {
	order := levels(foldScope(scope))
	all, err := s.store.Secrets(ctx, order...)
	if err != nil {
		return nil, err
	}
	return seen(order, all, func(x *cairn.Secret) (cairn.Scope, string, *cairn.Scope) { return x.Scope, x.Name, &x.HiddenBy }), nil
}

// VariablesSeen is the same for variables.
func (s *Service) VariablesSeen(ctx context.Context, scope cairn.Scope) ([]cairn.Variable, error) {
	order := levels(foldScope(scope))
	all, err := s.store.Variables(ctx, order...)
	if err != nil {
		return nil, err
	}
	return seen(order, all, func(x *cairn.Variable) (cairn.Scope, string, *cairn.Scope) { return x.Scope, x.Name, &x.HiddenBy }), nil
}

// seen sorts values by the level that they are of, and notes which hides which.
func seen[T any](order []cairn.Scope, all []T, of func(*T) (scope cairn.Scope, name string, hiddenBy *cairn.Scope)) []T {
	wins := map[string]cairn.Scope{}
	out := []T{}
	for _, level := range order {
		for i := range all {
			if scope, name, _ := of(&all[i]); scope == level {
				wins[name] = level
				out = append(out, all[i])
			}
		}
	}
	for i := range out {
		if scope, name, hidden := of(&out[i]); wins[name] != scope {
			*hidden = wins[name]
		}
	}
	return out
}

// levels are the scopes that a run of a scope sees, the widest first.
func levels(scope cairn.Scope) []cairn.Scope {
	out := []cairn.Scope{cairn.ScopeWorkspace}
	kind, rest, _ := strings.Cut(string(scope), ":")
	repo, _, env := strings.Cut(rest, ":")
	switch {
	case kind == "repo":
		out = append(out, scope)
	case kind == "env" && env:
		out = append(out, cairn.ScopeRepo(repo), scope)
	}
	return out
}

// foldScope writes the name of an environment as it is compared: without case.
func foldScope(scope cairn.Scope) cairn.Scope {
	if rest, ok := strings.CutPrefix(string(scope), "env:"); ok {
		if repo, env, ok := strings.Cut(rest, ":"); ok {
			return EnvironmentScope(repo, env)
		}
	}
	return scope
}
