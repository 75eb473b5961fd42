package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/trigger"
	"github.com/cairn-ml/cairn/internal/workflow"
	"github.com/spf13/cobra"
)

// Explained is what cairn workflow explain --json says of one workflow.
type Explained struct {
	Workflow string `json:"workflow"`
	Name     string `json:"name"`
	Starts   bool   `json:"starts"`
	Why      string `json:"why"`
	Filter   string `json:"filter,omitempty"` // types, branches, paths-ignore, …
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Snippet  string `json:"snippet,omitempty"`
	// Next are the next times of its schedules.
	Next []time.Time `json:"next,omitempty"`
}

// explainFlags describe an event.
type explainFlags struct {
	event, ref, kind, payload, commit, of string
	changed                               []string
	byJob                                 bool
}

func newExplain(k *kit.Kit) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain [WORKFLOW]",
		Short: "Say which workflows an event starts, and why the others do not",
		Long: `Say which workflows an event starts, and why the others do not: which filter, which pattern,
which line of the file. Nothing is started, and no server is needed. With WORKFLOW only that one.

The files are those of the working tree, or of a commit. For pull requests --ref is the base
branch. Without --changed no path filter is asked, as where too many files changed.`,
		Example: `cairn workflow explain --event push --ref release/1.2 --changed src/train.py
cairn workflow explain --event pull_request --type labeled --ref main
cairn workflow explain --event workflow_run --type completed --of Build --ref main
cairn workflow explain nightly.yml --event schedule
cairn workflow explain --event release --payload event.json --json=workflow,starts,why`,
		Args:              kit.Args(0, 1, "WORKFLOW"),
		ValidArgsFunction: repo.Complete(k),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.event, "event", "push", "the `event`")
	fs.StringVar(&f.ref, "ref", "", "the `branch` that it is about, or a tag as refs/tags/NAME (default: the branch checked out)")
	fs.StringArrayVar(&f.changed, "changed", nil, "a `file` that changed, repeatable")
	fs.StringVar(&f.kind, "type", "", "its `activity`: opened, published, …")
	fs.StringVar(&f.payload, "payload", "", "a `file` with the event as JSON, which says its activity, refs and message")
	fs.StringVar(&f.commit, "commit", "", "read the workflows of this `commit` instead of the working tree")
	fs.StringVar(&f.of, "of", "", "for workflow_run: the `name` of the workflow that ran")
	fs.BoolVar(&f.byJob, "by-job", false, "a job's own token caused it")
	_ = cmd.RegisterFlagCompletionFunc("event", cobra.FixedCompletions(workflow.EventNames(), cobra.ShellCompDirectiveNoFileComp))
	out := k.JSONFlags(cmd, Explained{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := workflow.CheckEvent(f.event, f.kind); err != nil {
			return err
		}
		root, files, e, message, err := f.read(c.Context(), k)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			one, _, err := repo.Choose(root, k.Dir, args[0], files)
			if err != nil {
				return err
			}
			files = []*repo.File{one}
		}
		changed := trigger.Files{Known: f.changed != nil, Paths: f.changed}
		all := []Explained{}
		for _, file := range files {
			all = append(all, explain(file, e, changed, message, f.byJob, k.Now()))
		}
		if out.On() {
			return out.Write(all)
		}
		return writeExplained(k, e, all)
	}
	return cmd
}

// read finds the files of the repository at root and makes the event that the flags
// describe, with the message of its commit.
func (f *explainFlags) read(ctx context.Context, k *kit.Kit) (root string, files []*repo.File, e *cairn.TriggerEvent, message string, err error) {
	wt, err := repo.Find(ctx, k)
	if err != nil {
		return "", nil, nil, "", err
	}
	commit := wt.Head
	if f.commit != "" {
		files, commit, err = repo.WorkflowsAt(ctx, k, wt.Root, f.commit)
	} else if err = repo.HasFiles(wt); err == nil {
		files, err = repo.Workflows(wt.Root)
	}
	if err != nil {
		return "", nil, nil, "", err
	}
	message = commit.Message
	if message == "" {
		message = commit.Subject
	}
	e = &cairn.TriggerEvent{Event: f.event, Action: f.kind, Ref: fullRef(f.ref), WorkflowName: f.of}
	if f.payload != "" {
		src, err := k.ReadFile(f.payload, 25<<20)
		if err != nil {
			return "", nil, nil, "", err
		}
		if err := fromPayload(e, &message, src); err != nil {
			return "", nil, nil, "", err
		}
	}
	if e.Ref == "" {
		e.Ref = wt.Ref
	}
	if f.ref != "" || e.BaseRef == "" {
		e.BaseRef = trigger.RefName(e.Ref)
	}
	if f.ref != "" || e.HeadRef == "" {
		e.HeadRef = trigger.RefName(e.Ref)
	}
	return wt.Root, files, e, message, nil
}

// fromPayload takes from an event what filters look at.
func fromPayload(e *cairn.TriggerEvent, message *string, src []byte) error {
	var in struct {
		Action      string
		Ref         string
		HeadCommit  struct{ Message string } `json:"head_commit"`
		PullRequest struct {
			Base, Head struct{ Ref string }
		} `json:"pull_request"`
		WorkflowRun struct {
			Name   string
			Branch string `json:"head_branch"`
		} `json:"workflow_run"`
		Release struct {
			Tag string `json:"tag_name"`
		}
	}
	if err := json.Unmarshal(src, &in); err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "the payload is not a JSON object: %w", err)
	}
	set := func(to *string, v string) {
		if *to == "" {
			*to = v
		}
	}
	set(&e.Action, in.Action)
	set(&e.WorkflowName, in.WorkflowRun.Name)
	set(&e.HeadRef, in.PullRequest.Head.Ref+in.WorkflowRun.Branch)
	set(&e.BaseRef, in.PullRequest.Base.Ref)
	if strings.HasPrefix(in.Ref, "refs/") {
		set(&e.Ref, in.Ref)
	}
	if in.Release.Tag != "" {
		set(&e.Ref, "refs/tags/"+in.Release.Tag)
	}
	if in.HeadCommit.Message != "" {
		*message = in.HeadCommit.Message
	}
	return nil
}

func explain(f *repo.File, e *cairn.TriggerEvent, changed trigger.Files, message string, byJob bool, now time.Time) Explained {
	x := Explained{Workflow: f.Path, Name: f.Name()}
	if f.Workflow == nil {
		x.Why = "it is not a valid workflow: cairn workflow lint " + term.ShellQuote(f.Path)
		for _, p := range f.Problems {
			if p.Severity == cairn.SeverityError {
				x.File, x.Line, x.Column, x.Snippet = p.File, p.Line, p.Column, p.Snippet
				break
			}
		}
		return x
	}
	v := trigger.Decide(f.Workflow, e, changed, message)
	if why := trigger.OwnToken(e.Event); v.Starts && byJob && why != "" {
		v.Starts, v.Why = false, why
	}
	if v.Starts && !trigger.Fires(e.Event) {
		v.Starts = false
		message, hint := trigger.NeverFires(e.Event)
		v.Why = message + "; " + hint
	}
	x.Starts, x.Why, x.Filter = v.Starts, v.Why, v.Filter
	x.File, x.Line, x.Column = v.Pos.File, v.Pos.Line, v.Pos.Column
	x.Snippet = lineOf(f.Source, v.Pos.Line)
	if e.Event == "schedule" {
		x.Next = nextTimes(f, now)
	}
	return x
}

func lineOf(src []byte, n int) string {
	if n < 1 {
		return ""
	}
	lines := strings.SplitN(string(src), "\n", n+1)
	if len(lines) < n {
		return ""
	}
	return strings.TrimSuffix(lines[n-1], "\r")
}

// nextShown is how many coming times of a schedule are told.
const nextShown = 3

// nextTimes are the coming times of all schedules of a workflow.
func nextTimes(f *repo.File, now time.Time) []time.Time {
	if f.Workflow == nil {
		return nil
	}
	e, ok := f.Workflow.Event("schedule")
	if !ok {
		return nil
	}
	var tables []*trigger.Table
	for _, c := range e.Schedule {
		if t, err := trigger.NewTable(c.Expr.Value, c.Timezone.Value); err == nil {
			tables = append(tables, t)
		}
	}
	var out []time.Time
	for at := now; len(out) < nextShown; {
		var next time.Time
		for _, t := range tables {
			if n := t.Next(at); next.IsZero() || !n.IsZero() && n.Before(next) {
				next = n
			}
		}
		if next.IsZero() {
			break
		}
		out, at = append(out, next), next
	}
	return out
}

func shownTimes(ts []time.Time) string {
	var out []string
	for _, t := range ts {
		out = append(out, t.UTC().Format("2006-01-02 15:04"))
	}
	return strings.Join(out, ", ") + " UTC"
}

// needsServer is said once where schedules are shown: they look as if they were on.
const needsServer = "schedules start by the clock of a running server (cairn serve), from the default branch of what was pushed to it or is followed"

func writeExplained(k *kit.Kit, e *cairn.TriggerEvent, all []Explained) error {
	s := k.Term.OutStyle()
	var b strings.Builder
	about := e.Event
	if e.Action != "" {
		about += " (" + e.Action + ")"
	}
	switch e.Event {
	case "pull_request", "pull_request_target":
		about += " into " + e.BaseRef
	case "workflow_run":
		about += " of " + e.HeadRef
	case "push", "create", "delete", "release", "workflow_dispatch":
		about += " of " + e.Ref
	}
	fmt.Fprintf(&b, "%s\n", s.Bold(term.Clean(about)))
	if len(all) == 0 {
		fmt.Fprintf(&b, "  no workflows: there is no .yml file in %s\n", repo.Folder)
	}
	clock := false
	for _, x := range all {
		word := s.Dim("does not start")
		if x.Starts {
			word = s.Green("starts") + "        "
		}
		fmt.Fprintf(&b, "  %s  %s: %s\n", word, term.Clean(x.Workflow), term.Clean(x.Why))
		if !x.Starts && x.Line > 0 {
			fmt.Fprintf(&b, "                  %s:%d:%d  %s\n", term.Clean(x.File), x.Line, x.Column, s.Dim(term.Clean(strings.TrimSpace(x.Snippet))))
		}
		if len(x.Next) > 0 {
			clock = true
			fmt.Fprintf(&b, "                  next %s\n", shownTimes(x.Next))
		}
	}
	if clock {
		fmt.Fprintln(k.Term.Err, needsServer)
	}
	_, err := k.Term.Out.Write([]byte(b.String()))
	return err
}
