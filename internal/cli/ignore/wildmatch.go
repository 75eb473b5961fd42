package ignore

import "bytes"

// The answers of wildmatch. The two that abort spare attempts that cannot succeed.
type match int

const (
	matched match = iota
	unmatched
	abortAll
	abortToStarStar
)

// wildmatch is git's own matcher of patterns, followed step by step so that every
// oddity is the same one. With pathname a star does not cross a slash.
func wildmatch(pattern, text string, pathname bool) bool {
	return wild([]byte(pattern), []byte(text), pathname) == matched
}

// at is a byte of a C string: 0 behind its end.
func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

func wild(pat, text []byte, pathname bool) match {
	p, t := 0, 0
	for ; p < len(pat); p, t = p+1, t+1 {
		c, tc := pat[p], at(text, t)
		if t >= len(text) && c != '*' {
			return abortAll
		}
		switch c {
		case '?':
			if pathname && tc == '/' {
				return unmatched
			}
		case '*':
			m, next, done := star(pat, text, p, t, pathname)
			if done {
				return m
			}
			p, t = next[0], next[1]
		case '[':
			end, ok := class(pat, p, tc)
			if end < 0 {
				return abortAll
			}
			if !ok || pathname && tc == '/' {
				return unmatched
			}
			p = end
		default:
			if c == '\\' {
				p++
				c = at(pat, p)
			}
			if tc != c {
				return unmatched
			}
		}
	}
	if t < len(text) {
		return unmatched
	}
	return matched
}

// star matches one or more stars at pat[p]. done says that m is the answer; else the
// stars were followed by a slash, and the caller goes on behind next.
func star(pat, text []byte, p, t int, pathname bool) (m match, next [2]int, done bool) {
	slash := !pathname
	p++
	if at(pat, p) == '*' {
		second := p
		for p < len(pat) && pat[p] == '*' {
			p++
		}
		before := second < 2 || pat[second-2] == '/'
		after := p == len(pat) || pat[p] == '/' || pat[p] == '\\' && at(pat, p+1) == '/'
		if pathname && before && after {
			// foo/**/bar is foo/bar, too.
			if at(pat, p) == '/' && wild(pat[p+1:], text[t:], pathname) == matched {
				return matched, next, true
			}
			slash = true
		}
	}
	switch {
	case p == len(pat):
		if !slash && bytes.IndexByte(text[t:], '/') >= 0 {
			return abortToStarStar, next, true
		}
		return matched, next, true
	case !slash && pat[p] == '/':
		i := bytes.IndexByte(text[t:], '/')
		if i < 0 {
			return abortAll, next, true
		}
		return matched, [2]int{p, t + i}, false
	}
	for ; t < len(text); t++ {
		if c := pat[p]; !special(c) {
			for t < len(text) && (slash || text[t] != '/') && text[t] != c {
				t++
			}
			if at(text, t) != c {
				if slash {
					return abortAll, next, true
				}
				return abortToStarStar, next, true
			}
		}
		m := wild(pat[p:], text[t:], pathname)
		if m != unmatched {
			if !slash || m != abortToStarStar {
				return m, next, true
			}
		} else if !slash && at(text, t) == '/' {
			return abortToStarStar, next, true
		}
	}
	return abortAll, next, true
}

func special(c byte) bool { return c == '*' || c == '?' || c == '[' || c == '\\' }

// class matches a bracket expression that begins at pat[p] and returns where it ends;
// -1 for one that never does, or names a class that there is not.
func class(pat []byte, p int, tc byte) (end int, ok bool) {
	p++
	c := at(pat, p)
	negated := c == '!' || c == '^'
	if negated {
		p++
		c = at(pat, p)
	}
	var prev byte
	hit := false
	for {
		switch {
		case c == 0:
			return -1, false
		case c == '\\':
			p++
			if c = at(pat, p); c == 0 {
				return -1, false
			}
			hit = hit || tc == c
		case c == '-' && prev != 0 && at(pat, p+1) != 0 && at(pat, p+1) != ']':
			p++
			if c = at(pat, p); c == '\\' {
				p++
				if c = at(pat, p); c == 0 {
					return -1, false
				}
			}
			hit = hit || tc <= c && tc >= prev
			c = 0
		case c == '[' && at(pat, p+1) == ':':
			start := p + 2
			i := start
			for at(pat, i) != 0 && pat[i] != ']' {
				i++
			}
			if at(pat, i) == 0 {
				return -1, false
			}
			if i == start || pat[i-1] != ':' {
				hit = hit || tc == '[' // no class: an ordinary bracket
				break
			}
			in, known := inClass(string(pat[start:i-1]), tc)
			if !known {
				return -1, false
			}
			hit = hit || in
			p, c = i, 0
		default:
			hit = hit || tc == c
		}
		prev = c
		p++
		if c = at(pat, p); c == ']' {
			return p, hit != negated
		}
	}
}

func inClass(name string, c byte) (in, known bool) {
	upper, lower, digit := c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9'
	graph := c > ' ' && c < 0x7f
	switch name {
	case "alnum":
		in = upper || lower || digit
	case "alpha":
		in = upper || lower
	case "blank":
		in = c == ' ' || c == '\t'
	case "cntrl":
		in = c < ' ' || c == 0x7f
	case "digit":
		in = digit
	case "graph":
		in = graph
	case "lower":
		in = lower
	case "print":
		in = graph || c == ' '
	case "punct":
		in = graph && !upper && !lower && !digit
	case "space":
		in = c == ' ' || c >= '\t' && c <= '\r'
	case "upper":
		in = upper
	case "xdigit":
		in = digit || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
	default:
		return false, false
	}
	return in, true
}
