// Package dotenv reads .env files: NAME=value lines as shells, Compose and the
// dotenv libraries agree on them. Values are never expanded ($X stays $X), so
// that a password means what it says.
package dotenv

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The limits of a file.
const (
	MaxFile  = 1 << 20
	MaxNames = 1000
	MaxValue = 64 << 10
)

// Var is one assignment with the line it starts on.
type Var struct {
	Name, Value string
	Line        int
}

// Parse reads src; file is used in positions. A name that is given twice keeps
// its last value at its first place, as python-dotenv does.
func Parse(file string, src []byte) ([]Var, error) {
	if len(src) > MaxFile {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is %d bytes; an env file holds at most %d", file, len(src), MaxFile)
	}
	p := &parser{file: file, src: strings.ReplaceAll(strings.TrimPrefix(string(src), "\ufeff"), "\r\n", "\n"), line: 1, col: 1}
	var vars []Var
	seen := map[string]int{}
	for {
		v, ok, err := p.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return vars, nil
		}
		if i, dup := seen[v.Name]; dup {
			vars[i].Value, vars[i].Line = v.Value, v.Line
			continue
		}
		if len(vars) == MaxNames {
			return nil, p.fail("more than %d names", "an env file is meant for configuration of one project", MaxNames)
		}
		seen[v.Name] = len(vars)
		vars = append(vars, v)
	}
}

type parser struct {
	file, src string
	pos       int
	line, col int
}

// fail makes an error at the place the parser stands; the value is never shown,
// since it may be a secret.
func (p *parser) fail(msg, hint string, args ...any) error {
	e := cairn.Errorf(cairn.CodeInvalid, msg, args...).At(cairn.Position{File: p.file, Line: p.line, Column: p.col})
	if hint != "" {
		e = e.WithHint("%s", hint)
	}
	return e
}

func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) eof() bool { return p.pos >= len(p.src) }

func (p *parser) advance() byte {
	c := p.src[p.pos]
	p.pos++
	if c == '\n' {
		p.line++
		p.col = 1
	} else {
		p.col++
	}
	return c
}

func (p *parser) skip(set string) {
	for !p.eof() && strings.IndexByte(set, p.peek()) >= 0 {
		p.advance()
	}
}

func (p *parser) restOfLine() string {
	start := p.pos
	for !p.eof() && p.peek() != '\n' {
		p.advance()
	}
	return p.src[start:p.pos]
}

func (p *parser) next() (Var, bool, error) {
	for {
		p.skip(" \t\n")
		if p.eof() {
			return Var{}, false, nil
		}
		if p.peek() != '#' {
			break
		}
		p.restOfLine()
	}
	name := p.name()
	if name == "export" && (p.peek() == ' ' || p.peek() == '\t') {
		p.skip(" \t")
		name = p.name()
	}
	if name == "" {
		return Var{}, false, p.fail("a name was expected, found %q", "lines look like NAME=value; comments start with #", string(p.peek()))
	}
	v := Var{Name: name, Line: p.line}
	p.skip(" \t")
	if p.peek() != '=' {
		hint := "write " + name + "=value"
		if p.peek() == ':' {
			hint += "; this is not YAML"
		}
		return Var{}, false, p.fail("%s is not followed by =", hint, name)
	}
	p.advance()
	p.skip(" \t")
	var err error
	switch q := p.peek(); {
	case !p.eof() && (q == '"' || q == '\'' || q == '`'):
		v.Value, err = p.quoted(name)
	default:
		v.Value = p.bare()
	}
	if err != nil {
		return Var{}, false, err
	}
	if len(v.Value) > MaxValue {
		return Var{}, false, p.fail("the value of %s is longer than %d bytes", "", name, MaxValue)
	}
	if strings.IndexByte(v.Value, 0) >= 0 {
		return Var{}, false, p.fail("the value of %s holds a NUL byte", "", name)
	}
	return v, true, nil
}

func (p *parser) name() string {
	start := p.pos
	for !p.eof() {
		c := p.peek()
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (p.pos == start || (c < '0' || c > '9') && c != '.' && c != '-') {
			break
		}
		p.advance()
	}
	return p.src[start:p.pos]
}

// bare is a value without quotes: to the end of the line or to " #".
func (p *parser) bare() string {
	text := p.restOfLine()
	if strings.HasPrefix(text, "#") {
		return ""
	}
	for i := 1; i < len(text); i++ {
		if text[i] == '#' && (text[i-1] == ' ' || text[i-1] == '\t') {
			text = text[:i]
			break
		}
	}
	return strings.TrimSpace(text)
}

// quoted is a value in quotes; it may hold newlines. Only double quotes know
// escapes.
func (p *parser) quoted(name string) (string, error) {
	open := *p
	q := p.advance()
	var b strings.Builder
	for {
		if p.eof() {
			return "", open.fail("the %s of %s is never closed", "end the value with the same quote", quoteName(q), name)
		}
		c := p.advance()
		if c == q {
			break
		}
		if c != '\\' || q != '"' || p.eof() {
			b.WriteByte(c)
			continue
		}
		switch e := p.advance(); e {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '"', '\\', '$', '`', '\'':
			b.WriteByte(e)
		case '\n':
			// A backslash at the end of a line joins it with the next.
		default:
			b.WriteByte('\\')
			b.WriteByte(e)
		}
	}
	p.skip(" \t")
	if !p.eof() && p.peek() != '\n' && p.peek() != '#' {
		return "", p.fail("text after the closing quote of %s", "put the whole value between the quotes; comments start with #", name)
	}
	p.restOfLine()
	return b.String(), nil
}

func quoteName(q byte) string {
	switch q {
	case '"':
		return "double quote"
	case '\'':
		return "single quote"
	}
	return fmt.Sprintf("quote %c", q)
}
