package az

import (
	"cmp"
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// accepted asks whether the names that a line of ml gives lead here. A line that names
// nothing means this workspace.
func (c *call) accepted(ctx context.Context) error {
	subscription, group, workspace := c.get("subscription"), c.named("resource_group", "group", ""), c.named("workspace_name", "workspace", "")
	if l := c.env.login; subscription == "" && l != nil {
		subscription = l.Subscription
	}
	if !strings.HasPrefix(c.cmd.path, "ml ") || subscription+group+workspace == "" {
		return nil
	}
	cl, err := c.client(ctx)
	if err != nil {
		return err
	}
	lines, err := cl.AzureNames(ctx)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil // a server from before there were any
	}
	if err != nil {
		return err
	}
	line := cairn.FindAzureName(lines, subscription, group, workspace)
	if line == nil || !line.Refused {
		return nil
	}
	name := cmp.Or(group, "*") + "/" + cmp.Or(workspace, "*")
	if subscription != "" {
		name = subscription + "/" + name
	}
	// Not that of a right: no login would help.
	return cairn.Errorf(cairn.CodeConflict, "%s is no workspace of this Cairn: %s is refused", name, line.Name).
		WithHint("cairn azure map '%s' default accepts it; cairn azure map lists what is said", name)
}
