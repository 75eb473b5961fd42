// Package job is cairn job: run Azure Machine Learning's jobs and pipelines from their
// files, watch them, and get at what came of them.
package job

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes cairn job.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "job",
		Short: "Run Azure ML jobs and pipelines on this machine",
		Long: `Run Azure ML jobs and pipelines on this machine, from the same YAML files.

A job is named by its own name, by the number of its run, or, for a step of a pipeline,
by NAME/STEP.`,
		Example: `cairn job validate --file pipeline.yml
cairn job create --file pipeline.yml --set inputs.epochs=3 --stream
cairn job show green_ant_4k2m9x1pqz --graph
cairn job explain-cache green_ant_4k2m9x1pqz/train
cairn job download green_ant_4k2m9x1pqz --all`,
	}, newCreate(k), newValidate(k), newList(k), newShow(k), newStream(k), newDownload(k), newExplainCache(k),
		newCancel(k), newUpdate(k), newArchive(k, true), newArchive(k, false))
}

// named completes the names of jobs.
func named(k *kit.Kit) complete.Func {
	return complete.First(k, func(ctx context.Context, cl *kit.Client, _ string) []string {
		runs, _ := cl.SubmittedJobs(ctx, client.JobFilter{Limit: 30})
		var out []string
		for _, r := range runs {
			out = append(out, nameOf(&r)+"\t"+term.Clean(kindOf(&r)+", "+term.Word(r.Status, r.Conclusion)))
		}
		return out
	})
}

func nameOf(r *cairn.Run) string {
	if r.Submitted != nil && r.Submitted.Name != "" {
		return term.Clean(r.Submitted.Name)
	}
	return fmt.Sprint(r.ID)
}

func kindOf(r *cairn.Run) string {
	if r.Submitted != nil {
		return r.Submitted.Type
	}
	return "workflow"
}

// find resolves what was typed, and reads the job.
func find(ctx context.Context, k *kit.Kit, asked string) (*kit.Client, *client.JobName, *client.JobView, error) {
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	asked = strings.TrimPrefix(asked, "azureml:")
	n, err := cl.FindJob(ctx, asked)
	if err != nil {
		if v, path := inside(ctx, cl, asked); v != nil {
			return cl, &client.JobName{Name: nameOf(&v.Run), Path: path, Run: v.Run.ID}, v, nil
		}
		return nil, nil, nil, err
	}
	v, err := cl.SubmittedJob(ctx, n.Name)
	return cl, n, v, err
}

// inside finds a node that has no job of its own: a pipeline inside of the pipeline, or
// one with several instances.
func inside(ctx context.Context, cl *kit.Client, asked string) (*client.JobView, string) {
	name, path, below := strings.Cut(asked, "/")
	if !below {
		return nil, ""
	}
	v, err := cl.SubmittedJob(ctx, name)
	if err != nil || !slices.ContainsFunc(v.Graph, func(g client.GraphNode) bool { return g.Path == path }) {
		return nil, ""
	}
	return v, path
}

// within answers the jobs of a view that a name means: all, or those of one node.
func jobsOf(v *client.JobView, n *client.JobName) []cairn.Job {
	if n.Path == "" {
		return v.Jobs
	}
	return slices.DeleteFunc(slices.Clone(v.Jobs), func(j cairn.Job) bool { return !within(n.Path, j.Path) && j.Node != n.Path })
}

func newList(k *kit.Kit) *cobra.Command {
	var f client.JobFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, the newest first",
		Example: `cairn job list
cairn job list --experiment digits --limit 5
cairn job list --jq '.[0].submitted.name'`,
		Args: kit.Args(0, 0),
	}
	cmd.Flags().StringVar(&f.Experiment, "experiment", "", "of this `experiment`")
	cmd.Flags().StringVar(&f.Schedule, "schedule", "", "that this `schedule` started")
	cmd.Flags().BoolVar(&f.Archived, "archived", false, "archived ones too")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 50, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.Run{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		runs, err := cl.SubmittedJobs(c.Context(), f)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(runs)
		}
		if len(runs) == 0 {
			fmt.Fprintln(k.Term.Err, "no jobs yet; cairn job create --file FILE starts one")
			return nil
		}
		tb := k.Term.NewTable("NAME", "TYPE", "STATUS", "EXPERIMENT", "RUN", "WHEN", "TOOK", "BY")
		for _, r := range runs {
			experiment, note := "", ""
			if r.Submitted != nil {
				experiment = r.Submitted.Experiment
				if r.Submitted.Archived {
					note = " (archived)"
				}
			}
			took := ""
			if d := span(r.StartedAt, r.FinishedAt, k.Now()); d > 0 {
				took = term.Duration(d)
			}
			tb.Row(nameOf(&r)+note, kindOf(&r), term.Word(r.Status, r.Conclusion), term.Clean(experiment), fmt.Sprint(r.ID),
				term.Since(r.CreatedAt, k.Now()), took, term.Clean(r.Actor))
		}
		return tb.Write()
	}
	return cmd
}

func newStream(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use:   "stream NAME",
		Short: "Follow a job to its end",
		Long: `Follow a job to its end: the graph of its steps on a terminal, the lines of all steps
elsewhere. Of a step of a pipeline, NAME/STEP, its own lines. The exit code is 1 when it
fails. Ctrl-C leaves; the job goes on.`,
		Example:           "cairn job stream green_ant_4k2m9x1pqz\ncairn job stream green_ant_4k2m9x1pqz/train",
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
		RunE: func(c *cobra.Command, args []string) error {
			cl, n, v, err := find(c.Context(), k, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(k.Term.Err, header(k, &v.Run))
			return (&streamer{k: k, cl: cl, name: n.Name, only: n.Path}).follow(c.Context(), v.Run)
		},
	}
}

// header is the line that says what runs: name, experiment, run.
func header(k *kit.Kit, r *cairn.Run) string {
	s := k.Term.ErrStyle()
	parts := []string{s.Bold(nameOf(r))}
	if r.Submitted != nil {
		if d := r.Submitted.DisplayName; d != "" && d != r.Submitted.Name {
			parts = append(parts, term.Clean(d))
		}
		parts = append(parts, r.Submitted.Type, "experiment "+term.Clean(r.Submitted.Experiment))
	}
	parts = append(parts, fmt.Sprintf("run %d", r.ID))
	if c := live.CommitLine(s, r.Commit); c != "" {
		parts = append(parts, c)
	}
	if r.Dirty {
		parts = append(parts, s.Yellow("dirty"))
	}
	return strings.Join(parts, "  ")
}

func newCancel(k *kit.Kit) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "cancel NAME",
		Short: "Cancel a job",
		Long: `Cancel a job: its commands get an interrupt and a moment to end. With --force nothing is
waited for. A step of a pipeline cannot be cancelled by itself.`,
		Example:           "cairn job cancel green_ant_4k2m9x1pqz",
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			n, err := cl.FindJob(c.Context(), args[0])
			if err != nil {
				return err
			}
			if n.Path != "" {
				return cairn.Errorf(cairn.CodeUnsupported, "%s is a step of %s: it is not cancelled by itself", n.Path, n.Name).
					WithHint("cairn job cancel %s cancels all of it", n.Name)
			}
			if err := cl.Cancel(c.Context(), n.Run, force); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s is being cancelled\n", n.Name)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "end its processes at once")
	return cmd
}

func newArchive(k *kit.Kit, archived bool) *cobra.Command {
	use, short, said := "archive", "Hide a job from lists; nothing is deleted", "archived"
	if !archived {
		use, short, said = "restore", "Bring an archived job back into lists", "restored"
	}
	return &cobra.Command{
		Use: use + " NAME", Short: short,
		Example:           "cairn job " + use + " green_ant_4k2m9x1pqz",
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			r, err := cl.UpdateJob(c.Context(), args[0], client.JobUpdate{Archived: &archived})
			if err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s %s\n", said, nameOf(r))
			return nil
		},
	}
}

func newUpdate(k *kit.Kit) *cobra.Command {
	var set, tags, remove []string
	var description, display string
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Change the tags and descriptions of a job",
		Example: `cairn job update green_ant_4k2m9x1pqz --tag checked=yes --remove-tag todo
cairn job update green_ant_4k2m9x1pqz --set tags.team=vision --set description="It ships"`,
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "`KEY=VALUE`: tags.NAME, description or display_name, repeatable")
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "tag as `NAME=VALUE`, repeatable")
	cmd.Flags().StringArrayVar(&remove, "remove-tag", nil, "remove the tag of this `name`, repeatable")
	cmd.Flags().StringVar(&description, "description", "", "a `sentence` about it")
	cmd.Flags().StringVar(&display, "display-name", "", "the `name` that is shown")
	out := k.JSONFlags(cmd, cairn.Run{})
	cmd.RunE = func(c *cobra.Command, args []string) (err error) {
		u := client.JobUpdate{RemoveTags: remove}
		if u.SetTags, err = kit.Pairs("tag", tags); err != nil {
			return err
		}
		if c.Flags().Changed("description") {
			u.Description = &description
		}
		if c.Flags().Changed("display-name") {
			u.DisplayName = &display
		}
		for _, kv := range set {
			key, value, ok := strings.Cut(kv, "=")
			tag, isTag := strings.CutPrefix(key, "tags.")
			switch {
			case !ok:
				return cairn.Errorf(cairn.CodeInvalid, "--set %q is not KEY=VALUE", term.Clean(kv))
			case isTag && tag != "":
				u.SetTags[tag] = value
			case key == "description":
				u.Description = &value
			case key == "display_name":
				u.DisplayName = &value
			default:
				return cairn.Errorf(cairn.CodeInvalid, "%s of a job cannot be changed", term.Clean(key)).
					WithHint("tags.NAME, description and display_name can")
			}
		}
		if len(u.SetTags)+len(u.RemoveTags) == 0 && u.Description == nil && u.DisplayName == nil {
			return cairn.Errorf(cairn.CodeInvalid, "nothing to change is named").WithHint("cairn job update %s --tag NAME=VALUE", term.Clean(args[0]))
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r, err := cl.UpdateJob(c.Context(), args[0], u)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(r)
		}
		fmt.Fprintf(k.Term.Err, "changed %s\n", nameOf(r))
		return nil
	}
	return cmd
}
