package track

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// PathOf is the path below the artifact store that a URI names: one that begins
// with the scheme of URI, with or without an authority, or is no URI of ours.
func (s *Service) PathOf(uri string) (string, error) {
	scheme, _, _ := strings.Cut(s.uri, ":")
	rest, ok := strings.CutPrefix(uri, scheme+":")
	if !ok {
		return "", invalid("'%s' is not in this server's artifact store (%s)", uri, s.uri)
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok { // an authority is whoever the client talked to: us
		_, rest, _ = strings.Cut(after, "/")
	}
	return CleanPath(strings.TrimPrefix(rest, "/"))
}

// CleanPath checks a path below the artifact store. What is not written in the
// one plain way (.., ., //, encoded or hidden characters) is refused, not
// repaired: the name that is stored is the name that was sent.
func CleanPath(p string) (string, error) {
	bad := func(why string) (string, error) {
		return "", invalid("Invalid path: %s: %s", quoteValue(p), why)
	}
	switch {
	case p == "":
		return "", nil
	case len(p) > 4096:
		return "", invalid("Invalid path: it is %d bytes long; at most 4096 are allowed", len(p))
	case !utf8.ValidString(p):
		return bad("it is not UTF-8")
	case strings.HasPrefix(p, "/"):
		return bad("it must be relative")
	case strings.ContainsAny(p, "\\#?\x00\x7f") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }):
		return bad("it has a character that is not allowed (\\, #, ? or a control character)")
	case hidden(p):
		return bad("it has an encoded slash, dot, # or control character")
	case path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../"):
		return bad("it must not have empty parts, '.' or '..'")
	case len(p) > 1 && p[1] == ':' && isAlnum(rune(p[0])) && (len(p) == 2 || p[2] == '/'):
		return bad("it must not name a drive")
	}
	return p, nil
}

// hidden reports whether p, decoded as often as that changes anything, holds
// what CleanPath forbids: somebody behind us might decode it.
func hidden(p string) bool {
	for range 8 {
		i := strings.IndexByte(p, '%')
		if i < 0 {
			return false
		}
		var b strings.Builder
		changed := false
		for j := 0; j < len(p); j++ {
			if p[j] == '%' && j+2 < len(p) {
				if c, err := strconv.ParseUint(p[j+1:j+3], 16, 8); err == nil {
					if c < ' ' || strings.IndexByte("./\\#?%:\x7f", byte(c)) >= 0 {
						return true
					}
					b.WriteByte(byte(c))
					j += 2
					changed = true
					continue
				}
			}
			b.WriteByte(p[j])
		}
		if !changed {
			return false
		}
		p = b.String()
	}
	return true
}
