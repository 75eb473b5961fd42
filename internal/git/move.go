package git

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Move sets a branch or tag as a push would, if it is still at old, and sees to what
// follows from that. 40 zeros stand for no ref.
func (s *Server) Move(ctx context.Context, repo, ref, now, old, by string) ([]Push, error) {
	dir, err := s.host.existing(repo)
	if err != nil {
		return nil, err
	}
	if err := CheckRef(ref); err != nil {
		return nil, err
	}
	if s.o.Elsewhere != nil {
		if elsewhere, err := s.o.Elsewhere(ctx, repo); err != nil {
			return nil, err
		} else if elsewhere {
			return nil, cairn.Errorf(cairn.CodeForbidden, "%s mirrors another repository: its branches and tags are changed there", repo)
		}
	}
	if !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/tags/") {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is neither a branch nor a tag", clip(ref)).WithHint("refs/heads/… or refs/tags/…")
	}
	if !isID(now) || !isID(old) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "a ref is moved between commits, by their whole ids")
	}
	if err := s.notePushers(dir, []asked{{Ref: ref, New: now}}, by); err != nil {
		return nil, err
	}
	args := []string{"update-ref", ref, now, old}
	if now == zeroID {
		args = []string{"update-ref", "-d", ref, old}
	}
	if _, err := s.host.g.run(ctx, hosted(dir, args...)); exitCode(err) == 128 || exitCode(err) == 1 {
		return nil, cairn.Errorf(cairn.CodeConflict, "%s of %s is not at %.12s any more, or collides with another ref%w", ref, repo, old, hidden{err})
	} else if err != nil {
		return nil, err
	}
	// The ref has moved: what follows is not cut short with the request.
	ctx = context.WithoutCancel(ctx)
	if err := s.host.settleHead(ctx, repo); err != nil {
		return nil, err
	}
	return s.seen(ctx, repo)
}
