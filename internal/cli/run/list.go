package run

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newList(k *kit.Kit) *cobra.Command {
	var f client.RunFilter
	var all, groups bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Long: `List runs, newest first: those of this repository, or of all where the command is
typed outside of one. A run that waits says for what; --groups shows who holds each
concurrency group and who waits for it, in their order.`,
		Example: `cairn run list
cairn run list --groups
cairn run list --status failure --limit 5
cairn run list --json=id,conclusion,commit --jq '.[].commit.sha'`,
		Args: kit.Args(0, 0),
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.Workflow, "workflow", "w", "", "of this `workflow`")
	fl.StringVar(&f.Branch, "branch", "", "of this `branch`")
	fl.StringVar(&f.Commit, "commit", "", "of this commit, `SHA` or prefix")
	fl.StringVar(&f.Status, "status", "", "with this `status` or conclusion: running, success, failure, …")
	fl.StringVar(&f.Event, "event", "", "started by this `event`")
	fl.StringVar(&f.Actor, "actor", "", "started by this `user`")
	fl.StringVar(&f.Repository, "repo", "", "of this repository, `owner/name`")
	fl.BoolVar(&all, "all", false, "of all repositories")
	fl.BoolVar(&groups, "groups", false, "show concurrency groups instead of runs")
	fl.IntVarP(&f.Limit, "limit", "n", 30, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.Run{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if f.Limit < 1 || f.Limit > 1000 {
			return cairn.Errorf(cairn.CodeInvalid, "--limit is %d; it can be 1 to 1000", f.Limit)
		}
		if f.Repository == "" && !all {
			if wt, err := repo.Find(c.Context(), k); err == nil {
				f.Repository = wt.Name
			}
		}
		f.Workflow = tail(f.Workflow)
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if groups {
			gs, err := cl.Groups(c.Context(), f.Repository)
			if err != nil {
				return err
			}
			if out.On() {
				return out.Write(gs)
			}
			return writeGroups(k, gs)
		}
		runs, err := cl.Runs(c.Context(), f)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(runs)
		}
		if len(runs) == 0 {
			fmt.Fprintln(k.Term.Err, "no runs; cairn run starts one")
			return nil
		}
		return writeList(k, runs)
	}
	_ = cmd.RegisterFlagCompletionFunc("workflow", repo.Complete(k))
	return cmd
}

func writeList(k *kit.Kit, runs []cairn.Run) error {
	s := k.Term.OutStyle()
	tb := k.Term.NewTable("RUN", "STATUS", "WORKFLOW", "BRANCH", "COMMIT", "BY", "WHEN", "TITLE")
	for _, r := range runs {
		sha := r.Commit.SHA[:min(7, len(r.Commit.SHA))]
		if r.Dirty {
			sha += "*"
		}
		tb.Row(fmt.Sprint(r.ID), s.Paint(r.Status, r.Conclusion, k.Term.Symbol(r.Status, r.Conclusion)+" "+term.Word(r.Status, r.Conclusion)),
			term.Clean(r.Workflow), live.Branch(r.Ref), sha, term.Clean(r.Actor), term.Since(r.CreatedAt, k.Now()), term.Clean(r.Title)+whyText(r))
	}
	return tb.Write()
}
