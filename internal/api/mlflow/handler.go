// Package mlflow speaks MLflow's REST dialect over the tracking room, as the
// stock client of MLflow 2.x and 3.x uses it.
package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

// Version is the MLflow release whose server this package imitates: what GET
// /version answers.
const Version = "3.11.1"

// Options are what the handler stands on.
type Options struct {
	Track *track.Service
	// Principal tells who asks. A request of nobody is refused, and readers may
	// only look; nil means that whoever mounts the handler has checked already.
	Principal func(context.Context) (cairn.Principal, bool)
	// MaxUpload bounds one artifact in bytes; 0 means 64 GiB.
	MaxUpload int64
	Log       *slog.Logger
}

// Patterns are the paths (as http.ServeMux takes them) that belong to the
// handler.
func Patterns() []string {
	return []string{
		"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/",
		"/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/",
		"/get-artifact", "/model-versions/get-artifact",
	}
}

type handler struct {
	track     *track.Service
	who       func(context.Context) (cairn.Principal, bool)
	maxUpload int64
	log       *slog.Logger
	routes    map[string]route
}

// route is one endpoint. Reads may be asked by readers.
type route struct {
	read bool
	do   func(*handler, *call) (any, error)
}

// New returns the handler of all Patterns.
func New(o Options) http.Handler {
	h := &handler{track: o.Track, who: o.Principal, maxUpload: o.MaxUpload, log: o.Log, routes: routes()}
	if h.maxUpload == 0 {
		h.maxUpload = 64 << 30
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.fail(w, r, err)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/ajax-api")
	path = strings.TrimPrefix(path, "/api")
	if rest, ok := strings.CutPrefix(path, "/2.0/mlflow-artifacts/"); ok {
		return h.artifacts(w, r, rest)
	}
	switch path {
	case "/get-artifact":
		return h.getArtifact(w, r)
	case "/model-versions/get-artifact":
		return h.getVersionArtifact(w, r)
	}
	name, ok := strings.CutPrefix(path, "/2.0/mlflow/")
	if !ok {
		if name, ok = strings.CutPrefix(path, "/3.0/mlflow/"); ok {
			name = "3.0/" + name
		}
	}
	name = strings.TrimSuffix(name, "/")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt, ok := h.routes[method+" "+name]
	var rest []string
	if !ok {
		rt, rest, ok = loggedRoute(method, name)
	}
	if !ok {
		return &endpointError{method: r.Method, path: r.URL.Path}
	}
	if err := h.allow(r, rt.read); err != nil {
		return err
	}
	c, err := newCall(w, r, rest)
	if err != nil {
		return err
	}
	reply, err := rt.do(h, c)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, reply)
}

// allow refuses requests of nobody, and writes of those who may only look.
func (h *handler) allow(r *http.Request, read bool) error {
	if h.who == nil {
		return nil
	}
	p, ok := h.who(r.Context())
	switch {
	case !ok || p.Disabled:
		return cairn.Errorf(cairn.CodeUnauthenticated, "You are not authenticated. Set MLFLOW_TRACKING_TOKEN to a token of this server.")
	case !read && p.Role == cairn.RoleReader:
		return cairn.Errorf(cairn.CodeForbidden, "Permission denied: %s may look but not write.", p.Name)
	}
	return nil
}

// endpointError names a route that is not there.
type endpointError struct{ method, path string }

func (e *endpointError) Error() string {
	return "This server has no endpoint " + e.method + " " + e.path +
		". It speaks the tracking, model registry and artifact parts of MLflow's REST API (as of " + Version + ")."
}

// writeJSON writes a reply; nil and empty ones as {}.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	b := []byte("{}")
	if v != nil {
		var err error
		if b, err = json.Marshal(v); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err := w.Write(b)
	if err != nil {
		return errGone
	}
	return nil
}

// errGone says that the client is not there any more, so that nothing more can
// be told to it.
var errGone = errors.New("the client went away")

// errorCodes are MLflow's words and HTTP statuses for our codes. Something that
// is there already is 400 in this dialect.
var errorCodes = map[cairn.Code]struct {
	name   string
	status int
}{
	cairn.CodeInvalid:         {"INVALID_PARAMETER_VALUE", 400},
	cairn.CodeUnauthenticated: {"UNAUTHENTICATED", 401},
	cairn.CodeForbidden:       {"PERMISSION_DENIED", 403},
	cairn.CodeNotFound:        {"RESOURCE_DOES_NOT_EXIST", 404},
	cairn.CodeConflict:        {"RESOURCE_ALREADY_EXISTS", 400},
	cairn.CodeTooLarge:        {"INVALID_PARAMETER_VALUE", 413},
	cairn.CodeUnsupported:     {"NOT_IMPLEMENTED", 501},
	cairn.CodeUnavailable:     {"TEMPORARILY_UNAVAILABLE", 503},
	cairn.CodeFailed:          {"INVALID_STATE", 400},
	cairn.CodePending:         {"INVALID_STATE", 400},
	cairn.CodeCanceled:        {"BAD_REQUEST", 499},
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errGone) {
		return
	}
	var ep *endpointError
	if errors.As(err, &ep) {
		writeJSON(w, http.StatusNotFound, errorJSON{"ENDPOINT_NOT_FOUND", ep.Error()})
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = cairn.Errorf(cairn.CodeCanceled, "the request ended early")
	}
	e := cairn.AsError(err)
	code, ok := errorCodes[e.Code]
	if !ok {
		h.log.ErrorContext(r.Context(), "mlflow request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		writeJSON(w, http.StatusInternalServerError, errorJSON{"INTERNAL_ERROR", "The server made an error; its log tells more."})
		return
	}
	message := e.Message
	if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	writeJSON(w, code.status, errorJSON{code.name, message})
}

type errorJSON struct {
	Code    string `json:"error_code"`
	Message string `json:"message"`
}
