package expr

import "fmt"

// The kinds of errors: which part of the work refused.
const (
	Lexing     = "lexing"
	Parsing    = "parsing"
	Evaluation = "evaluation"
)

// Error says what is wrong with an expression. Offset and End are byte offsets
// into the text that was given to Parse or Eval.
type Error struct {
	Kind    string // Lexing, Parsing, Evaluation
	Offset  int
	End     int
	Message string
	Hint    string
}

// Error gives the message alone; the caller knows where the expression stands.
func (e *Error) Error() string { return e.Message }

func errorAt(kind string, offset, end int, format string, args ...any) *Error {
	return &Error{Kind: kind, Offset: offset, End: end, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
