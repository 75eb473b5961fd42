package run

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newCancel(k *kit.Kit) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Cancel a run",
		Long: `Cancel a run: steps get an interrupt and a moment to end, steps with if: always() still run.
With --force nothing is waited for.`,
		Example:           "cairn run cancel 42\ncairn run cancel 42 --force",
		Args:              kit.Args(1, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			cl, err := k.Client(c.Context())
			if err != nil {
				return err
			}
			if err := cl.Cancel(c.Context(), id, force); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "run %d is being cancelled\n", id)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "end its processes at once, always() included")
	return cmd
}

func newRerun(k *kit.Kit) *cobra.Command {
	var failedOnly, failedStep, refresh, debug, detach bool
	var job, from, progress string
	cmd := &cobra.Command{
		Use:   "rerun RUN",
		Short: "Run a run again, as another attempt",
		Long: `Run a run again, as another attempt of the same plan and commit. Labels of data and models
keep the versions that the first attempt found, unless --refresh. Ctrl-C cancels the attempt.

With --from-failed-step each job that failed goes on in its workspace: the steps before the
failed one are not run again, what they set and made is taken over. Workspaces of failed
jobs stay for a day, the last ten of them. --job with --from chooses another step.`,
		Example: `cairn run rerun 42
cairn run rerun 42 --failed --debug
cairn run rerun 42 --from-failed-step
cairn run rerun 42 --job ai-training --from 'Train the model'
cairn run rerun 42 --job ai-training --refresh`,
		Args:              kit.Args(1, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
	}
	f := cmd.Flags()
	f.BoolVar(&failedOnly, "failed", false, "only jobs that failed, and what needs them")
	f.StringVarP(&job, "job", "j", "", "only this `job`, and what needs it")
	f.BoolVar(&failedStep, "from-failed-step", false, "jobs that failed go on where they failed, in their workspaces")
	f.StringVar(&from, "from", "", "with --job: go on from this `step`, its number, id or name")
	f.BoolVar(&debug, "debug", false, "show debug lines in this attempt, RUNNER_DEBUG is 1")
	f.BoolVar(&refresh, "refresh", false, "resolve labels anew")
	f.BoolVarP(&detach, "detach", "d", false, "print the run's number and leave")
	f.StringVar(&progress, "progress", live.Auto, "`how` to show it: "+strings.Join(live.Modes(), ", "))
	out := k.JSONFlags(cmd, View{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		for _, with := range []string{"job", "from", "from-failed-step"} {
			if err := kit.Exclusive(c, "failed", with); err != nil {
				return err
			}
		}
		if err := kit.Exclusive(c, "from", "from-failed-step"); err != nil {
			return err
		}
		if from != "" && job == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--from needs --job").WithHint("a step belongs to a job: --job NAME --from %s", term.Clean(from))
		}
		id, err := parseID(args[0])
		if err != nil {
			return err
		}
		p, err := live.NewPrinter(k.Term, progress, k.Now)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r := client.RerunRequest{Mode: "all", Job: job, From: from, Refresh: refresh, Debug: debug}
		switch {
		case from != "", failedStep:
			r.Mode = "step"
		case failedOnly:
			r.Mode = "failed"
		case job != "":
			r.Mode = "job"
		}
		again, err := cl.Rerun(c.Context(), id, r)
		if err != nil {
			return err
		}
		if detach {
			fmt.Fprintf(k.Term.Err, "started %s\n", live.Header(k.Term, k.Term.ErrStyle(), *again))
			_, err := fmt.Fprintln(k.Term.Out, again.ID)
			return err
		}
		w := &watcher{k: k, cl: cl, p: p, m: live.New(*again), mine: true, quiet: talksLittle(progress)}
		return w.follow(c.Context(), out)
	}
	return cmd
}

func newApprove(k *kit.Kit) *cobra.Command {
	var env, comment string
	var reject bool
	cmd := &cobra.Command{
		Use:   "approve RUN",
		Short: "Approve or reject what a run waits for",
		Long: `Approve or reject an environment that a run waits for. The environment need not be named
when only one waits.`,
		Example:           "cairn run approve 42\ncairn run approve 42 --environment production --comment 'metrics checked'\ncairn run approve 42 --reject",
		Args:              kit.Args(1, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
	}
	cmd.Flags().StringVarP(&env, "environment", "e", "", "the `environment` to decide on")
	cmd.Flags().StringVar(&comment, "comment", "", "a `sentence` that is kept with the decision")
	cmd.Flags().BoolVar(&reject, "reject", false, "reject instead")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		id, err := parseID(args[0])
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if env == "" {
			all, err := cl.Approvals(c.Context(), id)
			if err != nil {
				return err
			}
			if env, err = pending(id, all); err != nil {
				return err
			}
		}
		decision := "approved"
		if reject {
			decision = "rejected"
		}
		if err := cl.Approve(c.Context(), id, env, decision, comment); err != nil {
			return err
		}
		fmt.Fprintf(k.Term.Err, "%s %s for run %d\n", decision, term.Clean(env), id)
		return nil
	}
	return cmd
}

func pending(id cairn.RunID, all []cairn.Approval) (string, error) {
	var names []string
	for _, a := range all {
		if a.State == "pending" {
			names = append(names, a.Environment)
		}
	}
	switch len(names) {
	case 0:
		return "", cairn.Errorf(cairn.CodeNotFound, "run %d waits for no approval", id)
	case 1:
		return names[0], nil
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "run %d waits for %d environments: %s", id, len(names), strings.Join(names, ", ")).
		WithHint("say which with --environment")
}
