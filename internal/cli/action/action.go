// Package action is cairn action: the actions of other repositories that are kept
// here.
package action

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "action",
		Short: "Actions of other repositories that are kept here",
		Long: `Actions of other repositories that are kept here. A run fetches what it uses by itself, once for
each commit, from the places that actions.mirrors in config.yaml lists (GitHub, unless it says
otherwise), and goes on with what is kept where they cannot be reached.`,
		Example: "cairn action list\ncairn action fetch actions/stale@v9",
	}, newList(k), newShow(k), newFetch(k), newRemove(k))
}

func newList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the actions that are kept",
		Example: "cairn action list\ncairn action list --json=repository,commit,runs",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, cairn.ActionInfo{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		all, err := cl.Actions(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(all)
		}
		if len(all) == 0 {
			fmt.Fprintln(k.Term.Err, "no action is kept here; a run fetches what it uses")
			return nil
		}
		tb := k.Term.NewTable("ACTION", "COMMIT", "KNOWN AS", "FILES", "SIZE", "FETCHED", "RUNS", "FROM")
		for _, a := range all {
			tb.Row(term.Clean(a.Repository), a.Commit[:min(12, len(a.Commit))], term.Clean(strings.Join(a.Refs, ", ")), fmt.Sprint(a.Files), term.Size(a.Size),
				term.Since(a.FetchedAt, k.Now()), fmt.Sprint(len(a.Runs)), term.Clean(a.Source))
		}
		return tb.Write()
	}
	return cmd
}

func newShow(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show ACTION[@VERSION]",
		Short:             "Show a kept action and which runs used it",
		Example:           "cairn action show acme/greet\ncairn action show acme/greet@v1",
		Args:              kit.Args(1, 1, "ACTION"),
		ValidArgsFunction: complete.First(k, complete.Actions),
	}
	out := k.JSONFlags(cmd, cairn.ActionInfo{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		a, err := cl.Action(c.Context(), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(a)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n", cairn.ActionRef(term.Clean(a.Repository), term.Clean(a.Commit)))
		if len(a.Refs) > 0 {
			fmt.Fprintf(&b, "known as  %s\n", term.Clean(strings.Join(a.Refs, ", ")))
		}
		fmt.Fprintf(&b, "from      %s, %s\n", term.Clean(a.Source), term.Since(a.FetchedAt, k.Now()))
		fmt.Fprintf(&b, "holds     %s, %s  %s\n", term.Count(a.Files, "file"), term.Size(a.Size), a.Tree)
		if a.Note != "" {
			fmt.Fprintf(&b, "note      %s\n", term.Clean(a.Note))
		}
		for _, r := range a.Runs {
			fmt.Fprintf(&b, "used by   run/%d\n", r)
		}
		_, err = fmt.Fprint(k.Term.Out, b.String())
		return err
	}
	return cmd
}

func newFetch(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fetch ACTION@VERSION...",
		Short: "Fetch actions before a run needs them",
		Long: `Fetch actions before a run needs them, for a machine that will be without network. What a
composite action itself uses is fetched by the first run.`,
		Example: "cairn action fetch actions/stale@v9\ncairn action fetch acme/greet@main acme/tools/lint@v2",
		Args:    kit.Args(1, 100, "ACTION@VERSION"),
	}
	out := k.JSONFlags(cmd, cairn.ActionVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		got := make([]cairn.ActionVersion, 0, len(args))
		for _, uses := range args {
			v, err := cl.FetchAction(c.Context(), uses)
			if err != nil {
				return err
			}
			got = append(got, *v)
			if !out.On() {
				fmt.Fprintf(k.Term.Out, "%s is %s (%s, %s)\n", term.Clean(v.Uses), term.Clean(v.Commit), term.Count(v.Files, "file"), term.Size(v.Size))
				if v.Note != "" {
					fmt.Fprintf(k.Term.Err, "%s %s\n", k.Term.ErrStyle().Yellow("note:"), term.Clean(v.Note))
				}
			}
		}
		if out.On() {
			return out.Write(got)
		}
		return nil
	}
	return cmd
}

func newRemove(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "remove ACTION@VERSION",
		Short:             "Forget a kept action; the next run that uses it fetches it again",
		Example:           "cairn action remove acme/greet@v1",
		Args:              kit.Args(1, 1, "ACTION@VERSION"),
		ValidArgsFunction: complete.First(k, complete.Actions),
	}
	out := k.JSONFlags(cmd, cairn.ActionInfo{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		a, err := cl.RemoveAction(c.Context(), args[0])
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(a)
		}
		_, err = fmt.Fprintf(k.Term.Out, "removed %s\n", cairn.ActionRef(term.Clean(a.Repository), term.Clean(a.Commit)))
		return err
	}
	return cmd
}
