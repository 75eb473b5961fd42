package repo

import (
	"fmt"
	"path"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/plan"
)

// maxCalls bounds how many called workflows one plan is built from.
const maxCalls = 100

// Plan freezes a workflow of a work tree without an owner: called workflows are
// read from the tree, everything remote is a problem.
func Plan(root string, f *File, t plan.Trigger) (*cairn.Plan, []cairn.Problem) {
	if f.Workflow == nil {
		return nil, f.Problems
	}
	files := plan.Files{}
	for {
		p, missing, problems := plan.Build(f.Workflow, f.Source, t, files)
		again := false
		for _, m := range missing {
			rel := path.Clean(m.Ref)
			if _, have := files[rel]; !m.Local || m.Kind != "workflow" || have || len(files) >= maxCalls {
				continue
			}
			called, err := Read(root, rel)
			if err != nil {
				problems = append(problems, cairn.Problem{Position: m.Pos, Severity: cairn.SeverityError,
					Code: "plan.missing-workflow", Message: cairn.AsError(err).Message})
				return nil, problems
			}
			files[m.Ref], again = called.Source, true
		}
		if again {
			continue
		}
		for _, m := range missing {
			if m.Reason != "" || m.Kind == "workflow" {
				problems = append(problems, cairn.Problem{Position: m.Pos, Severity: cairn.SeverityWarning,
					Code: "plan.missing-" + m.Kind, Message: reason(m)})
			}
		}
		return p, problems
	}
}

func reason(m plan.Missing) string {
	if m.Reason != "" {
		return m.Reason
	}
	if plan.IsRemote(m.Ref) {
		return fmt.Sprintf("%s is of another repository: what it holds is read when it runs", m.Ref)
	}
	return fmt.Sprintf("%s %s cannot be read from here", m.Kind, m.Ref)
}

// TypedWrong reports whether what is wrong was typed, with --input, --job or
// --event, and not written in a file.
func TypedWrong(ps []cairn.Problem) bool {
	for _, p := range ps {
		if p.Severity == cairn.SeverityError && !slices.Contains([]string{"plan.input", "plan.job", "plan.event"}, p.Code) {
			return false
		}
	}
	return cairn.HasErrors(ps)
}
