package query

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// Error is what is wrong with an expression, or with what it is applied to, in the words of
// jmespath.py (exceptions.py).
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// badToken is the error for what is no token, at bytes from the beginning.
func badToken(text string, at int, what string) error {
	return wrong("Bad jmespath expression: %s:\n%s\n%s^", what, text, strings.Repeat(" ", utf8.RuneCountInString(text[:at])))
}

// String is the name of a kind in errors.
func (k kind) String() string {
	return [...]string{eof: "eof", unquoted: "unquoted_identifier", quoted: "quoted_identifier", literal: "literal", rbracket: "rbracket", rparen: "rparen", comma: "comma", rbrace: "rbrace",
		numberToken: "number", current: "current", expref: "expref", colon: "colon", pipe: "pipe", or: "or", and: "and", eq: "eq", gt: "gt", lt: "lt", gte: "gte", lte: "lte", ne: "ne",
		flatten: "flatten", star: "star", filter: "filter", dot: "dot", not: "not", lbrace: "lbrace", lbracket: "lbracket", lparen: "lparen"}[k]
}

// shown is a token as errors show it.
func (t token) shown() string {
	switch t.kind {
	case numberToken:
		if n, ok := new(big.Int).SetString(t.text, 10); ok {
			return n.String()
		}
	case literal, quoted:
		return str(t.value)
	}
	return t.text
}

// wrongAt is the error for a token that may not stand where it does.
func (p *parser) wrongAt(t token, why string) error { return p.wrongFrom(t, t.at, why) }

func (p *parser) wrongFrom(t token, at int, why string) error {
	column := utf8.RuneCountInString(p.text[:at])
	return wrong("%s: Parse error at column %d, token \"%s\" (%s), for expression:\n\"%s\"\n%s^", why, column, t.shown(), strings.ToUpper(t.kind.String()), p.text, strings.Repeat(" ", column+1))
}

// incomplete is the error for an end that comes too early.
func (p *parser) incomplete() error {
	return wrong("Invalid jmespath expression: Incomplete expression:\n\"%s\"\n%s^", p.text, strings.Repeat(" ", utf8.RuneCountInString(p.text)+1))
}

// expecting is the error for what stands here, where something else has to.
func (p *parser) expecting(what string) error {
	t := p.tokens[p.i]
	if t.kind == eof {
		return p.incomplete()
	}
	return p.wrongAt(t, fmt.Sprintf("Expecting: %s, got: %s", what, t.kind))
}

// syntax is the error for what stands here, where nothing of its kind may.
func (p *parser) syntax() error { return p.wrongAt(p.tokens[p.i], "syntax error") }
