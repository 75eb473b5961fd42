package auth

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Guard decides for each request who asks, before any handler sees it.
type Guard struct {
	Service *Service
	// Local is the user that owns the home.
	Local cairn.Principal
	// Hosts are further names under which this server may be addressed, beside
	// loopback ones and the address a connection came in on.
	Hosts []string
	// Fail answers a request that is refused; challenge asks for a password (git
	// and MLflow clients send the token so).
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

type trustKey struct{}

// trust is what is known of a connection, found out once when it is made.
type trust struct {
	socket bool // the home's socket: its mode lets only the owner in
	same   bool // over loopback from a process of the same system user
	jobs   bool // from a container of a job: only what the request itself shows counts
}

// JobsNetwork is what connections say of their local address that come in from
// containers of jobs.
const JobsNetwork = "cairn-jobs"

// ConnContext is for http.Server: it notes whether the peer of a connection is
// the owner of the home itself.
func (g *Guard) ConnContext(ctx context.Context, c net.Conn) context.Context {
	var t trust
	switch c.LocalAddr().Network() {
	case "unix":
		t.socket = true
	case JobsNetwork:
		t.jobs = true
	case "tcp":
		t.same = sameUser(c)
	}
	return context.WithValue(ctx, trustKey{}, t)
}

// sameUser reports whether the peer is on this machine and belongs to the user
// this process runs as.
func sameUser(c net.Conn) bool {
	local, err1 := netip.ParseAddrPort(c.LocalAddr().String())
	remote, err2 := netip.ParseAddrPort(c.RemoteAddr().String())
	if err1 != nil || err2 != nil || !local.Addr().Unmap().IsLoopback() || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	uid, ok := peerUID(local, remote)
	return ok && uid == selfUID()
}

// Wrap lets requests through to next with their principal in the context.
// Requests that carry nothing and come from nobody known go on without one:
// each handler says what it needs.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := r.Context().Value(trustKey{}).(trust)
		// A container calls this server by an address of its own network; a page that
		// tricks a browser has no token.
		if !t.socket && !t.jobs {
			if err := g.checkHost(r); err != nil {
				g.Fail(w, r, err)
				return
			}
		}
		if err := checkOrigin(r); err != nil {
			g.Fail(w, r, err)
			return
		}
		ctx := r.Context()
		switch token, given := credentials(r); {
		case given:
			p, err := g.Service.ByToken(ctx, token)
			if err != nil {
				g.Fail(w, r, err)
				return
			}
			if p, err = g.within(ctx, p, r.Header.Get(JobHeader)); err != nil {
				g.Fail(w, r, err)
				return
			}
			ctx = With(ctx, p)
		case t.socket, t.same:
			ctx = With(ctx, g.Local)
		}
		if r.Header.Get("Authorization") != "" {
			ctx = context.WithValue(ctx, askedKey{}, true)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// JobHeader carries the token of the job in which somebody acts with a token of their own:
// what they may do is theirs, what they make is the job's.
const JobHeader = "X-Cairn-Job"

// within puts a principal into the job whose token is shown beside its own.
func (g *Guard) within(ctx context.Context, p cairn.Principal, token string) (cairn.Principal, error) {
	if token == "" || p.Job != 0 {
		return p, nil
	}
	j, err := g.Service.ByToken(ctx, token)
	if err != nil || j.Job == 0 {
		return p, err
	}
	p.Job, p.Run, p.Attempt, p.Epoch = j.Job, j.Run, j.Attempt, j.Epoch
	p.Permissions, p.Untrusted = j.Permissions, j.Untrusted
	return p, nil
}

type askedKey struct{}

// Asked reports whether the request says itself who asks, be it with an empty
// password. Git sends the token that it has only after it was asked for one, so
// a push that is to be recorded for the right person has to be asked.
func Asked(ctx context.Context) bool {
	asked, _ := ctx.Value(askedKey{}).(bool)
	return asked
}

// Trusted reports whether the peer of the request is the owner of the home
// itself, on the socket or over loopback, whatever token it shows.
func Trusted(ctx context.Context) bool {
	t, _ := ctx.Value(trustKey{}).(trust)
	return t.socket || t.same
}

// Socket reports whether the request came in on the home's socket.
func Socket(ctx context.Context) bool {
	t, _ := ctx.Value(trustKey{}).(trust)
	return t.socket
}

// Anonymous is the token of a client that has none and was asked for one: it is
// taken as one that sends nothing.
const Anonymous = "anonymous"

// credentials returns the token of a request: as bearer, or as the password of
// any user name.
func credentials(r *http.Request) (string, bool) {
	h := r.Header.Get("Authorization")
	if h == "" {
		return "", false
	}
	if kind, rest, ok := strings.Cut(h, " "); ok {
		switch strings.ToLower(kind) {
		case "bearer", "token":
			// A client of a registry that has no token says so when it is asked for one.
			rest = strings.TrimSpace(rest)
			return rest, rest != Anonymous
		}
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password, password != ""
	}
	return h, true
}

// checkHost refuses names that are not this server's: a page that made its own
// name point here (DNS rebinding) sends that name.
func (g *Guard) checkHost(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.Hosts, host) {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Unmap().IsLoopback() {
			return nil
		}
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			if l, err := netip.ParseAddrPort(local.String()); err == nil && l.Addr().Unmap() == a.Unmap() {
				return nil
			}
		}
	}
	return cairn.Errorf(cairn.CodeForbidden, "this server is not addressed as %q", clip(host)).
		WithHint("use 127.0.0.1 or localhost, or add the name to hosts in config.yaml")
}

// checkOrigin refuses requests that a page of another origin sends. There is no
// CORS and there are no exceptions: programs send no Origin.
func checkOrigin(r *http.Request) error {
	refuse := cairn.Errorf(cairn.CodeForbidden, "requests from pages of other origins are refused")
	if o := r.Header.Get("Origin"); o != "" {
		u, err := url.Parse(o)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return refuse
		}
		return nil
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	}
	if safe && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return nil // a link on another page
	}
	return refuse
}
