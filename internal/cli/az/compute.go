package az

import (
	"context"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/compute"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

func computeCommands() []command {
	name := nameArg(true, "compute")
	nothing := func(flag, dest string, kind argKind) arg {
		return arg{flags: []string{flag}, dest: dest, kind: kind, help: "Says nothing here: no machine is started."}
	}
	settings := []arg{
		{flags: []string{"--size"}, dest: "size", help: "VM size: a name, no more."}, {flags: []string{"--min-instances"}, dest: "min_instances", help: "Minimum number of nodes."},
		{flags: []string{"--max-instances"}, dest: "max_instances", help: "Maximum number of nodes."},
		{flags: []string{"--idle-time-before-scale-down"}, dest: "idle", help: "Idle seconds before a cluster scales down."},
		{flags: []string{"--tier"}, dest: "tier", help: "VM priority tier."}, {flags: []string{"--location", "-l"}, dest: "location", help: "Location; any name will do."},
		{flags: []string{"--description"}, dest: "description", help: "Description of the compute."}, {flags: []string{"--tags"}, dest: "tags", kind: any0, help: "Space-separated key-value pairs."},
		nothing("--admin-username", "admin_username", value), nothing("--admin-password", "admin_password", value), nothing("--ssh-key-value", "ssh_key_value", value),
		nothing("--ssh-public-access-enabled", "ssh_public_access_enabled", value), nothing("--identity-type", "identity_type", value), nothing("--vnet-name", "vnet_name", value),
		nothing("--subnet", "subnet", value), nothing("--enable-node-public-ip", "enable_node_public_ip", switched), nothing("--user-assigned-identities", "user_assigned_identities", value),
	}
	move := func(to, short string) command {
		return command{path: "ml compute " + to, short: short, args: scoped(name, noWaitArg()), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			_, err = cl.MoveCompute(ctx, c.get("name"), to)
			return nil, err
		}}
	}
	all := []command{
		{path: "ml compute create", short: "Create a compute.", run: createCompute, args: scoped(append(settings, fileArg(false, "Local path to the YAML file."), setArg(), nameArg(false, "compute"), noWaitArg(),
			arg{flags: []string{"--type", "-t"}, dest: "type", help: "AmlCompute or ComputeInstance."})...)},
		{path: "ml compute update", short: "Change a compute.", run: updateCompute, args: scoped(append(settings[:8:8], updateArgs()[0], name, noWaitArg(), fileArg(false, "Local path to the YAML file."))...)},
		{path: "ml compute show", short: "Show a compute.", args: scoped(name), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			x, err := cl.Compute(ctx, c.get("name"))
			if err != nil {
				return nil, err
			}
			return computeObject(c, x), nil
		}},
		{path: "ml compute list", short: "List the computes.", run: listComputes, args: scoped(arg{flags: []string{"--type", "-t"}, dest: "type", help: "Only those of this type."},
			arg{flags: []string{"--max-results", "-r"}, dest: "max_results", def: "0", help: "Max number of results to return."})},
		{path: "ml compute delete", short: "Delete a compute.", args: scoped(name, yesArg(), noWaitArg(), arg{flags: []string{"--action"}, dest: "action", help: "Says nothing here."}), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			if err := c.sure("compute " + c.get("name")); err != nil {
				return nil, err
			}
			return nil, cl.DeleteCompute(ctx, c.get("name"))
		}},
		move("start", "Start a compute instance."), move("stop", "Stop a compute instance."), move("restart", "Restart a compute instance."),
		{path: "ml compute list-nodes", short: "List the instances of a cluster: those in use, and those that would be idle.", args: scoped(name), run: listNodes},
		{path: "ml compute list-usage", short: "List how much of each compute is in use.", args: scoped(arg{flags: []string{"--location", "-l"}, dest: "location", help: "Says nothing here."}), run: listUsage},
		{path: "ml compute list-sizes", short: "List the sizes that computes here name: any other is taken, too.", run: listSizes,
			args: scoped(arg{flags: []string{"--location", "-l"}, dest: "location", help: "Says nothing here."}, arg{flags: []string{"--type", "-t"}, dest: "type", help: "Only those of computes of this type."})},
	}
	for i := range all {
		run := all[i].run
		all[i].run = func(ctx context.Context, c *call) (any, error) {
			v, err := run(ctx, c)
			return v, notThere(err)
		}
	}
	return all
}

// notThere words an error about what is not there as the service of the original does:
// scripts look for the code.
func notThere(err error) error {
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	e := *cairn.AsError(err)
	e.Message = "(ResourceNotFound) " + e.Message + "\nCode: ResourceNotFound\nMessage: " + e.Message
	return &e
}

// computeNumber is a number that a flag gives; old where it is not given.
func (c *call) computeNumber(dest, flag string, old int) (int, error) {
	if !c.given[dest] {
		return old, nil
	}
	return number(c.get(dest), flag)
}

// fromFlags puts over a compute what flags say.
func (c *call) fromFlags(x *cairn.Compute) error {
	var err error
	if x.Min, err = c.computeNumber("min_instances", "--min-instances", x.Min); err != nil {
		return err
	}
	if x.Max, err = c.computeNumber("max_instances", "--max-instances", x.Max); err != nil {
		return err
	}
	if x.Idle, err = c.computeNumber("idle", "--idle-time-before-scale-down", x.Idle); err != nil {
		return err
	}
	for dest, to := range map[string]*string{"size": &x.Size, "tier": &x.Tier, "location": &x.Location, "description": &x.Description} {
		if c.given[dest] {
			*to = c.get(dest)
		}
	}
	if c.given["tags"] {
		x.Tags = pairs(c.list("tags"))
	}
	return nil
}

func createCompute(ctx context.Context, c *call) (any, error) {
	x := cairn.Compute{Type: strings.ToLower(c.get("type")), Max: compute.DefaultMax, Idle: compute.DefaultIdle}
	if c.given["file"] {
		_, doc, err := c.load(pipeline.KindCompute, pipeline.NamedValue{Name: "name", Value: c.get("name")}, pipeline.NamedValue{Name: "type", Value: c.get("type")})
		if err != nil {
			return nil, err
		}
		if x, err = compute.Of(doc.Value); err != nil {
			return nil, err
		}
	}
	if c.get("name") != "" {
		x.Name = c.get("name")
	}
	switch {
	case x.Name == "":
		return nil, misuse("the following arguments are required: --name/-n")
	case x.Type == "":
		return nil, misuse("the following arguments are required: --type/-t")
	}
	if err := c.fromFlags(&x); err != nil {
		return nil, err
	}
	compute.Fill(&x)
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	made, err := cl.PutCompute(ctx, x)
	if err != nil {
		return nil, err
	}
	return computeObject(c, made), nil
}

func updateCompute(ctx context.Context, c *call) (any, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	x, err := cl.Compute(ctx, c.get("name"))
	if err != nil {
		return nil, err
	}
	if c.given["file"] {
		_, doc, err := c.load(pipeline.KindCompute, pipeline.NamedValue{Name: "name", Value: x.Name})
		if err != nil {
			return nil, err
		}
		if *x, err = compute.Of(doc.Value); err != nil {
			return nil, err
		}
	}
	for _, kv := range c.list("set") {
		key, v, ok := strings.Cut(kv, "=")
		n, nerr := strconv.Atoi(v)
		tag, isTag := strings.CutPrefix(key, "tags.")
		switch {
		case ok && key == "min_instances" && nerr == nil:
			x.Min = n
		case ok && key == "max_instances" && nerr == nil:
			x.Max = n
		case ok && key == "idle_time_before_scale_down" && nerr == nil:
			x.Idle = n
		case ok && key == "idle_time_before_shutdown_minutes" && nerr == nil:
			x.Shutdown = n
		case ok && key == "description":
			x.Description = v
		case ok && isTag && tag != "":
			if x.Tags == nil {
				x.Tags = map[string]string{}
			}
			x.Tags[tag] = v
		default:
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be changed", kv).WithHint("min_instances, max_instances, idle_time_before_scale_down, idle_time_before_shutdown_minutes, description and tags.NAME can")
		}
	}
	if err := c.fromFlags(x); err != nil {
		return nil, err
	}
	compute.Fill(x)
	if x, err = cl.PutCompute(ctx, *x); err != nil {
		return nil, err
	}
	return computeObject(c, x), nil
}

func listComputes(ctx context.Context, c *call) (any, error) {
	most, cl, err := c.listing(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cl.Computes(ctx)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for i := range all {
		if kind := c.get("type"); kind != "" && !strings.EqualFold(kind, all[i].Type) || most > 0 && len(out) == most {
			continue
		}
		out = append(out, computeObject(c, &all[i]))
	}
	return out, nil
}

// computeObject is a compute as the original answers it.
func computeObject(c *call, x *cairn.Compute) *query.Object {
	location := x.Location
	if location == "" {
		location = c.named("location", "location", defaultLocation)
	}
	o := object("created_on", stamp(x.CreatedAt), "description", text(x.Description), "id", c.armID("computes/"+x.Name))
	if x.Type == cairn.ComputeCluster {
		o.Set("idle_time_before_scale_down", x.Idle)
	}
	if x.Type == cairn.ComputeInstance {
		if x.Shutdown > 0 {
			o.Set("idle_time_before_shutdown_minutes", x.Shutdown)
		}
		if x.Moved != "" {
			o.Set("last_operation", object("operation_name", strings.ToUpper(x.Moved[:1])+x.Moved[1:], "operation_status", "Succeeded", "operation_time", stamp(x.MovedAt), "operation_trigger", x.MovedWhy))
		}
	}
	o.Set("location", location)
	if x.Type == cairn.ComputeCluster {
		o.Set("max_instances", x.Max)
		o.Set("min_instances", x.Min)
	}
	o.Set("name", x.Name)
	o.Set("network_settings", query.NewObject())
	o.Set("provisioning_state", "Succeeded")
	o.Set("resourceGroup", c.group())
	if x.Type == cairn.ComputeInstance {
		if x.Schedules != nil {
			o.Set("schedules", x.Schedules)
		}
	}
	o.Set("size", x.Size)
	if x.Type == cairn.ComputeInstance {
		o.Set("state", x.State)
	}
	o.Set("tags", texts(x.Tags))
	if x.Type == cairn.ComputeCluster {
		tier := x.Tier
		if tier == "" {
			tier = "dedicated"
		}
		o.Set("tier", tier)
	}
	o.Set("type", x.Type)
	return o
}
