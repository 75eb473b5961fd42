// Package version is cairn version.
package version

import (
	"fmt"
	"runtime"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// Info is what cairn version --json writes.
type Info struct {
	Version    string `json:"version"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	PlanSchema int    `json:"plan_schema"`
	SpecSchema int    `json:"spec_schema"`
}

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this binary",
		Example: "cairn version\ncairn version --json=version",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, Info{})
	cmd.RunE = func(*cobra.Command, []string) error {
		v := k.Version
		if v == "" {
			v = "dev"
		}
		i := Info{v, runtime.Version(), runtime.GOOS, runtime.GOARCH, cairn.PlanSchema, cairn.JobSpecSchema}
		if out.On() {
			return out.Write(i)
		}
		_, err := fmt.Fprintf(k.Term.Out, "cairn %s (%s, %s/%s)\n", i.Version, i.Go, i.OS, i.Arch)
		return err
	}
	return cmd
}
