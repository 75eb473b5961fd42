package pipeline

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// told is a problem that was found; hint, where it is set, makes its hint. That waits until it is known
// which problems are shown: looking for the nearest of a thousand names takes its time, and a
// file may have a thousand mistakes.
type told struct {
	cairn.Problem
	hint func() string
}

func (l *loader) report(ps ...cairn.Problem) {
	for _, p := range ps {
		l.problems = append(l.problems, told{Problem: p})
	}
}

// finish puts the problems into order and gives them their lines.
func (l *loader) finish() []cairn.Problem {
	type key struct {
		pos  cairn.Position
		text string
	}
	seen := map[key]bool{}
	var shown []told
	for _, p := range l.problems {
		k := key{p.Position, p.Message}
		if seen[k] {
			continue
		}
		seen[k] = true
		shown = append(shown, p)
	}
	first := ""
	if len(l.sources) > 0 {
		first = l.sources[0].Path
	}
	slices.SortStableFunc(shown, func(a, b told) int {
		if a.File != b.File {
			if a.File == first {
				return -1
			}
			if b.File == first {
				return 1
			}
			return cmp.Compare(a.File, b.File)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(shown) > maxProblem {
		shown = shown[:maxProblem]
	}
	var out []cairn.Problem
	for _, p := range shown {
		if p.hint != nil {
			p.Hint = p.hint()
		}
		if lines := l.lines[p.File]; p.Line > 0 && p.Line <= len(lines) && p.Snippet == "" {
			p.Snippet = clipLine(strings.TrimSuffix(lines[p.Line-1], "\r"))
		}
		out = append(out, p.Problem)
	}
	return out
}

func clipLine(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// didYouMean is the hint with the name that is near; "" where none is.
func didYouMean(s string, names []string) string {
	if near := cairn.Nearest(s, names); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// theyAre names what there is, for hints: the first of many.
func theyAre(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
