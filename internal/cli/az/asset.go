package az

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	api "github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// assetCommands are the verbs of data, models, components and environments.
func assetCommands() []command {
	var out []command
	for _, kind := range []cairn.AssetKind{cairn.AssetModel, cairn.AssetData, cairn.AssetComponent, cairn.AssetEnvironment} {
		out = append(out, verbs(kind)...)
	}
	return out
}

func verbs(kind cairn.AssetKind) []command {
	noun := string(kind)
	shown := map[cairn.AssetKind]string{cairn.AssetData: "data", cairn.AssetEnvironment: "an environment"}[kind]
	if shown == "" {
		shown = "a " + noun
	}
	base := "ml " + noun + " "
	version := arg{flags: []string{"--version", "-v"}, dest: "version", help: "Version of the " + noun + "."}
	label := arg{flags: []string{"--label", "-l"}, dest: "label", help: "Label of the " + noun + ". Cannot be specified with version."}
	registry := arg{flags: []string{"--registry-name"}, dest: "registry_name", help: "A registry: here a second workspace of that name."}
	with := func(args ...arg) []arg { return scoped(append(args, registry)...) }
	one := []arg{nameArg(true, noun), version, label}
	create := []arg{fileArg(false, "Local path to the YAML file."), setArg(), nameArg(false, noun), version, noWaitArg(),
		{flags: []string{"--description"}, dest: "description", help: "Description of the " + noun + "."},
		{flags: []string{"--tags"}, dest: "tags", kind: any0, help: "Space-separated key-value pairs for the tags of the object."}}
	switch kind {
	case cairn.AssetModel, cairn.AssetData:
		create = append(create, arg{flags: []string{"--path", "-p"}, dest: "path", help: "Path of the " + noun + "."},
			arg{flags: []string{"--type", "-t"}, dest: "type", help: "Type of the " + noun + "."},
			arg{flags: []string{"--datastore"}, dest: "datastore", help: "Says nothing here: bytes are kept by digest."})
		if kind == cairn.AssetModel {
			create = append(create, arg{flags: []string{"--stage"}, dest: "stage", help: "Stage of the model."})
		}
	case cairn.AssetEnvironment:
		create = append(create, arg{flags: []string{"--image"}, dest: "image", help: "The image, where there is no file."},
			arg{flags: []string{"--conda-file", "-c"}, dest: "conda_file", help: "A conda file that goes above the image."},
			arg{flags: []string{"--build-context", "-b"}, dest: "build_context", help: "A folder with a Dockerfile: a file has to say it here."})
	default:
		create = append(create, arg{flags: []string{"--skip-validation"}, dest: "skip_validation", kind: bare, help: "Says nothing here: files are always checked."})
	}
	run := func(f func(context.Context, *call, cairn.AssetKind) (any, error)) func(context.Context, *call) (any, error) {
		return func(ctx context.Context, c *call) (any, error) {
			if r := c.get("registry_name"); r != "" && r != "azureml" && !strings.HasSuffix(c.cmd.path, " share") {
				return nil, cairn.Errorf(cairn.CodeUnsupported, "%s of registry %s are not reached by az here", noun, r).
					WithHint("cairn %s share --registry %s shares into it; azureml://registries/%s/… names what is there", noun, r, r)
			}
			return f(ctx, c, kind)
		}
	}
	out := []command{
		{path: base + "create", short: "Create " + shown + ".", run: run(createAsset), args: with(create...)},
		{path: base + "list", short: "List: with a name its versions, the newest first.", run: run(listAssets), args: with(nameArg(false, noun),
			arg{flags: []string{"--max-results", "-r"}, dest: "max_results", def: "0", help: "Max number of results to return."},
			arg{flags: []string{"--archived-only"}, dest: "archived_only", kind: bare, help: "List archived ones only."},
			arg{flags: []string{"--include-archived"}, dest: "include_archived", kind: bare, help: "List archived ones too."},
			arg{flags: []string{"--stage", "-s"}, dest: "stage", help: "List those of this stage."})},
		{path: base + "show", short: "Show " + shown + ".", run: run(showAsset), args: with(one...)},
		{path: base + "archive", short: "Archive " + shown + ".", run: run(archiveAsset(true)), args: with(one...)},
		{path: base + "restore", short: "Restore archived " + noun + ".", run: run(archiveAsset(false)), args: with(one...)},
		{path: base + "update", short: "Change tags and description.", run: run(updateAsset), args: with(append(slices.Clone(one), updateArgs()...)...)},
	}
	if kind != cairn.AssetEnvironment {
		out = append(out, command{path: base + "download", short: "Download " + shown + ".", run: run(downloadAsset), args: with(append(slices.Clone(one),
			arg{flags: []string{"--download-path", "-p"}, dest: "download_path", def: ".", help: "Path to download to."})...)})
	}
	return out
}

func createAsset(ctx context.Context, c *call, kind cairn.AssetKind) (any, error) {
	r := asset.Request{Kind: kind, File: c.get("file"), Set: c.list("set"), Name: c.get("name"), Version: c.get("version"), Description: c.get("description"),
		Path: c.get("path"), Type: c.get("type"), Tags: pairs(c.list("tags"))}
	if kind == cairn.AssetEnvironment && r.File == "" {
		dir, err := c.environmentFile(&r)
		defer os.RemoveAll(dir)
		if err != nil {
			return nil, err
		}
	}
	if r.File == "" && (r.Name == "" || r.Path == "") {
		return nil, cairn.Errorf(cairn.CodeInvalid, "either --file, or --name and --%s, are needed", map[bool]string{true: "image", false: "path"}[kind == cairn.AssetEnvironment]).WithHint("az ml %s create --file FILE", kind)
	}
	if r.File != "" && r.Path != "" {
		r.Set = append(r.Set, "path="+r.Path)
	}
	v, err := asset.Register(ctx, c.k, r)
	if err != nil {
		return nil, err
	}
	if s := c.get("stage"); s != "" {
		cl, err := c.client(ctx)
		if err != nil {
			return nil, err
		}
		if v, err = cl.UpdateAsset(ctx, v.Ref(), api.AssetUpdate{Stage: &s}); err != nil {
			return nil, err
		}
	}
	return assetObject(c, v), nil
}

func listAssets(ctx context.Context, c *call, kind cairn.AssetKind) (any, error) {
	most, cl, err := c.listing(ctx)
	if err != nil {
		return nil, err
	}
	keep := func(v *cairn.AssetVersion) bool {
		if s := c.get("stage"); s != "" && !strings.EqualFold(v.Stage, s) {
			return false
		}
		if c.on("archived_only") {
			return v.Archived
		}
		return !v.Archived || c.on("include_archived")
	}
	out := []any{}
	add := func(v *cairn.AssetVersion, o *query.Object) {
		if keep(v) && (most == 0 || len(out) < most) {
			out = append(out, o)
		}
	}
	if name := c.get("name"); name != "" {
		vs, err := cl.AssetVersions(ctx, kind, name)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return out, nil // as the original: a name without versions has none
		}
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(vs, func(a, b cairn.AssetVersion) int { return int(b.Seq - a.Seq) })
		for i := range vs {
			add(&vs[i], assetObject(c, &vs[i]))
		}
		return out, nil
	}
	vs, err := cl.ListAssets(ctx, api.AssetFilter{Kind: kind, Archived: c.on("archived_only") || c.on("include_archived")})
	if err != nil {
		return nil, err
	}
	for i := range vs {
		v := &vs[i]
		add(v, object("name", v.Name, "latest version", v.Version, "version", nil, "creation_context", created(v.By, v.CreatedAt), "description", text(v.Description),
			"id", c.armID(plurals[v.Kind]+"/"+v.Name), "resourceGroup", c.group(), "tags", texts(v.Tags), "type", assetType(v)))
	}
	return out, nil
}

// plurals are the nouns of long ids.
var plurals = map[cairn.AssetKind]string{cairn.AssetModel: "models", cairn.AssetData: "data", cairn.AssetComponent: "components", cairn.AssetEnvironment: "environments"}

// find reads the version that a line names.
func (c *call) find(ctx context.Context, kind cairn.AssetKind) (*cairn.AssetVersion, error) {
	ref := string(kind) + "/" + c.get("name")
	switch v, l := c.get("version"), c.get("label"); {
	case v != "" && l != "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "Cannot specify both version and label.")
	case v != "":
		ref += ":" + v
	case l != "":
		ref += "@" + l
	case strings.HasSuffix(c.cmd.path, " show") || strings.HasSuffix(c.cmd.path, " download"):
		return nil, cairn.Errorf(cairn.CodeInvalid, "Must provide either version or label.").WithHint("--label latest is the newest")
	default:
		ref += "@latest"
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	d, err := cl.ShowAsset(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &d.Version, nil
}

func showAsset(ctx context.Context, c *call, kind cairn.AssetKind) (any, error) {
	v, err := c.find(ctx, kind)
	if err != nil {
		return nil, err
	}
	return assetObject(c, v), nil
}

func archiveAsset(archived bool) func(context.Context, *call, cairn.AssetKind) (any, error) {
	return func(ctx context.Context, c *call, kind cairn.AssetKind) (any, error) {
		cl, err := c.client(ctx)
		if err != nil {
			return nil, err
		}
		var refs []cairn.Ref
		if c.get("version") == "" && c.get("label") == "" {
			vs, err := cl.AssetVersions(ctx, kind, c.get("name"))
			if err != nil {
				return nil, err
			}
			for i := range vs {
				refs = append(refs, vs[i].Ref()) // the name alone means all of it
			}
		} else {
			v, err := c.find(ctx, kind)
			if err != nil {
				return nil, err
			}
			refs = []cairn.Ref{v.Ref()}
		}
		for _, r := range refs {
			if err := cl.Archive(ctx, r, archived); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

func updateAsset(ctx context.Context, c *call, kind cairn.AssetKind) (any, error) {
	ch, err := c.changes()
	if err != nil {
		return nil, err
	}
	v, err := c.find(ctx, kind)
	if err != nil {
		return nil, err
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	if v, err = cl.UpdateAsset(ctx, v.Ref(), api.AssetUpdate{Set: ch.set, Remove: ch.remove, Description: ch.description, Stage: ch.stage}); err != nil {
		return nil, err
	}
	return assetObject(c, v), nil
}

func downloadAsset(ctx context.Context, c *call, kind cairn.AssetKind) (any, error) {
	v, err := c.find(ctx, kind)
	if err != nil {
		return nil, err
	}
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	to := filepath.Join(c.get("download_path"), v.Name)
	fmt.Fprintf(c.k.Term.Err, "Downloading the %s %s to %s\n", kind, strings.TrimPrefix(string(v.Ref()), string(kind)+"/"), to)
	if kind == cairn.AssetModel {
		return nil, asset.WriteModel(ctx, cl, v, c.k.Path(to))
	}
	return nil, asset.Write(ctx, cl, v, c.k.Path(to))
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func assetType(v *cairn.AssetVersion) any {
	if t := v.Properties["type"]; t != "" {
		return t
	}
	switch v.Kind {
	case cairn.AssetData:
		return map[string]string{"file": "uri_file", "folder": "uri_folder"}[v.Type]
	case cairn.AssetModel:
		return "custom_model"
	}
	return nil
}

// assetObject is a version as the original answers it.
func assetObject(c *call, v *cairn.AssetVersion) *query.Object {
	props := query.NewObject()
	for _, k := range sortedKeys(v.Properties) {
		if k != "type" && k != "file" && k != "folder" && k != "basename" && k != "flavors" {
			props.Set(k, v.Properties[k])
		}
	}
	props.Set("cairn.digest", string(v.Digest))
	id := c.armID(plurals[v.Kind] + "/" + v.Name + "/versions/" + v.Version)
	o := object("name", v.Name, "version", v.Version, "creation_context", created(v.By, v.CreatedAt), "id", id, "resourceGroup", c.group(),
		"tags", texts(v.Tags), "properties", props)
	if v.Description != "" {
		o.Set("description", v.Description)
	}
	switch v.Kind {
	case cairn.AssetData, cairn.AssetModel:
		o.Set("type", assetType(v))
		o.Set("path", "azureml:/"+id)
	}
	if v.Kind == cairn.AssetModel {
		if v.Stage != "" {
			o.Set("stage", v.Stage)
		}
		o.Set("flavors", query.NewObject())
	}
	return o
}

// number reads a whole number of an argument.
func number(s, name string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, misuse("argument %s: invalid int value: '%s'", name, s)
	}
	return n, nil
}

// maxConda bounds a conda file that --conda-file names.
const maxConda = 1 << 20

// environmentFile writes what flags say of an environment as its file, in a folder of its
// own, which is returned to be removed.
func (c *call) environmentFile(r *asset.Request) (dir string, err error) {
	switch {
	case c.given["build_context"]:
		return "", cairn.Errorf(cairn.CodeUnsupported, "--build-context is not taken here").WithHint("write build: {path: %s} into a file: az ml environment create --file FILE", c.get("build_context"))
	case r.Name == "" || c.get("image") == "":
		return "", nil
	}
	if dir, err = os.MkdirTemp("", "cairn-az-"); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "no folder for the environment: %w", err)
	}
	text := fmt.Sprintf("image: %s\n", strconv.Quote(c.get("image")))
	if f := c.get("conda_file"); f != "" {
		b, err := c.k.ReadFile(f, maxConda)
		if err != nil {
			return dir, err
		}
		if err := os.WriteFile(filepath.Join(dir, "conda.yml"), b, 0o644); err != nil {
			return dir, cairn.Errorf(cairn.CodeFailed, "the conda file cannot be copied: %w", err)
		}
		text += "conda_file: conda.yml\n"
	}
	r.File = filepath.Join(dir, "environment.yml")
	if err := os.WriteFile(r.File, []byte(text), 0o644); err != nil {
		return dir, cairn.Errorf(cairn.CodeFailed, "the environment cannot be written: %w", err)
	}
	return dir, nil
}
