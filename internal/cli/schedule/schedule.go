// Package schedule is cairn schedule: jobs that start at times, or when something happens.
package schedule

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

// New makes cairn schedule.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "schedule",
		Short: "Jobs that start at times, or when something happens",
		Long: `Jobs that start at times (cron, recurrence) or when something happens (data or a model is
registered or tagged, a run is completed), from Azure ML schedule files. Times are looked at
while the server runs; what was due meanwhile is made up for once.`,
		Example: `cairn schedule create --file nightly.yml
cairn schedule list
cairn schedule trigger nightly
cairn schedule disable nightly`,
	}, newCreate(k), newValidate(k), newList(k), newShow(k), newDownload(k), newUpdate(k), newSwitch(k, true), newSwitch(k, false), newTrigger(k), newDelete(k))
}

func newCreate(k *kit.Kit) *cobra.Command {
	var file, name string
	var set []string
	cmd := &cobra.Command{
		Use:   "create --file FILE",
		Short: "Make a schedule from its file, or replace one of the same name",
		Long: `Make a schedule from its file, or replace one of the same name. The job's files, its code
and its local data are taken as they lie there now: a schedule does not see later changes.
A recurrence without start_time runs at once for the first time.

A trigger may also wait for something to happen:

    trigger: {type: event, event: data-registered, name: digits}

with data-registered, model-registered, model-tagged or run-completed.`,
		Example: `cairn schedule create --file nightly.yml
cairn schedule create -f nightly.yml --set trigger.expression="0 4 * * *"`,
		Args: kit.Args(0, 0),
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "the schedule's YAML `file`")
	f.StringVarP(&name, "name", "n", "", "the schedule's `name` (default: that of the file)")
	f.StringArrayVar(&set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	out := k.JSONFlags(cmd, cairn.JobSchedule{})
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if file == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--file is missing").WithHint("cairn schedule create --file FILE")
		}
		x, err := Create(c.Context(), k, file, name, set)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(x)
		}
		_, err = fmt.Fprintln(k.Term.Out, line(x))
		return err
	}
	return cmd
}

// Create keeps a schedule from its file; name, where it is given, goes before the file's.
func Create(ctx context.Context, k *kit.Kit, file, name string, set []string) (*cairn.JobSchedule, error) {
	folder, path, err := source.Open(k, file)
	if err != nil {
		return nil, err
	}
	o := pipeline.Options{Kind: pipeline.KindSchedule, Set: set}
	if name != "" {
		o.Values = append(o.Values, pipeline.NamedValue{Name: "name", Value: name})
	}
	doc, ps := folder.Load(path, o)
	if cairn.HasErrors(ps) || doc == nil || doc.Schedule == nil {
		return nil, &cairn.Error{Code: cairn.CodeFailed, Message: fmt.Sprintf("%s is no schedule that can be kept", file), Problems: ps}
	}
	kit.RenderProblems(k.Term.Err, k.Term.ErrStyle(), ps)
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, err
	}
	sent, err := folder.Send(ctx, doc, cl)
	if err != nil {
		return nil, err
	}
	r := client.JobRequest{File: path, Files: sent.Files, Local: sent.Local, Set: set, Experiment: filepath.Base(k.Dir)}
	if name != "" {
		r.Flags = append(r.Flags, client.NamedFlag{Name: "name", Value: name})
	}
	return cl.PutSchedule(ctx, client.ScheduleRequest{Job: r})
}

func newValidate(k *kit.Kit) *cobra.Command {
	var files, set []string
	cmd := &cobra.Command{
		Use:     "validate --file FILE",
		Short:   "Check a schedule's file; nothing is kept",
		Example: "cairn schedule validate --file nightly.yml --json",
		Args:    kit.Args(0, 0),
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "the `file`, repeatable")
	cmd.Flags().StringArrayVar(&set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	out := k.JSONFlags(cmd, source.Result{})
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if len(files) == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--file is missing").WithHint("cairn schedule validate --file FILE")
		}
		return source.Validate(c.Context(), k, files, pipeline.Options{Kind: pipeline.KindSchedule, Set: set}, out, nil)
	}
	return cmd
}

// when says when a schedule is due.
func when(t *cairn.JobTrigger) string {
	var s string
	switch t.Type {
	case "cron":
		s = "cron " + t.Expression
	case "recurrence":
		s = fmt.Sprintf("every %d %ss", max(t.Interval, 1), t.Frequency)
		if t.Interval <= 1 {
			s = "every " + t.Frequency
		}
	default:
		s = "on " + t.Event
		if t.Of != "" {
			s += " of " + t.Of
		}
		return s
	}
	if t.Zone != "" {
		s += " (" + t.Zone + ")"
	}
	return s
}

func line(x *cairn.JobSchedule) string {
	s := fmt.Sprintf("schedule %s: %s", term.Clean(x.Name), term.Clean(when(&x.Trigger)))
	switch {
	case x.Disabled:
		s += ", disabled"
	case !x.Next.IsZero():
		s += ", next " + x.Next.Local().Format("2006-01-02 15:04 MST")
	case x.Trigger.Type != "event":
		s += ", over"
	}
	return s
}

func newList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List schedules", Example: "cairn schedule list\ncairn schedule list --json=name,next", Args: kit.Args(0, 0)}
	out := k.JSONFlags(cmd, cairn.JobSchedule{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		all, err := cl.Schedules(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(all)
		}
		if len(all) == 0 {
			fmt.Fprintln(k.Term.Err, "there are no schedules: cairn schedule create --file FILE makes one")
			return nil
		}
		tb := k.Term.NewTable("NAME", "WHEN", "STATE", "NEXT", "LAST JOB", "STARTED")
		for i := range all {
			x := &all[i]
			state, next := "enabled", ""
			if x.Disabled {
				state = "disabled"
			}
			if x.Error != "" {
				state = "failing"
			}
			if !x.Next.IsZero() {
				next = x.Next.Local().Format("2006-01-02 15:04")
			}
			tb.Row(term.Clean(x.Name), term.Clean(when(&x.Trigger)), state, next, term.Clean(x.Last), fmt.Sprint(x.Count))
		}
		return tb.Write()
	}
	return cmd
}

func newShow(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "show NAME", Short: "Show a schedule and its file", Example: "cairn schedule show nightly", Args: kit.Args(1, 1, "NAME")}
	out := k.JSONFlags(cmd, cairn.JobSchedule{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		x, err := cl.Schedule(c.Context(), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(x)
		}
		w := k.Term.Out
		fmt.Fprintln(w, line(x))
		if x.Description != "" {
			fmt.Fprintln(w, term.Clean(x.Description))
		}
		if x.Last != "" {
			fmt.Fprintf(w, "last job %s, %s; %s in all\n", term.Clean(x.Last), term.Since(x.LastAt, k.Now()), term.Count(x.Count, "job"))
		}
		if x.Error != "" {
			fmt.Fprintf(w, "the last one could not be started: %s\n", term.Clean(x.Error))
		}
		fmt.Fprintf(w, "made by %s\n\n%s\n", term.Clean(x.By), strings.TrimRight(term.Clean(x.File), "\n"))
		return nil
	}
	return cmd
}

func newUpdate(k *kit.Kit) *cobra.Command {
	var tags, remove []string
	var shown, description string
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change what is said of a schedule", Args: kit.Args(1, 1, "NAME"),
		Example: "cairn schedule update nightly --tag team=vision --description 'Each night'",
	}
	f := cmd.Flags()
	f.StringArrayVar(&tags, "tag", nil, "set a tag, `KEY=VALUE`, repeatable")
	f.StringArrayVar(&remove, "remove-tag", nil, "remove a tag by its `key`, repeatable")
	f.StringVar(&shown, "display-name", "", "the `name` that is shown")
	f.StringVar(&description, "description", "", "a `text`")
	out := k.JSONFlags(cmd, cairn.JobSchedule{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		u := client.ScheduleUpdate{SetTags: map[string]string{}, RemoveTags: remove}
		for _, t := range tags {
			key, value, ok := strings.Cut(t, "=")
			if !ok || key == "" {
				return cairn.Errorf(cairn.CodeInvalid, "--tag %q is not KEY=VALUE", t)
			}
			u.SetTags[key] = value
		}
		if f.Changed("display-name") {
			u.DisplayName = &shown
		}
		if f.Changed("description") {
			u.Description = &description
		}
		return change(c.Context(), k, args[0], u, out)
	}
	return cmd
}

func change(ctx context.Context, k *kit.Kit, name string, u client.ScheduleUpdate, out *kit.JSON) error {
	cl, err := k.Client(ctx)
	if err != nil {
		return err
	}
	x, err := cl.UpdateSchedule(ctx, name, u)
	if err != nil {
		return err
	}
	if out.On() {
		return out.Write(x)
	}
	_, err = fmt.Fprintln(k.Term.Out, line(x))
	return err
}

func newSwitch(k *kit.Kit, on bool) *cobra.Command {
	// Other things are archived and restored: the words mean the same here.
	verb, alias, short := "enable", "restore", "Let a schedule start jobs again, from now on"
	if !on {
		verb, alias, short = "disable", "archive", "Keep a schedule from starting jobs"
	}
	cmd := &cobra.Command{Use: verb + " NAME", Aliases: []string{alias}, Short: short, Example: "cairn schedule " + verb + " nightly", Args: kit.Args(1, 1, "NAME")}
	out := k.JSONFlags(cmd, cairn.JobSchedule{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		off := !on
		return change(c.Context(), k, args[0], client.ScheduleUpdate{Disabled: &off}, out)
	}
	return cmd
}

func newTrigger(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use: "trigger NAME", Short: "Start the job of a schedule now", Args: kit.Args(1, 1, "NAME"),
		Long:    "Start the job of a schedule now, also of one that is disabled. Its times stay as they are.",
		Example: "cairn job stream $(cairn schedule trigger nightly)",
	}
	out := k.JSONFlags(cmd, client.JobCreated{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		made, err := cl.TriggerSchedule(context.WithoutCancel(c.Context()), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(made)
		}
		_, err = fmt.Fprintln(k.Term.Out, made.Name)
		return err
	}
	return cmd
}

func newDelete(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Remove a schedule; the jobs that it started stay", Args: kit.Args(1, 1, "NAME"),
		Example: "cairn schedule delete nightly",
	}
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if err := cl.DeleteSchedule(c.Context(), args[0]); err != nil {
			return err
		}
		_, err = fmt.Fprintf(k.Term.Out, "schedule %s is gone\n", term.Clean(args[0]))
		return err
	}
	return cmd
}
