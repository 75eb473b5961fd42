package actions

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/cache"
)

// Artifacts are the artifacts of runs; *asset.Service satisfies it.
type Artifacts interface {
	CreateArtifact(ctx context.Context, a cairn.Artifact, overwrite bool, actor cairn.Principal) (*cairn.Artifact, error)
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
	ArtifactByID(ctx context.Context, id int64) (*cairn.Artifact, error)
	UseArtifact(ctx context.Context, ref cairn.Ref, actor cairn.Principal) (*cairn.Artifact, error)
	DeleteArtifact(ctx context.Context, a cairn.Artifact, actor cairn.Principal) error
}

// Blobs are stored bytes; *cas.Store satisfies it.
type Blobs interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error)
	PutTrees(ctx context.Context, dirs [][]cairn.TreeEntry) ([]cairn.Digest, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
	WalkTree(ctx context.Context, root cairn.Digest, fn func(path string, e cairn.TreeEntry) error) error
}

// Options are what the handler stands on.
type Options struct {
	Artifacts Artifacts
	Caches    *cache.Service
	Blobs     Blobs
	// People sign addresses and know whether a job still holds its lease.
	People *auth.Service
	// Dir is where uploads lie until they are whole.
	Dir string
	// MaxUpload bounds the bytes of one upload, packed and unpacked; 0: 64 GiB.
	MaxUpload int64
	// Free is told of stored bytes that came to nothing.
	Free func(ctx context.Context, d cairn.Digest) error
	// Explain gives errors of the rows a meaning that the rows alone know; nil: none has one.
	Explain func(error) error
	Now     func() time.Time
	Log     *slog.Logger
}

// Service answers requests of the dialect. It is safe for concurrent use.
type Service struct {
	o       Options
	uploads *uploads
}

// The paths that belong to the handler. Blobs lie three segments deep: so many
// the clients want of an address whose host is an IP (account, container, blob).
const (
	twirpPrefix  = "/twirp/"
	blobPrefix   = "/results/"
	legacyPrefix = "/_apis/"
)

// Patterns are the paths, as http.ServeMux takes them, that belong to the handler.
func Patterns() []string { return []string{twirpPrefix, blobPrefix, legacyPrefix} }

// New makes the service, and its folder where that is not there.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxUpload == 0 {
		o.MaxUpload = 64 << 30
	}
	up, err := newUploads(o.Dir, o.MaxUpload, o.Now, o.Log)
	return &Service{o: o, uploads: up}, err
}

// Clean removes uploads that nobody went on with for a day.
func (s *Service) Clean() error { return s.uploads.clean() }

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, twirpPrefix):
		s.twirp(w, r)
	case strings.HasPrefix(r.URL.Path, blobPrefix):
		s.blob(w, r)
	default:
		// The services that artifact v3 and cache v1 spoke to are switched off at GitHub.
		writeTwirpError(w, cairn.Errorf(cairn.CodeUnsupported, "%s: the services of artifacts v3 and caches v1 are not spoken here", r.URL.Path).
			WithHint("use a version of the action that knows artifacts v4 and caches v2; the built-in actions of all versions work"))
	}
}

// maxTwirp bounds the body of a call.
const maxTwirp = 1 << 20

// method is one call of a Twirp service.
type method func(s *Service, ctx context.Context, who cairn.Principal, r *http.Request, in fields) (any, error)

func methods() map[string]method {
	const artifact, caches = "github.actions.results.api.v1.ArtifactService/", "github.actions.results.api.v1.CacheService/"
	return map[string]method{
		artifact + "CreateArtifact":         (*Service).createArtifact,
		artifact + "FinalizeArtifact":       (*Service).finalizeArtifact,
		artifact + "ListArtifacts":          (*Service).listArtifacts,
		artifact + "GetSignedArtifactURL":   (*Service).signedArtifact,
		artifact + "DeleteArtifact":         (*Service).deleteArtifact,
		caches + "CreateCacheEntry":         (*Service).createCache,
		caches + "FinalizeCacheEntryUpload": (*Service).finalizeCache,
		caches + "GetCacheEntryDownloadURL": (*Service).findCache,
	}
}

func (s *Service) twirp(w http.ResponseWriter, r *http.Request) {
	out, err := s.call(w, r)
	if err != nil {
		writeTwirpError(w, s.note(r.Context(), err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out) // the client that went away asks again
}

func (s *Service) call(w http.ResponseWriter, r *http.Request) (any, error) {
	name := strings.TrimPrefix(r.URL.Path, twirpPrefix)
	fn, ok := methods()[name]
	if !ok {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no method %.200q", name)
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is called with POST and JSON", name)
	}
	who, ok := auth.From(r.Context())
	if !ok {
		return nil, cairn.Errorf(cairn.CodeUnauthenticated, "this needs ACTIONS_RUNTIME_TOKEN")
	}
	if who.Job == 0 {
		return nil, cairn.Errorf(cairn.CodeForbidden, "only a job calls this service, with its own token")
	}
	var in map[string]json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTwirp)).Decode(&in); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the request is not a JSON object: %w", err)
	}
	f := fields{}
	for k, v := range in {
		f[strings.ToLower(strings.ReplaceAll(k, "_", ""))] = v
	}
	return fn(s, r.Context(), who, r, f)
}

// fields are those of a message in JSON, by name without case and underscores: the
// clients write snake case, the rules of protobuf camel case.
type fields map[string]json.RawMessage

// text reads a string; a message that wraps one is written like one.
func (f fields) text(name string) (string, error) {
	raw, ok := f[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "%s is not a string", name)
	}
	return s, nil
}

// number reads a whole number, which protobuf writes as a string; ok is false
// where it is not given.
func (f fields) number(name string) (n int64, ok bool, err error) {
	raw, there := f[name]
	if !there || string(raw) == "null" {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil || n < 0 {
		return 0, false, cairn.Errorf(cairn.CodeInvalid, "%s is not a whole number", name)
	}
	return n, true, nil
}

// texts reads a list of strings.
func (f fields) texts(name string) ([]string, error) {
	raw, ok := f[name]
	if !ok || string(raw) == "null" {
		return nil, nil
	}
	var out []string
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a list of strings", name)
	}
	return out, nil
}

// time reads a moment; the zero time where it is not given.
func (f fields) time(name string) (time.Time, error) {
	s, err := f.text(name)
	if s == "" || err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, cairn.Errorf(cairn.CodeInvalid, "%s is %.40q, not a moment", name, s)
	}
	return t, nil
}

// base is the address under which the client reached this server: a job in a
// container knows it by another one than a job beside it.
func base(r *http.Request) string { return (&url.URL{Scheme: "http", Host: r.Host}).String() }

// note turns any error into one for people, and logs what is a defect.
func (s *Service) note(ctx context.Context, err error) error {
	if s.o.Explain != nil {
		err = s.o.Explain(err)
	}
	if ctx.Err() != nil && cairn.CodeOf(err) == cairn.CodeInternal {
		return cairn.Errorf(cairn.CodeCanceled, "the client went away: %w", ctx.Err())
	}
	if cairn.CodeOf(err) == cairn.CodeInternal {
		s.o.Log.ErrorContext(ctx, "a request of the results service failed", "error", err)
	}
	return err
}

// twirpError is how Twirp writes an error.
type twirpError struct {
	Code string `json:"code"`
	Msg  string `json:"msg"`
}

// twirpCode is the one place where a kind of error becomes one of Twirp. Those that
// the clients try again are unavailable and internal alone.
func twirpCode(c cairn.Code) (string, int) {
	switch c {
	case cairn.CodeInvalid, cairn.CodeTooLarge:
		return "invalid_argument", http.StatusBadRequest
	case cairn.CodeUnauthenticated:
		return "unauthenticated", http.StatusUnauthorized
	case cairn.CodeForbidden:
		return "permission_denied", http.StatusForbidden
	case cairn.CodeNotFound:
		return "not_found", http.StatusNotFound
	case cairn.CodeConflict:
		return "already_exists", http.StatusConflict
	case cairn.CodePending, cairn.CodeFailed:
		return "failed_precondition", http.StatusPreconditionFailed
	case cairn.CodeUnsupported:
		return "unimplemented", http.StatusNotImplemented
	case cairn.CodeUnavailable:
		return "unavailable", http.StatusServiceUnavailable
	case cairn.CodeCanceled:
		return "canceled", http.StatusRequestTimeout
	}
	return "internal", http.StatusInternalServerError
}

func writeTwirpError(w http.ResponseWriter, err error) {
	e := cairn.AsError(err)
	code, status := twirpCode(e.Code)
	msg := e.Message
	if e.Hint != "" {
		msg += " (" + e.Hint + ")"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(twirpError{code, msg}) // the status is sent
}

var _ Artifacts = (*asset.Service)(nil)
