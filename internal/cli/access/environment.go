package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewEnvironment makes cairn environment.
func NewEnvironment(k *kit.Kit) *cobra.Command {
	of := asset.NewEnvironments(k)
	cmd := kit.Group(&cobra.Command{
		Use:   "environment",
		Short: "Stages of a repository, and what jobs of Azure ML run in",
		Long: `Stages of a repository: who must approve, what may go there. And the environments of Azure ML
that jobs run in: an image, a conda file, a build context. A stage is named by its name, a
version of an environment by NAME:VERSION or NAME@LABEL.`,
		Example: `cairn environment set production --reviewer ana --branch main
cairn environment create --file environment.yml
cairn environment list
cairn environment show production
cairn environment show training:1`,
	}, environmentSet(k), environmentList(k, of), environmentShow(k, of), environmentDelete(k), environmentMap(k))
	cmd.AddCommand(of.Commands()...)
	return cmd
}

func environmentSet(k *kit.Kit) *cobra.Command {
	var name, gate string
	var reviewers, branches, tags []string
	var required int
	var wait time.Duration
	var dirty, noSelf, fromFile bool
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create or change an environment; flags that are left out change nothing",
		Long: `Create or change an environment; flags that are left out change nothing.

Where branches or tags are named, no other ref may deploy: with --branch alone no tag may. A
job that may not have its environment fails. The gate is a condition in CEL over run, model,
models, release, tests and environment; docs/reference/stages.md lists their fields.

Rules that were set here are not changed by .cairn/stages.yml, until --from-file gives them
back to it.`,
		Example: `cairn environment set staging --allow-dirty
cairn environment set production --reviewer ana --reviewer ben --branch main --wait 10m
cairn environment set production --reviewer ana --reviewer ben --reviewer eva --required 2
cairn environment set production --gate 'run.actor != "bot" && model.metrics.accuracy >= 0.9'
cairn environment set production --reviewer '' --gate ''
cairn environment set production --from-file`,
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: complete.First(k, complete.Environments),
	}
	f := cmd.Flags()
	f.StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.StringArrayVar(&reviewers, "reviewer", nil, "a `user` who may approve, repeatable; '' for nobody")
	f.IntVar(&required, "required", 0, "how `many` of the reviewers must approve (default 1)")
	f.StringArrayVar(&branches, "branch", nil, "a `pattern` of branches that may deploy, repeatable; '' for none")
	f.StringArrayVar(&tags, "tag", nil, "a `pattern` of tags that may deploy, repeatable; '' for none")
	f.StringVar(&gate, "gate", "", "a `condition` in CEL that must hold; '' for none")
	f.DurationVar(&wait, "wait", 0, "how `long` to wait after the approval")
	f.BoolVar(&dirty, "allow-dirty", false, "take runs of uncommitted code too")
	f.BoolVar(&noSelf, "no-self-review", false, "who started a run may not approve it")
	f.BoolVar(&fromFile, "from-file", false, "take the rules of .cairn/stages.yml from the next run on")
	complete.Flag(k, cmd, "reviewer", complete.Users)
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
			if e.Reviewers = nonEmpty(reviewers); len(e.Reviewers) == 0 {
				e.Required = 0
			}
		}
		if c.Flags().Changed("required") {
			e.Required = required
		}
		if c.Flags().Changed("tag") {
			e.Tags = nonEmpty(tags)
		}
		if c.Flags().Changed("gate") {
			e.Gate = gate
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
		if c.Flags().Changed("no-self-review") {
			e.NoSelfReview = noSelf
		}
		e.From, e.File = cairn.EnvironmentFromHand, ""
		if fromFile {
			e.From = cairn.EnvironmentFromFile
		}
		after, err := cl.PutEnvironment(c.Context(), e)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(after)
		}
		fmt.Fprintf(k.Term.Err, "%s of %s: %s\n", term.Clean(after.Name), after.Repository, rules(after))
		if c.Flags().Changed("reviewer") {
			strangers(c.Context(), k, cl, after.Reviewers)
		}
		return nil
	}
	return cmd
}

// strangers warns of reviewers that are no users yet: a job would wait for them for ever.
func strangers(ctx context.Context, k *kit.Kit, cl *kit.Client, reviewers []string) {
	users, err := cl.Users(ctx)
	if err != nil {
		return // not everybody may see who there is
	}
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	for _, r := range reviewers {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, r) }) {
			continue
		}
		hint := "cairn user create " + r
		if near := cairn.Nearest(r, names); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		fmt.Fprintf(k.Term.Err, "warning: there is no user %s yet: nobody can approve in that name\nhint: %s\n", term.Clean(r), term.Clean(hint))
	}
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
		parts[0] = "approved by " + approvers(e)
	}
	if e.NoSelfReview && len(e.Reviewers) > 0 {
		parts[0] += ", not by who started it"
	}
	if allowed := cairn.AllowedRefs(e.Branches, e.Tags); allowed != "" {
		parts = append(parts, "from "+allowed)
	}
	if e.Gate != "" {
		parts = append(parts, "if "+term.Clip(e.Gate, 80))
	}
	if e.Wait > 0 {
		parts = append(parts, "after "+e.Wait.String())
	}
	if e.AllowDirty {
		parts = append(parts, "uncommitted code allowed")
	}
	return term.Clean(strings.Join(parts, "; "))
}

// approvers is "ana or ben", or "2 of ana, ben, eva".
func approvers(e *cairn.Environment) string {
	if n := cairn.Needed(e.Reviewers, e.Required); n > 1 {
		return fmt.Sprintf("%d of %s", n, strings.Join(e.Reviewers, ", "))
	}
	return strings.Join(e.Reviewers, " or ")
}

// origin says in a word where the rules come from.
func origin(e *cairn.Environment) string {
	switch e.From {
	case cairn.EnvironmentFromFile:
		return "file"
	case cairn.EnvironmentFromDefault:
		return "default"
	}
	return "by hand"
}

func environmentShow(k *kit.Kit, of asset.Environments) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "show NAME[:VERSION|@LABEL]", Short: "Show the rules of a stage, or what an environment of jobs holds",
		Long: `Show the rules of a stage and where they come from. NAME:VERSION and NAME@LABEL are versions of
an environment that jobs run in; so is NAME where no stage is called so.`,
		Example:           "cairn environment show production\ncairn environment show training:1 --json",
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: complete.First(k, complete.Environments),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	out := k.JSONFlags(cmd, cairn.Environment{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if strings.ContainsAny(args[0], ":@") {
			d, err := of.Find(c.Context(), args[0])
			if err != nil {
				return err
			}
			return of.Show(c.Context(), out, d)
		}
		repository, err := repoName(c.Context(), k, name)
		if err != nil {
			// There are no stages here; a version is found everywhere.
			if d, found := of.Find(c.Context(), args[0]); found == nil {
				return of.Show(c.Context(), out, d)
			}
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
		var names []string
		for i := range all {
			if strings.EqualFold(all[i].Name, args[0]) {
				if out.On() {
					return out.Write(&all[i])
				}
				return showEnvironment(k, &all[i])
			}
			names = append(names, all[i].Name)
		}
		if d, err := of.Find(c.Context(), args[0]); err == nil {
			return of.Show(c.Context(), out, d)
		}
		notThere := cairn.Errorf(cairn.CodeNotFound, "%s has no environment %q", repository, args[0])
		if near := cairn.Nearest(args[0], names); near != "" {
			return notThere.WithHint("did you mean %s?", near)
		}
		return notThere.WithHint("a job that names one makes it, or cairn environment set, or .cairn/stages.yml")
	}
	return cmd
}

func showEnvironment(k *kit.Kit, e *cairn.Environment) error {
	var b strings.Builder
	row := func(name, text string) { fmt.Fprintf(&b, "%-12s %s\n", name, term.Clean(text)) }
	or := func(list []string, none string) string {
		if len(list) == 0 {
			return none
		}
		return strings.Join(list, ", ")
	}
	row("environment", e.Name+" of "+e.Repository)
	row("reviewers", or(e.Reviewers, "nobody need approve"))
	if e.NoSelfReview {
		row("self-review", "no: who started a run may not approve it")
	}
	if n := cairn.Needed(e.Reviewers, e.Required); n > 1 {
		row("required", fmt.Sprintf("%d of them must approve", n))
	}
	none := "all"
	if len(e.Branches)+len(e.Tags) > 0 {
		none = "none"
	}
	row("branches", or(e.Branches, none))
	row("tags", or(e.Tags, none))
	if e.Gate != "" {
		row("gate", e.Gate)
	}
	if e.Wait > 0 {
		row("wait", e.Wait.String())
	}
	if e.AllowDirty {
		row("uncommitted", "allowed")
	} else {
		row("uncommitted", "refused")
	}
	switch e.From {
	case cairn.EnvironmentFromFile:
		text := ".cairn/stages.yml"
		if e.File != "" {
			text += " (" + e.File.Short() + ")"
		} else {
			text += ", from the next run on"
		}
		row("from", text)
	case cairn.EnvironmentFromDefault:
		row("from", "defaults: only a workflow names it so far")
	default:
		row("from", "set by hand: .cairn/stages.yml does not change it (back to the file: --from-file)")
	}
	_, err := fmt.Fprint(k.Term.Out, b.String())
	return err
}

func environmentDelete(k *kit.Kit) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete an environment with its secrets and variables",
		Example:           "cairn environment delete staging",
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: complete.First(k, complete.Environments),
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
