package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// listOf makes list for secrets and variables: all that a run of this repository,
// or of one of its environments, would see, or those of every scope.
func listOf(k *kit.Kit, noun string) *cobra.Command {
	var s scopeFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the " + noun + "s that a run would see, and which level wins; or --all",
		Long: "List the " + noun + `s that a run of the repository would see, with --env those that a job of the
environment would see: of the workspace, the repository and the environment. The narrowest
level wins; HIDDEN BY names it where there are several.`,
		Example: "cairn " + noun + " list\ncairn " + noun + " list --env production\ncairn " + noun + " list --all --json=scope,name",
		Args:    kit.Args(0, 0),
	}
	s.add(cmd, k)
	cmd.Flags().BoolVar(&all, "all", false, "of every scope")
	var out *kit.JSON
	if noun == "secret" {
		out = k.JSONFlags(cmd, cairn.Secret{})
	} else {
		out = k.JSONFlags(cmd, cairn.Variable{})
	}
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		var scope cairn.Scope
		var err error
		if !all {
			if scope, err = s.scope(c.Context(), k); err != nil {
				return err
			}
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		list := listVariables
		if noun == "secret" {
			list = listSecrets
		}
		tb, err := list(c.Context(), k, cl, scope, out)
		if err != nil || out.On() {
			return err
		}
		if tb.Len() == 0 {
			fmt.Fprintf(k.Term.Err, "no %ss (%s); --all looks everywhere\n", noun, scope)
			return nil
		}
		return tb.Write()
	}
	return cmd
}

func listSecrets(ctx context.Context, k *kit.Kit, cl *kit.Client, scope cairn.Scope, out *kit.JSON) (*term.Table, error) {
	var list []cairn.Secret
	var err error
	if scope == "" {
		list, err = cl.Secrets(ctx, "")
	} else {
		list, err = cl.SecretsSeen(ctx, scope)
	}
	if err != nil || out.On() {
		return nil, finish(out, list, err)
	}
	hidden := false
	for _, v := range list {
		hidden = hidden || v.HiddenBy != ""
	}
	tb := k.Term.NewTable(columns(hidden, "HIDDEN BY", "NAME", "SCOPE", "BY", "WHEN")...)
	for _, v := range list {
		tb.Row(columns(hidden, term.Clean(string(v.HiddenBy)),
			term.Clean(v.Name), term.Clean(string(v.Scope)), term.Clean(v.By), term.Since(v.UpdatedAt, k.Now()))...)
	}
	return tb, nil
}

func listVariables(ctx context.Context, k *kit.Kit, cl *kit.Client, scope cairn.Scope, out *kit.JSON) (*term.Table, error) {
	var list []cairn.Variable
	var err error
	if scope == "" {
		list, err = cl.Variables(ctx, "")
	} else {
		list, err = cl.VariablesSeen(ctx, scope)
	}
	if err != nil || out.On() {
		return nil, finish(out, list, err)
	}
	hidden := false
	for _, v := range list {
		hidden = hidden || v.HiddenBy != ""
	}
	tb := k.Term.NewTable(columns(hidden, "HIDDEN BY", "NAME", "VALUE", "SCOPE", "BY", "WHEN")...)
	for _, v := range list {
		value, _, _ := strings.Cut(v.Value, "\n")
		tb.Row(columns(hidden, term.Clean(string(v.HiddenBy)), term.Clean(v.Name), term.Clip(term.Clean(value), 60),
			term.Clean(string(v.Scope)), term.Clean(v.By), term.Since(v.UpdatedAt, k.Now()))...)
	}
	return tb, nil
}

func finish(out *kit.JSON, list any, err error) error {
	if err != nil {
		return err
	}
	return out.Write(list)
}

// columns adds the last column where something is hidden.
func columns(hidden bool, last string, cells ...string) []string {
	if hidden {
		return append(cells, last)
	}
	return cells
}
