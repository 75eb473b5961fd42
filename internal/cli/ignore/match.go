package ignore

import (
	"bytes"
	"path"
	"strings"
)

// pattern is one line of an ignore file.
type pattern struct {
	text     string // without ! before and / behind
	literal  int    // how many bytes of it come before the first wildcard
	negative bool
	dirOnly  bool
	nameOnly bool // holds no slash: it is matched with the last part of a path
}

// list are the lines of one file; base is the folder that it lies in, "" for the root.
type list struct {
	base     string
	patterns []pattern
}

// Matcher holds the ignore files that count in a folder, the outermost first. The
// zero value ignores nothing. It is a value: With leaves the original as it was.
type Matcher struct{ lists []list }

// With adds the text of an ignore file in a folder ("" is the root) to those of the
// folders above it.
func (m Matcher) With(base string, src []byte) Matcher {
	l := list{base: base, patterns: parse(src)}
	if len(l.patterns) == 0 {
		return m
	}
	return Matcher{append(m.lists[:len(m.lists):len(m.lists)], l)}
}

// Ignored reports whether a path (relative to the root, with slashes) is left out by
// the last line that it matches in the nearest file. The caller does not ask about
// what lies in a folder that is ignored itself: no line brings such a file back.
func (m Matcher) Ignored(name string, dir bool) bool {
	for i := len(m.lists) - 1; i >= 0; i-- {
		l := m.lists[i]
		if l.base != "" && !strings.HasPrefix(name, l.base+"/") {
			continue
		}
		for j := len(l.patterns) - 1; j >= 0; j-- {
			if p := l.patterns[j]; p.matches(l.base, name, dir) {
				return !p.negative
			}
		}
	}
	return false
}

func (p pattern) matches(base, name string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if p.nameOnly {
		last := path.Base(name)
		if p.literal == len(p.text) {
			return p.text == last
		}
		return wildmatch(p.text, last, false)
	}
	if base != "" {
		below, ok := strings.CutPrefix(name, base+"/")
		if !ok {
			return false
		}
		name = below
	}
	text, literal := p.text, p.literal
	if strings.HasPrefix(text, "/") {
		text, literal = text[1:], max(0, literal-1)
	}
	// As git does it: what comes before the first wildcard is compared, and the rest
	// matched by itself. So ** right behind it counts as at the beginning.
	if !strings.HasPrefix(name, text[:literal]) {
		return false
	}
	return wildmatch(text[literal:], name[literal:], true)
}

func parse(src []byte) []pattern {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	var out []pattern
	for line := range bytes.SplitSeq(src, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if i := bytes.IndexByte(line, 0); i >= 0 {
			line = line[:i] // where git's strings end
		}
		text := withoutSpaces(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		p := pattern{}
		text, p.negative = strings.CutPrefix(text, "!")
		text, p.dirOnly = strings.CutSuffix(text, "/")
		p.text = text
		p.nameOnly = !strings.Contains(text, "/")
		if p.literal = strings.IndexAny(text, `*?[\`); p.literal < 0 {
			p.literal = len(text)
		}
		out = append(out, p)
	}
	return out
}

// withoutSpaces takes spaces at the end of a line away, save those that a backslash
// protects.
func withoutSpaces(s string) string {
	from := -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			if from < 0 {
				from = i
			}
			continue
		case '\\':
			if i++; i >= len(s) {
				return s
			}
		}
		from = -1
	}
	if from < 0 {
		return s
	}
	return s[:from]
}
