package runner

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// stopContainersTime bounds the removal of a job's containers.
const stopContainersTime = 2 * time.Minute

const maxServices = 50 // of one job

// evalContainers reads what the job says of its containers.
func (x *executor) evalContainers() error {
	if h, ok := x.Registry.(ImageHooks); ok {
		if x.wanted.Container = h.JobContainer(x.Spec); x.wanted.Container != nil {
			return nil // of a task: it says nothing of its own
		}
	}
	env := x.env(nil, "")
	v, err := expr.EvalTemplate(x.Spec.Container, env)
	if err != nil {
		return evalFailed("container", x.Spec.Container, err)
	}
	c, err := containerSpec("container", v, false)
	if err != nil {
		return placed(err, x.Spec.Container)
	}
	x.wanted.Container = c
	if c != nil {
		x.masks.Add(c.Password)
	}
	if v, err = expr.EvalTemplate(x.Spec.Services, env); err != nil {
		return evalFailed("services", x.Spec.Services, err)
	}
	if v.IsNull() {
		return nil
	}
	if v.Kind() != expr.KindObject || v.Len() > maxServices {
		return placed(cairn.Errorf(cairn.CodeInvalid, "services has to be a map of at most %d services", maxServices), x.Spec.Services)
	}
	for _, f := range v.Fields() {
		s, err := containerSpec("services."+f.Name, f.Value, true)
		if err != nil {
			return placed(err, x.Spec.Services)
		}
		// A service whose image is empty is left out: so a matrix can switch it off.
		if s != nil {
			x.masks.Add(s.Password)
			s.ID = f.Name
			x.wanted.Services = append(x.wanted.Services, *s)
		}
	}
	return nil
}

func placed(err error, t cairn.Template) error {
	e := cairn.AsError(err)
	if t.Line > 0 {
		return e.At(cairn.Position{Line: t.Line, Column: t.Col})
	}
	return e
}

// containerSpec turns the value of one container into its description; nil when it
// has no image.
func containerSpec(what string, v expr.Value, service bool) (*ContainerSpec, error) {
	if v.Primitive() {
		if image := strings.TrimSpace(v.ToString()); image != "" {
			return &ContainerSpec{Image: image}, nil
		}
		return nil, nil
	}
	if v.Kind() != expr.KindObject {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has to be an image or a map", what)
	}
	keys := []string{"image", "credentials", "env", "ports", "volumes", "options"}
	if service {
		keys = append(keys, "entrypoint", "command")
	}
	c := &ContainerSpec{}
	for _, f := range v.Fields() {
		var err error
		at := what + "." + f.Name
		switch name := strings.ToLower(f.Name); {
		case name == "image":
			c.Image, err = scalarOf(at, f.Value)
			c.Image = strings.TrimSpace(c.Image)
		case name == "options":
			c.Options, err = scalarOf(at, f.Value)
		case name == "ports":
			c.Ports, err = scalarsOf(at, f.Value)
		case name == "volumes":
			c.Volumes, err = scalarsOf(at, f.Value)
		case name == "env":
			c.Env, err = scalarMap(at, f.Value)
		case name == "credentials":
			err = c.credentials(at, f.Value)
		case service && name == "entrypoint":
			c.Entrypoint, err = scalarOf(at, f.Value)
		case service && name == "command":
			c.Command, err = scalarOf(at, f.Value)
		default:
			e := cairn.Errorf(cairn.CodeInvalid, "%s is not a key of a container", at)
			if near := cairn.Nearest(f.Name, keys); near != "" {
				return nil, e.WithHint("did you mean %s?", near)
			}
			return nil, e.WithHint("there are %s", strings.Join(keys, ", "))
		}
		if err != nil {
			return nil, err
		}
	}
	if c.Image == "" {
		return nil, nil
	}
	return c, nil
}

func (c *ContainerSpec) credentials(what string, v expr.Value) error {
	m, err := scalarMap(what, v)
	if err != nil {
		return err
	}
	for name, value := range m {
		switch strings.ToLower(name) {
		case "username":
			c.Username = value
		case "password":
			c.Password = value
		default:
			return cairn.Errorf(cairn.CodeInvalid, "%s.%s is not a key of credentials", what, name).WithHint("there are username and password")
		}
	}
	if (c.Username == "") != (c.Password == "") {
		return cairn.Errorf(cairn.CodeInvalid, "%s needs a username and a password", what).
			WithHint("one of them is empty: is the secret set? cairn secret list shows it")
	}
	return nil
}

func scalarOf(what string, v expr.Value) (string, error) {
	if !v.Primitive() {
		return "", cairn.Errorf(cairn.CodeInvalid, "%s has to be a text", what)
	}
	return v.ToString(), nil
}

func scalarsOf(what string, v expr.Value) ([]string, error) {
	if v.IsNull() {
		return nil, nil
	}
	if v.Kind() != expr.KindArray {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has to be a list", what)
	}
	var out []string
	for i, item := range v.Items() {
		s, err := scalarOf(fmt.Sprintf("%s[%d]", what, i), item)
		if err != nil {
			return nil, err
		}
		// An expression may leave an entry empty.
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}

func scalarMap(what string, v expr.Value) (map[string]string, error) {
	if v.IsNull() {
		return nil, nil
	}
	if v.Kind() != expr.KindObject {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has to be a map", what)
	}
	out := map[string]string{}
	for _, f := range v.Fields() {
		s, err := scalarOf(what+"."+f.Name, f.Value)
		if err != nil {
			return nil, err
		}
		out[f.Name] = s
	}
	return out, nil
}

// startContainers are the steps "Prepare image" and "Initialize containers". When they
// fail, no step runs.
func (x *executor) startContainers() bool {
	if x.wanted.Container == nil && len(x.wanted.Services) == 0 {
		return true
	}
	if !x.makeImage() {
		x.fail("the image of the job could not be prepared")
		return false
	}
	ok := x.stoppable("Initialize containers", "", func(ctx context.Context, log io.Writer) error {
		started, err := x.Containers.Start(ctx, x.wanted, log)
		if err != nil {
			return err
		}
		x.started = started
		if started.Machine != nil {
			x.Machine = started.Machine
			return x.enterContainer()
		}
		return nil
	})
	if !ok {
		x.fail("the containers of the job could not be started")
	}
	return ok
}

// makeImage lets the registry make the image that the steps run in, where it does that.
func (x *executor) makeImage() bool {
	h, ok := x.Registry.(ImageHooks)
	if !ok || x.wanted.Container == nil || x.wanted.Container.Image != "" {
		return true
	}
	return x.stoppable("Prepare image", ImageStep, func(ctx context.Context, log io.Writer) error {
		c := &StepContext{
			Spec: x.Spec, Dirs: x.Machine.Dirs(), Env: x.Machine.Environ(), Server: x.Server, Log: log, Now: x.Now,
			Masked: func(v string) { x.masks.Add(v) }, Clean: x.masks.String, State: map[string]string{},
		}
		image, err := h.JobImage(ctx, c, x.Containers)
		x.wanted.Container.Image = image
		return err
	})
}

// stoppable is a step of the runner itself that needs an engine, and that may be
// cancelled: images are fetched and built in it.
func (x *executor) stoppable(name, uses string, do func(ctx context.Context, log io.Writer) error) bool {
	ctx, stop := context.WithCancelCause(x.ctx)
	defer stop(nil)
	r := &running{condition: "success()", scope: x.top, env: x.env(nil, ""), stop: stop}
	return x.ownStep(name, uses, func(log io.Writer) error {
		x.mu.Lock()
		if x.status != cairn.Success {
			x.mu.Unlock()
			return errCancelled
		}
		x.running[r] = struct{}{}
		x.mu.Unlock()
		defer func() {
			x.mu.Lock()
			delete(x.running, r)
			x.mu.Unlock()
		}()
		if x.Containers == nil {
			return cairn.Errorf(cairn.CodeUnsupported, "this runner starts no containers").
				WithHint("remove container: and services: from the job to run it on this host")
		}
		x.stopping = true
		err := do(ctx, log)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	})
}

// enterContainer makes everything that steps are told that of the container.
func (x *executor) enterContainer() error {
	if m, ok := x.Machine.(PathMachine); ok {
		for _, name := range []string{"api_url", "graphql_url"} {
			if v, ok := x.github.Get(name); ok && v.Primitive() {
				x.github = x.github.With(name, expr.String(m.Rewrite(v.ToString())))
			}
		}
		x.contexts["github"] = x.github
	}
	x.prepareEnviron()
	return nil
}

// stopContainers is the step "Stop containers". It runs whatever happened: nothing
// of the job may stay.
func (x *executor) stopContainers() {
	if !x.stopping {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(x.ctx), stopContainersTime)
	defer stop()
	x.ownStep("Stop containers", "", func(log io.Writer) error { return x.Containers.Stop(ctx, log) })
}

// ownStep is a step of the runner itself.
func (x *executor) ownStep(name, uses string, do func(log io.Writer) error) bool {
	row := x.newRow("", name, uses)
	x.pendStep(row)
	x.flush()
	log, err := x.openLog(row)
	if err == nil {
		out := &output{log: log}
		err = protect(func() error { return do(out) })
		out.flush()
		if err != nil {
			logError(log, err)
			row.Annotations = append(row.Annotations, x.annotation(AnnotationError, err.Error()))
		}
		row.LogSize, _ = log.close()
	}
	x.conclude(row, err)
	x.pendStep(row)
	return err == nil
}

// jobContext is the `job` context.
func (x *executor) jobContext() expr.Value {
	fields := []expr.Field{{Name: "status", Value: expr.String(x.jobStatus().Result())}}
	if s := x.started; s != nil {
		container := []expr.Field{{Name: "network", Value: expr.String(s.Network)}}
		if s.Container != "" {
			container = append([]expr.Field{{Name: "id", Value: expr.String(s.Container)}}, container...)
		}
		fields = append(fields, expr.Field{Name: "container", Value: expr.Object(container...)})
		var services []expr.Field
		for _, svc := range s.Services {
			services = append(services, expr.Field{Name: svc.ID, Value: expr.Object(
				expr.Field{Name: "id", Value: expr.String(svc.Container)},
				expr.Field{Name: "ports", Value: stringsObject(svc.Ports)},
				expr.Field{Name: "network", Value: expr.String(s.Network)},
			)})
		}
		if len(services) > 0 {
			fields = append(fields, expr.Field{Name: "services", Value: expr.Object(services...)})
		}
	}
	return expr.Object(fields...)
}

// hostPath is where a folder that a step names lies on this host; false: only its
// own machine knows it.
func (x *executor) hostPath(path string) (string, bool) {
	if m, ok := x.Machine.(PathMachine); ok {
		return m.HostPath(path)
	}
	return path, true
}
