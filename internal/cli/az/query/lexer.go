package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

// The kinds of tokens; their order is that of powers.
const (
	eof kind = iota
	unquoted
	quoted
	literal
	rbracket
	rparen
	comma
	rbrace
	numberToken
	current
	expref
	colon
	pipe
	or
	and
	eq
	gt
	lt
	gte
	lte
	ne
	flatten
	star
	filter
	dot
	not
	lbrace
	lbracket
	lparen
)

// power is how strongly a token binds what stands before it.
func (k kind) power() int {
	switch k {
	case pipe:
		return 1
	case or:
		return 2
	case and:
		return 3
	case eq, gt, lt, gte, lte, ne:
		return 5
	case flatten:
		return 9
	case star:
		return 20
	case filter:
		return 21
	case dot:
		return 40
	case not:
		return 45
	case lbrace:
		return 50
	case lbracket:
		return 55
	case lparen:
		return 60
	}
	return 0
}

type token struct {
	kind  kind
	text  string
	value any // of literals, numbers and quoted names
	at    int // bytes from the beginning
}

// maxExpression bounds an expression.
const maxExpression = 64 << 10

// simple reads the signs that begin nothing longer.
func simple(c byte) (kind, bool) {
	switch c {
	case '.':
		return dot, true
	case '*':
		return star, true
	case ']':
		return rbracket, true
	case ',':
		return comma, true
	case ':':
		return colon, true
	case '@':
		return current, true
	case '(':
		return lparen, true
	case ')':
		return rparen, true
	case '{':
		return lbrace, true
	case '}':
		return rbrace, true
	}
	return eof, false
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// lex takes an expression apart.
func lex(s string) ([]token, error) {
	if len(s) > maxExpression {
		return nil, wrong("the expression has more than %d bytes", maxExpression)
	}
	if s == "" {
		return nil, wrong("Invalid JMESPath expression: cannot be empty.")
	}
	var out []token
	add := func(k kind, from, to int, v any) { out = append(out, token{k, s[from:to], v, from}) }
	for i := 0; i < len(s); {
		c := s[i]
		next := byte(0)
		if i+1 < len(s) {
			next = s[i+1]
		}
		from := i
		switch k, ok := simple(c); {
		case ok:
			i++
			add(k, from, i, nil)
		case letter(c):
			for i < len(s) && (letter(s[i]) || digit(s[i])) {
				i++
			}
			add(unquoted, from, i, nil)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '[' && next == ']':
			i += 2
			add(flatten, from, i, nil)
		case c == '[' && next == '?':
			i += 2
			add(filter, from, i, nil)
		case c == '[':
			i++
			add(lbracket, from, i, nil)
		case c == '\'' || c == '`' || c == '"':
			t, n, err := quotedToken(s, i)
			if err != nil {
				return nil, err
			}
			i += n
			out = append(out, t)
		case digit(c) || c == '-':
			i++
			for i < len(s) && digit(s[i]) {
				i++
			}
			if s[from:i] == "-" {
				return nil, badToken(s, from, "Unknown token '-'")
			}
			// What does not fit becomes the largest, which is as far outside of any list.
			n, _ := strconv.ParseInt(s[from:i], 10, 64)
			add(numberToken, from, i, n)
		default:
			k, n := pair(c, next)
			if n == 0 && c == '=' {
				return nil, badToken(s, i, "Unknown token '='")
			}
			if n == 0 {
				r, _ := utf8.DecodeRuneInString(s[i:])
				return nil, badToken(s, i, fmt.Sprintf("Unknown token %c", r))
			}
			i += n
			add(k, from, i, nil)
		}
	}
	return append(out, token{eof, "", nil, len(s)}), nil
}

// pair reads the signs of one or two characters.
func pair(c, next byte) (kind, int) {
	two := func(want byte, k, else1 kind) (kind, int) {
		if next == want {
			return k, 2
		}
		return else1, 1
	}
	switch c {
	case '|':
		return two('|', or, pipe)
	case '&':
		return two('&', and, expref)
	case '<':
		return two('=', lte, lt)
	case '>':
		return two('=', gte, gt)
	case '!':
		return two('=', ne, not)
	case '=':
		if next == '=' {
			return eq, 2
		}
	}
	return eof, 0
}

// quotedToken reads what stands between quotes; n is how long it is with them.
func quotedToken(s string, at int) (t token, n int, err error) {
	q := s[at]
	i := at + 1
	for ; i < len(s) && s[i] != q; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	if i >= len(s) {
		return t, 0, badToken(s, at, fmt.Sprintf("Unclosed %c delimiter", q))
	}
	body, n := s[at+1:i], i+1-at
	switch q {
	case '\'':
		return token{literal, s[at : i+1], strings.ReplaceAll(body, `\'`, `'`), at}, n, nil
	case '"':
		v, err := FromJSON([]byte(s[at : i+1]))
		text, ok := v.(string)
		if err != nil || !ok {
			return t, 0, badToken(s, at, badName(body))
		}
		return token{quoted, s[at : i+1], text, at}, n, nil
	}
	body = strings.ReplaceAll(body, "\\`", "`")
	v, err := FromJSON([]byte(body))
	if err != nil {
		// Text without quotes is taken, as it was once.
		if v, err = FromJSON([]byte(`"` + strings.TrimLeftFunc(body, IsSpace) + `"`)); err != nil {
			return t, 0, badToken(s, at, "Bad token "+body)
		}
	}
	return token{literal, s[at : i+1], v, at}, n, nil
}

// badName says as Python's json does what is wrong between the quotes of a name.
func badName(body string) string {
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] < 0x20:
			return "Invalid control character at"
		case body[i] != '\\':
		case i+1 < len(body) && body[i+1] == 'u':
			i += 2
			if len(body) < i+4 || strings.Trim(body[i:i+4], "0123456789abcdefABCDEF") != "" {
				return `Invalid \uXXXX escape`
			}
			i += 3
		case i+1 >= len(body) || !strings.ContainsRune(`"\/bfnrt`, rune(body[i+1])):
			return `Invalid \escape`
		default:
			i++
		}
	}
	return "Invalid name"
}
