package az

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// scoringServer answers requests of deployments that have no server of their own.
//
//go:embed scoring/server.py
var scoringServer []byte

// Tools are what the dialect does on this machine besides asking the server.
type Tools struct {
	Image image.Tools
	// Needs says what an environment asks for: a version of Python ("3.11") and pip
	// requirements.
	Needs func(cairn.TaskEnvironment) (python string, requirements, notes []string, err error)
	// Curated finds a curated environment by its name.
	Curated func(name string) (cairn.TaskEnvironment, bool)
	// SDK writes the modules of the first SDK's package into a folder; nil: there are none.
	SDK func(dir string) error
}

// Where things lie in the image of a deployment, as in one of the original.
const (
	appDir     = "/var/azureml-app"
	modelsDir  = appDir + "/azureml-models"
	serverFile = "/opt/cairn/scoring/server.py"
	sdkDir     = "/opt/cairn/sdk"
)

// packing is a deployment on its way to an image.
type packing struct {
	c      *call
	cl     *kit.Client
	tools  *Tools
	folder *source.Folder
	doc    *pipeline.Document
	dir    string // the build context

	model  *cairn.AssetVersion
	flavor bool // an MLflow model that needs no code
	env    cairn.TaskEnvironment
	spec   cairn.EndpointSpec
	lines  []string // of the Dockerfile, after the first
}

// createDeployment packs model, code and environment into an image and puts it behind its
// endpoint.
func createDeployment(ctx context.Context, c *call) (any, error) {
	folder, doc, err := c.load(pipeline.KindOnlineDeployment, pipeline.NamedValue{Name: "name", Value: c.get("name")},
		pipeline.NamedValue{Name: "endpoint_name", Value: c.get("endpoint_name")})
	if err != nil {
		return nil, err
	}
	v := doc.Value
	name, endpoint := textOf(v, "name"), textOf(v, "endpoint_name")
	switch {
	case name == "":
		return nil, misuse("the following arguments are required: --name/-n")
	case endpoint == "":
		return nil, misuse("the following arguments are required: --endpoint-name/-e")
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := cl.Endpoint(ctx, endpoint); err != nil {
		return nil, err // before anything is built
	}
	p := &packing{c: c, cl: cl, tools: c.tools, folder: folder, doc: doc}
	if p.dir, err = os.MkdirTemp("", "cairn-deployment-"); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no folder for the image: %w", err)
	}
	defer os.RemoveAll(p.dir)
	began := c.k.Now()
	img, err := p.pack(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c.k.Term.Err, "image %s in %s; starting deployment %s of endpoint %s\n", img.Digest.Short(), c.k.Now().Sub(began).Round(time.Millisecond), name, endpoint)
	r := api.EndpointDeploy{Repository: c.repository(), Image: img.Digest, Spec: p.spec, AllTraffic: c.on("all_traffic")}
	if p.model != nil {
		r.Model = p.model.Ref()
	}
	d, err := cl.DeployToEndpoint(ctx, endpoint, name, r)
	if err != nil {
		return nil, err
	}
	e, err := cl.Endpoint(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return deploymentObject(c, e, d), nil
}

// repository is that of the folder that the command is typed in; "" in none.
func (c *call) repository() string {
	return c.k.Env("GITHUB_REPOSITORY")
}

func (p *packing) pack(ctx context.Context) (*cairn.Image, error) {
	steps := []func(context.Context) error{p.readSpec, p.takeModel, p.takeEnvironment}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	script := textOf(p.doc.Value, "code_configuration", "scoring_script")
	if script == "" && !p.flavor && p.env.Image != "" && p.env.Conda == "" {
		return p.ready(ctx) // an image with a server of its own
	}
	if p.env.Build != nil {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "an environment with build: cannot hold a deployment here").
			WithHint("build it with cairn image build, and name the image: environment: {image: NAME}")
	}
	if script == "" && !p.flavor {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s has no code_configuration, and its model is no MLflow model", p.c.get("file")).
			WithHint("code_configuration: {code: FOLDER, scoring_script: score.py}; the script has init() and run(data)")
	}
	for _, step := range []func(context.Context) error{p.takeCode, p.takePackages} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	base, err := p.base(ctx)
	if err != nil {
		return nil, err
	}
	file := "FROM " + base + "\n" + strings.Join(p.lines, "\n") + "\n"
	if err := p.write("Dockerfile", []byte(file)); err != nil {
		return nil, err
	}
	return p.build(ctx)
}

// readSpec takes what the file says besides model, code and environment.
func (p *packing) readSpec(context.Context) error {
	v := p.doc.Value
	x := &p.spec
	x.Description, x.Tags, x.InstanceType = textOf(v, "description"), textsOf(v, "tags"), textOf(v, "instance_type")
	x.Instances, x.CodeScript = intOf(v, "instance_count"), textOf(v, "code_configuration", "scoring_script")
	x.Concurrent = intOf(v, "request_settings", "max_concurrent_requests_per_instance")
	x.Timeout = cairn.Milliseconds(intOf(v, "request_settings", "request_timeout_ms"))
	x.Wait = cairn.Milliseconds(intOf(v, "request_settings", "max_queue_wait_ms"))
	x.ScaleSettings = textOf(v, "scale_settings", "type")
	if n := intOf(v, "scale_settings", "max_instances"); n > x.Instances {
		x.Instances = n // how many may be worked on at once: nothing is scaled on one machine
	}
	if period, failures := intOf(v, "readiness_probe", "period"), intOf(v, "readiness_probe", "failure_threshold"); period > 0 && failures > 0 {
		wait := intOf(v, "readiness_probe", "initial_delay") + period*failures
		x.Start = cairn.Milliseconds((time.Duration(wait) * time.Second).Milliseconds())
	}
	vars := textsOf(v, "environment_variables")
	for _, k := range sortedKeys(vars) {
		x.Variables = append(x.Variables, cairn.NamedText{Name: k, Value: vars[k]})
	}
	return nil
}

// reference is what the file names outside of itself at a place; nil where there is nothing.
func (p *packing) reference(at string) *pipeline.Reference {
	i := slices.IndexFunc(p.doc.References, func(r pipeline.Reference) bool { return r.JSONPath == at })
	if i < 0 {
		return nil
	}
	return &p.doc.References[i]
}

func (p *packing) at(err *cairn.Error, r *pipeline.Reference) error {
	pos := r.Pos
	pos.File = p.folder.Shown(pos.File)
	return err.At(pos)
}

// show is the version that a reference names.
func (p *packing) show(ctx context.Context, kind string, r *pipeline.Reference) (*cairn.AssetVersion, error) {
	name := kind + "/" + r.Name
	switch {
	case r.Version != "":
		name += ":" + r.Version
	case r.Label != "":
		name += "@" + r.Label
	default:
		name += "@latest"
	}
	d, err := p.cl.ShowAsset(ctx, name)
	if err != nil {
		return nil, p.at(cairn.AsError(err), r)
	}
	return &d.Version, nil
}

func (p *packing) build(ctx context.Context) (*cairn.Image, error) {
	if p.tools.Image.Build == nil {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "this binary was built without a builder of images")
	}
	env := map[string]string{}
	for _, kv := range p.c.k.Environ {
		name, v, _ := strings.Cut(kv, "=")
		env[name] = v
	}
	res, err := p.tools.Image.Build(ctx, p.cl, cairn.BuildRequest{Context: p.dir, Env: env, JobToken: p.c.k.Env("CAIRN_TOKEN")}, p.c.k.Term.Err)
	if err != nil {
		return nil, err
	}
	return res.Image, nil
}

// ready is an image that has a server of its own.
func (p *packing) ready(ctx context.Context) (*cairn.Image, error) {
	img, err := p.cl.Image(ctx, p.env.Image)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, cairn.Errorf(cairn.CodeNotFound, "the image %s is not here", p.env.Image).WithHint("cairn image pull %s, or cairn image build", p.env.Image)
	}
	if err != nil {
		return nil, err
	}
	if p.model != nil {
		fmt.Fprintf(p.c.k.Term.Err, "note: the model goes into no image that is ready: %s has to hold it\n", p.env.Image)
	}
	return img, nil
}

func (p *packing) write(name string, b []byte) error {
	if err := os.WriteFile(filepath.Join(p.dir, name), b, 0o644); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the image cannot be prepared: %w", err)
	}
	return nil
}
