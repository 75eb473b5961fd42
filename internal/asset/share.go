package asset

import (
	"context"
	"maps"

	"github.com/cairn-ml/cairn"
)

// Share says where a version goes.
type Share struct {
	Registry string
	Name     string // "": that of the version
	Version  string // "": that of the version
}

// Share copies a version into a registry: a second workspace, whose versions are named
// "registry/name" here and azureml://registries/REGISTRY/… in files. The bytes are the
// same ones, and a trace of the copy goes on to the version that it is of.
func (s *Service) Share(ctx context.Context, kind cairn.AssetKind, asked string, to Share, actor cairn.Principal) (*cairn.AssetVersion, error) {
	if err := trusted(actor, kind); err != nil {
		return nil, err
	}
	if err := CheckRegistry(to.Registry); err != nil {
		return nil, err
	}
	v, err := s.Resolve(ctx, kind, asked, actor)
	if err != nil {
		return nil, err
	}
	if to.Name == "" {
		to.Name = v.Name
	}
	if to.Version == "" {
		to.Version = v.Version
	}
	if err := CheckName(v.Kind, to.Name); err != nil {
		return nil, err
	}
	return s.create(ctx, NewVersion{
		Kind: v.Kind, Name: to.Registry + "/" + to.Name, Version: to.Version, Type: v.Type, Digest: v.Digest, Size: v.Size, Files: v.Files,
		Description: v.Description, Tags: maps.Clone(v.Tags), Properties: maps.Clone(v.Properties), SourceURI: v.SourceURI,
		Derived: []cairn.Link{{To: v.Ref(), Note: "shared with the registry " + to.Registry}},
	}, actor)
}
