package run

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// memberText names a run or a job in a concurrency group.
func memberText(m cairn.GroupMember) string {
	if m.Path != "" {
		return fmt.Sprintf("%s of run %d", term.Clean(m.Path), m.Run)
	}
	return fmt.Sprintf("run %d", m.Run)
}

func membersText(ms []cairn.GroupMember) string {
	var out []string
	for _, m := range ms {
		text := memberText(m)
		if m.Place > 0 {
			text = fmt.Sprintf("%d. %s", m.Place, text)
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}

// writeGroups shows who is in each concurrency group, and who waits in which place.
func writeGroups(k *kit.Kit, groups []cairn.ConcurrencyGroup) error {
	if len(groups) == 0 {
		fmt.Fprintln(k.Term.Err, "nobody is in a concurrency group")
		return nil
	}
	tb := k.Term.NewTable("GROUP", "IN PROGRESS", "WAITING")
	for _, g := range groups {
		tb.Row(term.Clean(g.Group), membersText(g.Holders), membersText(g.Waiting))
	}
	return tb.Write()
}

// groupLines are the groups in which a run or its jobs are.
func groupLines(groups []cairn.ConcurrencyGroup, id cairn.RunID) string {
	var b strings.Builder
	for _, g := range groups {
		of := func(m cairn.GroupMember) bool { return m.Run == id }
		if slices.ContainsFunc(g.Holders, of) || slices.ContainsFunc(g.Waiting, of) {
			fmt.Fprintf(&b, "group     %s: in progress %s; waiting %s\n", term.Clean(g.Group), membersText(g.Holders), membersText(g.Waiting))
		}
	}
	return b.String()
}

// whyText is what a list says of a run beside its title: why it waits, or what took
// its place.
func whyText(r cairn.Run) string {
	if r.Reason != "" && (r.Status == cairn.StatusWaiting || strings.Contains(r.Reason, "concurrency group ")) {
		return "  (" + term.Clean(r.Reason) + ")"
	}
	return ""
}

// writeConditions shows the conditions of jobs and steps as they were evaluated, and
// what a job went on with.
func writeConditions(w io.Writer, m *live.Model) {
	for _, j := range m.Jobs() {
		steps := j.Steps()
		some := j.If != nil || j.Resume != nil || slices.ContainsFunc(steps, func(s cairn.StepRow) bool { return s.If != nil })
		if !some {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", term.Clean(j.Name))
		if j.If != nil {
			fmt.Fprintf(w, "  if: %s\n", term.Clean(j.If.String()))
		}
		if r := j.Resume; r != nil {
			fmt.Fprintf(w, "  goes on in the workspace of job %d (attempt %d), from step %d\n", r.Job, r.Attempt, r.Step)
		}
		for _, s := range steps {
			if s.If != nil {
				fmt.Fprintf(w, "  step %d %s: if: %s\n", s.Number, term.Clean(s.Name), term.Clean(s.If.String()))
			}
		}
	}
}

// skipped reports whether a job did not run for its condition.
func skipped(m *live.Model) bool {
	return slices.ContainsFunc(m.Jobs(), func(j *live.Job) bool { return j.Conclusion == cairn.Skipped && j.If != nil })
}
