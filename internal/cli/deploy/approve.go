package deploy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// NewApprove makes cairn approve.
func NewApprove(k *kit.Kit) *cobra.Command { return decide(k, true) }

// NewReject makes cairn reject.
func NewReject(k *kit.Kit) *cobra.Command { return decide(k, false) }

func decide(k *kit.Kit, approve bool) *cobra.Command {
	verb, past := "approve", "approved"
	if !approve {
		verb, past = "reject", "rejected"
	}
	var env, comment string
	cmd := &cobra.Command{
		Use:   verb + " [WHAT]",
		Short: strings.ToUpper(verb[:1]) + verb[1:] + " a run or a deployment that waits for it",
		Long: fmt.Sprintf(`%s%s what waits for a decision: an environment of a run (run/42, or 42), or a deployment
(deployment/7). Without WHAT it is the only thing that waits for you; where there are several,
they are listed.`, strings.ToUpper(verb[:1]), verb[1:]),
		Example: fmt.Sprintf("cairn %s\ncairn %s 42 --environment production --comment 'metrics checked'\ncairn %s deployment/7", verb, verb, verb),
		Args:    kit.Args(0, 1, "WHAT"),

		ValidArgsFunction: complete.First(k, complete.Waiting),
	}
	cmd.Flags().StringVarP(&env, "environment", "e", "", "the `environment` to decide on, where a run waits for several")
	cmd.Flags().StringVar(&comment, "comment", "", "a `sentence` that is kept with the decision")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		ctx := c.Context()
		cl, err := k.Client(ctx)
		if err != nil {
			return err
		}
		what := ""
		if len(args) > 0 {
			what = args[0]
		}
		id, isDeployment, err := parseWhat(what)
		if err != nil {
			return err
		}
		if what == "" {
			p, err := waitsForMe(ctx, k, cl, verb, env)
			if err != nil {
				return err
			}
			env = p.Environment
			if id, isDeployment, err = parseWhat(string(p.What)); err != nil {
				return err
			}
		}
		if isDeployment {
			d, err := cl.DecideDeployment(ctx, cairn.DeploymentID(id), approve, comment)
			if err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "%s deployment %d: %s to %s of %s\n", past, d.ID, named(ctx, cl, d), term.Clean(d.Stage), term.Clean(d.Repository))
			if approve && d.ApprovedBy == "" {
				fmt.Fprintf(k.Term.Err, "  %s\n", term.Clean(d.Reason))
			}
			return nil
		}
		if env == "" {
			if env, err = onlyEnvironment(ctx, cl, cairn.RunID(id)); err != nil {
				return err
			}
		}
		if err := cl.Approve(ctx, cairn.RunID(id), env, past, comment); err != nil {
			return err
		}
		fmt.Fprintf(k.Term.Err, "%s %s for run %d%s\n", past, term.Clean(env), id, more(ctx, cl, cairn.RunID(id), env))
		return nil
	}
	return cmd
}

// more says that an approval alone was not enough.
func more(ctx context.Context, cl *kit.Client, id cairn.RunID, env string) string {
	all, err := cl.Approvals(ctx, id)
	if err != nil {
		return "" // the vote is kept; this is only a word about it
	}
	for i := len(all) - 1; i >= 0; i-- {
		if a := &all[i]; strings.EqualFold(a.Environment, env) {
			if a.State == "pending" {
				return "; it waits for more"
			}
			break
		}
	}
	return ""
}

// parseWhat reads 42, run/42 or deployment/7.
func parseWhat(s string) (id int64, deployment bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	number := strings.TrimPrefix(s, cairn.KindRun+"/")
	if rest, ok := strings.CutPrefix(s, cairn.KindDeployment+"/"); ok {
		number, deployment = rest, true
	}
	if id, err = strconv.ParseInt(number, 10, 64); err != nil || id < 1 {
		return 0, false, cairn.Errorf(cairn.CodeInvalid, "%q is neither a run nor a deployment", term.Clean(s)).
			WithHint("write 42 or run/42 for a run, deployment/7 for a deployment")
	}
	return id, deployment, nil
}

// waitsForMe is the only thing that waits for whoever asks.
func waitsForMe(ctx context.Context, k *kit.Kit, cl *kit.Client, verb, env string) (*cairn.PendingApproval, error) {
	all, err := cl.PendingApprovals(ctx)
	if err != nil {
		return nil, err
	}
	if env != "" {
		all = slices.DeleteFunc(all, func(p cairn.PendingApproval) bool { return !strings.EqualFold(p.Environment, env) })
	}
	mine := slices.DeleteFunc(slices.Clone(all), func(p cairn.PendingApproval) bool { return !p.Mine })
	switch len(mine) {
	case 1:
		return &mine[0], nil
	case 0:
		e := cairn.Errorf(cairn.CodeNotFound, "nothing waits for you")
		if len(all) == 0 {
			return nil, e
		}
		var others []string
		for _, p := range all {
			others = append(others, fmt.Sprintf("%s (%s) waits for %s", p.What, p.Environment, strings.Join(p.Reviewers, " or ")))
		}
		return nil, e.WithHint("%s", strings.Join(others, "; "))
	}
	tb := k.Term.NewTable("WHAT", "ENVIRONMENT", "REPOSITORY", "TITLE", "BY", "SINCE")
	for _, p := range mine {
		tb.Row(string(p.What), term.Clean(p.Environment), term.Clean(p.Repository), term.Clean(p.Title), term.Clean(p.By), term.Since(p.Since, k.Now()))
	}
	if err := tb.WriteTo(k.Term.Err, k.Term.ErrStyle(), k.Term.ErrTTY); err != nil {
		return nil, err
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "%d things wait for you", len(mine)).WithHint("say which: cairn %s %s", verb, mine[0].What)
}

// onlyEnvironment is the one environment that a run waits for.
func onlyEnvironment(ctx context.Context, cl *kit.Client, id cairn.RunID) (string, error) {
	all, err := cl.Approvals(ctx, id)
	if err != nil {
		return "", err
	}
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
