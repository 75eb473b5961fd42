package az

import (
	"context"
	_ "embed" // the list of clouds
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// cliVersion is the version of the original whose words these are.
const cliVersion = "2.91.0"

// mlVersion is that of its ml extension.
const mlVersion = "2.39.0"

func configCommands() []command {
	key := func(name string, k argKind, help string) []arg {
		return []arg{{dest: name, kind: k, required: k == many, help: help}}
	}
	return []command{
		{path: "configure", short: "Defaults: --defaults group=NAME workspace=NAME location=NAME.", open: true, run: configure, args: []arg{
			{flags: []string{"--defaults", "-d"}, dest: "defaults", kind: many, help: "Space-separated 'name=value' pairs for common argument defaults."},
			{flags: []string{"--list-defaults", "-l"}, dest: "list_defaults", kind: switched, choices: []string{"true", "false"}, help: "List all applicable defaults."},
			{flags: []string{"--scope"}, dest: "scope", choices: []string{"global", "local"}, help: "Says nothing here."},
		}},
		{path: "config get", short: "Get a configuration.", open: true, run: configGet, args: append(key("key", maybe, "The configuration: SECTION, SECTION.NAME; none for all."),
			arg{flags: []string{"--local"}, dest: "local", kind: bare, help: "Says nothing here."})},
		{path: "config set", short: "Set a configuration.", open: true, run: configSet, args: append(key("key_value", many, "Space-separated configurations: SECTION.NAME=VALUE."),
			arg{flags: []string{"--local"}, dest: "local", kind: bare, help: "Says nothing here."})},
		{path: "config unset", short: "Unset a configuration.", open: true, run: configUnset, args: append(key("key", many, "Space-separated configurations: SECTION.NAME."),
			arg{flags: []string{"--local"}, dest: "local", kind: bare, help: "Says nothing here."})},
		{path: "version", short: "Show the versions that these words are of.", open: true, run: func(context.Context, *call) (any, error) {
			return object("azure-cli", cliVersion, "azure-cli-core", cliVersion, "azure-cli-telemetry", "1.1.0", "extensions", object("ml", mlVersion)), nil
		}},
	}
}

func configure(_ context.Context, c *call) (any, error) {
	if c.given["defaults"] {
		for _, pair := range c.list("defaults") {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return nil, cairn.Errorf(cairn.CodeInvalid, "usage error: --defaults STRING=STRING STRING=STRING ...")
			}
			if value == "" || value == "''" || value == `""` {
				c.env.cfg.unset("defaults", name)
			} else {
				c.env.cfg.set("defaults", name, value)
			}
		}
		return nil, c.env.cfg.save()
	}
	if c.on("list_defaults") {
		return c.entries("defaults"), nil
	}
	return nil, cairn.Errorf(cairn.CodeUnsupported, "az configure asks nothing here").WithHint("az configure --defaults group=NAME workspace=NAME, or --list-defaults")
}

// entries are the values of a section.
func (c *call) entries(name string) []any {
	out := []any{}
	for _, s := range c.env.cfg.sections {
		if s.name != name {
			continue
		}
		for _, e := range s.entries {
			out = append(out, object("name", e.name, "value", e.value, "source", c.env.cfg.path))
		}
	}
	return out
}

func (c *call) experimental() {
	if !c.on("only_show_errors") {
		fmt.Fprintln(c.k.Term.Err, "WARNING: Command group 'config' is experimental and under development. Reference and support levels: https://aka.ms/CLI_refstatus")
	}
}

func configGet(_ context.Context, c *call) (any, error) {
	c.experimental()
	key := c.get("key")
	if key == "" {
		out := query.NewObject()
		for _, s := range c.env.cfg.sections {
			if len(s.entries) > 0 {
				out.Set(s.name, c.entries(s.name))
			}
		}
		return out, nil
	}
	sec, name, dotted := strings.Cut(key, ".")
	if !dotted {
		return c.entries(sec), nil
	}
	v, ok := c.env.cfg.get(sec, name)
	if !ok {
		return nil, cairn.Errorf(cairn.CodeNotFound, "Configuration '%s' is not set.", key)
	}
	return object("name", name, "value", v, "source", c.env.cfg.path), nil
}

func configSet(_ context.Context, c *call) (any, error) {
	c.experimental()
	for _, pair := range c.list("key_value") {
		key, value, ok := strings.Cut(pair, "=")
		sec, name, dotted := strings.Cut(key, ".")
		if !ok || !dotted || strings.ContainsAny(pair, "\n\r") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "usage error: [section].[name]=[value] ...")
		}
		c.env.cfg.set(sec, name, value)
	}
	return nil, c.env.cfg.save()
}

func configUnset(_ context.Context, c *call) (any, error) {
	c.experimental()
	for _, key := range c.list("key") {
		sec, name, dotted := strings.Cut(key, ".")
		if !dotted {
			return nil, cairn.Errorf(cairn.CodeInvalid, "usage error: [section].[name] ...")
		}
		c.env.cfg.unset(sec, name)
	}
	return nil, c.env.cfg.save()
}

func groupCommands() []command {
	location := arg{flags: []string{"--location", "-l"}, dest: "location", required: true, config: "location", help: "Location; any name will do."}
	name := arg{flags: []string{"--name", "-n", "--resource-group", "-g"}, dest: "resource_group", required: true, help: "Name of resource group; any leads to the one workspace."}
	made := name
	made.flags = []string{"--name", "--resource-group", "-n", "-g"} // as the original's messages have them there
	tags := arg{flags: []string{"--tags"}, dest: "tags", kind: any0, help: "Space-separated tags: key[=value] [key[=value] ...]."}
	shown := func(_ context.Context, c *call) (any, error) { return c.groupObject(), nil }
	return []command{
		{path: "group create", short: "A group is a name for the one workspace: nothing is made.", run: shown, args: []arg{made, location, tags,
			{flags: []string{"--managed-by"}, dest: "managed_by", help: "Says nothing here."}}},
		{path: "group show", short: "Show a group.", run: shown, args: []arg{name}},
		{path: "group list", short: "List groups: the one that is configured.", run: func(_ context.Context, c *call) (any, error) { return []any{c.groupObject()}, nil }, args: []arg{
			{flags: []string{"--tag"}, dest: "tag", help: "Says nothing here."}}},
		{path: "group exists", short: "Check whether a group exists: every name does.", run: func(context.Context, *call) (any, error) { return true, nil }, args: []arg{name}},
	}
}

func (c *call) groupObject() *query.Object {
	location := c.named("location", "location", defaultLocation)
	tags := query.NewObject()
	for _, t := range c.list("tags") {
		k, v, _ := strings.Cut(t, "=")
		tags.Set(k, v)
	}
	return object("id", "/subscriptions/"+c.env.subscription()+"/resourceGroups/"+c.group(), "location", location, "managedBy", nil, "name", c.group(),
		"properties", object("provisioningState", "Succeeded"), "tags", tags, "type", "Microsoft.Resources/resourceGroups")
}

//go:embed clouds.json
var cloudsJSON []byte

// clouds are those that the original knows, as it lists them; all of them are this Cairn.
func clouds(c *call) ([]any, error) {
	v, err := query.FromJSON(cloudsJSON)
	out, ok := v.([]any)
	if err != nil || !ok {
		return nil, cairn.Errorf(cairn.CodeInternal, "the list of clouds is damaged: %w", err)
	}
	active, _ := c.env.cfg.get("cloud", "name")
	if active == "" {
		active = "AzureCloud"
	}
	for _, o := range out {
		m := o.(*query.Object)
		name, _ := m.Get("name")
		m.Set("isActive", name == active)
	}
	return out, nil
}

// cloudNamed is one of them; "" is the one that was chosen.
func cloudNamed(c *call, name string) (*query.Object, error) {
	all, err := clouds(c)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		m := o.(*query.Object)
		own, _ := m.Get("name")
		active, _ := m.Get("isActive")
		if name == "" && active == true || name != "" && strings.EqualFold(fmt.Sprint(own), name) {
			return m, nil
		}
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "The cloud '%s' is not registered.", name)
}

func cloudCommands() []command {
	name := func(required bool) arg {
		return arg{flags: []string{"--name", "-n"}, dest: "name", required: required, help: "Name of a registered cloud."}
	}
	return []command{
		{path: "cloud list", short: "List clouds.", open: true, run: func(_ context.Context, c *call) (any, error) { return clouds(c) }},
		{path: "cloud show", short: "Show a cloud.", open: true, args: []arg{name(false)}, run: func(_ context.Context, c *call) (any, error) {
			return cloudNamed(c, c.get("name"))
		}},
		{path: "cloud set", short: "Choose a cloud: all of them are this Cairn.", open: true, run: func(_ context.Context, c *call) (any, error) {
			m, err := cloudNamed(c, c.get("name"))
			if err != nil {
				return nil, err
			}
			own, _ := m.Get("name")
			c.env.cfg.set("cloud", "name", fmt.Sprint(own))
			return nil, c.env.cfg.save()
		}, args: []arg{name(true), {flags: []string{"--profile"}, dest: "profile", help: "Says nothing here."}}},
	}
}

func extensionCommands() []command {
	name := func(required bool) arg {
		return arg{flags: []string{"--name", "-n"}, dest: "name", required: required, help: "Name of extension."}
	}
	ml := func(extra ...any) *query.Object {
		return object(append([]any{"name", "ml", "version", mlVersion, "extensionType", "whl", "experimental", false, "preview", false, "path", "built into cairn"}, extra...)...)
	}
	known := func(c *call) error {
		if n := c.get("name"); n != "ml" && n != "azure-cli-ml" {
			return cairn.Errorf(cairn.CodeInvalid, "The extension %s is not installed. Please install the extension via `az extension add -n %s`.", n, n)
		}
		return nil
	}
	nothing := func(context.Context, *call) (any, error) { return nil, nil }
	yes := arg{flags: []string{"--yes", "-y"}, dest: "yes", kind: bare, help: "Do not prompt for confirmation."}
	return []command{
		{path: "extension add", short: "Says nothing here: ml is built in.", open: true, run: func(_ context.Context, c *call) (any, error) {
			if c.get("name") == "" && c.get("source") == "" {
				return nil, cairn.Errorf(cairn.CodeInvalid, "usage error: --name NAME | --source SOURCE")
			}
			if n := c.get("name"); n != "" && known(c) != nil && !c.on("only_show_errors") {
				fmt.Fprintf(c.k.Term.Err, "WARNING: the extension %s is not one of Cairn's: its commands are refused by name\n", n)
			}
			return nil, nil
		}, args: []arg{name(false), yes,
			{flags: []string{"--source", "-s"}, dest: "source", help: "Says nothing here."}, {flags: []string{"--version"}, dest: "version", help: "Says nothing here."},
			{flags: []string{"--upgrade", "-u"}, dest: "upgrade", kind: bare, help: "Says nothing here."}, {flags: []string{"--allow-preview"}, dest: "allow_preview", kind: switched, help: "Says nothing here."},
			{flags: []string{"--system"}, dest: "system", kind: bare, help: "Says nothing here."}, {flags: []string{"--pip-extra-index-urls"}, dest: "pip", kind: many, help: "Says nothing here."}}},
		{path: "extension update", short: "Says nothing here: ml is built in.", open: true, run: nothing, args: []arg{name(true), {flags: []string{"--allow-preview"}, dest: "allow_preview", kind: switched, help: "Says nothing here."}}},
		{path: "extension remove", short: "Says nothing here: ml is built in.", open: true, run: func(_ context.Context, c *call) (any, error) { return nil, known(c) }, args: []arg{name(true)}},
		{path: "extension show", short: "Show an extension.", open: true, args: []arg{name(true)}, run: func(_ context.Context, c *call) (any, error) {
			if err := known(c); err != nil {
				return nil, err
			}
			return ml("metadata", object("azext.isPreview", false)), nil
		}},
		{path: "extension list", short: "List extensions.", open: true, run: func(context.Context, *call) (any, error) { return []any{ml()}, nil }},
	}
}
