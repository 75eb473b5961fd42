// Package pr is cairn pr: pull requests of repositories that Cairn hosts.
package pr

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "pr",
		Short: "Pull requests of repositories that Cairn hosts",
		Long: `Pull requests of repositories that were pushed to Cairn.

One is of two branches; its workflows run on what a merge would give (refs/pull/N/merge), as
on GitHub. Where the branches conflict, none runs until that is solved.`,
		Example: `git push http://127.0.0.1:7077/git/owner/name.git topic
cairn pr create --head topic --title 'Better features'
cairn pr view 1
cairn pr merge 1 --squash`,
	}, newCreate(k), newList(k), newView(k), newEdit(k), newState(k, "close"), newState(k, "reopen"), newMerge(k))
}

// in is the repository that a flag, the job or the folder means.
func in(ctx context.Context, k *kit.Kit, flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if name := k.Env("GITHUB_REPOSITORY"); name != "" && k.Env("CAIRN_TOKEN") != "" {
		return name, nil
	}
	wt, err := repo.Find(ctx, k)
	if err != nil {
		return "", err
	}
	return wt.Name, nil
}

func repoFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
}

// number reads 7 or #7.
func number(arg string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(arg, "#"), 10, 64)
	if err != nil || n < 1 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "%q is not the number of a pull request", arg).WithHint("cairn pr list shows them")
	}
	return n, nil
}

// text reads what a flag gives, or a file.
func text(k *kit.Kit, flag, file string) (string, error) {
	if file == "" {
		return flag, nil
	}
	b, err := k.ReadFile(file, 1<<20)
	return string(b), err
}

func newCreate(k *kit.Kit) *cobra.Command {
	var name, bodyFile string
	var r client.PullCreate
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Open a pull request",
		Long: `Open a pull request of a branch that was pushed, and start what runs on that.

The code of another repository is not trusted: its workflows get no secrets, and a token that
only reads.`,
		Example: "cairn pr create --head topic --title 'Better features'\ncairn pr create --head topic --base release --draft --label model\ncairn pr create --head topic --head-repo mona/name",
		Args:    kit.Args(0, 0),
	}
	repoFlag(cmd, &name)
	f := cmd.Flags()
	f.StringVar(&r.Head, "head", "", "the `branch` to be merged (default: the one checked out)")
	f.StringVar(&r.HeadRepository, "head-repo", "", "the repository of that branch, `owner/name`, if it is another one")
	f.StringVar(&r.Base, "base", "", "the `branch` that it goes into (default: the default branch)")
	f.StringVarP(&r.Title, "title", "t", "", "one `line` (default: the subject of its newest commit)")
	f.StringVarP(&r.Body, "body", "b", "", "a `text` that describes it")
	f.StringVar(&bodyFile, "body-file", "", "read the description from this `file`")
	f.BoolVar(&r.Draft, "draft", false, "not to be merged yet")
	f.StringArrayVarP(&r.Labels, "label", "l", nil, "a `label`, repeatable")
	out := k.JSONFlags(cmd, client.PullAnswer{})
	cmd.RunE = func(c *cobra.Command, _ []string) (err error) {
		if err := kit.Exclusive(c, "body", "body-file"); err != nil {
			return err
		}
		if r.Body, err = text(k, r.Body, bodyFile); err != nil {
			return err
		}
		if r.Repository, err = in(c.Context(), k, name); err != nil {
			return err
		}
		if r.Head == "" {
			wt, err := repo.Find(c.Context(), k)
			if err != nil {
				return err
			}
			branch, ok := strings.CutPrefix(wt.Ref, "refs/heads/")
			if !ok {
				return cairn.Errorf(cairn.CodeInvalid, "no branch is checked out").WithHint("name it: --head BRANCH")
			}
			r.Head = branch
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		a, err := cl.CreatePull(c.Context(), r)
		if err != nil {
			return err
		}
		return tell(k, out, a, "opened")
	}
	return cmd
}

// tell says what became of a pull request and what that started.
func tell(k *kit.Kit, out *kit.JSON, a *client.PullAnswer, done string) error {
	if out.On() {
		return out.Write(a)
	}
	p := &a.Pull
	fmt.Fprintf(k.Term.Out, "%d\n", p.Number)
	fmt.Fprintf(k.Term.Err, "%s pull request %d of %s: %s into %s: %s\n", done, p.Number, term.Clean(p.Repository), term.Clean(p.Head), term.Clean(p.Base), term.Clean(p.Title))
	for _, n := range a.Notes {
		fmt.Fprintln(k.Term.Err, term.Clean(n))
	}
	return nil
}

func newList(k *kit.Kit) *cobra.Command {
	var name, state string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List pull requests, the newest first",
		Example: "cairn pr list\ncairn pr list --state all --json=number,title,state",
		Args:    kit.Args(0, 0),
	}
	repoFlag(cmd, &name)
	cmd.Flags().StringVarP(&state, "state", "s", "open", "a `state`: open, closed or all")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"open", "closed", "all"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().IntVarP(&limit, "limit", "n", 30, "at most this `many`")
	out := k.JSONFlags(cmd, cairn.PullRequest{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if state != "open" && state != "closed" && state != "all" {
			return cairn.Errorf(cairn.CodeInvalid, "--state does not take %q", state).WithHint("open, closed or all")
		}
		if limit < 1 || limit > 1000 {
			return cairn.Errorf(cairn.CodeInvalid, "--limit is %d; it may be 1 to 1000", limit)
		}
		repository, err := in(c.Context(), k, name)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		ps, err := cl.Pulls(c.Context(), repository, state, limit)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(ps)
		}
		if len(ps) == 0 {
			fmt.Fprintf(k.Term.Err, "no pull requests; cairn pr create --head BRANCH opens one\n")
			return nil
		}
		tb := k.Term.NewTable("NUMBER", "TITLE", "BRANCH", "INTO", "STATE", "BY", "CHANGED")
		for i := range ps {
			p := &ps[i]
			tb.Row(strconv.FormatInt(p.Number, 10), term.Clean(p.Title), term.Clean(branch(p)), term.Clean(p.Base), stateOf(p), term.Clean(p.By), term.Since(p.UpdatedAt, k.Now()))
		}
		return tb.Write()
	}
	return cmd
}

func branch(p *cairn.PullRequest) string {
	if p.Untrusted() {
		return p.HeadRepository + ":" + p.Head
	}
	return p.Head
}

func stateOf(p *cairn.PullRequest) string {
	switch {
	case p.Merged:
		return "merged"
	case p.State == cairn.PullClosed:
		return "closed"
	case p.TestMerge == "":
		return "conflict"
	case p.Draft:
		return "draft"
	}
	return "open"
}
