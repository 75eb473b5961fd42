package asset

import (
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// newShare copies a version into a registry.
func (a *assets) newShare() *cobra.Command {
	var to client.ShareAsset
	cmd := &cobra.Command{
		Use:   "share NAME[:VERSION|@LABEL] --registry REGISTRY",
		Short: "Copy a version into a registry, where other files name it",
		Long: a.text(`Copy a version into a registry: a second workspace. Here it is called REGISTRY/NAME, in
files azureml://registries/REGISTRY/…. Its trace goes on to the version that it is of.`),
		Example: a.text("cairn NOUN share digits:3 --registry team\ncairn NOUN show team/digits:3"),
		Args:    kit.Args(1, 1, "NAME"),
	}
	f := cmd.Flags()
	f.StringVar(&to.Registry, "registry", "", "the `registry`; it is made by this")
	f.StringVar(&to.Name, "name", "", "the `name` there (default: the same)")
	f.StringVar(&to.Version, "version", "", "the `version` there (default: the same)")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if to.Registry == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--registry is missing").WithHint("%s", a.text("cairn NOUN share NAME:VERSION --registry team"))
		}
		ref, err := a.ref(args[0])
		if err != nil {
			return err
		}
		cl, err := a.k.Client(c.Context())
		if err != nil {
			return err
		}
		to.Kind, to.Ref = a.kind, ref
		v, err := cl.Share(c.Context(), to)
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(v)
		}
		_, err = fmt.Fprintln(a.k.Term.Out, line(v))
		return err
	}
	return cmd
}
