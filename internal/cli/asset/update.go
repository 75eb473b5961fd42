package asset

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func (a *assets) newUpdate() *cobra.Command {
	var set, tagFlags, remove, labels []string
	var description string
	cmd := &cobra.Command{
		Use:   "update NAME[:VERSION]",
		Short: "Change the tags, the labels and the description of a version",
		Long:  "Change the tags, the labels and the description of a version. What it points to never changes.",
		Example: a.text(`cairn NOUN update digits:1 --tag team=vision --remove-tag todo
cairn NOUN update digits:1 --set tags.team=vision --set description="Checked by hand"`),
		Args:              kit.Args(1, 1, "NAME[:VERSION]"),
		ValidArgsFunction: a.complete(true),
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "`KEY=VALUE`: tags.NAME or description, repeatable")
	cmd.Flags().StringArrayVar(&tagFlags, "tag", nil, "tag as `KEY=VALUE`, repeatable")
	cmd.Flags().StringArrayVar(&remove, "remove-tag", nil, "remove the tag of this `key`, repeatable")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "move this `label` to it, repeatable")
	cmd.Flags().StringVar(&description, "description", "", "a `sentence` about it")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) (err error) {
		u := client.AssetUpdate{Remove: remove}
		if u.Set, err = kit.Pairs("tag", tagFlags); err != nil {
			return err
		}
		if c.Flags().Changed("description") {
			u.Description = &description
		}
		for _, kv := range set {
			key, value, ok := strings.Cut(kv, "=")
			tag, isTag := strings.CutPrefix(key, "tags.")
			switch {
			case !ok:
				return cairn.Errorf(cairn.CodeInvalid, "--set %q is not KEY=VALUE", term.Clean(kv))
			case isTag && tag != "":
				u.Set[tag] = value
			case key == "description":
				u.Description = &value
			case key == "stage" && a.kind == cairn.AssetModel:
				u.Stage = &value
			default:
				return cairn.Errorf(cairn.CodeInvalid, "%s of a version cannot be changed", term.Clean(key)).
					WithHint("tags.NAME and description can; a new version holds anything else")
			}
		}
		if len(u.Set)+len(u.Remove)+len(labels) == 0 && u.Description == nil && u.Stage == nil {
			return cairn.Errorf(cairn.CodeInvalid, "nothing to change is named").WithHint("%s", a.text("cairn NOUN update "+term.Clean(args[0])+" --tag KEY=VALUE"))
		}
		cl, d, err := a.resolve(c.Context(), args[0])
		if err != nil {
			return err
		}
		v := &d.Version
		for _, l := range labels {
			if err := cl.SetLabel(c.Context(), v.Kind, v.Name, l, v.Version); err != nil {
				return err
			}
		}
		if len(u.Set)+len(u.Remove) > 0 || u.Description != nil || u.Stage != nil {
			if v, err = cl.UpdateAsset(c.Context(), v.Ref(), u); err != nil {
				return err
			}
		}
		if out.On() {
			return out.Write(v)
		}
		fmt.Fprintf(a.k.Term.Err, "changed %s\n", v.Ref())
		return nil
	}
	return cmd
}
