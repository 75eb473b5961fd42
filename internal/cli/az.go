package cli

import (
	"github.com/cairn-ml/cairn/internal/cli/az"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// newAz makes cairn az: another dialect, which reads its line itself.
func newAz(k *kit.Kit, o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "az COMMAND",
		Short: "Azure's command line, over the same things",
		Long: `The commands of Azure's az that pipelines call, over jobs, data, models, components,
environments and schedules of this machine: the same flags, answers and exit codes. In jobs it
is called az. What is not there goes to a real az further down PATH, or is refused by name.`,
		Example: `cairn az ml job create --file pipeline.yml --stream
cairn az ml model list --name digits --query "[0].version" -o tsv
cairn az ml --help`,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if code := az.Main(c.Context(), k, args, az.Dial(o.ConnectAs), &az.Tools{Image: o.Image, Needs: o.Needs, Curated: o.Curated, SDK: o.SDK}); code != 0 {
				return kit.Exit(code)
			}
			return nil
		},
	}
}
