package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// Prefix is where the dialect is mounted; GraphQL beside it.
const (
	Prefix  = "/api/v3"
	GraphQL = "/api/graphql"
)

// Options plug the dialect into the rooms.
type Options struct {
	Rows  Rows
	Owner Owner
	Code  Code
	Logs  Logs
	// Kept are artifacts and caches.
	Kept Kept
	// URL is the address that clients dial.
	URL func() string
	Log *slog.Logger
}

type handler struct {
	o   Options
	mux *http.ServeMux
}

// New makes the handler of everything below Prefix, and of GraphQL.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{o: o, mux: http.NewServeMux()}
	h.repoRoutes()
	h.gitRoutes()
	h.dispatchRoutes()
	h.runRoutes()
	h.artifactRoutes()
	h.statusRoutes()
	h.pullRoutes()
	h.releaseRoutes()
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == GraphQL {
			h.fail(w, r, cairn.Errorf(cairn.CodeUnsupported, "GraphQL is not built: there is the REST interface below %s", Prefix))
			return
		}
		h.fail(w, r, cairn.Errorf(cairn.CodeNotFound, "Not Found: Cairn has no %s %s", r.Method, r.URL.Path))
	})
	return h
}

// maxRequest bounds a body; a repository_dispatch has at most 64 KiB of its own.
const maxRequest = 1 << 20

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	h.mux.ServeHTTP(w, r)
}

// request is one call about a repository.
type request struct {
	*http.Request
	w    http.ResponseWriter
	repo cairn.Repository
	site *trigger.Site
	base string // address of this server
}

// answer is what a route gives back: nothing but a status, or JSON. One that wrote
// by itself answers status 0.
type answer struct {
	status int
	body   any
}

func ok(body any) (answer, error)      { return answer{http.StatusOK, body}, nil }
func created(body any) (answer, error) { return answer{http.StatusCreated, body}, nil }
func done(status int) (answer, error)  { return answer{status: status}, nil }
func none(err error) (answer, error)   { return answer{}, err }

// in registers a route of a repository. Its token must have the level on the scope,
// as on GitHub, and a job's token reaches the repository of its run alone.
func (h *handler) in(method, path, scope, level string, fn func(*request) (answer, error)) {
	h.mux.HandleFunc(method+" "+Prefix+"/repos/{owner}/{repo}"+path, func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, w: w, base: h.o.URL()}
		name := hr.PathValue("owner") + "/" + hr.PathValue("repo")
		err := auth.Permit(hr.Context(), scope, level)
		if err == nil {
			err = h.own(hr.Context(), name)
		}
		if err == nil {
			r.repo, err = h.o.Owner.HostedRepository(hr.Context(), name)
		}
		if err != nil {
			h.fail(w, hr, err)
			return
		}
		r.site = h.o.Owner.Site(r.repo)
		a, err := fn(r)
		h.write(w, hr, a, err)
	})
}

// own keeps the token of a job to its own repository.
func (h *handler) own(ctx context.Context, repository string) error {
	p := auth.Actor(ctx)
	if p.Role != cairn.RoleJob {
		return nil
	}
	r, err := h.o.Rows.Run(ctx, p.Run)
	if err == nil && !strings.EqualFold(r.Repository, repository) {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: the token of a job reaches its own repository, %s", r.Repository)
	}
	return err
}

// at registers a route that belongs to no repository.
func (h *handler) at(method, path string, fn func(*request) (answer, error)) {
	h.mux.HandleFunc(method+" "+Prefix+path, func(w http.ResponseWriter, hr *http.Request) {
		if err := auth.Check(hr.Context(), auth.Need{Role: cairn.RoleReader, Jobs: true}); err != nil {
			h.fail(w, hr, err)
			return
		}
		a, err := fn(&request{Request: hr, w: w, base: h.o.URL()})
		h.write(w, hr, a, err)
	})
}

// refuse registers what GitHub has and Cairn has not, by name.
func (h *handler) refuse(method, path, what string) {
	h.in(method, path, "metadata", cairn.PermissionRead, func(*request) (answer, error) {
		return none(cairn.Errorf(cairn.CodeUnsupported, "Cairn has no %s", what))
	})
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, a answer, err error) {
	switch {
	case err != nil:
		h.fail(w, r, err)
	case a.status == 0:
	case a.body == nil:
		w.WriteHeader(a.status)
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(a.status)
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		if err := e.Encode(a.body); err != nil {
			h.o.Log.Debug("an answer was cut short", "path", r.URL.Path, "error", err)
		}
	}
}

// docs is where GitHub describes its interface.
const docs = "https://docs.github.com/rest"

// refusal is an error with a status of its own.
type refusal struct {
	error
	status int
}

func (r refusal) Unwrap() error { return r.error }

// fail answers an error as GitHub shows it.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := cairn.AsError(err)
	status := http.StatusInternalServerError
	switch e.Code {
	case cairn.CodeInvalid, cairn.CodeFailed, cairn.CodeTooLarge:
		status = http.StatusUnprocessableEntity
	case cairn.CodeUnauthenticated:
		status = http.StatusUnauthorized
	case cairn.CodeForbidden:
		status = http.StatusForbidden
	case cairn.CodeNotFound:
		status = http.StatusNotFound
	case cairn.CodeConflict, cairn.CodePending:
		status = http.StatusConflict
	case cairn.CodeUnsupported:
		status = http.StatusNotImplemented
	case cairn.CodeUnavailable:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	var own refusal
	if errors.As(err, &own) {
		status = own.status
	}
	message := e.Message
	if e.Code == cairn.CodeInternal {
		h.o.Log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		message = "internal error"
	} else if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	body := map[string]any{"message": message, "documentation_url": docs, "status": strconv.Itoa(status)}
	if status == http.StatusUnprocessableEntity {
		list := []any{}
		for _, p := range e.Problems {
			text := p.Message
			if p.Hint != "" {
				text += " (" + p.Hint + ")"
			}
			list = append(list, map[string]any{"resource": p.File, "code": "custom", "message": text, "line": p.Line})
		}
		if len(list) > 0 {
			body["errors"] = list
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		h.o.Log.Debug("an answer was cut short", "path", r.URL.Path, "error", err)
	}
}

// read decodes a body. Keys that are not known are ignored, as GitHub does.
func (r *request) read(v any) error {
	b, err := io.ReadAll(r.Body)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return refusal{cairn.Errorf(cairn.CodeTooLarge, "the request has more than %d bytes", long.Limit), http.StatusRequestEntityTooLarge}
	case err != nil:
		return cairn.Errorf(cairn.CodeInvalid, "the request cannot be read: %w", err)
	case len(strings.TrimSpace(string(b))) == 0:
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return refusal{cairn.Errorf(cairn.CodeInvalid, "Problems parsing JSON: %s", err), http.StatusBadRequest}
	}
	return nil
}

// number reads a number of the path.
func (r *request) number(name string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n < 1 {
		return 0, cairn.Errorf(cairn.CodeNotFound, "Not Found: %q is no number", clip(r.PathValue(name)))
	}
	return n, nil
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// Bounds of a page, as GitHub has them.
const (
	pageSize = 30
	pageMax  = 100
)

// page cuts the page that is asked for out of a list and links to the others.
func page[T any](r *request, all []T) []T {
	q := r.URL.Query()
	size, n := atLeast(q.Get("per_page"), pageSize), atLeast(q.Get("page"), 1)
	size = min(size, pageMax)
	last := max((len(all)+size-1)/size, 1)
	var links []string
	link := func(to int, rel string) {
		c := url.Values{}
		for k, v := range q {
			c[k] = v
		}
		c.Set("page", strconv.Itoa(to))
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", r.base, r.URL.Path, c.Encode(), rel))
	}
	if n > 1 {
		link(min(n-1, last), "prev")
	}
	if n < last {
		link(n+1, "next")
		link(last, "last")
	}
	if n > 1 {
		link(1, "first")
	}
	if len(links) > 0 {
		r.w.Header().Set("Link", strings.Join(links, ", "))
	}
	from := min((n-1)*size, len(all))
	out := all[from:min(from+size, len(all))]
	if out == nil {
		out = []T{}
	}
	return out
}

func atLeast(s string, otherwise int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1_000_000 {
		return otherwise
	}
	return n
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
