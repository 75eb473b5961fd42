package deploy

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewRollback makes cairn rollback.
func NewRollback(k *kit.Kit) *cobra.Command {
	var name, to, comment string
	cmd := &cobra.Command{
		Use:   "rollback STAGE",
		Short: "Put the last good release back on a stage",
		Long: `Put the release that was live before back on a stage, or a named one that was, with the
configuration that it had then. Asked again, it goes further back. Neither checks nor approvals
stand before it; who asked, and why, is kept. The command returns when the release is live.`,
		Example: "cairn rollback production\ncairn rollback production --to v1.2.2 --comment 'wrong answers since this morning'",
		Args:    kit.Args(1, 1, "STAGE"),

		ValidArgsFunction: complete.First(k, complete.Stages),
	}
	cmd.Flags().StringVar(&name, "repo", "", "a stage of this repository, `owner/name` (default: the one the command is typed in)")
	cmd.Flags().StringVar(&to, "to", "", "a `release` that was live there: r3, v1.2.3 or its id")
	complete.Flag(k, cmd, "to", complete.Releases)
	cmd.Flags().StringVar(&comment, "comment", "", "a `sentence` that is kept with it")
	out := k.JSONFlags(cmd, cairn.Deployment{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		in, err := repository(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		began := k.Now()
		d, err := cl.Rollback(c.Context(), client.RollbackRequest{Repository: in, Stage: args[0], To: to, Comment: comment})
		if err != nil {
			return err
		}
		w := &watcher{k: k, cl: cl, d: d, quiet: out.On(), began: began}
		if d.Status == cairn.DeployLive {
			w.say("%s is back on %s", named(c.Context(), cl, d), term.Clean(d.Stage))
		}
		if out.On() {
			if err := out.Write(d); err != nil {
				return err
			}
		}
		return w.result(out.On())
	}
	return cmd
}

// NewStop makes cairn stop.
func NewStop(k *kit.Kit) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "stop STAGE",
		Short: "Take down what is live on a stage",
		Long: `Take down what is live on a stage: it finishes what it has begun, and then nothing answers
there. Its number and its port stay. cairn rollback STAGE brings it back.`,
		Example: "cairn stop staging",
		Args:    kit.Args(1, 1, "STAGE"),

		ValidArgsFunction: complete.First(k, complete.Stages),
	}
	cmd.Flags().StringVar(&name, "repo", "", "a stage of this repository, `owner/name` (default: the one the command is typed in)")
	out := k.JSONFlags(cmd, cairn.Deployment{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		in, err := repository(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		d, err := cl.StopStage(c.Context(), in, args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(d)
		}
		fmt.Fprintf(k.Term.Err, "stopped %s of %s: %s (%s) answers no more\n", term.Clean(d.Stage), term.Clean(d.Repository), named(c.Context(), cl, d), d.URL)
		return nil
	}
	return cmd
}
