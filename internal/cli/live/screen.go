package live

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cairn-ml/cairn/internal/cli/term"
	xterm "golang.org/x/term"
)

// Screen is the part of a terminal that is drawn over again and again.
type Screen struct {
	Term  *term.Term
	drawn int // lines on the screen that belong to the frame
	last  string
}

// Draw shows lines in place of those drawn before.
func (s *Screen) Draw(lines []string) {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(term.Clip(l, s.Term.Width()-1) + "\n")
	}
	text := b.String()
	if text == s.last {
		return
	}
	// One write per frame, so that it does not flicker.
	_, _ = io.WriteString(s.Term.Err, s.erase()+text)
	s.last, s.drawn = text, len(lines)
}

// Say writes a line above what is drawn next.
func (s *Screen) Say(text string) {
	fmt.Fprintf(s.Term.Err, "%s%s\n", s.erase(), text)
	s.drawn, s.last = 0, ""
}

// Height is how many lines the window has.
func (s *Screen) Height() int {
	if f, ok := s.Term.Err.(*os.File); ok {
		if _, h, err := xterm.GetSize(int(f.Fd())); err == nil && h >= 5 {
			return h
		}
	}
	return 24
}

// erase moves to the first line of the frame and clears from there.
func (s *Screen) erase() string {
	if s.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", s.drawn)
}
