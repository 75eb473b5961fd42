package run

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// ShowFailure writes why a job failed: the last lines of the step, or its reason.
func ShowFailure(ctx context.Context, cl *kit.Client, t *term.Term, f live.Failure) {
	showFailure(ctx, cl, t, f)
}

// LogLines reads the log of a step line by line, without times and without what the
// runner says before the step, cleaned for a terminal; with follow until the step
// ends. A step that said nothing has no lines.
func LogLines(ctx context.Context, cl *kit.Client, job cairn.JobID, step int, follow bool, line func(string) error) error {
	r, err := cl.Logs(ctx, job, step, 0, follow)
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return nil
		}
		return err
	}
	defer r.Close()
	first, head := true, false
	return eachLine(r, func(text string) error {
		text = cleanKeepColor(stamp(text, false))
		if first && len(text) > 12 && text[:12] == "##[group]Run" {
			head = true
		}
		first = false
		end := text == "##[endgroup]"
		if head || end {
			head = head && !end
			return nil
		}
		return line(text)
	})
}

// CommandLine shows a line that a workflow command left in the log as it is meant.
func CommandLine(s term.Style, line string) string { return commandLine(s, line) }
