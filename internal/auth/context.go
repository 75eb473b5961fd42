package auth

import (
	"context"

	"github.com/cairn-ml/cairn"
)

type principalKey struct{}

// With returns a context in which p acts. What a job writes in it counts only
// while the job's lease holds.
func With(ctx context.Context, p cairn.Principal) context.Context {
	if p.Job != 0 {
		ctx = cairn.WithLease(ctx, cairn.Lease{Job: p.Job, Epoch: p.Epoch})
	}
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns who acts in ctx.
func From(ctx context.Context) (cairn.Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(cairn.Principal)
	return p, ok
}

// Actor is From for code behind a guard: without a principal it is nobody,
// whose name is recorded as "unknown" and who may do nothing.
func Actor(ctx context.Context) cairn.Principal {
	if p, ok := From(ctx); ok {
		return p
	}
	return cairn.Principal{Name: "unknown"}
}

// Need is the least that an operation asks of its caller.
type Need struct {
	Role cairn.Role // reader, writer or admin
	Jobs bool       // a job's own token will do as well
}

func rank(r cairn.Role) int {
	switch r {
	case cairn.RoleReader:
		return 1
	case cairn.RoleWriter:
		return 2
	case cairn.RoleAdmin:
		return 3
	}
	return 0
}

// Check answers an error unless who acts in ctx may do what n needs.
func Check(ctx context.Context, n Need) error {
	p, ok := From(ctx)
	switch {
	case !ok:
		return unauthenticated("this needs a token")
	case p.Role == cairn.RoleJob && n.Jobs:
		return nil
	case p.Role == cairn.RoleJob:
		return cairn.Errorf(cairn.CodeForbidden, "a job's own token may not do this").
			WithHint("give the step a person's token as a secret, in CAIRN_TOKEN")
	case rank(p.Role) >= rank(n.Role):
		return nil
	}
	return cairn.Errorf(cairn.CodeForbidden, "%s is a %s; this needs a %s", p.Name, p.Role, n.Role).
		WithHint("an admin can change that: cairn user update %s --role %s", p.Name, n.Role)
}

func unauthenticated(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeUnauthenticated, format, args...).
		WithHint("make one with: cairn token create; then set CAIRN_TOKEN, or give it as the password")
}
