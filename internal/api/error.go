package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/danielgtaylor/huma/v2"
)

// statusCanceled is what others use for a request that its client gave up.
const statusCanceled = 499

// HTTPStatus is the one place where a kind of error becomes an HTTP status.
func HTTPStatus(c cairn.Code) int {
	switch c {
	case cairn.CodeInvalid:
		return http.StatusBadRequest
	case cairn.CodeUnauthenticated:
		return http.StatusUnauthorized
	case cairn.CodeForbidden:
		return http.StatusForbidden
	case cairn.CodeNotFound:
		return http.StatusNotFound
	case cairn.CodeConflict, cairn.CodePending:
		return http.StatusConflict
	case cairn.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case cairn.CodeUnsupported:
		return http.StatusNotImplemented
	case cairn.CodeUnavailable:
		return http.StatusServiceUnavailable
	case cairn.CodeFailed:
		return http.StatusUnprocessableEntity
	case cairn.CodeCanceled:
		return statusCanceled
	}
	return http.StatusInternalServerError
}

// WriteError answers a request with an error. Git and other clients that ask
// for a password learn from the challenge that a token is wanted.
func WriteError(w http.ResponseWriter, err error) {
	e := cairn.AsError(err)
	if e.Code == cairn.CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", `Basic realm="Cairn: any user name, a token as the password"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(HTTPStatus(e.Code))
	// The status is sent: a failure to write has nowhere to be told.
	_ = json.NewEncoder(w).Encode(e)
}

// edgeError carries an error through huma with its status.
type edgeError struct{ e *cairn.Error }

func (e edgeError) Error() string                { return e.e.Error() }
func (e edgeError) GetStatus() int               { return HTTPStatus(e.e.Code) }
func (e edgeError) MarshalJSON() ([]byte, error) { return json.Marshal(e.e) }
func (e edgeError) ContentType(string) string    { return "application/json" }

func (a *API) edge(ctx context.Context, err error) error { return edgeError{a.note(ctx, err)} }

// note turns any error into one for people. A defect is logged with all that is
// known, and says only that it happened.
func (a *API) note(ctx context.Context, err error) *cairn.Error {
	if a.o.Explain != nil {
		err = a.o.Explain(err)
	}
	switch {
	case ctx.Err() != nil && cairn.CodeOf(err) == cairn.CodeInternal:
		return cairn.Errorf(cairn.CodeCanceled, "the client went away: %w", ctx.Err())
	case cairn.CodeOf(err) == cairn.CodeInternal:
		a.o.Log.ErrorContext(ctx, "a request failed", "error", err, "cause", errors.Unwrap(err))
	}
	return cairn.AsError(err)
}

// shapeError gives huma's own findings about a request the form of all errors.
func (a *API) shapeError(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	e := &cairn.Error{Code: codeOfStatus(m.Status), Message: m.Detail}
	var found []string
	for _, d := range m.Errors {
		s := d.Message
		if at := strings.TrimPrefix(d.Location, "body."); at != "" && at != "body" {
			s = at + ": " + s
		}
		found = append(found, s)
	}
	if len(found) > 0 {
		e.Message = "the request is not valid: " + strings.Join(found[:min(len(found), 5)], "; ")
	}
	e.Hint = "the forms of requests are in " + Prefix + "/openapi.json"
	return e, nil
}

func codeOfStatus(status int) cairn.Code {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return cairn.CodeTooLarge
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return cairn.CodeNotFound
	case http.StatusRequestTimeout:
		return cairn.CodeUnavailable
	}
	if status >= 500 {
		return cairn.CodeInternal
	}
	return cairn.CodeInvalid
}
