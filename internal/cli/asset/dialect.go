package asset

import (
	"context"
	"os"
	pathpkg "path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// Request is what another dialect of the command line asks to be registered: what a file
// describes, or a path of this machine.
type Request struct {
	Kind cairn.AssetKind
	File string   // as it was typed
	Set  []string // PATH=VALUE
	// Path is there where File is not; Type is what it is said to be (uri_file,
	// mlflow_model).
	Path, Type                 string
	Name, Version, Description string
	Tags                       map[string]string
}

// Register makes a version of an asset.
func Register(ctx context.Context, k *kit.Kit, r Request) (*cairn.AssetVersion, error) {
	a := &assets{k, r.Kind, string(r.Kind)}
	n := client.NewAsset{Kind: r.Kind, Name: r.Name, Version: r.Version, Description: r.Description, Tags: r.Tags}
	if r.File != "" {
		return a.fromFile(ctx, &fileFlags{file: r.File, name: r.Name, set: r.Set}, n)
	}
	if r.Name == "" || r.Path == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "a name and a path are needed, or a file")
	}
	path := k.Path(r.Path)
	if _, err := os.Stat(path); err != nil {
		n.SourceURI = r.Path // an address, or what a job left
		set(&n.Properties, "type", r.Type)
		if _, below, ok := strings.Cut(r.Path, "/paths/"); ok && r.Kind == cairn.AssetModel {
			set(&n.Properties, "basename", pathpkg.Base(below)) // a file or a folder: the server finds out
		}
		cl, err := k.Client(ctx)
		if err != nil {
			return nil, err
		}
		return cl.CreateAsset(ctx, n)
	}
	if err := fits(path, r.Path, r.Type); err != nil {
		return nil, err
	}
	cl, err := k.Client(ctx)
	if err != nil {
		return nil, err
	}
	if n.Type, n.Digest, err = upload(ctx, k, cl, path); err != nil {
		return nil, err
	}
	set(&n.Properties, "type", r.Type)
	if n.Type == typeFile {
		set(&n.Properties, "file", filepath.Base(path)) // jobs find it under its own name
	} else if n.Kind == cairn.AssetModel {
		set(&n.Properties, "folder", filepath.Base(path)) // and deployments a folder
	}
	return cl.CreateAsset(ctx, n)
}

// Write writes a version's files into a folder, which may be there.
func Write(ctx context.Context, cl *kit.Client, v *cairn.AssetVersion, path string) error {
	return fetch(ctx, cl, v.Type, v.Digest, path, v.Name)
}

// WriteModel writes a model as the original lays it out: below the name that its file or
// folder had, where that is known.
func WriteModel(ctx context.Context, cl *kit.Client, v *cairn.AssetVersion, to string) error {
	name := ""
	for _, key := range []string{"file", "folder", "basename"} {
		if name == "" {
			name = v.Properties[key]
		}
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\\`) {
		return Write(ctx, cl, v, to)
	}
	if v.Type != typeFile {
		return Write(ctx, cl, v, filepath.Join(to, name))
	}
	return fetchFile(ctx, cl, v.Digest, to, name)
}
