// Package compute is cairn compute: names that jobs ask for, and how many of them run at once.
package compute

import (
	"context"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/spf13/cobra"
)

// New makes cairn compute.
func New(k *kit.Kit) *cobra.Command {
	return kit.Group(&cobra.Command{
		Use:   "compute",
		Short: "Names that jobs ask for, and how many of them run at once",
		Long: `Computes as jobs name them (compute: azureml:cpu-cluster). Everything runs on this machine:
a compute bounds how many jobs that name it run at once, across runs, and the others wait. An
amlcompute takes max_instances jobs, a computeinstance one, and none while it is stopped. A
name that was never made bounds nothing.`,
		Example: `cairn compute create cpu-cluster --type amlcompute --max-instances 4
cairn compute create --file desk.yml
cairn compute stop desk
cairn compute list`,
	}, newList(k), newShow(k), newCreate(k), newMove(k, "start", "Start a compute instance: jobs that wait for it begin"),
		newMove(k, "stop", "Stop a compute instance: what runs goes on, and nothing more begins"), newMove(k, "restart", "Start a compute instance anew"), newUpdate(k), newDelete(k))
}

// settings are flags that go over what a file, or the compute itself, says.
type settings struct {
	size, tier, location, description string
	min, max, idle, shutdown          int
	tags                              []string
}

func (s *settings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.size, "size", "", "a `name`, no more")
	f.IntVar(&s.min, "min-instances", 0, "a `number` that is kept")
	f.IntVar(&s.max, "max-instances", DefaultMax, "the `number` of jobs that run at once on an amlcompute")
	f.IntVar(&s.idle, "idle-time-before-scale-down", DefaultIdle, "`seconds` until an idle instance no longer counts")
	f.IntVar(&s.shutdown, "idle-time-before-shutdown", 0, "`minutes` without a job until a computeinstance stops (default: never)")
	f.StringVar(&s.tier, "tier", "", "a `name`, no more")
	f.StringVar(&s.location, "location", "", "a `name`, no more")
	f.StringVar(&s.description, "description", "", "a `text`")
	f.StringArrayVar(&s.tags, "tag", nil, "set a tag, `KEY=VALUE`, repeatable")
}

// over puts what was given over x.
func (s *settings) over(cmd *cobra.Command, x *cairn.Compute) error {
	for flag, set := range map[string]func(){
		"size": func() { x.Size = s.size }, "min-instances": func() { x.Min = s.min }, "max-instances": func() { x.Max = s.max },
		"idle-time-before-scale-down": func() { x.Idle = s.idle }, "idle-time-before-shutdown": func() { x.Shutdown = s.shutdown },
		"tier": func() { x.Tier = s.tier }, "location": func() { x.Location = s.location }, "description": func() { x.Description = s.description },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	for _, t := range s.tags {
		key, value, ok := strings.Cut(t, "=")
		if !ok || key == "" {
			return cairn.Errorf(cairn.CodeInvalid, "--tag %q is not KEY=VALUE", t)
		}
		if x.Tags == nil {
			x.Tags = map[string]string{}
		}
		x.Tags[key] = value
	}
	return nil
}

// line says what a compute is, in one line.
func line(x *cairn.Compute) string {
	return fmt.Sprintf("compute %s: %s, %s", term.Clean(x.Name), term.Clean(x.Type), use(x))
}

// use says how much of a compute jobs have, and whether it takes more.
func use(x *cairn.Compute) string {
	if x.Type == cairn.ComputeInstance {
		if x.Busy > 0 {
			return x.State + ", busy"
		}
		return x.State
	}
	return fmt.Sprintf("%d of %s busy", x.Busy, term.Count(int64(x.Max), "instance"))
}

func write(k *kit.Kit, out *kit.JSON, x *cairn.Compute) error {
	if out.On() {
		return out.Write(x)
	}
	_, err := fmt.Fprintln(k.Term.Out, line(x))
	return err
}

func newCreate(k *kit.Kit) *cobra.Command {
	var file, kind string
	var set []string
	var s settings
	cmd := &cobra.Command{
		Use: "create [NAME]", Short: "Make a compute, or say anew what one is", Args: kit.Args(0, 1, "NAME"),
		Example: `cairn compute create cpu-cluster --type amlcompute --max-instances 2
cairn compute create --file desk.yml --set idle_time_before_shutdown_minutes=30`,
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "the compute's YAML `file`")
	f.StringVarP(&kind, "type", "t", "", "`amlcompute` or computeinstance")
	f.StringArrayVar(&set, "set", nil, "change the file before it is read: `PATH=VALUE`, repeatable")
	s.flags(cmd)
	out := k.JSONFlags(cmd, cairn.Compute{})
	_ = cmd.MarkFlagFilename("file", "yml", "yaml")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		x := cairn.Compute{Type: strings.ToLower(kind), Max: DefaultMax, Idle: DefaultIdle}
		switch {
		case file != "":
			read, err := read(k, file, name, kind, set)
			if err != nil {
				return err
			}
			x = read
		case len(set) > 0:
			return cairn.Errorf(cairn.CodeInvalid, "--set changes a file, and --file is missing")
		case name == "" || kind == "":
			return cairn.Errorf(cairn.CodeInvalid, "NAME and --type, or --file, are needed").WithHint("cairn compute create NAME --type amlcompute")
		}
		if name != "" {
			x.Name = name
		}
		if err := s.over(c, &x); err != nil {
			return err
		}
		Fill(&x)
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		made, err := cl.PutCompute(c.Context(), x)
		if err != nil {
			return err
		}
		return write(k, out, made)
	}
	return cmd
}

// read is a compute from its file; name and kind go before what it says.
func read(k *kit.Kit, file, name, kind string, set []string) (cairn.Compute, error) {
	folder, path, err := source.Open(k, file)
	if err != nil {
		return cairn.Compute{}, err
	}
	o := pipeline.Options{Kind: pipeline.KindCompute, Set: set}
	for _, v := range []pipeline.NamedValue{{Name: "name", Value: name}, {Name: "type", Value: kind}} {
		if v.Value != "" {
			o.Values = append(o.Values, v)
		}
	}
	doc, ps := folder.Load(path, o)
	if doc == nil || cairn.HasErrors(ps) {
		return cairn.Compute{}, &cairn.Error{Code: cairn.CodeFailed, Message: fmt.Sprintf("%s is no compute that can be kept", file), Problems: ps}
	}
	kit.RenderProblems(k.Term.Err, k.Term.ErrStyle(), ps)
	return Of(doc.Value)
}

func newList(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List computes, with what of them is in use", Example: "cairn compute list\ncairn compute list --json=name,busy", Args: kit.Args(0, 0)}
	out := k.JSONFlags(cmd, cairn.Compute{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		all, err := cl.Computes(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(all)
		}
		if len(all) == 0 {
			fmt.Fprintln(k.Term.Err, "there are no computes: jobs may name any, and none bounds them")
			return nil
		}
		tb := k.Term.NewTable("NAME", "TYPE", "USE", "SIZE")
		for i := range all {
			tb.Row(term.Clean(all[i].Name), all[i].Type, use(&all[i]), term.Clean(all[i].Size))
		}
		return tb.Write()
	}
	return cmd
}

func newShow(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "show NAME", Short: "Show a compute", Example: "cairn compute show cpu-cluster", Args: kit.Args(1, 1, "NAME")}
	out := k.JSONFlags(cmd, cairn.Compute{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		x, err := cl.Compute(c.Context(), args[0])
		if err != nil || out.On() {
			if err == nil {
				err = out.Write(x)
			}
			return err
		}
		w := k.Term.Out
		fmt.Fprintln(w, line(x))
		if x.Description != "" {
			fmt.Fprintln(w, term.Clean(x.Description))
		}
		if x.Type == cairn.ComputeCluster {
			fmt.Fprintf(w, "%s now, %d to %d, %d seconds until an idle one goes\n", term.Count(int64(x.Nodes), "instance"), x.Min, x.Max, x.Idle)
		}
		if x.Shutdown > 0 {
			fmt.Fprintf(w, "stops after %s without a job\n", term.Count(int64(x.Shutdown), "minute"))
		}
		if x.Moved != "" {
			fmt.Fprintf(w, "%s by %s (%s), %s\n", x.Moved, term.Clean(x.MovedBy), x.MovedWhy, term.Since(x.MovedAt, k.Now()))
		}
		_, err = fmt.Fprintf(w, "made by %s\n", term.Clean(x.By))
		return err
	}
	return cmd
}

func newMove(k *kit.Kit, to, short string) *cobra.Command {
	cmd := &cobra.Command{Use: to + " NAME", Short: short, Example: "cairn compute " + to + " desk", Args: kit.Args(1, 1, "NAME")}
	out := k.JSONFlags(cmd, cairn.Compute{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		x, err := cl.MoveCompute(context.WithoutCancel(c.Context()), args[0], to)
		if err != nil {
			return err
		}
		return write(k, out, x)
	}
	return cmd
}

func newUpdate(k *kit.Kit) *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "update NAME", Short: "Change a compute", Example: "cairn compute update cpu-cluster --max-instances 8", Args: kit.Args(1, 1, "NAME")}
	s.flags(cmd)
	out := k.JSONFlags(cmd, cairn.Compute{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		x, err := cl.Compute(c.Context(), args[0])
		if err != nil {
			return err
		}
		if err := s.over(c, x); err != nil {
			return err
		}
		if x, err = cl.PutCompute(c.Context(), *x); err != nil {
			return err
		}
		return write(k, out, x)
	}
	return cmd
}

func newDelete(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "delete NAME", Short: "Forget a compute: jobs that name it are no longer bounded", Example: "cairn compute delete desk", Args: kit.Args(1, 1, "NAME")}
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		if err := cl.DeleteCompute(c.Context(), args[0]); err != nil {
			return err
		}
		_, err = fmt.Fprintf(k.Term.Out, "compute %s is gone\n", term.Clean(args[0]))
		return err
	}
	return cmd
}
