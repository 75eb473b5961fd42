package server

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/plan"
)

// Files of a registered component and of a registered environment, at the top of its
// tree; what they name lies beside them.
const (
	componentFile   = "component.yml"
	environmentFile = "environment.yml"
)

// azuremlRegistry is the registry whose components and environments are built in.
const azuremlRegistry = "azureml"

// component finds a registered component, or one that is built in.
func (j *jobRefs) component(ctx context.Context, ref *pipeline.Reference) (*plan.ResolvedComponent, error) {
	if ref.Kind == pipeline.RefURL || ref.Kind != pipeline.RefAsset {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "%s does not name a component", ref.Text).WithHint("azureml:NAME:VERSION, or the path of its file")
	}
	if ref.Registry == azuremlRegistry {
		if c, err := j.builtinComponent(ctx, ref); err != nil || c != nil {
			return c, err
		}
	}
	v, err := j.version(ctx, cairn.AssetComponent, ref)
	if cairn.CodeOf(err) == cairn.CodeNotFound && ref.Registry == azuremlRegistry {
		return nil, cairn.Errorf(cairn.CodeNotFound, "the registry azureml has no component %q here", ref.Name).
			WithHint("built in is %s; what else you have can be shared: cairn component share --registry azureml", firstOf(builtinNames()))
	}
	if err != nil {
		return nil, err
	}
	if v.Type != "folder" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is not a component: it holds a %s", v.Ref(), v.Type)
	}
	top := cairn.DataValue{Type: "folder", Digest: v.Digest, Size: v.Size, Files: v.Files, Ref: v.Ref()}
	return j.componentOf(ctx, v.Ref(), &storedFiles{ctx: ctx, blobs: j.s.blobs, at: map[string]cairn.DataValue{".": top}}, string(v.Ref()))
}

// componentOf reads a component from its own folder.
func (j *jobRefs) componentOf(_ context.Context, ref cairn.Ref, files *storedFiles, what string) (*plan.ResolvedComponent, error) {
	doc, problems := pipeline.Load(files, componentFile, pipeline.Options{Kind: "component"})
	if doc == nil || doc.Component == nil || cairn.HasErrors(problems) {
		e := cairn.Errorf(cairn.CodeInvalid, "%s is not a component that can be run", what)
		return nil, &cairn.Error{Code: e.Code, Message: e.Message, Problems: namedFile(problems, what)}
	}
	c := &plan.ResolvedComponent{Ref: ref, Document: doc, Local: map[string]cairn.DataValue{}}
	for _, r := range doc.References {
		if r.Kind != pipeline.RefLocal {
			continue
		}
		v, err := files.data(path.Clean(r.Path))
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s names %s, which it does not hold", what, r.Path)
		}
		v.Ref = "" // its bytes are the component's, whose version is linked by itself
		c.Local[path.Clean(r.Path)] = v
	}
	return c, nil
}

// namedFile says of which registered thing a problem is.
func namedFile(ps []cairn.Problem, what string) []cairn.Problem {
	for i := range ps {
		ps[i].File = what + ":" + ps[i].File
	}
	return ps
}

// environment finds a registered environment, or a curated one.
func (j *jobRefs) environment(ctx context.Context, ref *pipeline.Reference) (cairn.TaskEnvironment, error) {
	if ref.Kind != pipeline.RefAsset {
		return cairn.TaskEnvironment{}, cairn.Errorf(cairn.CodeUnsupported, "%s does not name an environment", ref.Text).
			WithHint("azureml:NAME:VERSION, or one that is written in place: image, conda_file")
	}
	curated := func() (cairn.TaskEnvironment, bool) { return j.s.curated(ref.Name) }
	if ref.Registry == azuremlRegistry {
		if env, ok := curated(); ok {
			return env, nil
		}
	}
	v, err := j.version(ctx, cairn.AssetEnvironment, ref)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		if env, ok := curated(); ok {
			return env, nil
		}
		if python := j.maps.python(ref.Name+":"+ref.Version, ref.Name); python != "" {
			// It is nothing but what somebody said that it is.
			env := cairn.TaskEnvironment{Name: ref.Name, Version: ref.Version, Python: python}
			env.Digest = plan.EnvironmentDigest(env)
			return env, nil
		}
		return cairn.TaskEnvironment{}, j.s.noEnvironment(ref, err)
	} else if err != nil {
		return cairn.TaskEnvironment{}, err
	}
	return j.environmentOf(ctx, v)
}

// environmentOf reads an environment from its own folder.
func (j *jobRefs) environmentOf(ctx context.Context, v *cairn.AssetVersion) (cairn.TaskEnvironment, error) {
	env := cairn.TaskEnvironment{Name: v.Name, Version: v.Version, Ref: v.Ref()}
	if v.Type != "folder" {
		return env, cairn.Errorf(cairn.CodeInvalid, "%s is the list of packages that a job resolved, not an environment to run in", v.Ref()).
			WithHint("register one: cairn environment create --file ENVIRONMENT.yml")
	}
	top := cairn.DataValue{Type: "folder", Digest: v.Digest}
	files := &storedFiles{ctx: ctx, blobs: j.s.blobs, at: map[string]cairn.DataValue{".": top}}
	doc, problems := pipeline.Load(files, environmentFile, pipeline.Options{Kind: pipeline.KindEnvironment})
	if doc == nil || doc.Asset == nil || doc.Asset.Environment == nil || cairn.HasErrors(problems) {
		return env, &cairn.Error{Code: cairn.CodeInvalid, Message: fmt.Sprintf("%s is not an environment that can be run in", v.Ref()), Problems: namedFile(problems, string(v.Ref()))}
	}
	e := doc.Asset.Environment
	env.Image, env.Conda, env.Dockerfile = e.Image.Value, e.CondaText, e.Dockerfile
	if e.Conda != nil && env.Conda == "" {
		b, err := files.ReadFile(e.Conda.Path)
		if err != nil {
			return env, cairn.Errorf(cairn.CodeInvalid, "%s names %s, which it does not hold", v.Ref(), e.Conda.Path)
		}
		env.Conda = string(b)
	}
	if e.Build != nil {
		b, err := files.data(path.Clean(e.Build.Path))
		if err != nil {
			return env, cairn.Errorf(cairn.CodeInvalid, "%s names %s, which it does not hold", v.Ref(), e.Build.Path)
		}
		env.Build = &b
	}
	for _, n := range e.Variables {
		if env.Variables == nil {
			env.Variables = map[string]string{}
		}
		env.Variables[n.Name] = n.Value.Value.Text
	}
	env.Digest = plan.EnvironmentDigest(env)
	return env, nil
}

// noEnvironment says what there is where an environment is asked for that is neither
// registered nor curated.
func (s *Server) noEnvironment(ref *pipeline.Reference, err error) error {
	e := cairn.AsError(err)
	names := s.curatedNames()
	if near := cairn.Nearest(strings.ToLower(ref.Name), lowered(names)); near != "" {
		return cairn.Errorf(cairn.CodeNotFound, "there is no environment %q", ref.Name).WithHint("did you mean %s? curated environments are %s", near, strings.Join(names, ", "))
	}
	if ref.Registry == azuremlRegistry || strings.HasPrefix(strings.ToLower(ref.Name), "azureml-") || strings.HasPrefix(ref.Name, "acft-") {
		return cairn.Errorf(cairn.CodeNotFound, "%q is not among the curated environments that are known here", ref.Name).
			WithHint("known are %s; map it to a Python of this machine: cairn environment map %s --python PATH", strings.Join(names, ", "), ref.Name)
	}
	return e
}

func lowered(xs []string) []string {
	out := make([]string, len(xs))
	for i, x := range xs {
		out[i] = strings.ToLower(x)
	}
	return out
}
