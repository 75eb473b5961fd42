package workflow

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// Render writes findings for people:
//
//	ci.yml:4:5: error: unknown key 'run-on' in job 'build'
//	    4 |     run-on: ubuntu-latest
//	      |     ^~~~~~
//	      = did you mean runs-on? …
//
// src fills in source lines that the problems do not carry; it may be nil.
func Render(problems []cairn.Problem, src []byte) string {
	var b strings.Builder
	var s *source
	for i, p := range problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", p.Position, p.Severity, p.Message)
		snippet := p.Snippet
		if snippet == "" && p.Line > 0 && src != nil {
			if s == nil {
				s = newSource(p.File, src)
			}
			snippet = s.line(p.Line)
		}
		if p.Line > 0 && strings.TrimSpace(snippet) != "" {
			renderSnippet(&b, p, snippet)
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "      = %s\n", p.Hint)
		}
	}
	return b.String()
}

// snippetWidth is how much of a long line is shown.
const snippetWidth = 120

func renderSnippet(b *strings.Builder, p cairn.Problem, line string) {
	runes := []rune(line)
	from := 0
	if p.Column > snippetWidth-20 {
		from = p.Column - 40
	}
	from = min(from, len(runes))
	shown := runes[from:]
	more := ""
	if len(shown) > snippetWidth {
		shown, more = shown[:snippetWidth], "…"
	}
	less := ""
	if from > 0 {
		less = "…"
	}
	fmt.Fprintf(b, "%5d | %s%s%s\n", p.Line, less, clean(shown), more)
	if p.Column == 0 {
		return
	}
	at := min(max(p.Column-1-from, 0), len(shown))
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(shown[:at]))
	width := min(max(p.EndColumn-p.Column, 1), max(len(shown)-at, 1))
	fmt.Fprintf(b, "      | %s%s^%s\n", strings.Repeat(" ", utf8.RuneCountInString(less)), pad, strings.Repeat("~", width-1))
}

// clean keeps control characters of a file away from the terminal.
func clean(line []rune) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && hidden(r) {
			return '�'
		}
		return r
	}, string(line))
}

// hidden reports whether a terminal would act on r, or show text in another order.
func hidden(r rune) bool {
	return r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 || r == 0x200e || r == 0x200f ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
