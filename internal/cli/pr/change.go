package pr

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newView(k *kit.Kit) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "view NUMBER", Short: "Show a pull request with its commits, files and checks",
		Example:           "cairn pr view 1\ncairn pr view 1 --json --jq .checks",
		Args:              kit.Args(1, 1, "NUMBER"),
		ValidArgsFunction: complete.First(k, complete.Pulls("all")),
	}
	repoFlag(cmd, &name)
	out := k.JSONFlags(cmd, client.PullView{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		n, err := number(args[0])
		if err != nil {
			return err
		}
		repository, err := in(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		v, err := cl.Pull(c.Context(), repository, n)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(v)
		}
		return write(k, v)
	}
	return cmd
}

// filesShown bounds the list of files for people.
const filesShown = 30

func write(k *kit.Kit, v *client.PullView) error {
	s, p := k.Term.OutStyle(), &v.Pull
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", s.Bold(fmt.Sprintf("#%d %s", p.Number, term.Clean(p.Title))), stateOf(p))
	fmt.Fprintf(&b, "%s into %s of %s, by %s %s\n", term.Clean(branch(p)), term.Clean(p.Base), term.Clean(p.Repository), term.Clean(p.By), term.Since(p.CreatedAt, k.Now()))
	if len(p.Labels) > 0 {
		fmt.Fprintf(&b, "labels: %s\n", term.Clean(strings.Join(p.Labels, ", ")))
	}
	if p.Merged {
		fmt.Fprintf(&b, "merged by %s as %.12s\n", term.Clean(p.MergedBy), p.MergeCommit)
	}
	if len(p.Conflicts) > 0 && p.State == cairn.PullOpen {
		fmt.Fprintf(&b, "conflicts in %s: no pull_request workflow runs\n", term.Clean(strings.Join(p.Conflicts, ", ")))
	}
	if p.Body != "" {
		fmt.Fprintf(&b, "\n%s\n", term.CleanText(strings.TrimSpace(p.Body)))
	}
	fmt.Fprintf(&b, "\nchecks: %s\n", v.Checks)
	for _, r := range v.Runs {
		fmt.Fprintf(&b, "  %s  run %d  %s  (%s)\n", k.Term.Symbol(r.Status, r.Conclusion), r.ID, term.Clean(r.Workflow), term.Clean(r.Event))
	}
	for _, x := range v.Statuses {
		fmt.Fprintf(&b, "  %s  %s  %s\n", x.State, term.Clean(x.Context), term.Clean(x.Description))
	}
	fmt.Fprintf(&b, "\n%s, newest first:\n", term.Count(int64(len(v.Commits)), "commit"))
	for _, c := range v.Commits {
		fmt.Fprintf(&b, "  %.7s  %s\n", c.SHA, term.Clean(c.Subject))
	}
	fmt.Fprintf(&b, "\n%s:\n", term.Count(int64(len(v.Files)), "file"))
	for i, f := range v.Files {
		if i == filesShown {
			fmt.Fprintf(&b, "  and %d more\n", len(v.Files)-i)
			break
		}
		fmt.Fprintf(&b, "  +%d -%d  %s\n", f.Added, f.Removed, term.Clean(f.Path))
	}
	_, err := k.Term.Out.Write([]byte(b.String()))
	return err
}

func newEdit(k *kit.Kit) *cobra.Command {
	var name, title, body, bodyFile, base string
	var draft, ready bool
	var r client.PullEdit
	cmd := &cobra.Command{
		Use: "edit NUMBER", Short: "Change the title, description, base, labels or draft state of a pull request",
		Example:           "cairn pr edit 1 --title 'A better title'\ncairn pr edit 1 --add-label model --remove-label wip\ncairn pr edit 1 --ready",
		Args:              kit.Args(1, 1, "NUMBER"),
		ValidArgsFunction: complete.First(k, complete.Pulls("open")),
	}
	repoFlag(cmd, &name)
	f := cmd.Flags()
	f.StringVarP(&title, "title", "t", "", "one `line`")
	f.StringVarP(&body, "body", "b", "", "a `text` that describes it")
	f.StringVar(&bodyFile, "body-file", "", "read the description from this `file`")
	f.StringVar(&base, "base", "", "the `branch` that it goes into")
	f.StringArrayVar(&r.Add, "add-label", nil, "add a `label`, repeatable")
	f.StringArrayVar(&r.Remove, "remove-label", nil, "take a `label` away, repeatable")
	f.BoolVar(&draft, "draft", false, "not to be merged yet")
	f.BoolVar(&ready, "ready", false, "no draft any more")
	out := k.JSONFlags(cmd, client.PullAnswer{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		for _, pair := range [][2]string{{"draft", "ready"}, {"body", "body-file"}} {
			if err := kit.Exclusive(c, pair[0], pair[1]); err != nil {
				return err
			}
		}
		n, err := number(args[0])
		if err != nil {
			return err
		}
		changed := c.Flags().Changed
		if changed("title") {
			r.Title = &title
		}
		if changed("body") || bodyFile != "" {
			if body, err = text(k, body, bodyFile); err != nil {
				return err
			}
			r.Body = &body
		}
		if changed("base") {
			r.Base = &base
		}
		if draft || ready {
			r.Draft = &draft
		}
		if r.Title == nil && r.Body == nil && r.Base == nil && r.Draft == nil && len(r.Add)+len(r.Remove) == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "nothing is to be changed").WithHint("--title, --body, --base, --add-label, --remove-label, --draft or --ready")
		}
		return change(c, k, out, name, n, r, "changed")
	}
	return cmd
}

func change(c *cobra.Command, k *kit.Kit, out *kit.JSON, name string, n int64, r client.PullEdit, done string) error {
	repository, err := in(c.Context(), k, name)
	if err != nil {
		return err
	}
	cl, err := k.Client(c.Context())
	if err != nil {
		return err
	}
	a, err := cl.EditPull(c.Context(), repository, n, r)
	if err != nil {
		return err
	}
	return tell(k, out, a, done)
}

// newState makes cairn pr close and cairn pr reopen.
func newState(k *kit.Kit, verb string) *cobra.Command {
	var name string
	short, state, done := "Close a pull request without merging it", cairn.PullClosed, "closed"
	if verb == "reopen" {
		short, state, done = "Open a closed pull request again", cairn.PullOpen, "opened again:"
	}
	cmd := &cobra.Command{Use: verb + " NUMBER", Short: short, Example: "cairn pr " + verb + " 1", Args: kit.Args(1, 1, "NUMBER")}
	from := cairn.PullOpen
	if verb == "reopen" {
		from = cairn.PullClosed
	}
	cmd.ValidArgsFunction = complete.First(k, complete.Pulls(from))
	repoFlag(cmd, &name)
	out := k.JSONFlags(cmd, client.PullAnswer{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		n, err := number(args[0])
		if err != nil {
			return err
		}
		return change(c, k, out, name, n, client.PullEdit{State: &state}, done)
	}
	return cmd
}

func newMerge(k *kit.Kit) *cobra.Command {
	var name string
	var squash, rebase bool
	var r client.PullMerge
	cmd := &cobra.Command{
		Use: "merge NUMBER", Short: "Merge a pull request, and start what runs on the push that this is",
		Long: `Merge a pull request with a merge commit, as one commit, or commit by commit. The base branch
moves as by a push: workflows that run on push start, and so do those on pull_request: closed.`,
		Example:           "cairn pr merge 1\ncairn pr merge 1 --squash\ncairn pr merge 1 --rebase --head 4f2a91c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6",
		Args:              kit.Args(1, 1, "NUMBER"),
		ValidArgsFunction: complete.First(k, complete.Pulls("open")),
	}
	repoFlag(cmd, &name)
	f := cmd.Flags()
	f.BoolVar(&squash, "squash", false, "as one commit")
	f.BoolVar(&rebase, "rebase", false, "commit by commit, without a merge commit")
	f.StringVar(&r.Head, "head", "", "only if its branch is still at this `commit`")
	f.StringVar(&r.Title, "subject", "", "the first `line` of the commit")
	f.StringVarP(&r.Message, "body", "b", "", "the `text` of the commit")
	out := k.JSONFlags(cmd, client.PullAnswer{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "squash", "rebase"); err != nil {
			return err
		}
		n, err := number(args[0])
		if err != nil {
			return err
		}
		switch {
		case squash:
			r.Method = "squash"
		case rebase:
			r.Method = "rebase"
		}
		repository, err := in(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		a, err := cl.MergePull(c.Context(), repository, n, r)
		if err != nil {
			return err
		}
		return tell(k, out, a, "merged")
	}
	return cmd
}
