package registry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// Prefix is where the protocol is mounted; its clients know no other place.
const Prefix = "/v2/"

// Blobs are stored bytes; *cas.Store satisfies it.
type Blobs interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
	// Adopt takes over a file that its caller has hashed.
	Adopt(ctx context.Context, path string, b cairn.Blob) error
}

// Access is what a request asks for.
type Access int

// The kinds of access: to pull, to push, to remove what was pushed.
const (
	Read Access = iota
	Write
	Delete
)

// Options are what the handler stands on.
type Options struct {
	Images *oci.Service
	Blobs  Blobs
	// Dir keeps uploads that are not finished.
	Dir string
	// Check answers an error unless who acts in ctx may do what a asks for.
	Check func(ctx context.Context, a Access) error
	// Actor is who acts in ctx.
	Actor func(ctx context.Context) cairn.Principal
	// Asked reports whether the request says itself who asks.
	Asked func(ctx context.Context) bool
	Log   *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Registry is the handler of everything below Prefix.
type Registry struct {
	o Options
	// mu guards sessions, the uploads under way by their id.
	mu       sync.Mutex
	sessions map[string]*session
}

// New makes the handler and removes uploads that nobody went on with.
func New(o Options) (*Registry, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fileError("make the folder of uploads", err)
	}
	g := &Registry{o: o, sessions: map[string]*session{}}
	return g, g.Clean()
}

// request is a request about a repository.
type request struct {
	w     http.ResponseWriter
	r     *http.Request
	name  string // of the repository
	actor cairn.Principal
}

func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	h.Set("X-Content-Type-Options", "nosniff")
	rc := http.NewResponseController(w)
	// Deadlines belong to the connection and outlive a request.
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patient{rc, r.Body}
	}
	if err := g.serve(w, r); err != nil {
		g.fail(w, r, err)
	}
}

func (g *Registry) serve(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	path := strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(Prefix, "/"))
	if strings.HasSuffix(path, "/blobs/uploads") {
		path += "/"
	}
	need := Write
	if read {
		need = Read
	}
	if err := g.o.Check(ctx, need); err != nil {
		return err
	}
	switch path {
	case "", "/":
		return g.hello(w, r)
	case tokenPath:
		return g.token(w, r)
	case "/_catalog":
		return g.catalog(w, r)
	}
	q, fn, err := g.route(w, r, strings.TrimPrefix(path, "/"))
	if err != nil {
		return err
	}
	q.actor = g.o.Actor(ctx)
	if read && readsContent(r.Method, path) {
		if q.name, err = g.o.Images.Held(ctx, q.name); err != nil {
			return err
		}
	}
	return fn(q)
}

// readsContent tells a client that reads an image from one that asks before it
// pushes: that one must hear of this very repository only.
func readsContent(method, path string) bool {
	return !strings.Contains(path, "/blobs/uploads/") && (method == http.MethodGet || !strings.Contains(path, "/blobs/"))
}

// route finds the name of the repository, which may hold slashes, and what is asked
// of it.
func (g *Registry) route(w http.ResponseWriter, r *http.Request, path string) (*request, func(*request) error, error) {
	parts := strings.Split(path, "/")
	n := len(parts)
	var rest string
	var verbs map[string]func(*request) error
	at := 0
	switch {
	case n >= 4 && parts[n-3] == "blobs" && parts[n-2] == "uploads" && parts[n-1] != "":
		at, rest = n-3, parts[n-1]
		verbs = map[string]func(*request) error{"GET": with(rest, g.uploadStatus), "PATCH": with(rest, g.patch),
			"PUT": with(rest, g.finish), "DELETE": with(rest, g.cancel)}
	case n >= 4 && parts[n-3] == "blobs" && parts[n-2] == "uploads":
		at = n - 3
		verbs = map[string]func(*request) error{"POST": g.start}
	case n >= 3 && parts[n-2] == "blobs":
		at, rest = n-2, parts[n-1]
		verbs = map[string]func(*request) error{"GET": with(rest, g.getBlob), "HEAD": with(rest, g.getBlob), "DELETE": with(rest, g.deleteBlob)}
	case n >= 3 && parts[n-2] == "manifests":
		at, rest = n-2, parts[n-1]
		verbs = map[string]func(*request) error{"GET": with(rest, g.getManifest), "HEAD": with(rest, g.getManifest),
			"PUT": with(rest, g.putManifest), "DELETE": with(rest, g.deleteManifest)}
	case n >= 3 && parts[n-2] == "tags" && parts[n-1] == "list":
		at = n - 2
		verbs = map[string]func(*request) error{"GET": g.tags}
	case n >= 3 && parts[n-2] == "referrers":
		at, rest = n-2, parts[n-1]
		verbs = map[string]func(*request) error{"GET": with(rest, g.referrers)}
	default:
		return nil, nil, &problem{http.StatusNotFound, "NAME_UNKNOWN", cairn.Errorf(cairn.CodeNotFound, "there is no %s %s in the protocol of registries", r.Method, clip(r.URL.Path))}
	}
	fn := verbs[r.Method]
	if fn == nil {
		return nil, nil, &problem{http.StatusMethodNotAllowed, "UNSUPPORTED", cairn.Errorf(cairn.CodeUnsupported, "%s is not answered at %s", r.Method, clip(r.URL.Path))}
	}
	name, err := nameOf(strings.Join(parts[:at], "/"))
	if err != nil {
		return nil, nil, &problem{http.StatusBadRequest, "NAME_INVALID", err}
	}
	return &request{w: w, r: r, name: name}, fn, nil
}

func with(rest string, fn func(*request, string) error) func(*request) error {
	return func(q *request) error { return fn(q, rest) }
}

// nameOf reads the name of a repository from its path.
func nameOf(path string) (string, error) {
	r, err := ref.ParseOwn(ref.FromPath(path))
	if err == nil && (r.Digest != "" || strings.Contains(path, ":")) {
		err = cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a repository", clip(path))
	}
	return r.Name, err
}

// pathOf is the reverse of nameOf, as a path on this server.
func pathOf(name string, parts ...string) string {
	return Prefix + (ref.Reference{Name: name}).Path() + "/" + strings.Join(parts, "/")
}

// tokenPath is where clients turn what they were given at login into a token.
const tokenPath = "/token"

// anonymous is the token of a client that has none; see auth.Anonymous.
const anonymous = "anonymous"

// askers are the clients that answer a challenge with a token, and go on without one
// where they have none. Others are taken as they come.
var askers = []string{"docker/", "buildkit/", "containerd/", "containers/", "skopeo/", "buildah/", "libpod/", "podman/",
	"go-containerregistry", "crane/", "oras/", "oras-go", "regclient/", "regctl/"}

// hello answers the first request of every client: whether this is a registry, and
// whether it wants to know who asks.
func (g *Registry) hello(w http.ResponseWriter, r *http.Request) error {
	agent := strings.ToLower(r.UserAgent())
	asks := slices.ContainsFunc(askers, func(a string) bool { return strings.HasPrefix(agent, a) })
	if asks && !g.o.Asked(r.Context()) {
		u := url.URL{Scheme: "http", Host: r.Host, Path: strings.TrimSuffix(Prefix, "/") + tokenPath}
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
			u.Scheme = "https"
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+u.String()+`",service="cairn"`)
		writeProblem(w, r, &problem{http.StatusUnauthorized, "UNAUTHORIZED", cairn.Errorf(cairn.CodeUnauthenticated, "say who asks; a client without a token may say so")})
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, "{}")
	return ignoreGone(err)
}

// token answers with the token that the client has shown, which was checked before.
func (g *Registry) token(w http.ResponseWriter, r *http.Request) error {
	token := anonymous
	if _, password, ok := r.BasicAuth(); ok && password != "" {
		token = password
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, map[string]any{"token": token, "access_token": token, "expires_in": 3600})
}
