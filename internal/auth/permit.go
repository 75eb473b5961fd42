package auth

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// Permit answers an error unless who acts in ctx may read or write what a scope of
// GitHub's permissions stands for (contents, packages, deployments, …). A job needs
// it in the permissions of its workflow; a person needs the role.
func Permit(ctx context.Context, scope, level string) error {
	p, ok := From(ctx)
	switch {
	case !ok:
		return unauthenticated("this needs a token")
	case p.Role != cairn.RoleJob:
		role := cairn.RoleReader
		if level == cairn.PermissionWrite {
			role = cairn.RoleWriter
		}
		return Check(ctx, Need{Role: role})
	case p.Permissions.Allows(scope, level):
		return nil
	case p.Untrusted:
		return cairn.Errorf(cairn.CodeForbidden, "the run is of untrusted code: its token may only read").
			WithHint("somebody who may write here can start the workflow on a branch of this repository")
	}
	return cairn.Errorf(cairn.CodeForbidden, "the token of this job has %s: %s; this needs %s", scope, p.Permissions.Level(scope), level).
		WithHint("add to the job, or to the workflow: permissions: {%s: %s}", scope, level)
}
