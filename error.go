package cairn

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of thing went wrong. Adapters translate it once, at the
// edge, to an HTTP status, an exit code or the error JSON of a dialect.
type Code string

// The kinds of errors.
const (
	CodeInvalid         Code = "invalid"         // the request or file is wrong: HTTP 400, exit 2
	CodeUnauthenticated Code = "unauthenticated" // who is asking is not known: HTTP 401, exit 4
	CodeForbidden       Code = "forbidden"       // known, but not allowed: HTTP 403, exit 4
	CodeNotFound        Code = "not_found"       // HTTP 404, exit 5
	CodeConflict        Code = "conflict"        // collides with what is there: HTTP 409, exit 1
	CodeTooLarge        Code = "too_large"       // beyond a stated limit: HTTP 413, exit 1
	CodeUnsupported     Code = "unsupported"     // understood, not built: HTTP 501, exit 1
	CodeUnavailable     Code = "unavailable"     // try again later: HTTP 503, exit 1
	CodeFailed          Code = "failed"          // the run or operation failed: HTTP 422, exit 1
	CodePending         Code = "pending"         // not finished yet: HTTP 409, exit 8
	CodeCanceled        Code = "canceled"        // interrupted by the caller: HTTP 499, exit 130
	CodeInternal        Code = "internal"        // a defect of Cairn: HTTP 500, exit 1
)

// Position is a place in a file. Line and Column start at 1; 0 means unknown.
// EndColumn is exclusive, on the same line; 0 means unknown.
type Position struct {
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndColumn int    `json:"end_column,omitempty"`
}

// IsZero reports whether nothing is known of the place.
func (p Position) IsZero() bool { return p == Position{} }

// String gives file:line:column, leaving out what is unknown.
func (p Position) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	for _, n := range []int{p.Line, p.Column} {
		if n == 0 {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(':')
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// Error is the one error type that people see. Message says what happened and
// what was found; Hint says what to do or what is allowed; Err is the cause,
// kept for errors.Is and the debug log, never shown.
type Error struct {
	Code     Code      `json:"code"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint,omitempty"`
	Position *Position `json:"position,omitempty"`
	Problems []Problem `json:"problems,omitempty"` // all findings, where there is more than one
	Err      error     `json:"-"`
}

// Error gives "file:line:col: message"; the hint is not part of it.
func (e *Error) Error() string {
	if e.Position != nil && !e.Position.IsZero() {
		return e.Position.String() + ": " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind. A trailing %w is kept as the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e that carries a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// At returns a copy of e that carries a position.
func (e *Error) At(p Position) *Error {
	c := *e
	c.Position = &p
	return &c
}

// CodeOf returns the code of the nearest Error in err's chain: "" for nil,
// CodeInternal for an error that carries none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// AsError returns the nearest Error in err's chain. An error that carries none
// becomes CodeInternal with err's own text.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: err.Error(), Err: err}
}

// Severity ranks a Problem.
type Severity string

// The severities: an error stops the file from being used, a warning does not.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is one finding in a file somebody wrote.
type Problem struct {
	Position
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // stable, e.g. "workflow.unknown-key"; for lint these are documented
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	// Path is where in the file's own structure it stands ("jobs.train.inputs.lr"),
	// Value what was found there; only of languages whose clients show them.
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
	// Snippet is the source line the position points into, without its newline.
	Snippet string `json:"snippet,omitempty"`
}

// HasErrors reports whether any problem is an error.
func HasErrors(ps []Problem) bool {
	for _, p := range ps {
		if p.Severity == SeverityError {
			return true
		}
	}
	return false
}

// Nearest returns the candidate that s was most likely meant to be, or "" when
// none is close: edit distance of at most a third of the length, case ignored.
func Nearest(s string, candidates []string) string {
	best, bestD := "", len(s)/3+2
	for _, c := range candidates {
		if d := distance(strings.ToLower(s), strings.ToLower(c), bestD); d < bestD {
			best, bestD = c, d
		}
	}
	return best
}

// distance is the edit distance with transpositions (optimal string alignment),
// cut off at limit. Inputs beyond 100 bytes are never near.
func distance(a, b string, limit int) int {
	if len(a) > 100 || len(b) > 100 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(b)], limit)
}
