package server

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/registermodel"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/plan"
)

//go:embed builtin/*.yml
var builtinFiles embed.FS

// builtinNames are the components of the registry azureml that are built in.
func builtinNames() []string { return []string{registerModel} }

const registerModel = "register_model"

// hostEnvironment is what built-in components run in: this machine as it is.
const hostEnvironment = "cairn-host"

// builtinRef reports whether a ref names a component that is built in: it has no row.
func builtinRef(r cairn.Ref) bool {
	name, _ := r.NameVersion()
	return r.Kind() == cairn.KindComponent && slices.Contains(builtinNames(), strings.TrimPrefix(name, azuremlRegistry+"/")) &&
		strings.HasPrefix(name, azuremlRegistry+"/")
}

// registerModelMain is `cairn _register-model`, the command of the built-in component.
func registerModelMain(ctx context.Context, p Process) int {
	c, err := connect(ctx, p.Env, false)
	if err != nil {
		fmt.Fprintln(p.Stderr, "register_model:", err)
		return 1
	}
	defer c.Close()
	env := func(name string) string { return lookup(p.Env, name) }
	return registermodel.Main(ctx, p.Args[2:], env, c, p.Stdout, p.Stderr)
}

// builtinComponent finds a component that is built in; nil where none is called so. Any
// version will do: what differs between them is the name of an output.
func (j *jobRefs) builtinComponent(ctx context.Context, ref *pipeline.Reference) (*plan.ResolvedComponent, error) {
	if ref.Name != registerModel {
		return nil, nil
	}
	version := cmpOr(ref.Version, "latest")
	text, err := builtinFiles.ReadFile("builtin/register_model.yml")
	if err != nil {
		return nil, err
	}
	output := "  registration_details_folder:\n    type: uri_folder\n"
	if registersFile(version) {
		output = "  registration_details:\n    type: uri_file\n"
	}
	file := strings.NewReplacer("  OUTPUT\n", output, "VERSION", version, "DETAILS", strings.TrimSpace(strings.SplitN(output, ":", 2)[0])).Replace(string(text))
	files := &storedFiles{ctx: ctx, blobs: j.s.blobs, texts: map[string]string{componentFile: file}}
	return j.componentOf(ctx, cairn.AssetRef(cairn.AssetComponent, azuremlRegistry+"/"+registerModel, version), files, registerModel+" "+version)
}

// registersFile reports whether a version of register_model writes its details into a
// file: those up to 0.0.2 do, later ones into a folder.
func registersFile(version string) bool {
	parts := strings.Split(version, ".")
	if len(parts) != 3 || parts[0] != "0" || parts[1] != "0" {
		return false
	}
	n, err := strconv.Atoi(parts[2])
	return err == nil && n <= 2
}
