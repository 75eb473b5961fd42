package server

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// allowGit decides who may fetch and push. A push is asked who it is from even
// where the connection is trusted: the run is that person's. The user of this
// machine may answer with any name and an empty password; git sends nothing where
// the name is empty, too. A job pushes to its own repository alone, and only with
// contents: write.
func (s *Server) allowGit(ctx context.Context, repo string, write bool) error {
	p, _ := auth.From(ctx)
	if p.Role == cairn.RoleJob && (write || p.Untrusted) {
		if err := s.ownRepository(ctx, p, repo); err != nil {
			return err
		}
	}
	if !write {
		return auth.Check(ctx, auth.Need{Role: cairn.RoleReader, Jobs: true})
	}
	if !auth.Asked(ctx) {
		hint := "make one with: cairn token create; any user name, the token as the password"
		if auth.Trusted(ctx) {
			hint = "put a name before the host, such as http://me@…, and leave the password empty: then it is " + p.Name + "; or the token of somebody else (cairn token create)"
		}
		return cairn.Errorf(cairn.CodeUnauthenticated, "a push needs a token").
			WithHint("%s", hint)
	}
	if err := auth.Permit(ctx, "contents", cairn.PermissionWrite); err != nil {
		return err
	}
	return s.refuseFollowed(ctx, repo)
}

// ownRepository refuses a job every other repository than that of its run.
func (s *Server) ownRepository(ctx context.Context, p cairn.Principal, repo string) error {
	r, err := s.store.Run(ctx, p.Run)
	if err != nil {
		return err
	}
	if !strings.EqualFold(r.Repository, repo) {
		return cairn.Errorf(cairn.CodeForbidden, "the token of this job is for %s alone, not for %s", r.Repository, repo).
			WithHint("give the step a person's token of this Cairn: token: ${{ secrets.NAME }}")
	}
	return nil
}
