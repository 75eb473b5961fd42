package server

import (
	"context"
	"net/url"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// issuerURL is what identity tokens say they are from: what the configuration
// names, for those who have a public name before this server; else its address.
func (s *Server) issuerURL() string {
	if s.config.OIDC.Issuer != "" {
		return s.config.OIDC.Issuer
	}
	return s.url
}

// hosts are the names under which this server may be addressed: those that check
// identity tokens come by the issuer's, people by the one that is shown to them.
func (s *Server) hosts() []string {
	out := slices.Clone(s.config.Hosts)
	for _, name := range []string{s.config.OIDC.Issuer, s.config.URL} {
		if u, err := url.Parse(name); err == nil && u.Hostname() != "" {
			out = append(out, u.Hostname())
		}
	}
	return out
}

// idTokens makes identity tokens for jobs.
type idTokens struct {
	*auth.Issuer
	s *Server
}

func (t *idTokens) Discovery() any { return t.Issuer.Discovery() }

func (t *idTokens) Keys(ctx context.Context) (any, error) { return t.Issuer.Keys(ctx) }

// JobIDToken says of the calling job what its rows say: nothing of it comes from the
// request, save whom it is for.
func (t *idTokens) JobIDToken(ctx context.Context, audience string) (string, error) {
	job, err := t.s.store.Job(ctx, auth.Actor(ctx).Job)
	if err != nil {
		return "", err
	}
	run, err := t.s.store.Run(ctx, job.Run)
	if err != nil {
		return "", err
	}
	p, err := t.s.store.Plan(ctx, run.Plan)
	if err != nil {
		return "", err
	}
	file, sha := nodeFile(p, job.Node)
	token, err := t.Issuer.Token(ctx, auth.ClaimsOf(&run, &job, file, sha), audience)
	if err == nil {
		t.s.log.Info("an identity token was made", "job", job.ID, "audience", audience)
	}
	return token, err
}

// nodeFile is the file that a node stands in, with the commit that a file of
// another repository was read from.
func nodeFile(p *cairn.Plan, node string) (file, sha string) {
	p.Walk(func(path string, n *cairn.Node) {
		if path == node {
			file = n.Pos.File
		}
	})
	for _, src := range p.Sources {
		if src.Path == file {
			sha = src.Commit
		}
	}
	return file, sha
}
