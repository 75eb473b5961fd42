package azure

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newMap(k *kit.Kit) *cobra.Command {
	var refuse, remove bool
	cmd := &cobra.Command{
		Use:   "map [[[SUBSCRIPTION/]GROUP/]WORKSPACE [TO]]",
		Short: "Say which names of workspaces of Azure are accepted; without a name: list",
		Long: `Say which names of workspaces of Azure are accepted.

Scripts and files name a subscription, a resource group and a workspace. Without a word here
every name is accepted, and leads to the one workspace of this home. --refuse makes a name an
error instead, so that a script which was written for somebody else's workspace does nothing
here. A name with * stands for any: refuse all with '*', then name those that are yours.
The line that says the most counts: the workspace before the group, that before the
subscription. Locations are never looked at.

TO is a workspace of this home: default. az (ml) asks at each line that names a group, a
workspace or a subscription, itself or by az configure; the first SDK does so in jobs.
What files lead to by long names (azureml://subscriptions/...) is not looked at.`,
		Example: `cairn azure map
cairn azure map '*' --refuse
cairn azure map rg-train/ws-train default
cairn azure map rg-train/ws-train --remove`,
		Args: kit.Args(0, 2, "NAME"),
	}
	f := cmd.Flags()
	f.BoolVar(&refuse, "refuse", false, "the name is an error")
	f.BoolVar(&remove, "remove", false, "forget what was said of the name")
	out := k.JSONFlags(cmd, cairn.AzureName{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		n := cairn.AzureName{Refused: refuse}
		switch {
		case refuse && remove:
			return cairn.Errorf(cairn.CodeInvalid, "--refuse and --remove are both given")
		case (refuse || remove) && len(args) == 0:
			return cairn.Errorf(cairn.CodeInvalid, "the name is missing").WithHint("cairn azure map GROUP/WORKSPACE --refuse")
		case (refuse || remove) && len(args) == 2:
			return cairn.Errorf(cairn.CodeInvalid, "a workspace is given, and a name that leads to none")
		case len(args) > 0:
			var err error
			if n.Name, err = cairn.ParseAzureName(args[0]); err != nil {
				return err
			}
		}
		if len(args) == 2 {
			n.Workspace = args[1]
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		switch {
		case remove:
			if err := cl.DeleteAzureName(c.Context(), n.Name); err != nil {
				return err
			}
			fmt.Fprintf(k.Term.Err, "nothing is said of %s any more\n", term.Clean(n.Name))
			return nil
		case refuse || n.Workspace != "":
			made, err := cl.PutAzureName(c.Context(), n)
			if err != nil {
				return err
			}
			if out.On() {
				return out.Write(made)
			}
			fmt.Fprintf(k.Term.Err, "%s %s\n", term.Clean(made.Name), leads(*made))
			return nil
		}
		lines, err := cl.AzureNames(c.Context())
		if err != nil {
			return err
		}
		if n.Name != "" {
			p := strings.Split(n.Name, "/")
			line := cairn.FindAzureName(lines, p[0], p[1], p[2])
			if lines = nil; line != nil {
				lines = []cairn.AzureName{*line}
			}
		}
		if out.On() {
			return out.Write(lines)
		}
		if len(lines) == 0 {
			fmt.Fprintln(k.Term.Err, "nothing is said: the name leads to the workspace default, as every other")
			return nil
		}
		tb := k.Term.NewTable("NAME", "LEADS", "BY")
		for _, l := range lines {
			tb.Row(term.Clean(l.Name), leads(l), term.Clean(l.By))
		}
		return tb.Write()
	}
	return cmd
}

// leads says what becomes of a name.
func leads(n cairn.AzureName) string {
	if n.Refused {
		return "is refused"
	}
	return "leads to " + term.Clean(n.Workspace)
}
