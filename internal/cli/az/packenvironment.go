package az

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/cli/source"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

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
