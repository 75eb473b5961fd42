package access

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func environmentList(k *kit.Kit, of asset.Environments) *cobra.Command {
	var name string
	var all, archived bool
	cmd := &cobra.Command{
		Use: "list", Short: "List stages with their rules, and environments that jobs run in",
		Example: "cairn environment list\ncairn environment list --all --json=repository,name,reviewers",
		Args:    kit.Args(0, 0),
	}
	cmd.Flags().StringVar(&name, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	cmd.Flags().BoolVar(&all, "all", false, "of all repositories")
	cmd.Flags().BoolVar(&archived, "archived", false, "archived versions too")
	out := k.JSONFlags(cmd, Listed{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		repository := ""
		var outside error // of any repository: then there are no stages to list
		if !all {
			repository, outside = repoName(c.Context(), k, name)
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		versions, err := of.List(c.Context(), cl, archived)
		if err != nil {
			return err
		}
		if outside != nil && len(versions) == 0 {
			return outside
		}
		var list []cairn.Environment
		if outside == nil {
			if list, err = cl.Environments(c.Context(), repository); err != nil {
				return err
			}
		}
		if out.On() {
			return out.Write(listed(list, versions))
		}
		if len(list)+len(versions) == 0 {
			fmt.Fprintln(k.Term.Err, "no environments yet; a job that names one makes it, as do .cairn/stages.yml and cairn environment set NAME")
			return nil
		}
		if len(list) == 0 {
			return of.Write(versions)
		}
		tb := k.Term.NewTable("REPOSITORY", "NAME", "RULES", "FROM")
		for _, e := range list {
			tb.Row(term.Clean(e.Repository), term.Clean(e.Name), rules(&e), origin(&e))
		}
		if err := tb.Write(); err != nil || len(versions) == 0 {
			return err
		}
		fmt.Fprintln(k.Term.Out)
		return of.Write(versions)
	}
	return cmd
}

// Listed is a line of cairn environment list: a stage, or the newest version of an
// environment that jobs run in.
type Listed struct {
	cairn.Environment
	Kind    string       `json:"kind"` // stage, version
	Version string       `json:"version,omitempty"`
	Digest  cairn.Digest `json:"digest,omitempty"`
}

func listed(stages []cairn.Environment, versions []cairn.AssetVersion) []Listed {
	out := make([]Listed, 0, len(stages)+len(versions))
	for _, e := range stages {
		out = append(out, Listed{Environment: e, Kind: "stage"})
	}
	for _, v := range versions {
		out = append(out, Listed{Environment: cairn.Environment{Name: v.Name, CreatedAt: v.CreatedAt}, Kind: "version", Version: v.Version, Digest: v.Digest})
	}
	return out
}
