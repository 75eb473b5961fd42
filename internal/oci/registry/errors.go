package registry

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
)

// problem is an error with the code that the specification has for it.
type problem struct {
	status int
	code   string
	err    error
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// as gives an error that says that something is missing or wrong the code of what
// it is about.
func as(code string, err error) error {
	switch cairn.CodeOf(err) {
	case cairn.CodeNotFound:
		return &problem{http.StatusNotFound, code, err}
	case cairn.CodeInvalid:
		return &problem{http.StatusBadRequest, code, err}
	}
	return err
}

// classify finds status and code for any error.
func classify(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if _, ok := oci.BlobUnknown(err); ok {
		return &problem{http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", err}
	}
	switch cairn.CodeOf(err) {
	case cairn.CodeUnauthenticated:
		return &problem{http.StatusUnauthorized, "UNAUTHORIZED", err}
	case cairn.CodeForbidden:
		return &problem{http.StatusForbidden, "DENIED", err}
	case cairn.CodeNotFound:
		return &problem{http.StatusNotFound, "NAME_UNKNOWN", err}
	case cairn.CodeTooLarge:
		return &problem{http.StatusRequestEntityTooLarge, "SIZE_INVALID", err}
	case cairn.CodeUnsupported:
		return &problem{http.StatusBadRequest, "UNSUPPORTED", err}
	case cairn.CodeConflict:
		return &problem{http.StatusConflict, "DENIED", err}
	case cairn.CodeInvalid:
		return &problem{http.StatusBadRequest, "MANIFEST_INVALID", err}
	case cairn.CodeUnavailable:
		return &problem{http.StatusServiceUnavailable, "UNAVAILABLE", err}
	}
	return &problem{http.StatusInternalServerError, "UNKNOWN", err}
}

func (g *Registry) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := classify(err)
	if p.status == http.StatusInternalServerError && r.Context().Err() == nil {
		g.o.Log.ErrorContext(r.Context(), "a request to the registry failed", "path", r.URL.Path, "error", err)
		p = &problem{p.status, p.code, cairn.Errorf(cairn.CodeInternal, "a defect of Cairn; its log says more")}
	}
	writeProblem(w, r, p)
}

// WriteError answers a request that was refused before it came to the handler.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	writeProblem(w, r, classify(err))
}

func writeProblem(w http.ResponseWriter, r *http.Request, p *problem) {
	h := w.Header()
	if p.status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Basic realm="Cairn"`)
	}
	h.Set("Cache-Control", "no-store")
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  string `json:"detail,omitempty"`
	}
	e := one{Code: p.code, Message: p.err.Error()}
	// Clients show the message alone.
	if hint := cairn.AsError(p.err).Hint; hint != "" {
		e.Message, e.Detail = e.Message+" ("+hint+")", hint
	}
	// The status tells enough where writing fails.
	_ = writeJSON(w, p.status, map[string]any{"errors": []one{e}})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if w.Header().Get("Content-Type") == "" || status >= 400 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, err = w.Write(b)
	return ignoreGone(err)
}

// ignoreGone drops the error of an answer that could not be sent: its status is out,
// and nobody is there to be told.
func ignoreGone(error) error { return nil }

// fileError gives errors of the folder of uploads a meaning.
func fileError(what string, err error) error {
	var ce *cairn.Error
	switch {
	case err == nil, errors.As(err, &ce):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cairn.Errorf(cairn.CodeUnavailable, "cannot %s: the disk is full: %w", what, err).
			WithHint("free some space and push again; nothing was kept of the unfinished upload")
	case errors.Is(err, fs.ErrPermission):
		return cairn.Errorf(cairn.CodeForbidden, "cannot %s: %w", what, err)
	}
	return cairn.Errorf(cairn.CodeUnavailable, "cannot %s: %w", what, err)
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
