package az

import (
	"context"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
	"github.com/cairn-ml/cairn/internal/cli/schedule"
)

func scheduleCommands() []command {
	name := nameArg(true, "schedule")
	turn := func(off bool) func(context.Context, *call) (any, error) {
		return func(ctx context.Context, c *call) (any, error) {
			return changeSchedule(ctx, c, api.ScheduleUpdate{Disabled: &off})
		}
	}
	return []command{
		{path: "ml schedule create", short: "Create a schedule from its YAML file.", args: scoped(fileArg(true, "Local path to the YAML file."), setArg(), nameArg(false, "schedule"), noWaitArg()),
			run: func(ctx context.Context, c *call) (any, error) {
				x, err := schedule.Create(ctx, c.k, c.get("file"), c.get("name"), c.list("set"))
				if err != nil {
					return nil, err
				}
				return scheduleObject(c, x), nil
			}},
		{path: "ml schedule list", short: "List schedules.", args: scoped(
			arg{flags: []string{"--max-results", "-r"}, dest: "max_results", def: "0", help: "Max number of results to return."},
			arg{flags: []string{"--disabled-only"}, dest: "disabled_only", kind: bare, help: "List disabled schedules only."},
			arg{flags: []string{"--include-disabled"}, dest: "include_disabled", kind: bare, help: "List disabled schedules too."}), run: listSchedules},
		{path: "ml schedule show", short: "Show a schedule.", args: scoped(name), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			x, err := cl.Schedule(ctx, c.get("name"))
			if err != nil {
				return nil, err
			}
			return scheduleObject(c, x), nil
		}},
		{path: "ml schedule update", short: "Change tags, description and display name.", args: scoped(append([]arg{name, noWaitArg()}, updateArgs()...)...),
			run: func(ctx context.Context, c *call) (any, error) {
				ch, err := c.changes()
				if err != nil {
					return nil, err
				}
				return changeSchedule(ctx, c, api.ScheduleUpdate{DisplayName: ch.displayName, Description: ch.description, SetTags: ch.set, RemoveTags: ch.remove})
			}},
		{path: "ml schedule enable", short: "Enable a schedule.", args: scoped(name, noWaitArg()), run: turn(false)},
		{path: "ml schedule disable", short: "Disable a schedule.", args: scoped(name, noWaitArg()), run: turn(true)},
		{path: "ml schedule delete", short: "Delete a schedule.", args: scoped(name, yesArg(), noWaitArg()), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			return nil, cl.DeleteSchedule(ctx, c.get("name"))
		}},
		{path: "ml schedule trigger", short: "Start a schedule's job now.", args: scoped(name), run: func(ctx context.Context, c *call) (any, error) {
			cl, err := c.client(ctx)
			if err != nil {
				return nil, err
			}
			made, err := cl.TriggerSchedule(ctx, c.get("name"))
			if err != nil {
				return nil, err
			}
			return object("job_name", made.Name, "schedule_action_type", "CreateJob"), nil
		}},
	}
}

func changeSchedule(ctx context.Context, c *call, u api.ScheduleUpdate) (any, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	x, err := cl.UpdateSchedule(ctx, c.get("name"), u)
	if err != nil {
		return nil, err
	}
	return scheduleObject(c, x), nil
}

func listSchedules(ctx context.Context, c *call) (any, error) {
	most, cl, err := c.listing(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cl.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for i := range all {
		x := &all[i]
		shown := !x.Disabled || c.on("include_disabled")
		if c.on("disabled_only") {
			shown = x.Disabled
		}
		if shown && (most == 0 || len(out) < most) {
			out = append(out, scheduleObject(c, x))
		}
	}
	return out, nil
}

func scheduleObject(c *call, x *cairn.JobSchedule) *query.Object {
	t := &x.Trigger
	trigger := object("type", t.Type)
	if t.Expression != "" {
		trigger.Set("expression", t.Expression)
	}
	if t.Frequency != "" {
		trigger.Set("frequency", t.Frequency)
		trigger.Set("interval", t.Interval)
	}
	if t.Zone != "" {
		trigger.Set("time_zone", t.Zone)
	}
	o := object("name", x.Name, "display_name", x.DisplayName, "is_enabled", !x.Disabled, "provisioning_state", "Succeeded", "trigger", trigger,
		"creation_context", created(x.By, x.CreatedAt), "id", c.armID("schedules/"+x.Name), "resourceGroup", c.group(), "tags", texts(x.Tags), "properties", query.NewObject())
	if x.Description != "" {
		o.Set("description", x.Description)
	}
	return o
}
