package az

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

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
