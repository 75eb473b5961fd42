package cli

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// newCompletion writes the completion script of a shell.
func newCompletion(k *kit.Kit) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write the completion script of bash, zsh, fish or powershell",
		Long: `Write the completion script of a shell to standard output. Run numbers, workflows, assets,
images, stages, releases, deployments and predictions complete too, from the server if one
runs; none is started for it.`,
		Example: `source <(cairn completion bash)
cairn completion zsh > "${fpath[1]}/_cairn"
cairn completion fish > ~/.config/fish/completions/cairn.fish`,
		Args:      kit.Args(1, 1, "SHELL"),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root, w := c.Root(), k.Term.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(w, true)
			case "zsh":
				return root.GenZshCompletion(w)
			case "fish":
				return root.GenFishCompletion(w, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(w)
			}
			e := cairn.Errorf(cairn.CodeInvalid, "no completion is known for %q", args[0])
			if n := cairn.Nearest(args[0], shells); n != "" {
				return e.WithHint("did you mean %s?", n)
			}
			return e.WithHint("bash, zsh, fish or powershell")
		},
	}
}
