package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/pflag"
)

// The exit codes, as every help page lists them.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNotAllowed  = 4
	ExitNotFound    = 5
	ExitPending     = 8
	ExitInterrupted = 130
)

// Exit ends a command with a code after it has said everything itself.
type Exit int

// Error is never shown.
func (e Exit) Error() string { return "exit " + strconv.Itoa(int(e)) }

// ExitCode is the one place where a kind of error becomes an exit code.
func ExitCode(err error) int {
	var exit Exit
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	switch cairn.CodeOf(err) {
	case cairn.CodeInvalid:
		return ExitUsage
	case cairn.CodeUnauthenticated, cairn.CodeForbidden:
		return ExitNotAllowed
	case cairn.CodeNotFound:
		return ExitNotFound
	case cairn.CodePending:
		return ExitPending
	case cairn.CodeCanceled:
		return ExitInterrupted
	}
	return ExitFailed
}

// ShowError writes err to Err: as text for people, as one line of JSON when the
// command was asked for JSON. An Exit has been explained already.
func (k *Kit) ShowError(err error) {
	var exit Exit
	if err == nil || errors.As(err, &exit) {
		return
	}
	e := cairn.AsError(err)
	if errors.Is(err, context.Canceled) {
		e = &cairn.Error{Code: cairn.CodeCanceled, Message: "interrupted"}
	}
	if k.wantJSON {
		enc := json.NewEncoder(k.Term.Err)
		enc.SetEscapeHTML(false)
		// A failure to write to standard error has nowhere to be told.
		_ = enc.Encode(map[string]*cairn.Error{"error": e})
		return
	}
	RenderError(k.Term.Err, k.Term.ErrStyle(), e, k.snippet)
}

// WantJSON makes errors JSON: for flags like --progress=json.
func (k *Kit) WantJSON() { k.wantJSON = true }

// JSONWanted reports whether the command writes JSON.
func (k *Kit) JSONWanted() bool { return k.wantJSON }

// snippet reads the line a position points into, for errors that carry none.
func (k *Kit) snippet(p cairn.Position) string {
	if p.File == "" || p.Line == 0 {
		return ""
	}
	b, err := k.ReadFile(p.File, 1<<20)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(b), "\n")
	if p.Line > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[p.Line-1], "\r")
}

// RenderError writes e and all its problems.
func RenderError(w io.Writer, s term.Style, e *cairn.Error, snippet func(cairn.Position) string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", s.Bold(s.Red("error:")), term.CleanText(e.Message))
	if e.Position != nil && !e.Position.IsZero() {
		line := ""
		// The file may hold secrets: an env file's line is never shown.
		if snippet != nil && !strings.Contains(e.Position.File, ".env") {
			line = snippet(*e.Position)
		}
		renderPlace(&b, s, *e.Position, line)
	}
	renderHint(&b, s, e.Hint)
	for _, p := range e.Problems {
		b.WriteByte('\n')
		renderProblem(&b, s, p)
	}
	// A failure to write to standard error has nowhere to be told.
	_, _ = io.WriteString(w, b.String())
}

// RenderProblems writes findings, one after another.
func RenderProblems(w io.Writer, s term.Style, ps []cairn.Problem) {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		renderProblem(&b, s, p)
	}
	_, _ = io.WriteString(w, b.String())
}

func renderProblem(b *strings.Builder, s term.Style, p cairn.Problem) {
	head := s.Bold(s.Red("error:"))
	if p.Severity == cairn.SeverityWarning {
		head = s.Bold(s.Yellow("warning:"))
	}
	fmt.Fprintf(b, "%s %s", head, term.CleanText(p.Message))
	if p.Code != "" {
		b.WriteString(s.Dim(" [" + p.Code + "]"))
	}
	b.WriteByte('\n')
	if !p.Position.IsZero() {
		renderPlace(b, s, p.Position, p.Snippet)
	}
	renderHint(b, s, p.Hint)
}

func renderHint(b *strings.Builder, s term.Style, hint string) {
	if hint != "" {
		fmt.Fprintf(b, "%s %s\n", s.Cyan("hint:"), term.CleanText(hint))
	}
}

// renderPlace writes "  --> file:line:col" and the line with a caret under it.
func renderPlace(b *strings.Builder, s term.Style, p cairn.Position, line string) {
	fmt.Fprintf(b, "%s %s\n", s.Blue("  -->"), p.String())
	// Columns count characters. A long line is cut around the place.
	runes := []rune(strings.TrimRight(line, " \t"))
	if len(runes) == 0 || p.Line == 0 {
		return
	}
	p.Column = min(p.Column, len(runes)+1)
	end := min(p.EndColumn, len(runes)+1)
	if p.Column > snippetWidth-20 {
		cut := min(p.Column-40, len(runes))
		runes = append([]rune("…"), runes[cut:]...)
		p.Column, end = p.Column-cut+1, end-cut+1
	}
	if len(runes) > snippetWidth {
		runes = append(runes[:snippetWidth], '…')
	}
	before, mark := "", max(1, end-p.Column)
	if p.Column > 0 {
		before = string(runes[:p.Column-1])
	}
	mark = min(mark, max(1, len(runes)-p.Column+1))
	line = string(runes)
	num := strconv.Itoa(p.Line)
	pad := strings.Repeat(" ", len(num))
	fmt.Fprintf(b, "%s\n", s.Blue(" "+pad+" |"))
	fmt.Fprintf(b, "%s %s\n", s.Blue(" "+num+" |"), expandTabs(term.Clean(line)))
	if p.Column > 0 {
		indent := strings.Repeat(" ", term.VisibleWidth(expandTabs(term.Clean(before))))
		fmt.Fprintf(b, "%s %s%s\n", s.Blue(" "+pad+" |"), indent, s.Red("^"+strings.Repeat("~", mark-1)))
	}
}

// snippetWidth is how much of a line is shown.
const snippetWidth = 120

func expandTabs(s string) string { return strings.ReplaceAll(s, "\t", "    ") }

// usageError turns what pflag says into the words of Cairn.
func usageError(known []string, path string, err error) error {
	var missing *pflag.NotExistError
	var value *pflag.InvalidValueError
	var required *pflag.ValueRequiredError
	var e *cairn.Error
	switch {
	case errors.As(err, &missing):
		name := missing.GetSpecifiedName()
		if len(name) <= 1 {
			return cairn.Errorf(cairn.CodeInvalid, "%s has no flag -%s", path, name).WithHint("%s --help lists its flags", path)
		}
		e = cairn.Errorf(cairn.CodeInvalid, "%s has no flag --%s", path, term.Clean(name))
		if n := cairn.Nearest(name, known); n != "" {
			return e.WithHint("did you mean --%s?", n)
		}
		return e.WithHint("%s --help lists its flags", path)
	case errors.As(err, &value):
		var inner *cairn.Error
		if errors.As(err, &inner) {
			return inner
		}
		return cairn.Errorf(cairn.CodeInvalid, "--%s does not take %q: it wants %s", value.GetFlag().Name, term.Clean(value.GetValue()), wanted(value.GetFlag().Value.Type()))
	case errors.As(err, &required):
		return cairn.Errorf(cairn.CodeInvalid, "--%s needs a value", required.GetFlag().Name)
	case errors.As(err, &e):
		return e
	}
	return cairn.Errorf(cairn.CodeInvalid, "%s", err.Error()).WithHint("%s --help shows the usage", path)
}

// wanted says in words what a type of flag takes.
func wanted(kind string) string {
	switch kind {
	case "int", "int64":
		return "a whole number"
	case "bool":
		return "true or false"
	case "duration":
		return "a duration such as 90s, 10m or 24h"
	}
	return "a " + kind
}
