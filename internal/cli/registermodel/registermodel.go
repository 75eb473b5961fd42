// Package registermodel is what the built-in component register_model runs: it registers
// the folder of a model with the token of its job, as the component of that name of the
// registry azureml does.
package registermodel

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"go.yaml.in/yaml/v3"
)

// detailsFile is what the component writes below its output.
const detailsFile = "model_registration_details.json"

// Server is what the command asks of the server; *client.Client satisfies it.
type Server interface {
	UploadTree(ctx context.Context, dir string, paths []string) (cairn.Digest, int64, int64, error)
	TreeFiles(ctx context.Context, root cairn.Digest) ([]client.TreeFile, error)
	PutTree(ctx context.Context, files []client.TreeFile) (*client.TreeInfo, error)
	CreateAsset(ctx context.Context, n client.NewAsset) (*cairn.AssetVersion, error)
	Share(ctx context.Context, s client.ShareAsset) (*cairn.AssetVersion, error)
}

// details are what model_registration_details.json holds.
type details struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Version     string            `json:"version"`
	Path        string            `json:"path"`
	Flavors     map[string]any    `json:"flavors"`
	Type        string            `json:"type"`
	Properties  map[string]string `json:"properties"`
	Tags        map[string]string `json:"tags"`
	Description string            `json:"description"`
}

// Main registers a model and returns the exit code.
func Main(ctx context.Context, args []string, env func(string) string, s Server, stdout, stderr io.Writer) int {
	r := &request{env: env}
	if err := r.parse(args, stderr); err != nil {
		fmt.Fprintln(stderr, "register_model:", err)
		return 2
	}
	d, err := r.register(ctx, s)
	if err == nil {
		err = r.write(d)
	}
	if err != nil {
		e := cairn.AsError(err)
		fmt.Fprintln(stderr, "register_model:", e.Error())
		if e.Hint != "" {
			fmt.Fprintln(stderr, " ", e.Hint)
		}
		return 1
	}
	fmt.Fprintf(stdout, "Registered model %s version %s (%s)\n", d.Name, d.Version, d.Type)
	return 0
}

// request is what the component's inputs ask for.
type request struct {
	env                                                 func(string) string
	path, name, kind, description, version, registry    string
	downloadMetadata, metadata, importJob, file, folder string
}

func (r *request) parse(args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("register_model", flag.ContinueOnError)
	f.SetOutput(stderr)
	for name, to := range map[string]*string{
		"model_path": &r.path, "model_name": &r.name, "model_type": &r.kind, "model_description": &r.description,
		"model_version": &r.version, "registry_name": &r.registry, "model_download_metadata": &r.downloadMetadata,
		"model_metadata": &r.metadata, "model_import_job_path": &r.importJob, "registration_details": &r.file, "registration_details_folder": &r.folder,
	} {
		f.StringVar(to, name, "", "")
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is not an argument", f.Arg(0))
	}
	if r.path == "" || r.name == "" {
		return errors.New("model_path and model_name are needed")
	}
	switch r.kind = strings.ToLower(r.kind); r.kind {
	case "":
		r.kind = "mlflow_model"
	case "custom", "mlflow", "triton":
		r.kind += "_model"
	case "custom_model", "mlflow_model", "triton_model":
	default:
		return fmt.Errorf("model_type %q is not one of custom_model, mlflow_model and triton_model", r.kind)
	}
	return nil
}

var badInName = regexp.MustCompile(`[^a-zA-Z0-9-]`)

// register uploads the folder and makes the version.
func (r *request) register(ctx context.Context, s Server) (*details, error) {
	d := &details{Name: strings.Trim(badInName.ReplaceAllString(r.name, "-"), "-"), Type: r.kind, Description: r.description,
		Flavors: map[string]any{}, Properties: map[string]string{}, Tags: map[string]string{}}
	if d.Name == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q has no letter or digit: it cannot be the name of a model", r.name)
	}
	for _, file := range []string{r.downloadMetadata, r.metadata} {
		if err := d.take(file); err != nil {
			return nil, err
		}
	}
	root, base, err := r.upload(ctx, s, d)
	if err != nil {
		return nil, err
	}
	props := map[string]string{"type": r.kind}
	for k, v := range d.Properties {
		props[k] = v
	}
	if base != "" {
		props["path"] = base
	}
	v, err := s.CreateAsset(ctx, client.NewAsset{
		Kind: cairn.AssetModel, Name: d.Name, Version: r.version, Type: "folder", Digest: root, Description: d.Description, Tags: d.Tags, Properties: props,
	})
	if err != nil {
		return nil, err
	}
	if r.registry != "" {
		if v, err = s.Share(ctx, client.ShareAsset{Kind: cairn.AssetModel, Ref: v.Name + ":" + v.Version, Registry: r.registry}); err != nil {
			return nil, err
		}
	}
	d.Version = v.Version
	d.ID = r.env("AZUREML_WORKSPACE_SCOPE") + "/models/" + d.Name + "/versions/" + d.Version
	d.Path = "azureml:" + d.Name + ":" + d.Version
	if r.registry != "" {
		d.ID = "azureml://registries/" + r.registry + "/models/" + d.Name + "/versions/" + d.Version
		d.Path = d.ID
	}
	return d, nil
}

// upload stores the folder. A custom model lies in a folder of the name that its input
// has, as code that serves such models expects; the files of an MLflow model lie at the
// top, where its clients look for them.
func (r *request) upload(ctx context.Context, s Server, d *details) (root cairn.Digest, base string, err error) {
	fi, err := os.Stat(r.path)
	if err != nil {
		return "", "", cairn.Errorf(cairn.CodeNotFound, "there is no model at %s: %w", r.path, err)
	}
	dir, paths := r.path, []string(nil)
	if !fi.IsDir() {
		dir, paths = filepath.Dir(r.path), []string{filepath.Base(r.path)}
	}
	if r.kind == "mlflow_model" {
		if d.Flavors, err = flavors(filepath.Join(r.path, "MLmodel")); err != nil {
			return "", "", err
		}
	}
	if root, _, _, err = s.UploadTree(ctx, dir, paths); err != nil || r.kind == "mlflow_model" {
		return root, "", err
	}
	base = filepath.Base(filepath.Clean(r.path))
	if !fi.IsDir() {
		return root, base, nil
	}
	files, err := s.TreeFiles(ctx, root)
	if err != nil {
		return "", "", err
	}
	for i := range files {
		files[i].Path = base + "/" + files[i].Path
	}
	info, err := s.PutTree(ctx, files)
	if err != nil {
		return "", "", err
	}
	return info.Root, base, nil
}

// maxMetadata bounds the small files that are read.
const maxMetadata = 4 << 20

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err == nil && len(b) > maxMetadata {
		err = fmt.Errorf("%s has more than %d bytes", name, maxMetadata)
	}
	return b, err
}

// flavors reads those of an MLflow model.
func flavors(name string) (map[string]any, error) {
	b, err := readSmall(name)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "an mlflow_model needs a file MLmodel in its folder: %w", err).
			WithHint("save it with mlflow, or register it with model_type custom_model")
	}
	var m struct {
		Flavors map[string]any `yaml:"flavors"`
	}
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "MLmodel cannot be read: %w", err)
	}
	if m.Flavors == nil {
		m.Flavors = map[string]any{}
	}
	return m.Flavors, nil
}

// take adds the tags and properties of a file of metadata, JSON or YAML.
func (d *details) take(name string) error {
	if name == "" {
		return nil
	}
	b, err := readSmall(name)
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "the metadata cannot be read: %w", err)
	}
	var m struct {
		Tags        map[string]any `yaml:"tags"`
		Properties  map[string]any `yaml:"properties"`
		Description string         `yaml:"description"`
	}
	if err := yaml.Unmarshal(b, &m); err != nil { // JSON is YAML
		return cairn.Errorf(cairn.CodeInvalid, "the metadata in %s cannot be read: %w", filepath.Base(name), err)
	}
	for k, v := range m.Tags {
		d.Tags[k] = fmt.Sprint(v)
	}
	for k, v := range m.Properties {
		d.Properties[k] = fmt.Sprint(v)
	}
	if d.Description == "" {
		d.Description = m.Description
	}
	return nil
}

// write leaves the details in the output.
func (r *request) write(d *details) error {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	var to []string
	if r.file != "" {
		to = append(to, r.file)
	}
	if r.folder != "" {
		to = append(to, filepath.Join(r.folder, detailsFile))
	}
	for _, name := range to {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}
