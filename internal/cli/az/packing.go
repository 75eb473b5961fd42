package az

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/cli/ignore"
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

// takeModel puts the model into the build context. One that lies on this machine is
// registered first, as in the original, so that a trace leads on from it.
func (p *packing) takeModel(ctx context.Context) error {
	r := p.reference("model")
	if r == nil || r.Kind == pipeline.RefLocal {
		if r = p.reference("model.path"); r == nil {
			return nil
		}
		v := p.doc.Value
		name := textOf(v, "model", "name")
		if name == "" {
			name = textOf(v, "endpoint_name") + "-" + textOf(v, "name")
		}
		req := asset.Request{Kind: cairn.AssetModel, Name: name, Version: textOf(v, "model", "version"), Type: textOf(v, "model", "type"), Path: r.Text}
		if r.Kind == pipeline.RefLocal {
			req.Path = p.folder.Path(r.Path)
		}
		var err error
		if p.model, err = asset.Register(ctx, p.c.k, req); err != nil {
			return err
		}
	} else {
		var err error
		if p.model, err = p.show(ctx, "model", r); err != nil {
			return err
		}
	}
	m := p.model
	in := path.Join(modelsDir, m.Name, m.Version)
	to := filepath.Join(p.dir, "model")
	if err := asset.WriteModel(ctx, p.cl, p.model, to); err != nil {
		return err
	}
	p.lines = append(p.lines, "COPY model/ "+in+"/", environ("AZUREML_MODEL_DIR", in))
	if p.doc.Value.Kind == cairn.TemplateMap && textOf(p.doc.Value, "code_configuration", "scoring_script") != "" {
		return nil
	}
	found := mlmodel(to)
	if found == "" {
		return nil
	}
	rel, err := filepath.Rel(to, found)
	if err != nil {
		return err
	}
	p.flavor = true
	p.lines = append(p.lines, environ("CAIRN_MLFLOW_MODEL", path.Join(in, filepath.ToSlash(rel))))
	return nil
}

// mlmodel is the folder with a file MLmodel: the one that is given, or one level below.
func mlmodel(dir string) string {
	for _, pattern := range []string{"MLmodel", "*/MLmodel"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
	return ""
}

// takeEnvironment finds what the deployment runs in.
func (p *packing) takeEnvironment(ctx context.Context) error {
	v, _ := p.doc.Value.Field("environment")
	if v.Kind == cairn.TemplateMap {
		return p.environmentOf(v, p.folder, "environment.", p.doc.References)
	}
	r := p.reference("environment")
	if r == nil {
		return nil
	}
	p.spec.Environment = r.Text
	if r.Kind != pipeline.RefLocal {
		ver, err := p.show(ctx, "environment", r)
		if cairn.CodeOf(err) == cairn.CodeNotFound && p.tools.Curated != nil {
			if env, ok := p.tools.Curated(r.Name); ok {
				p.env = env
				return nil
			}
		}
		if err != nil {
			return err
		}
		dir := filepath.Join(p.dir, "environment")
		if err := asset.Write(ctx, p.cl, ver, dir); err != nil {
			return err
		}
		return p.environmentFile(dir)
	}
	return p.environmentFile(p.folder.Path(r.Path))
}

// environmentFile reads an environment's own file, or the folder of a registered one.
func (p *packing) environmentFile(file string) error {
	if fi, err := os.Stat(file); err == nil && fi.IsDir() {
		for _, name := range []string{"environment.yml", "environment.yaml"} {
			if _, err := os.Stat(filepath.Join(file, name)); err == nil {
				file = filepath.Join(file, name)
				break
			}
		}
	}
	folder, name, err := source.Open(p.c.k, file)
	if err != nil {
		return err
	}
	doc, ps := folder.Load(name, pipeline.Options{Kind: pipeline.KindEnvironment})
	if doc == nil || cairn.HasErrors(ps) {
		return &cairn.Error{Code: cairn.CodeInvalid, Message: "the environment cannot be used", Problems: ps}
	}
	return p.environmentOf(doc.Value, folder, "", doc.References)
}

func (p *packing) environmentOf(v pipeline.Value, folder *source.Folder, prefix string, refs []pipeline.Reference) error {
	p.env.Image = textOf(v, "image")
	if b, ok := v.Field("build"); ok && b.Given() {
		p.env.Build = &cairn.DataValue{}
	}
	port, err := strconv.Atoi(textOf(v, "inference_config", "scoring_route", "port"))
	if err == nil {
		p.spec.Port, p.spec.Scoring, p.spec.Health = port, textOf(v, "inference_config", "scoring_route", "path"), textOf(v, "inference_config", "readiness_route", "path")
	}
	conda, ok := v.Field("conda_file")
	if !ok || !conda.Given() {
		return nil
	}
	if conda.Kind == cairn.TemplateMap {
		p.env.Conda, err = asYAML(conda)
		return err
	}
	for i := range refs {
		if r := &refs[i]; r.JSONPath == prefix+"conda_file" && r.Kind == pipeline.RefLocal {
			b, err := folder.ReadFile(r.Path)
			if err != nil {
				return p.at(cairn.Errorf(cairn.CodeNotFound, "the conda file %s cannot be read: %w", r.Text, err), r)
			}
			p.env.Conda = string(b)
			return nil
		}
	}
	p.env.Conda = conda.Text // its text, as a registered environment has it
	return nil
}

// takeCode copies the code, without what ignore files leave out, and the server.
func (p *packing) takeCode(ctx context.Context) error {
	if err := p.write("server.py", scoringServer); err != nil {
		return err
	}
	p.lines = append(p.lines, "COPY server.py "+serverFile, "WORKDIR "+appDir)
	if p.tools.SDK != nil {
		if err := p.tools.SDK(filepath.Join(p.dir, "sdk")); err != nil {
			return err
		}
		p.lines = append(p.lines, "COPY sdk/ "+sdkDir+"/", "ENV PYTHONPATH="+sdkDir)
	}
	p.lines = append(p.lines, `CMD ["python3", "-u", "`+serverFile+`"]`)
	r := p.reference("code_configuration.code")
	if r == nil || p.flavor {
		return nil
	}
	if r.Kind != pipeline.RefLocal {
		return p.at(cairn.Errorf(cairn.CodeUnsupported, "code_configuration.code: %s is not on this machine", r.Text), r)
	}
	from := p.folder.Path(r.Path)
	script := path.Clean(filepath.ToSlash(p.spec.CodeScript))
	if strings.ContainsFunc(script, unicode.IsControl) || !filepath.IsLocal(filepath.FromSlash(script)) {
		return p.at(cairn.Errorf(cairn.CodeInvalid, "scoring_script %q leads out of %s", p.spec.CodeScript, r.Text), r)
	}
	if fi, err := os.Stat(filepath.Join(from, filepath.FromSlash(script))); err != nil || fi.IsDir() {
		return p.at(cairn.Errorf(cairn.CodeNotFound, "there is no file %s in %s", p.spec.CodeScript, r.Text), r)
	}
	found, err := ignore.Walk(ctx, from, ignore.Options{})
	if err != nil {
		return err
	}
	base := filepath.Base(from)
	if !plainName.MatchString(base) {
		base = "code" // a Dockerfile has no word for it
	}
	for _, f := range found.Files {
		if err := copyFile(f.Name, filepath.Join(p.dir, "code", filepath.FromSlash(f.Path)), f.Exec); err != nil {
			return err
		}
	}
	in := path.Join(appDir, base)
	p.lines = append(p.lines, "COPY code/ "+in+"/", environ("AZUREML_ENTRY_SCRIPT", path.Join(in, script)))
	return nil
}

// plainName is a name that stands in a Dockerfile as it is.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// environ is a line of a Dockerfile, in which nothing of the value means more than itself.
func environ(name, value string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value)
	return "ENV " + name + `="` + quoted + `"`
}

func copyFile(from, to string, exec bool) error {
	fail := func(err error) error { return cairn.Errorf(cairn.CodeFailed, "cannot copy %s: %w", from, err) }
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fail(err)
	}
	in, err := os.Open(from)
	if err != nil {
		return fail(err)
	}
	defer in.Close()
	mode := os.FileMode(0o644)
	if exec {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fail(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fail(err)
	}
	if err := out.Close(); err != nil {
		return fail(err)
	}
	return nil
}

// ofTheService are packages that only serve the original: the server that answers here
// needs none of them, and they bring hundreds of megabytes.
var ofTheService = regexp.MustCompile(`(?i)^azureml[-_](defaults|core|sdk|inference[-_]server[-_]http|dataset[-_]runtime|dataprep[a-z-]*|telemetry|train[a-z-]*|pipeline[a-z-]*)\b`)

// takePackages writes what pip installs.
func (p *packing) takePackages(context.Context) error {
	if p.flavor && p.env.Conda == "" && len(p.env.Packages) == 0 {
		if err := p.modelNeeds(); err != nil {
			return err
		}
	}
	if p.tools.Needs == nil {
		return cairn.Errorf(cairn.CodeUnsupported, "this binary was built without environments")
	}
	python, reqs, notes, err := p.tools.Needs(p.env)
	if err != nil {
		return err
	}
	p.env.PythonVersion = python
	for _, n := range notes {
		fmt.Fprintf(p.c.k.Term.Err, "note: %s\n", n)
	}
	var left []string
	reqs = slices.DeleteFunc(slices.Clone(reqs), func(r string) bool {
		if ofTheService.MatchString(r) {
			left = append(left, r)
			return true
		}
		return false
	})
	if len(left) > 0 {
		fmt.Fprintf(p.c.k.Term.Err, "note: %s: not installed, Cairn's own server answers\n", strings.Join(left, ", "))
	}
	if len(reqs) == 0 {
		return nil
	}
	if err := p.write("requirements.txt", []byte(strings.Join(reqs, "\n")+"\n")); err != nil {
		return err
	}
	// Packages first: code and models change more often.
	p.lines = slices.Insert(p.lines, 0, "COPY requirements.txt /opt/cairn/requirements.txt", "RUN pip install --no-cache-dir -r /opt/cairn/requirements.txt")
	return nil
}

// modelNeeds are the packages that an MLflow model says it needs.
func (p *packing) modelNeeds() error {
	dir := mlmodel(filepath.Join(p.dir, "model"))
	for _, name := range []string{"conda.yaml", "conda.yml"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil && len(b) <= maxConda {
			p.env.Conda = string(b)
			return nil
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "the model says nothing of the packages that it needs: it has neither conda.yaml nor requirements.txt").
			WithHint("give the deployment an environment with a conda_file")
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			p.env.Packages = append(p.env.Packages, line)
		}
	}
	return nil
}

// base is the image below: that of the version of Python, made from this machine's where
// none is there.
func (p *packing) base(ctx context.Context) (string, error) {
	if name := p.env.Image; name != "" {
		if img, err := p.cl.Image(ctx, name); err == nil {
			return string(img.Digest), nil
		}
	}
	names := []string{"python-host:3"}
	if v := p.env.PythonVersion; v != "" {
		names = []string{"python:" + v + "-slim", "python:" + v, "python-host:" + v}
	}
	for _, n := range names {
		if img, err := p.cl.Image(ctx, n); err == nil {
			return n + "@" + string(img.Digest), nil
		}
	}
	if p.tools.Image.BaseFromHost == nil {
		return "", cairn.Errorf(cairn.CodeUnsupported, "this binary was built without a builder of images")
	}
	as := names[len(names)-1]
	if p.env.Image != "" {
		fmt.Fprintf(p.c.k.Term.Err, "note: the image %s is not here: this machine's Python stands in for it (cairn image pull fetches one)\n", p.env.Image)
	}
	img, err := p.tools.Image.BaseFromHost(ctx, p.cl, image.BaseRequest{Python: p.env.PythonVersion, As: as}, p.c.k.Term.Err)
	if err != nil {
		return "", err
	}
	return as + "@" + string(img.Digest), nil
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
