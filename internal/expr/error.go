package expr

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

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

	// What GitHub's own evaluator says, for Standard: its description, the symbol
	// that it names, and where it points. The place may differ from ours: it shows
	// the last symbol where we show the end.
	words, symbol string
	placed        bool // words name a symbol and its place
	at            int
}

// Error gives the message alone; the caller knows where the expression stands.
func (e *Error) Error() string { return e.Message }

// Standard gives the error in the words of GitHub's evaluator, so that people
// who search for the message find it. src is the expression that was parsed.
func (e *Error) Standard(src string) string {
	switch {
	case e.words == "":
		return e.Message
	case !e.placed:
		return e.words
	}
	return e.words + ": '" + e.symbol + "'. Located at position " + strconv.Itoa(utf16Len(src[:min(e.at, len(src))])+1) +
		" within expression: " + src
}

func errorAt(kind string, offset, end int, format string, args ...any) *Error {
	return &Error{Kind: kind, Offset: offset, End: end, Message: fmt.Sprintf(format, args...), at: offset}
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// standard sets GitHub's description of what has no place.
func (e *Error) standard(words string) *Error {
	e.words, e.placed = words, false
	return e
}

// standardAt sets GitHub's description and the symbol it names.
func (e *Error) standardAt(words, symbol string) *Error {
	e.words, e.symbol, e.placed = words, symbol, true
	return e
}

// utf16Len counts as GitHub does: in UTF-16 units.
func utf16Len(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i, n = i+1, n+1
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if i += size; r > 0xFFFF {
			n++
		}
		n++
	}
	return n
}
