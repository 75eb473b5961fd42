package trace

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Actions reads the actions that are kept; *store.Store satisfies it.
type Actions interface {
	ActionVersion(ctx context.Context, repository, commit string) (cairn.ActionVersion, error)
}

// action describes an action's repository at a commit. It stands on nothing that is
// kept here; downwards are the jobs that used it.
func (w *walk) action(n *cairn.TraceNode) ([]cairn.Link, error) {
	n.Title = actionTitle(n.Ref)
	repository, commit, _ := strings.Cut(n.Ref.ID(), "@")
	if reader, ok := w.Reader.(Actions); ok {
		v, err := reader.ActionVersion(w.ctx, repository, commit)
		switch {
		case cairn.CodeOf(err) == cairn.CodeNotFound:
			fact(n, "kept", "no longer; its commit is what it was")
		case err != nil:
			return nil, err
		default:
			n.Digest, n.At = v.Tree, v.FetchedAt
			fact(n, "digest", string(v.Tree))
			fact(n, "from", v.Source)
			fact(n, "holds", plural(v.Files, "file")+", "+bytes(v.Size))
		}
	}
	if !w.down {
		return nil, nil
	}
	return w.Reader.LinksTo(w.ctx, n.Ref)
}

// actionTitle is what people call an action at a commit.
func actionTitle(ref cairn.Ref) string {
	repository, commit, _ := strings.Cut(ref.ID(), "@")
	return "action " + repository + " at " + short(commit)
}
