package workflow

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// glob is one compiled pattern of a branch, tag or path filter.
type glob struct {
	negative bool
	re       *regexp.Regexp
}

// maxGlob bounds a pattern; git itself allows refs of at most 255 bytes a part.
const maxGlob = 1000

// compileGlob translates GitHub's filter patterns:
//
//   - any characters save /        **     any characters
//     ?      the one before, or not       +      the one before, once or more
//     [a-z]  one of a set                 !      first: leaves out what matches
//     \      the next character as it is
func compileGlob(pattern string) (glob, error) {
	var g glob
	if len(pattern) > maxGlob {
		return g, errors.New("it is too long")
	}
	rest := pattern
	if r, ok := strings.CutPrefix(rest, "!"); ok {
		g.negative, rest = true, r
	}
	if rest == "" {
		return g, errors.New("it is empty")
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	start, repeatable := true, false // start: at the beginning or behind a /
	for rest != "" {
		switch c := rest[0]; c {
		case '*':
			n := len(rest) - len(strings.TrimLeft(rest, "*"))
			rest = rest[n:]
			switch {
			case n == 1:
				b.WriteString(`[^/]*`)
			case start && strings.HasPrefix(rest, "/"):
				b.WriteString(`(?:.*/)?`) // **/ is also no folder at all
				rest = rest[1:]
				continue // still at the start of a part
			default:
				b.WriteString(`.*`)
			}
			start, repeatable = false, false
		case '?', '+':
			if !repeatable {
				return g, errors.New(string(c) + " has no character before it to repeat")
			}
			b.WriteByte(c)
			rest = rest[1:]
			repeatable = false
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return g, errors.New("[ has no ]")
			}
			set := rest[1:end]
			if set == "" {
				return g, errors.New("[] is an empty set")
			}
			class := "[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(set) + "]"
			if _, err := regexp.Compile(class); err != nil {
				return g, errors.New("[" + set + "] is not a set")
			}
			b.WriteString(class)
			rest = rest[end+1:]
			start, repeatable = false, true
		case '\\':
			if len(rest) == 1 {
				return g, errors.New(`it ends in \`)
			}
			rest = rest[1:]
			fallthrough
		default:
			r, n := utf8.DecodeRuneInString(rest)
			b.WriteString(regexp.QuoteMeta(string(r)))
			rest = rest[n:]
			start, repeatable = r == '/', true
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	g.re = re
	return g, err
}

// patterns is a filter list; the last pattern that matches decides.
type patterns []pattern

type pattern struct {
	glob
	text *Text
}

func compileGlobs(list []Text) patterns {
	out := make(patterns, 0, len(list))
	for i := range list {
		if g, err := compileGlob(list[i].Value); err == nil { // Parse has reported the others
			out = append(out, pattern{g, &list[i]})
		}
	}
	return out
}

// decide tells whether the list takes s, and the pattern that decided; nil where
// none matched.
func (ps patterns) decide(s string) (matched bool, by *Text) {
	for _, p := range ps {
		if p.negative == matched && p.re.MatchString(s) {
			matched, by = !p.negative, p.text
		}
	}
	return matched, by
}

func (ps patterns) match(s string) bool {
	ok, _ := ps.decide(s)
	return ok
}
