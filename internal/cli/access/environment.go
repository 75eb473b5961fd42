package access

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewEnvironment makes cairn environment.
func NewEnvironment(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "environment",
		Short: "Stages of a repository: who must approve, what may go there",
		Example: `cairn environment set production --reviewer ana --branch main
cairn environment list`,
	}, environmentSet(k), environmentList(k), environmentDelete(k))
}

func environmentSet(k *kit.Kit) *cobra.Command {
	var name string
	var reviewers, branches []string
	var wait time.Duration
	var dirty bool
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create or change an environment; flags that are left out change nothing",
		Example: `cairn environment set staging --allow-dirty
cairn environment set production --reviewer ana --reviewer ben --branch main --wait 10m
cairn environment set production --reviewer ''`,
		Args: kit.Args(1, 1, "NAME"),
	}
	f := cmd.Flags()
	f.StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.StringArrayVar(&reviewers, "reviewer", nil, "a `user` who may approve, repeatable; '' for nobody")
	f.StringArrayVar(&branches, "branch", nil, "a `pattern` of branches that may deploy, repeatable; '' for all")
	f.DurationVar(&wait, "wait", 0, "how `long` to wait after the approval")
	f.BoolVar(&dirty, "allow-dirty", false, "take runs of uncommitted code too")
	out := k.JSONFlags(cmd, cairn.Environment{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		repository, err := repoName(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		all, err := cl.Environments(c.Context(), repository)
		if err != nil {
			return err
		}
		e := cairn.Environment{Repository: repository, Name: args[0]}
		for _, old := range all {
			if strings.EqualFold(old.Name, args[0]) {
				e = old
			}
		}
		if c.Flags().Changed("reviewer") {
			e.Reviewers = nonEmpty(reviewers)
		}
		if c.Flags().Changed("branch") {
			e.Branches = nonEmpty(branches)
		}
		if c.Flags().Changed("wait") {
			e.Wait = wait
		}
		if c.Flags().Changed("allow-dirty") {
			e.AllowDirty = dirty
		}
		after, err := cl.PutEnvironment(c.Context(), e)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(after)
		}
		fmt.Fprintf(k.Term.Err, "%s of %s: %s\n", term.Clean(after.Name), after.Repository, rules(after))
		return nil
	}
	return cmd
}

func nonEmpty(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// rules says an environment's rules in a sentence.
func rules(e *cairn.Environment) string {
	parts := []string{"nobody need approve"}
	if len(e.Reviewers) > 0 {
		parts[0] = "approved by " + strings.Join(e.Reviewers, " or ")
	}
	if len(e.Branches) > 0 {
		parts = append(parts, "from "+strings.Join(e.Branches, ", "))
	}
	if e.Wait > 0 {
		parts = append(parts, "after "+e.Wait.String())
	}
	if e.AllowDirty {
		parts = append(parts, "uncommitted code allowed")
	}
	return term.Clean(strings.Join(parts, "; "))
}

func environmentList(k *kit.Kit) *cobra.Command {
	var name string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List environments and their rules",
		Example: "cairn environment list\ncairn environment list --all --json=repository,name,reviewers",
		Args:    kit.Args(0, 0),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	cmd.Flags().BoolVar(&all, "all", false, "of all repositories")
	out := k.JSONFlags(cmd, cairn.Environment{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		repository := ""
		if !all {
			var err error
			if repository, err = repoName(c.Context(), k, name); err != nil {
				return err
			}
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		list, err := cl.Environments(c.Context(), repository)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(list)
		}
		if len(list) == 0 {
			fmt.Fprintln(k.Term.Err, "no environments yet; a job that names one makes it")
			return nil
		}
		tb := k.Term.NewTable("REPOSITORY", "NAME", "RULES")
		for _, e := range list {
			tb.Row(term.Clean(e.Repository), term.Clean(e.Name), rules(&e))
		}
		return tb.Write()
	}
	return cmd
}

func environmentDelete(k *kit.Kit) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete an environment with its secrets and variables",
		Example: "cairn environment delete staging",
		Args:    kit.Args(1, 1, "NAME"),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		repository, err := repoName(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if err := cl.DeleteEnvironment(c.Context(), repository, args[0]); err != nil {
			return err
		}
		fmt.Fprintf(k.Term.Err, "deleted %s of %s\n", term.Clean(args[0]), repository)
		return nil
	}
	return cmd
}
