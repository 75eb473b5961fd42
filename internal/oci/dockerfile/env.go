package dockerfile

import (
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// maxExpanded bounds what one word may become: ENV A=$A$A, thirty times, would
// be a gigabyte.
const maxExpanded = 1 << 20

// maxTotal bounds what all words of a Dockerfile become together: ten thousand
// times ENV X=$A are small, and what they make is not.
const maxTotal = 64 << 20

// environ is an ordered environment.
type environ struct {
	keys []string
	vals map[string]string
	// spent counts what was expanded, for all environments of one Dockerfile; nil:
	// nobody counts.
	spent *int
}

func newEnviron() *environ { return &environ{vals: map[string]string{}} }

func (e *environ) set(k, v string) {
	if _, ok := e.vals[k]; !ok {
		e.keys = append(e.keys, k)
	}
	e.vals[k] = v
}

func (e *environ) get(k string) (string, bool) {
	v, ok := e.vals[k]
	return v, ok
}

func (e *environ) clone() *environ {
	c := newEnviron()
	c.spent = e.spent
	for _, k := range e.keys {
		c.set(k, e.vals[k])
	}
	return c
}

// budget is an environment that stops giving when a word took too much of it.
type budget struct {
	e    *environ
	left int
	over bool
}

// Get is asked by the shell lexer.
func (b *budget) Get(k string) (string, bool) {
	v, ok := b.e.get(k)
	if b.left -= len(v); b.left < 0 {
		b.over = true
		return "", ok
	}
	return v, ok
}

// Keys is asked by the shell lexer.
func (b *budget) Keys() []string { return b.e.keys }

// expand replaces $name, ${name}, ${name:-word} and the like in one word.
func (e *environ) expand(escape rune, word string) (string, error) {
	if !strings.ContainsAny(word, `$'"`+string(escape)) {
		return word, nil
	}
	b := &budget{e: e, left: maxExpanded}
	out, _, err := shell.NewLex(escape).ProcessWord(word, b)
	return b.done(word, out, err)
}

// expandText replaces variables in a heredoc, where quotes are text.
func (e *environ) expandText(text string) (string, error) {
	b := &budget{e: e, left: maxExpanded}
	lex := shell.NewLex('\\')
	lex.SkipProcessQuotes = true
	out, _, err := lex.ProcessWord(text, b)
	return b.done(text, out, err)
}

// expandWords expands and splits at spaces, as EXPOSE does.
func (e *environ) expandWords(escape rune, word string) ([]string, error) {
	b := &budget{e: e, left: maxExpanded}
	out, err := shell.NewLex(escape).ProcessWords(word, b)
	if _, err := b.done(word, "", err); err != nil {
		return nil, err
	}
	return out, nil
}

func (b *budget) done(word, out string, err error) (string, error) {
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "%s", clip(err.Error()))
	}
	if b.over || len(out) > maxExpanded {
		return "", cairn.Errorf(cairn.CodeTooLarge, "%q becomes more than %d bytes when its variables are replaced", clip(word), maxExpanded)
	}
	if s := b.e.spent; s != nil {
		if *s += len(out); *s > maxTotal {
			return "", cairn.Errorf(cairn.CodeTooLarge, "the Dockerfile becomes more than %d bytes when its variables are replaced", maxTotal)
		}
	}
	return out, nil
}
