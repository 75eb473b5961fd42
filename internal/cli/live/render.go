package live

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// view turns the model into lines for one stream.
type view struct {
	t *term.Term
	s term.Style
}

// Header is the line that says what runs: number, workflow, commit, author.
func Header(t *term.Term, s term.Style, r cairn.Run) string {
	parts := []string{s.Bold(fmt.Sprintf("run %d", r.ID))}
	if r.ID == 0 {
		parts = nil
	}
	parts = append(parts, s.Bold(term.Clean(r.Workflow)))
	if r.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", r.Attempt))
	}
	if c := CommitLine(s, r.Commit); c != "" {
		parts = append(parts, c)
	}
	if b := Branch(r.Ref); b != "" {
		parts = append(parts, b)
	}
	if r.Event != "" {
		parts = append(parts, r.Event)
	}
	if r.Dirty {
		parts = append(parts, s.Yellow("dirty"))
	}
	return strings.Join(parts, "  ")
}

// CommitLine is a commit in one line: abc1234 "subject" by Ana.
func CommitLine(s term.Style, c cairn.Commit) string {
	if c.SHA == "" {
		return ""
	}
	out := s.Cyan(c.SHA[:min(7, len(c.SHA))])
	if c.Subject != "" {
		out += fmt.Sprintf(" %q", term.Clean(c.Subject))
	}
	if c.Author != "" {
		out += " by " + term.Clean(c.Author)
	}
	return out
}

// Branch shortens a git ref.
func Branch(ref string) string {
	for _, p := range []string{"refs/heads/", "refs/tags/", "refs/pull/"} {
		if b, ok := strings.CutPrefix(ref, p); ok {
			return term.Clean(b)
		}
	}
	return term.Clean(ref)
}

// state is "symbol word" padded to one column.
func (v view) state(st cairn.Status, c cairn.Conclusion) string {
	word := term.Word(st, c)
	return v.s.Paint(st, c, v.t.Symbol(st, c)+" "+word) + strings.Repeat(" ", max(0, 9-len(word)))
}

func (v view) job(j *Job, now time.Time) string {
	line := v.state(j.Status, j.Conclusion) + "  " + jobName(j)
	if d := elapsed(j.StartedAt, j.FinishedAt, now); d > 0 && !j.Kept {
		line += "  " + v.s.Dim(term.Duration(d))
	}
	switch {
	case j.Kept:
		line += v.s.Dim(fmt.Sprintf("  result of attempt %d", j.Attempt))
	case j.Tolerated && j.Conclusion.Bad():
		line += v.s.Dim("  continue-on-error")
	}
	if j.Reason != "" && j.wantsReason() {
		line += "  " + v.s.Dim(term.Clean(j.Reason))
	}
	return line
}

func (v view) step(s cairn.StepRow, now time.Time) string {
	line := v.state(s.Status, s.Conclusion) + "  " + term.Clean(s.Name)
	if d := elapsed(s.StartedAt, s.FinishedAt, now); d > 0 {
		line += "  " + v.s.Dim(term.Duration(d))
	}
	if s.Conclusion.Bad() {
		if s.ExitCode != nil {
			line += "  " + v.s.Dim(fmt.Sprintf("exit %d", *s.ExitCode))
		}
		if s.Reason != "" && (s.ExitCode == nil || !strings.Contains(s.Reason, "exit code")) {
			line += "  " + v.s.Dim(term.Clean(s.Reason))
		}
	}
	return line
}

// wantsReason reports whether the reason says more than what is shown anyway:
// a failing step speaks for itself.
func (j *Job) wantsReason() bool {
	switch {
	case j.Status == cairn.StatusWaiting || j.Status == cairn.StatusQueued:
		return true
	case j.Status != cairn.StatusCompleted || j.Conclusion == cairn.Success:
		return false
	}
	for _, s := range j.steps {
		if s.Conclusion.Bad() {
			return false
		}
	}
	return true
}

func jobName(j *Job) string {
	if j.Name != "" {
		return term.Clean(j.Name)
	}
	return term.Clean(j.Path)
}

// Frame is the whole view: header, a line per job, steps of running and failed
// jobs. At most height lines are used (0: no limit); what is left out is counted.
func Frame(t *term.Term, s term.Style, m *Model, now time.Time, height int) []string {
	v := view{t, s}
	lines := []string{Header(t, s, m.Run)}
	jobs := m.Jobs()
	for _, j := range jobs {
		lines = append(lines, v.job(j, now))
		if j.Status != cairn.StatusRunning && !(j.Conclusion.Bad() && !j.Kept) {
			continue
		}
		for _, st := range j.Steps() {
			if st.Status != cairn.StatusBlocked {
				lines = append(lines, "    "+v.step(st, now))
			}
		}
	}
	if height <= 0 || len(lines) <= height {
		return lines
	}
	// Too high for the window: jobs alone, and of those the ones that matter.
	lines = lines[:1]
	var hidden int
	for _, j := range jobs {
		switch {
		case len(lines) < height-1 && (j.Status == cairn.StatusRunning || j.Conclusion.Bad() || len(jobs) < height-2):
			lines = append(lines, v.job(j, now))
		default:
			hidden++
		}
	}
	if hidden > 0 {
		lines = append(lines, s.Dim(fmt.Sprintf("… and %s", term.Count(int64(hidden), "more job"))))
	}
	return lines
}

// Summary is the last line: how the run ended.
func Summary(t *term.Term, s term.Style, r cairn.Run, now time.Time) string {
	line := s.Paint(r.Status, r.Conclusion, t.Symbol(r.Status, r.Conclusion)+" "+term.Word(r.Status, r.Conclusion))
	line = fmt.Sprintf("%s  run %d", line, r.ID)
	if d := elapsed(r.StartedAt, r.FinishedAt, now); d > 0 {
		line += "  " + term.Duration(d)
	}
	if r.CancelBy != "" {
		line += "  cancelled by " + term.Clean(r.CancelBy)
	} else if r.Reason != "" && r.Conclusion != cairn.Success {
		line += "  " + term.Clean(r.Reason)
	}
	return line
}
