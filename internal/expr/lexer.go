package expr

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the language.
const (
	MaxLength = 21000 // characters of one expression
	MaxDepth  = 50    // nesting
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokLParen
	tokRParen
	tokLBracket
	tokRBracket
	tokComma
	tokDot
	tokStar
	tokNot
	tokEq
	tokNe
	tokLt
	tokLe
	tokGt
	tokGe
	tokAnd
	tokOr
	tokNumber
	tokString
	tokIdent
	tokTrue
	tokFalse
	tokNull
)

type token struct {
	kind     tokenKind
	off, end int
	num      float64
	str      string // string: its value; identifier: its text
}

type lexer struct {
	src  string
	pos  int
	prev tokenKind
	last int // where the last blank or token began: GitHub points there at the end
}

// next returns the next token. The previous token decides whether a point
// starts a number or a step to a field.
func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) {
		r, n := rune(l.src[l.pos]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(l.src[l.pos:])
		}
		if !unicode.IsSpace(r) {
			break
		}
		l.last = l.pos
		l.pos += n
	}
	t := token{off: l.pos, end: l.pos}
	if l.pos >= len(l.src) {
		return t, nil
	}
	l.last = l.pos
	var err error
	switch c := l.src[l.pos]; c {
	case '(':
		l.take(&t, tokLParen, 1)
	case ')':
		l.take(&t, tokRParen, 1)
	case '[':
		l.take(&t, tokLBracket, 1)
	case ']':
		l.take(&t, tokRBracket, 1)
	case ',':
		l.take(&t, tokComma, 1)
	case '*':
		l.take(&t, tokStar, 1)
	case '.':
		switch l.prev {
		case tokIdent, tokRBracket, tokRParen, tokStar:
			l.take(&t, tokDot, 1)
		default:
			err = l.number(&t)
		}
	case '!':
		l.pair(&t, '=', tokNe, tokNot)
	case '<':
		l.pair(&t, '=', tokLe, tokLt)
	case '>':
		l.pair(&t, '=', tokGe, tokGt)
	case '=':
		err = l.double(&t, c, tokEq)
	case '&':
		err = l.double(&t, c, tokAnd)
	case '|':
		err = l.double(&t, c, tokOr)
	case '\'':
		err = l.quoted(&t)
	case '+', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		err = l.number(&t)
	default:
		err = l.identifier(&t)
	}
	l.prev = t.kind
	return t, err
}

func (l *lexer) take(t *token, kind tokenKind, n int) {
	l.pos += n
	t.kind, t.end = kind, l.pos
}

func (l *lexer) pair(t *token, second byte, both, single tokenKind) {
	if l.pos+1 < len(l.src) && l.src[l.pos+1] == second {
		l.take(t, both, 2)
		return
	}
	l.take(t, single, 1)
}

// double takes an operator of two equal characters; one alone means nothing.
func (l *lexer) double(t *token, c byte, kind tokenKind) error {
	if l.pos+1 < len(l.src) && l.src[l.pos+1] == c {
		l.take(t, kind, 2)
		return nil
	}
	return l.unexpected(l.wordEnd(l.pos+1), "did you mean %c%c?", c, c)
}

func (l *lexer) number(t *token) error {
	end := l.pos + 1
	for end < len(l.src) && (l.src[end] == '.' || !boundary(l.src[end:])) {
		end++
	}
	f := parseNumber(l.src[l.pos:end])
	if math.IsNaN(f) {
		return l.unexpected(end, "a number is written like 42, -1.5, 1e6, 0xff or 0o17; there is no arithmetic in expressions")
	}
	t.num = f
	l.take(t, tokNumber, end-l.pos)
	return nil
}

func (l *lexer) quoted(t *token) error {
	i := l.pos + 1
	for {
		n := strings.IndexByte(l.src[i:], '\'')
		if n < 0 {
			return l.unexpected(len(l.src), "the text that starts here has no closing '")
		}
		i += n + 1
		if i >= len(l.src) || l.src[i] != '\'' {
			break
		}
		i++
	}
	t.str = l.src[l.pos+1 : i-1]
	if strings.IndexByte(t.str, '\'') >= 0 {
		t.str = strings.ReplaceAll(t.str, "''", "'")
	}
	l.take(t, tokString, i-l.pos)
	return nil
}

func (l *lexer) identifier(t *token) error {
	end := l.wordEnd(l.pos)
	word := l.src[l.pos:end]
	if !legalIdentifier(word) {
		if word[0] == '"' || word[0] == '`' {
			return l.unexpected(end, "text inside an expression stands in single quotes: 'text'")
		}
		return l.unexpected(end, "names consist of letters, digits, - and _, and start with a letter or _")
	}
	kind := tokIdent
	if l.prev != tokDot {
		switch word {
		case "true":
			kind = tokTrue
		case "false":
			kind = tokFalse
		case "null":
			kind = tokNull
		case "NaN":
			kind, t.num = tokNumber, math.NaN()
		case "Infinity":
			kind, t.num = tokNumber, math.Inf(1)
		}
	}
	t.str = word
	l.take(t, kind, end-l.pos)
	return nil
}

// wordEnd returns where the word at from ends: at least one character further.
func (l *lexer) wordEnd(from int) int {
	end := from
	for end < len(l.src) && (end == l.pos || !boundary(l.src[end:])) {
		if l.src[end] < utf8.RuneSelf {
			end++
			continue
		}
		_, n := utf8.DecodeRuneInString(l.src[end:])
		end += n
	}
	return end
}

func (l *lexer) unexpected(end int, hint string, args ...any) error {
	word := l.src[l.pos:end]
	return errorAt(Lexing, l.pos, end, "unexpected symbol %s", show(word)).hint(hint, args...).standardAt(unexpectedSymbol, word)
}

func boundary(s string) bool {
	switch s[0] {
	case '(', '[', ')', ']', ',', '.', '!', '>', '<', '=', '&', '|':
		return true
	}
	if s[0] < utf8.RuneSelf {
		return s[0] == ' ' || '\t' <= s[0] && s[0] <= '\r'
	}
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsSpace(r)
}

func legalIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}

// show quotes a piece of source for a message, shortened.
func show(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return "'" + s + "'"
}
