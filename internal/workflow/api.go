package workflow

import "github.com/cairn-ml/cairn"

func Parse(path string, src []byte) (*Workflow, []cairn.Problem)     { return nil, nil }
func ParseAction(path string, src []byte) (*Action, []cairn.Problem) { return nil, nil }
func Lint(path string, src []byte) []cairn.Problem                   { return nil }
func Render(problems []cairn.Problem, src []byte) string             { return "" }
func (w *Workflow) Matches(event, ref string, changed []string, activity string) (bool, string) {
	return false, ""
}
