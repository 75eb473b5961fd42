package follow

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// zero stands for "no object" in moves of refs.
const zero = "0000000000000000000000000000000000000000"

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// move is a ref that is not where it was recorded.
type move struct {
	ref      string
	old, new string
	version  int64 // of the record
	fresh    bool  // there is no record
}

// moved compares refs with where they were recorded. Of pull requests only those
// are looked at that were fetched: their refs stay for ever.
func moved(recorded map[string]cairn.RecordedRef, now map[string]string) []move {
	var out []move
	for ref, sha := range now {
		r, known := recorded[ref]
		if old := orZero(r.SHA); old != sha {
			out = append(out, move{ref: ref, old: old, new: sha, version: r.Version, fresh: !known})
		}
	}
	for ref, r := range recorded {
		if _, there := now[ref]; !there && r.SHA != zero && !isPull(ref) {
			out = append(out, move{ref: ref, old: r.SHA, new: zero, version: r.Version})
		}
	}
	slices.SortFunc(out, func(a, b move) int { return strings.Compare(a.ref, b.ref) })
	return out
}

func orZero(sha string) string {
	if sha == "" {
		return zero
	}
	return sha
}

func isPull(ref string) bool { return strings.HasPrefix(ref, "refs/pull/") }

// id names a move: the same whoever tells of it.
func (m *move) id(repo string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%d", repo, m.ref, m.old, m.new, m.version))
	return hex.EncodeToString(sum[:16])
}

// verdict says what to do about a move that the webhook tells of.
type verdict int

const (
	covered verdict = iota // it is known, or a look at the refs will see it
	next                   // it is the move from where the ref was recorded
	apart                  // a look at the refs saw past it, or will
)

// judge decides by where the ref was recorded, and whether the commit was seen on
// it.
func judge(recorded, before, after string, seen bool) verdict {
	recorded, before = orZero(recorded), orZero(before)
	switch {
	case after == recorded:
		return covered
	case before == recorded:
		return next
	case after == zero || seen:
		return covered
	}
	return apart
}

// follows reports whether a ref is one that is kept up with.
func follows(patterns []string, ref string) bool {
	branch, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return strings.HasPrefix(ref, "refs/tags/")
	}
	return followsBranch(patterns, branch)
}

func followsBranch(patterns []string, branch string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return glob(p).MatchString(branch) })
}

// glob reads a pattern of branches: * for all but a slash, ** for all, ? for one
// character.
func glob(pattern string) *regexp.Regexp {
	var b strings.Builder
	deep := false
	for i, c := range pattern {
		switch {
		case deep:
			deep = false
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString(".*")
			deep = true
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile("(?s)^(?:" + b.String() + ")$")
	if err != nil {
		return regexp.MustCompile(`$^.`) // every rune is quoted: never
	}
	return re
}

// checkPattern refuses what could be no pattern of branches.
func checkPattern(p string) error {
	if p == "" || len(p) > 255 || strings.HasPrefix(p, "refs/") || strings.ContainsAny(p, " ~^:\\[\x7f!") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }) {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a pattern of branches", clip(p, 100)).
			WithHint("such as main, release/* or **; * stands for all but a slash")
	}
	return nil
}

// clip shortens a text at a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
