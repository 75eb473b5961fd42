package output

import (
	"bytes"
	"strings"
)

// The colours of pygments' TerminalFormatter, which gives spaces one too.
const (
	gray       = "\x1b[37m"
	brightBlue = "\x1b[94m"
	blue       = "\x1b[34m"
	yellow     = "\x1b[33m"
	red        = "\x1b[31m"
	lineCyan   = "\x1b[04m\x1b[36m"
	plain      = "\x1b[39;49;00m"
)

// painter writes in colours, where they are on.
type painter struct {
	b  *bytes.Buffer
	on bool
}

// text writes in a colour, which begins anew behind what Python takes for a line's end.
func (p painter) text(color, s string) {
	if !p.on {
		p.b.WriteString(s)
		return
	}
	for s != "" {
		piece := s
		if i := strings.IndexAny(s, "\u0085\u2028\u2029"); i >= 0 {
			piece = s[:i+len(string([]rune(s[i:])[0]))]
		}
		p.b.WriteString(color + piece + plain)
		s = s[len(piece):]
	}
}

// space writes spaces, behind a line's break or without one.
func (p painter) space(s string) {
	if !p.on {
		p.b.WriteString(s)
		return
	}
	if rest, ok := strings.CutPrefix(s, "\n"); ok {
		p.b.WriteString(gray + plain + "\n")
		s = rest
	}
	if s != "" {
		p.b.WriteString(gray + s + plain)
	}
}
