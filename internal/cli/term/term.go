// Package term holds what the command line knows of its terminal: the three
// streams, whether each is a terminal, colour, width, and whether a person or
// a program is watching. It is one value, made once per process by [New]; tests
// use [Test].
package term

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"

	xterm "golang.org/x/term"
)

// Term is the terminal, or what stands in for it. Out is for data, Err for talk.
type Term struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InTTY, OutTTY, ErrTTY bool
	// ColorOut and ColorErr say whether escape sequences may be written.
	ColorOut, ColorErr bool
	// Unicode says that symbols beyond ASCII can be shown.
	Unicode bool
	// Robot says that a CI system or a program drives the command line: nothing
	// is redrawn and nobody can answer a question.
	Robot bool

	width func() int
}

// robotVars are set by CI systems and by programs that drive a command line.
// Any of them, not empty, not "0" and not "false", means plain output.
func robotVars() []string {
	return []string{"CI", "AI_AGENT", "AGENT", "CLAUDECODE", "CODEX_SANDBOX", "CURSOR_AGENT", "GEMINI_CLI",
		"GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE", "JENKINS_URL", "TEAMCITY_VERSION", "CAIRN_JOB"}
}

// New looks at the streams and at the environment.
func New(in io.Reader, out, err io.Writer, env func(string) string) *Term {
	t := &Term{In: in, Out: out, Err: err, InTTY: isTTY(in), OutTTY: isTTY(out), ErrTTY: isTTY(err)}
	for _, name := range robotVars() {
		if on(env(name)) {
			t.Robot = true
		}
	}
	t.ColorOut, t.ColorErr = color(t.OutTTY, t.Robot, env), color(t.ErrTTY, t.Robot, env)
	t.Unicode = unicode(env)
	t.width = func() int { return width(env, err, out) }
	return t
}

// Width is the number of columns, 80 where it cannot be known. It is asked for
// anew each time, because windows are resized.
func (t *Term) Width() int {
	if t.width == nil {
		return 80
	}
	return t.width()
}

// Live reports whether lines on Err may be drawn over.
func (t *Term) Live() bool { return t.ErrTTY && !t.Robot }

// CanAsk reports whether somebody can answer a question.
func (t *Term) CanAsk() bool { return t.InTTY && t.ErrTTY && !t.Robot }

// ReadPassword reads one line without showing it; only when CanAsk.
func (t *Term) ReadPassword() (string, error) {
	f, ok := t.In.(*os.File)
	if !ok {
		return "", io.ErrUnexpectedEOF
	}
	b, err := xterm.ReadPassword(int(f.Fd()))
	return string(b), err
}

// color decides by the published conventions: NO_COLOR beats CLICOLOR_FORCE,
// which beats CLICOLOR=0 and what the stream is.
func color(tty, robot bool, env func(string) string) bool {
	switch {
	case env("NO_COLOR") != "":
		return false
	case on(env("CLICOLOR_FORCE")):
		return true
	case env("CLICOLOR") == "0", env("TERM") == "dumb", robot:
		return false
	}
	return tty
}

func on(v string) bool {
	switch strings.ToLower(v) {
	case "", "0", "false", "no":
		return false
	}
	return true
}

// unicode is off only where the environment says so by name: many containers
// set no locale at all and show UTF-8 well.
func unicode(env func(string) string) bool {
	if t := env("TERM"); t == "dumb" || t == "linux" {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			return v != "C" && v != "POSIX"
		}
	}
	return true
}

func width(env func(string) string, streams ...io.Writer) int {
	if n, err := strconv.Atoi(env("COLUMNS")); err == nil && n >= 20 && n <= 1000 {
		return n
	}
	for _, s := range streams {
		if f, ok := s.(*os.File); ok {
			if w, _, err := xterm.GetSize(int(f.Fd())); err == nil && w >= 20 {
				return w
			}
		}
	}
	return 80
}

func isTTY(s any) bool {
	f, ok := s.(*os.File)
	return ok && f != nil && xterm.IsTerminal(int(f.Fd()))
}

// Buffers are the streams of a [Test] terminal.
type Buffers struct{ In, Out, Err *bytes.Buffer }

// Test is the twin of New for tests: three buffers, no colour, 80 columns. The
// caller changes the fields it needs.
func Test() (*Term, *Buffers) {
	b := &Buffers{&bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}}
	return &Term{In: b.In, Out: b.Out, Err: b.Err, Unicode: true, width: func() int { return 80 }}, b
}

// SetWidth fixes the width, for tests.
func (t *Term) SetWidth(n int) { t.width = func() int { return n } }
