package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// logOptions are the flags of cairn run logs.
type logOptions struct {
	job, step      string
	failed, follow bool
	times, raw     bool
	attempt, tail  int
}

func newLogs(k *kit.Kit) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "logs [RUN]",
		Short: "Print the logs of a run",
		Long: `Print the logs of a run. Without a number, the newest.

Lines of several steps carry the names of their job and step; --raw prints them as the
programs wrote them.`,
		Example: `cairn run logs 42 --failed
cairn run logs 42 --job ai-training --step 3
cairn run logs --follow`,
		Args:              kit.Args(0, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
	}
	f := cmd.Flags()
	f.StringVarP(&o.job, "job", "j", "", "of this `job`: its name, id or number")
	f.StringVarP(&o.step, "step", "s", "", "of this `step`: its name, id or number")
	f.BoolVar(&o.failed, "failed", false, "only of steps that failed")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on until the run ends")
	f.BoolVar(&o.times, "times", false, "with the time of each line")
	f.BoolVar(&o.raw, "raw", false, "without names before the lines")
	f.IntVar(&o.attempt, "attempt", 0, "of an earlier `attempt`")
	f.IntVarP(&o.tail, "tail", "n", 0, "only the last `lines` of each step")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		id, err := runID(c.Context(), cl, args)
		if err != nil {
			return err
		}
		if o.follow {
			return followLogs(c.Context(), k, cl, id, o)
		}
		return printLogs(c.Context(), k, cl, id, o)
	}
	return cmd
}

func printLogs(ctx context.Context, k *kit.Kit, cl *kit.Client, id cairn.RunID, o logOptions) error {
	jobs, err := cl.Jobs(ctx, id, o.attempt)
	if err != nil {
		return err
	}
	if err := o.known(jobs); err != nil {
		return err
	}
	out := bufio.NewWriter(k.Term.Out)
	defer out.Flush()
	shown := 0
	for _, j := range jobs {
		for _, s := range j.Steps {
			if !o.wants(j, s) {
				continue
			}
			shown++
			if err := copyLog(ctx, k, cl, out, j, s, o, 0, false); err != nil {
				return err
			}
		}
		if o.failed && j.Conclusion.Bad() && j.Reason != "" && !slices.ContainsFunc(j.Steps, func(s cairn.StepRow) bool { return s.Conclusion.Bad() }) {
			shown++
			fmt.Fprintf(out, "%s\t%s\n", term.Clean(j.Name), term.Clean(j.Reason))
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if shown == 0 {
		fmt.Fprintln(k.Term.Err, o.nothing())
	}
	return nil
}

func (o logOptions) nothing() string {
	if o.failed {
		return "no step failed"
	}
	return "no step has started yet; --follow waits"
}

// known refuses a job or step that the run does not have.
func (o logOptions) known(jobs []cairn.Job) error {
	var jobNames, stepNames []string
	foundJob, foundStep := o.job == "", o.step == ""
	for _, j := range jobs {
		jobNames = append(jobNames, j.Name)
		if !o.wantsJob(j) {
			continue
		}
		foundJob = true
		for _, s := range j.Steps {
			stepNames = append(stepNames, s.Name)
			foundStep = foundStep || o.wantsStep(s)
		}
	}
	missing := func(what, asked string, names []string) error {
		e := cairn.Errorf(cairn.CodeNotFound, "the run has no %s %q", what, term.Clean(asked))
		if n := cairn.Nearest(asked, names); n != "" {
			return e.WithHint("did you mean %q?", n)
		}
		return e.WithHint("there are: %s", strings.Join(names, ", "))
	}
	switch {
	case !foundJob:
		return missing("job", o.job, jobNames)
	case !foundStep && !o.follow:
		return missing("step", o.step, stepNames)
	}
	return nil
}

func (o logOptions) wantsJob(j cairn.Job) bool {
	return o.job == "" || strings.EqualFold(j.Name, o.job) || j.Node == o.job || j.Path == o.job || strconv.FormatInt(int64(j.ID), 10) == o.job
}

func (o logOptions) wantsStep(s cairn.StepRow) bool {
	return o.step == "" || strings.EqualFold(s.Name, o.step) || s.ID == o.step || strconv.Itoa(s.Number) == o.step
}

func (o logOptions) wants(j cairn.Job, s cairn.StepRow) bool {
	return o.wantsJob(j) && o.wantsStep(s) && (!o.failed || s.Conclusion.Bad()) &&
		s.Status != cairn.StatusBlocked && s.Conclusion != cairn.Skipped
}

// copyLog prints one step's log from offset on.
func copyLog(ctx context.Context, k *kit.Kit, cl *kit.Client, w io.Writer, j cairn.Job, s cairn.StepRow, o logOptions, offset int64, follow bool) error {
	r, err := cl.Logs(ctx, j.ID, s.Number, offset, follow)
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return nil // a step without a word
		}
		return err
	}
	defer r.Close()
	prefix := ""
	if !o.raw && (o.job == "" || o.step == "") {
		prefix = term.Clean(j.Name) + "\t" + term.Clean(s.Name) + "\t"
	}
	line := func(text string) error {
		text = stamp(text, o.times)
		if k.Term.OutTTY && !o.raw {
			text = cleanKeepColor(text)
		}
		_, err := io.WriteString(w, prefix+text+"\n")
		return err
	}
	if o.tail > 0 {
		lines, err := keepLast(r, o.tail)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if err := line(l); err != nil {
				return err
			}
		}
		return nil
	}
	return eachLine(r, line)
}

func eachLine(r io.Reader, line func(string) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := br.ReadString('\n')
		if text != "" {
			if err := line(strings.TrimRight(text, "\r\n")); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func keepLast(r io.Reader, n int) ([]string, error) {
	var lines []string
	err := eachLine(r, func(l string) error {
		lines = append(lines, l)
		if len(lines) > 2*n {
			lines = append([]string(nil), lines[len(lines)-n:]...)
		}
		return nil
	})
	return lines[max(0, len(lines)-n):], err
}

// cleanKeepColor drops what could move a terminal's cursor and keeps colours.
func cleanKeepColor(s string) string {
	if !strings.Contains(s, "\x1b") {
		return term.Clean(s)
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, 0x1b)
		if i < 0 {
			b.WriteString(term.Clean(s))
			break
		}
		b.WriteString(term.Clean(s[:i]))
		s = s[i:]
		end := strings.IndexFunc(s[1:], func(r rune) bool { return r >= 0x40 && r <= 0x7e && r != '[' })
		if end < 0 {
			break
		}
		if seq := s[:end+2]; seq[end+1] == 'm' {
			b.WriteString(seq)
		}
		s = s[end+2:]
	}
	return b.String()
}

// followLogs prints steps as they start, each to its end, until the run ends.
func followLogs(ctx context.Context, k *kit.Kit, cl *kit.Client, id cairn.RunID, o logOptions) error {
	type key struct {
		job  cairn.JobID
		step int
	}
	done := map[key]bool{}
	print := func() error {
		jobs, err := cl.Jobs(ctx, id, 0)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			for _, s := range j.Steps {
				at := key{j.ID, s.Number}
				if done[at] || !o.wants(j, s) || s.StartedAt.IsZero() {
					continue
				}
				done[at] = true
				if err := copyLog(ctx, k, cl, k.Term.Out, j, s, o, 0, s.Status != cairn.StatusCompleted); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, err := range cl.RunEvents(ctx, id, 0) {
		if err != nil {
			return err
		}
		if err := print(); err != nil {
			return err
		}
	}
	return print()
}
