package az

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/compute"
)

// listNodes answers one row for each instance that a cluster would have. They have no
// addresses: jobs run on this machine.
func listNodes(ctx context.Context, c *call) (any, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	x, err := cl.Compute(ctx, c.get("name"))
	if err != nil {
		return nil, err
	}
	if x.Type != cairn.ComputeCluster {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is a compute of type %s: only an amlcompute has nodes", x.Name, x.Type)
	}
	out := []any{}
	for i := range x.Nodes {
		state := "idle"
		if i < x.Busy {
			state = "running"
		}
		out = append(out, object("node_id", fmt.Sprintf("%s-%d", x.Name, i), "node_state", state))
	}
	return out, nil
}

// listUsage answers, in the form of the original's quotas, what of each compute is in use.
func listUsage(ctx context.Context, c *call) (any, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cl.Computes(ctx)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for i := range all {
		x := &all[i]
		out = append(out, object("current_value", x.Busy, "id", c.armID("computes/"+x.Name), "limit", x.Max,
			"name", object("localized_value", x.Name, "value", x.Name), "type", "Microsoft.MachineLearningServices/workspaces/computes/usages", "unit", "count"))
	}
	return out, nil
}

// listSizes answers the sizes that are named here. What the machines of the original have
// is not said: jobs have what this machine has.
func listSizes(ctx context.Context, c *call) (any, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cl.Computes(ctx)
	if err != nil {
		return nil, err
	}
	kinds := map[string][]string{compute.DefaultSize: {"AmlCompute", "ComputeInstance"}}
	for i := range all {
		kind := "AmlCompute"
		if all[i].Type == cairn.ComputeInstance {
			kind = "ComputeInstance"
		}
		if size := strings.ToUpper(all[i].Size); size != "" && !slices.Contains(kinds[size], kind) {
			kinds[size] = append(kinds[size], kind)
		}
	}
	out := []any{}
	for _, size := range sortedKeys(kinds) {
		if want := c.get("type"); want != "" && !slices.ContainsFunc(kinds[size], func(k string) bool { return strings.EqualFold(k, want) }) {
			continue
		}
		slices.Sort(kinds[size])
		out = append(out, object("name", size, "supported_compute_types", strings.Join(kinds[size], ",")))
	}
	return out, nil
}
