package workflow

import (
	"fmt"
	"io"
	"strings"

	"github.com/rhysd/actionlint"

	"github.com/cairn-ml/cairn"
)

// ours are kinds of actionlint findings that our own checks decide, or that do
// not hold here: which labels there are and which runner an action needs.
var ours = map[string]bool{
	"syntax-check": true, "job-needs": true, "id": true, "glob": true, "events": true, "permissions": true,
	"runner-label": true, "environment-variable": true,
}

// outdated are findings that newer GitHub contradicts: of expressions case(), [*],
// success('job') and a precedence it has wrong; and $/, the workflow's own commit.
var outdated = []string{
	"undefined function \"case\"", "unexpected token", "got unexpected", "parsing", "number of arguments is wrong", "is not available",
	"undefined variable", "not allowed here", "too old to run", `"$/`,
}

// Lint returns advice: what actionlint finds beyond our own checks, as warnings.
// A file that Parse refuses gets none.
func Lint(path string, src []byte) []cairn.Problem {
	_, own := Parse(path, src)
	if cairn.HasErrors(own) {
		return nil
	}
	said := map[int]bool{}
	for _, p := range own {
		said[p.Line] = true
	}
	findings, err := actionlintOn(path, src)
	if err != nil {
		return []cairn.Problem{{
			Position: cairn.Position{File: path}, Severity: cairn.SeverityWarning, Code: "lint.failed",
			Message: "no further advice: " + err.Error(),
		}}
	}
	s := newSource(path, src)
	var out []cairn.Problem
	for _, f := range findings {
		if ours[f.Kind] || said[f.Line] || isOutdated(f.Message) {
			continue
		}
		out = append(out, cairn.Problem{
			Position: cairn.Position{File: path, Line: f.Line, Column: f.Column},
			Severity: cairn.SeverityWarning, Code: "lint." + f.Kind, Message: f.Message, Hint: nearHint(f.Message), Snippet: s.line(f.Line),
		})
	}
	return out
}

// actionlintOn runs the linter. It is somebody else's code on somebody else's
// file: a panic in it is an error here.
func actionlintOn(path string, src []byte) (findings []*actionlint.Error, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("actionlint failed on this file: %v", p)
		}
	}()
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		return nil, err
	}
	return linter.Lint(path, src, nil)
}

// nearHint names the input or secret that was most likely meant, where a message says
// that there is none of a name, and which there are.
func nearHint(message string) string {
	said, known, ok := strings.Cut(message, " is not defined in ")
	if !ok {
		return ""
	}
	name, names := strings.Split(said, `"`), strings.Split(known, `"`)
	if len(name) < 2 {
		return ""
	}
	// The first word in quotes is what defines them; every other part lies between quotes.
	var all []string
	for i := 3; i < len(names); i += 2 {
		all = append(all, names[i])
	}
	if near := cairn.Nearest(name[1], all); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

func isOutdated(message string) bool {
	for _, o := range outdated {
		if strings.Contains(message, o) {
			return true
		}
	}
	return false
}
