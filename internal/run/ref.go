package run

import "strings"

func shortRef(ref string) string {
	if ref == "" {
		return "a detached HEAD"
	}
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

// MatchRef matches a branch pattern: * for all but a slash, ** for all, ? for
// one character.
func MatchRef(pattern, ref string) bool {
	if !strings.HasPrefix(pattern, "refs/") {
		ref = shortRef(ref)
	}
	return glob(pattern, ref)
}

// glob goes back to the last star of each kind alone, so that no pattern takes
// longer than its length times that of s, squared.
func glob(p, s string) bool {
	// Where to go on when nothing fits: behind a star, one character further.
	type mark struct{ p, s int }
	none := mark{-1, -1}
	shallow, deep := none, none
	i, j := 0, 0
	for i < len(p) || j < len(s) {
		if i < len(p) {
			switch {
			case p[i] == '*':
				n := len(p[i:]) - len(strings.TrimLeft(p[i:], "*"))
				i += n
				if n == 1 {
					shallow = mark{i, j}
				} else {
					deep, shallow = mark{i, j}, none
				}
				continue
			case j < len(s) && (p[i] == s[j] || p[i] == '?' && s[j] != '/'):
				i, j = i+1, j+1
				continue
			}
		}
		switch {
		case shallow != none && shallow.s < len(s) && s[shallow.s] != '/':
			shallow.s++
			i, j = shallow.p, shallow.s
		case deep != none && deep.s < len(s):
			deep.s++
			shallow = none
			i, j = deep.p, deep.s
		default:
			return false
		}
	}
	return true
}

// refWords names a ref so that a tag is not taken for a branch.
func refWords(ref string) string {
	switch {
	case strings.HasPrefix(ref, "refs/tags/"):
		return "tag " + shortRef(ref)
	case strings.HasPrefix(ref, "refs/heads/"), ref == "":
		return shortRef(ref)
	}
	return ref
}
