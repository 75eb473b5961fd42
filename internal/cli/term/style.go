package term

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// Style writes text with or without escape sequences. It uses the 16 colours
// that every theme defines.
type Style struct{ on bool }

// OutStyle is the style of Out, ErrStyle that of Err.
func (t *Term) OutStyle() Style { return Style{t.ColorOut} }

// ErrStyle is the style of Err.
func (t *Term) ErrStyle() Style { return Style{t.ColorErr} }

func (s Style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold, Dim and the colours wrap text.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Dim is for what matters less.
func (s Style) Dim(text string) string { return s.wrap("2", text) }

// Red is for failures.
func (s Style) Red(text string) string { return s.wrap("31", text) }

// Green is for successes.
func (s Style) Green(text string) string { return s.wrap("32", text) }

// Yellow is for warnings and for what waits.
func (s Style) Yellow(text string) string { return s.wrap("33", text) }

// Blue is for what goes on.
func (s Style) Blue(text string) string { return s.wrap("34", text) }

// Cyan is for hints and for what can be typed.
func (s Style) Cyan(text string) string { return s.wrap("36", text) }

// Word is the one word that says where something stands: its conclusion once
// it has one, its status before.
func Word(st cairn.Status, c cairn.Conclusion) string {
	switch {
	case st != cairn.StatusCompleted && st != "":
		return string(st)
	case c == cairn.TimedOut:
		return "timed out"
	case c == "":
		return string(st)
	}
	return string(c)
}

// Symbol goes beside Word, never instead of it.
func (t *Term) Symbol(st cairn.Status, c cairn.Conclusion) string {
	type pair struct{ unicode, ascii string }
	p := pair{"·", "."}
	switch Word(st, c) {
	case "success":
		p = pair{"✓", "+"}
	case "failure", "timed out", "lost":
		p = pair{"✗", "x"}
	case "cancelled":
		p = pair{"■", "!"}
	case "skipped":
		p = pair{"-", "-"}
	case "running":
		p = pair{"●", "*"}
	case "waiting":
		p = pair{"◌", "?"}
	case "queued":
		p = pair{"○", "o"}
	}
	if t.Unicode {
		return p.unicode
	}
	return p.ascii
}

// Paint colours text by where something stands.
func (s Style) Paint(st cairn.Status, c cairn.Conclusion, text string) string {
	switch Word(st, c) {
	case "success":
		return s.Green(text)
	case "failure", "timed out", "lost":
		return s.Red(text)
	case "cancelled", "waiting":
		return s.Yellow(text)
	case "running":
		return s.Blue(text)
	case "skipped", "blocked", "queued":
		return s.Dim(text)
	}
	return text
}

// VisibleWidth counts the columns of s, escape sequences left out. Wide East
// Asian characters count as one: tables may then be a little off, never wrong.
func VisibleWidth(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] == 0x1b {
			i = skipEscape(s, i)
			continue
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
		n++
	}
	return n
}

func skipEscape(s string, i int) int {
	if i+1 < len(s) && s[i+1] == '[' {
		for j := i + 2; j < len(s); j++ {
			if s[j] >= 0x40 && s[j] <= 0x7e {
				return j + 1
			}
		}
		return len(s)
	}
	return i + 1
}

// Clip shortens s to n columns, keeping escape sequences whole and closing them.
func Clip(s string, n int) string {
	if VisibleWidth(s) <= n {
		return s
	}
	if n <= 1 {
		return ""
	}
	var b strings.Builder
	cols, styled := 0, false
	for i := 0; i < len(s) && cols < n-1; {
		if s[i] == 0x1b {
			j := skipEscape(s, i)
			b.WriteString(s[i:j])
			styled = true
			i = j
			continue
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		b.WriteString(s[i : i+size])
		i += size
		cols++
	}
	b.WriteString("…")
	if styled {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// Clean makes text that came from somewhere else safe for a terminal: control
// characters other than tab are dropped, so that a log line, a commit's subject
// or a name cannot move the cursor or change the title.
func Clean(s string) string {
	if !strings.ContainsFunc(s, control) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == 0x1b {
			i = skipEscape(s, i)
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !control(r) {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

func control(r rune) bool {
	return r < 0x20 && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// CleanText is Clean that keeps newlines: for messages of several lines.
func CleanText(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// ShellQuote writes a word of a command that people may type or paste.
func ShellQuote(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 0x7f && !control(r) || strings.ContainsRune("-_./:@=+,%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// FileName writes the name of a file within a sentence: one with line ends or
// other controls in it in quotes.
func FileName(s string) string {
	if strings.ContainsFunc(s, control) || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}
