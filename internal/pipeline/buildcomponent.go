package pipeline

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// command reads what a command job, component or node has.
func (b *builder) command(v Value, dir, at string) *Command {
	c := &Command{Deterministic: boolPtr(v, "is_deterministic")}
	if x, ok := v.Field("command"); ok {
		c.Command = b.binding(x, sub(at, "command"))
	}
	if x, ok := v.Field("code"); ok && x.Given() {
		c.Code = b.reference(x, dir, "code", sub(at, "code"))
	}
	c.Environment = b.environment(v, "environment", dir, at)
	c.Variables = b.named(v, "environment_variables", at)
	if d, ok := v.Field("distribution"); ok && d.Kind == cairn.TemplateMap {
		get := func(key string) Binding { x, _ := d.Field(key); return b.binding(x, sub(sub(at, "distribution"), key)) }
		c.Spread = &Spread{Type: text(d, "type").Value, Processes: get("process_count_per_instance"), Workers: get("worker_count"), Servers: get("parameter_server_count"), Pos: d.Pos}
	}
	c.Resources, _ = v.Field("resources")
	if x, ok := c.Resources.Field("instance_count"); ok {
		c.Instances = b.binding(x, sub(sub(at, "resources"), "instance_count"))
	}
	if x, ok := c.Resources.Field("shm_size"); ok {
		c.SharedMemory = b.binding(x, sub(sub(at, "resources"), "shm_size"))
	}
	if x, ok := c.Resources.Field("docker_args"); ok {
		list := []Value{x}
		if x.Kind == cairn.TemplateSeq {
			list = x.Items
		}
		for i, item := range list {
			c.DockerArgs = append(c.DockerArgs, b.binding(item, sub(sub(sub(at, "resources"), "docker_args"), strconv.Itoa(i))))
		}
	}
	c.Services, _ = v.Field("services")
	c.Identity, _ = v.Field("identity")
	c.Queue, _ = v.Field("queue_settings")
	if x, ok := v.Field("additional_includes"); ok {
		for i, item := range x.Items {
			if item.Kind == cairn.TemplateString {
				c.Includes = append(c.Includes, *b.reference(item, dir, "include", sub(sub(at, "additional_includes"), strconv.Itoa(i))))
			}
		}
	}
	return c
}

// environment reads a reference, or an environment written in place.
func (b *builder) environment(v Value, key, dir, at string) *Environment {
	x, ok := v.Field(key)
	if !ok || !x.Given() {
		return nil
	}
	here := sub(at, key)
	if x.Kind == cairn.TemplateString && x.File == "" {
		if hasBinding(x.Text) {
			return &Environment{Image: Text{Value: x.Text, Pos: x.Pos, Set: true}, Pos: x.Pos}
		}
		return &Environment{Ref: b.reference(x, dir, "environment", here), Pos: x.Pos}
	}
	if x.File != "" {
		return b.environmentOf(b.l.checked[x.File], dirOf(x.File), here)
	}
	return b.environmentOf(x, dir, here)
}

func (b *builder) environmentOf(x Value, dir, at string) *Environment {
	e := &Environment{Image: text(x, "image"), Name: text(x, "name"), Pos: x.Pos}
	if c, ok := x.Field("conda_file"); ok && c.Given() {
		if c.Kind == cairn.TemplateString {
			r := b.reference(c, dir, "conda", sub(at, "conda_file"))
			e.Conda = r
			if r.Kind == RefLocal {
				if text, err := b.l.bytes(r.Path); err == nil {
					e.CondaText = string(text)
				} else {
					b.fail(c.Pos, sub(at, "conda_file"), c, "pipeline.path", "", "%s: there is no file %q beside this one (looked for %s)", sub(at, "conda_file"), clip(c.Text), r.Path)
				}
			}
		} else {
			e.CondaText = toYAML(c)
		}
	}
	if build, ok := x.Field("build"); ok && build.Kind == cairn.TemplateMap {
		if p, ok := build.Field("path"); ok {
			e.Build = b.reference(p, dir, "build", sub(sub(at, "build"), "path"))
		}
		e.Dockerfile = text(build, "dockerfile_path").Value
		if e.Dockerfile == "" {
			e.Dockerfile = "Dockerfile"
		}
	}
	return e
}

// use reads the component of a node.
func (b *builder) use(v Value, key, dir, at string) *ComponentUse {
	x, ok := v.Field(key)
	if !ok || !x.Given() {
		return nil
	}
	u := &ComponentUse{Pos: x.Pos}
	here := sub(at, key)
	switch {
	case x.Kind == cairn.TemplateMap:
		u.Component = b.component(x, dir, here)
	case x.File != "":
		u.Component = b.fileComponent(x.File, x, here)
	case x.Kind == cairn.TemplateString:
		if _, foreign := ParseReference(x.Text, "component"); foreign {
			u.Ref = b.reference(x, dir, "component", here)
			break
		}
		u.Component = b.fileComponent(join(dir, x.Text), x, here)
		r, _ := ParseReference(x.Text, "component")
		r.Path, r.Pos, r.JSONPath = join(dir, x.Text), x.Pos, here
		u.Ref = &r
	}
	return u
}

// fileComponent reads a component's file once.
func (b *builder) fileComponent(name string, from Value, at string) *Component {
	if c, ok := b.l.comps[name]; ok {
		return c
	}
	v, ok := b.l.checked[name]
	if !ok {
		return nil
	}
	if slices.Contains(b.files, name) || len(b.files) > maxNesting {
		b.fail(from.Pos, at, from, "pipeline.cycle", "", "%s: %s holds itself, or pipelines are nested more than %d deep", at, name, maxNesting)
		return nil
	}
	b.files = append(b.files, name)
	c := b.component(v, dirOf(name), "")
	b.files = b.files[:len(b.files)-1]
	b.l.comps[name] = c
	b.checkComponent(c)
	return c
}

// component reads a component, written in place or in a file of its own.
func (b *builder) component(v Value, dir, at string) *Component {
	t := strings.ToLower(text(v, "type").Value)
	if t == "" {
		t = "command"
		if _, ok := v.Field("jobs"); ok {
			t = "pipeline"
		}
	}
	c := &Component{
		Kind: Kind("component/" + t), Name: text(v, "name"), Version: text(v, "version"), DisplayName: text(v, "display_name"),
		Description: text(v, "description"), Tags: b.named(v, "tags", at), Pos: v.Pos,
	}
	c.Inputs = b.ports(v, "inputs", at)
	c.Outputs = b.ports(v, "outputs", at)
	j := Job{Type: Kind(t), Pos: v.Pos, JSONPath: at}
	switch t {
	case "command":
		j.Command = b.command(v, dir, at)
	case "pipeline":
		j.Pipeline = b.pipeline(v, dir, at)
	case "parallel":
		j.Parallel = b.parallel(v, dir, at)
	}
	c.Job = j
	if c.Job.Command == nil {
		c.Job.Command = &Command{Deterministic: boolPtr(v, "is_deterministic")}
	}
	return c
}

func (b *builder) ports(v Value, key, at string) []PortDecl {
	x, _ := v.Field(key)
	var out []PortDecl
	var read func(prefix string, pairs []Pair)
	read = func(prefix string, pairs []Pair) {
		for _, p := range pairs {
			if p.Value.Kind != cairn.TemplateMap {
				continue
			}
			here := sub(sub(at, key), p.Key.Value)
			d := PortDecl{
				Name: prefix + p.Key.Value, Type: strings.ToLower(text(p.Value, "type").Value), Mode: text(p.Value, "mode").Value,
				Enum: texts(p.Value, "enum"), Description: text(p.Value, "description").Value, Pos: p.Key.Pos,
			}
			if d.Type == "path" {
				d.Type = "uri_folder"
			}
			if o := boolPtr(p.Value, "optional"); o != nil {
				d.Optional = *o
			}
			if o := boolPtr(p.Value, "is_control"); o != nil {
				d.Control = *o
			}
			if y, ok := p.Value.Field("default"); ok && y.Given() {
				d.Default = b.binding(y, sub(here, "default"))
			}
			d.Min, _ = p.Value.Field("min")
			d.Max, _ = p.Value.Field("max")
			out = append(out, d)
		}
	}
	read("", x.Pairs)
	return out
}
