package az

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// commands is the whole table.
func commands() *table {
	groups := map[string]string{
		"account": "Who is logged in.", "account tenant": "Manage tenants.", "cloud": "Clouds: all of them are this Cairn.", "config": "Manage the configuration.",
		"extension": "Manage extensions: ml is built in.", "group": "Resource groups: names for the one workspace.",
		"ad": "Principals.", "ad sp": "Service principals.",
		"ml": "Azure Machine Learning, on this machine.", "ml job": "Jobs and pipelines.", "ml model": "Models.", "ml data": "Data.", "ml component": "Components.",
		"ml environment": "Environments.", "ml schedule": "Schedules.", "ml workspace": "The workspace.", "ml compute": "Names that jobs may ask for.", "ml online-endpoint": "Addresses of models.", "ml online-deployment": "Models behind an address.",
	}
	return newTable(groups, accountCommands(), configCommands(), groupCommands(), cloudCommands(), extensionCommands(), adCommands(),
		jobCommands(), assetCommands(), scheduleCommands(), onlineCommands(), computeCommands(), workspaceCommands())
}

// scoped are the arguments of every command of a workspace.
func scoped(args ...arg) []arg {
	return append(args,
		arg{flags: []string{"--resource-group", "-g"}, dest: "resource_group", config: "group", help: "Name of resource group."},
		arg{flags: []string{"--workspace-name", "-w"}, dest: "workspace_name", config: "workspace", help: "Name of the workspace."},
		arg{flags: []string{"--subscription"}, dest: "subscription", help: "Name or ID of subscription."})
}

func fileArg(required bool, help string) arg {
	return arg{flags: []string{"--file", "-f"}, dest: "file", required: required, help: help}
}

func setArg() arg {
	return arg{flags: []string{"--set"}, dest: "set", kind: manyMore, help: "Update an object by specifying a property path and value to set. Example: --set property1.property2=<value>."}
}

func nameArg(required bool, what string) arg {
	return arg{flags: []string{"--name", "-n"}, dest: "name", required: required, help: "Name of the " + what + "."}
}

func yesArg() arg {
	return arg{flags: []string{"--yes", "-y"}, dest: "yes", kind: bare, help: "Do not prompt for confirmation."}
}

func noWaitArg() arg {
	return arg{flags: []string{"--no-wait"}, dest: "no_wait", kind: bare, help: "Do not wait for the long-running operation to finish."}
}

func webArg() arg {
	return arg{flags: []string{"--web", "-e"}, dest: "web", kind: bare, help: "Print the address of its page."}
}

// created is who made something, and when.
func created(by string, at time.Time) *query.Object {
	return object("created_at", stamp(at), "created_by", by, "created_by_type", "User")
}

// stamp is a time as the original writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000-07:00") }

func texts(m map[string]string) *query.Object {
	out := query.NewObject()
	for _, k := range sortedKeys(m) {
		out.Set(k, m[k])
	}
	return out
}

// changes reads --set, --add and --remove of an update: tags and what is said of a thing.
type changes struct {
	set         map[string]string
	remove      []string
	description *string
	displayName *string
	stage       *string
}

func (c *call) changes() (*changes, error) {
	out := &changes{set: map[string]string{}}
	for _, kv := range slices.Concat(c.list("set"), c.list("add")) {
		key, v, ok := strings.Cut(kv, "=")
		tag, isTag := strings.CutPrefix(key, "tags.")
		switch {
		case !ok:
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not PATH=VALUE", kv).WithHint("for example --set tags.checked=yes")
		case isTag && tag != "":
			out.set[tag] = v
		case key == "description":
			out.description = &v
		case key == "display_name":
			out.displayName = &v
		case key == "stage":
			out.stage = &v
		default:
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be changed", key).WithHint("tags.NAME, description, display_name and, of a model, stage can")
		}
	}
	for _, key := range c.list("remove") {
		tag, ok := strings.CutPrefix(key, "tags.")
		if !ok || tag == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be removed", key).WithHint("tags.NAME can")
		}
		out.remove = append(out.remove, tag)
	}
	return out, nil
}

func updateArgs() []arg {
	return []arg{setArg(), {flags: []string{"--add"}, dest: "add", kind: manyMore, help: "Add an object to a list of objects: tags.NAME=VALUE."},
		{flags: []string{"--remove"}, dest: "remove", kind: manyMore, help: "Remove a property: tags.NAME."}}
}

// pairs reads name=value words.
func pairs(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		out[k] = v
	}
	return out
}

func workspaceCommands() []command {
	name := nameArg(false, "workspace")
	name.dest = "workspace_name"
	return []command{
		{path: "ml workspace show", short: "Show the workspace.", args: scopedWithout(name), run: func(ctx context.Context, c *call) (any, error) { return c.workspaceObject(ctx), nil }},
		{path: "ml workspace list", short: "List workspaces: there is one.", args: scoped(), run: func(ctx context.Context, c *call) (any, error) { return []any{c.workspaceObject(ctx)}, nil }},
		{path: "ml workspace create", short: "A name for the one workspace: nothing is made.", args: scopedWithout(name, fileArg(false, "Its YAML file."), setArg(), noWaitArg(),
			arg{flags: []string{"--location", "-l"}, dest: "location", config: "location", help: "Location; any name will do."},
			arg{flags: []string{"--display-name"}, dest: "display_name", help: "Says nothing here."}, arg{flags: []string{"--description"}, dest: "description", help: "Says nothing here."},
			arg{flags: []string{"--tags"}, dest: "tags", kind: any0, help: "Says nothing here."}),
			run: func(ctx context.Context, c *call) (any, error) { return c.workspaceObject(ctx), nil }},
	}
}

// scopedWithout are the arguments of a workspace's own commands, whose name is another.
func scopedWithout(args ...arg) []arg {
	out := scoped(args...)
	for i, a := range out {
		if slices.Contains(a.flags, "--workspace-name") {
			return slices.Delete(out, i, i+1)
		}
	}
	return out
}

func (c *call) workspaceObject(ctx context.Context) *query.Object {
	url, tracking := c.k.Env("CAIRN_URL"), c.k.Env("MLFLOW_TRACKING_URI")
	if url == "" { // outside of a job: that of the server, where one can be reached
		if cl, err := c.client(ctx); err == nil {
			if st, err := cl.Status(ctx); err == nil {
				url = st.URL
			}
		}
	}
	if tracking == "" {
		tracking = url
	}
	id := strings.TrimSuffix(c.armID(""), "/")
	return object("display_name", c.workspace(), "id", id, "location", c.named("location", "location", defaultLocation), "name", c.workspace(),
		"resourceGroup", c.group(), "resource_group", c.group(), "discovery_url", url, "mlflow_tracking_uri", tracking, "tags", query.NewObject())
}

// listing is what commands that list begin with: how many are asked for at most, 0 for all,
// and who is asked.
func (c *call) listing(ctx context.Context) (most int, cl *kit.Client, err error) {
	if most, err = number(c.get("max_results"), "--max-results/-r"); err != nil {
		return 0, nil, err
	}
	cl, err = c.client(ctx)
	return most, cl, err
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
