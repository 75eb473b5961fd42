package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/follow"
	"github.com/cairn-ml/cairn/internal/git"
)

// openFollows puts together what keeps up with repositories that stay elsewhere.
func (s *Server) openFollows() {
	s.follows = follow.New(follow.Options{
		Store: s.store, Mirror: s.host, Keys: s.people.Key(), Start: &starter{s}, Repositories: &origins{s}, Merge: s.tryMerge,
		Parse: parsePlace, Local: auth.Socket, Actor: func(ctx context.Context) string { return auth.Actor(ctx).Name },
		URL: s.publicURL, HTTP: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second},
		Random: rand.Reader, Log: s.log,
	})
}

// publicURL is where people and other machines reach this server.
func (s *Server) publicURL() string { return cmpOr(strings.TrimRight(s.config.URL, "/"), s.url) }

func parsePlace(text string) (follow.Place, error) {
	r, err := git.ParseRemote(text)
	return follow.Place{URL: r.URL, Scheme: r.Scheme, Host: r.Host, Path: r.Path, Name: r.Name, Plain: r.Plain()}, err
}

// withHooks answers webhooks before anybody is asked who they are: they are signed,
// and come under whatever name the host knows this server by.
func (s *Server) withHooks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, follow.HookPrefix) {
			s.follows.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuseFollowed refuses to change a repository that is followed: its other end decides.
func (s *Server) refuseFollowed(ctx context.Context, repo string) error {
	at, err := s.follows.Following(ctx, repo)
	if err != nil || at == "" {
		return err
	}
	return cairn.Errorf(cairn.CodeForbidden, "%s is a mirror of %s: its branches, tags and pull requests are made there", repo, at).
		WithHint("push to %s; cairn repo sync %s takes it in at once", at, repo)
}

// isFollowed reports whether a repository only mirrors another one.
func (s *Server) isFollowed(ctx context.Context, repo string) (bool, error) {
	at, err := s.follows.Following(ctx, repo)
	return at != "", err
}

// sourceOf is where a repository lies that is followed, or was: what it ran came
// from there.
func (s *Server) sourceOf(ctx context.Context, repo string) (string, error) {
	if at, err := s.follows.Following(ctx, repo); err != nil || at != "" {
		return at, err
	}
	r, err := s.store.Repository(ctx, Workspace, repo)
	if cairn.CodeOf(err) == cairn.CodeNotFound || err == nil && r.WorkDir != "" {
		return "", nil
	}
	return r.Origin, err
}

// starter starts the runs of what happened elsewhere.
type starter struct{ s *Server }

// from lets somebody of another host act, whose name is nobody's here: it gives no
// rights, also where somebody here is called the same.
func from(ctx context.Context, name string) context.Context {
	return auth.With(ctx, cairn.Principal{Name: name, Role: cairn.RoleWriter})
}

func (t *starter) Push(ctx context.Context, p follow.Push) (runs []cairn.RunID, notes []string, err error) {
	ctx = from(ctx, p.By)
	repo, err := t.s.store.Repository(ctx, Workspace, p.Repo)
	if err != nil {
		return nil, nil, err
	}
	moved := git.Push{ID: p.ID, Repo: p.Repo, Ref: p.Ref, Old: p.Old, New: p.New, By: p.By, Beside: p.Beside}
	var errs []error
	for _, e := range pushEvents(moved) {
		if e.Event == p.Known {
			continue
		}
		if e.Event == "push" && p.Payload != nil {
			e.Payload = p.Payload
		} else if e.Payload, err = t.s.pushPayload(ctx, repo, moved, e.Event); err != nil {
			return runs, notes, err
		}
		started, said, err := t.s.takeIn(ctx, e)
		runs, notes = append(runs, started.Runs...), append(notes, why(started, said)...)
		errs = append(errs, err)
	}
	return runs, notes, errors.Join(errs...)
}

func (t *starter) Event(ctx context.Context, e cairn.TriggerEvent) ([]cairn.RunID, []string, error) {
	started, said, err := t.s.takeIn(from(ctx, e.By), e)
	return started.Runs, why(started, said), err
}

// why keeps what went wrong; of runs that started it is known.
func why(t cairn.Trigger, said []string) []string {
	var out []string
	for _, line := range said {
		ours := false
		for _, id := range t.Runs {
			ours = ours || strings.HasPrefix(line, fmt.Sprintf("run %d started", id))
		}
		if !ours {
			out = append(out, line)
		}
	}
	return out
}

// origins are the rows of repositories, as followed ones need them.
type origins struct{ s *Server }

func (o *origins) Origin(ctx context.Context, name string) (string, error) {
	r, err := o.s.store.Repository(ctx, Workspace, name)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return "", nil
	}
	return r.Origin, err
}

func (o *origins) Keep(ctx context.Context, name, origin, defaultBranch string) error {
	r, err := o.s.store.Repository(ctx, Workspace, name)
	switch {
	case cairn.CodeOf(err) == cairn.CodeNotFound:
		r = cairn.Repository{Workspace: Workspace, Name: name, DefaultBranch: "main", CreatedAt: time.Now().UTC()}
	case err != nil:
		return err
	case r.Origin == origin && (defaultBranch == "" || r.DefaultBranch == defaultBranch):
		return nil
	}
	r.Origin, r.DefaultBranch = origin, cmpOr(defaultBranch, r.DefaultBranch)
	return o.s.store.PutRepository(ctx, r, cairn.Change{By: auth.Actor(ctx).Name})
}

// tryMerge makes the commit that a pull request's workflows run. Made again of the
// same commits it is the same commit.
func (s *Server) tryMerge(ctx context.Context, repo string, number int64, base, head string) (sha string, conflict bool, err error) {
	c, err := s.host.Commit(ctx, repo, head)
	if err != nil {
		return "", false, err
	}
	tree, conflicts, err := s.host.MergeTree(ctx, repo, base, head)
	if err != nil || len(conflicts) > 0 {
		return "", len(conflicts) > 0, err
	}
	by := git.Signature{Name: "Cairn", Date: c.Date}
	sha, err = s.host.WriteCommit(ctx, repo, git.NewCommit{
		Tree: tree, Parents: []string{base, head}, Message: fmt.Sprintf("Merge %s into %s", head, base), Author: by, Committer: by,
	})
	if err == nil {
		err = s.host.SetOwnRef(ctx, repo, fmt.Sprintf("refs/pull/%d/merge", number), sha)
	}
	return sha, false, err
}
