package asset

import (
	"context"
	"log/slog"
	"time"

	"github.com/cairn-ml/cairn"
)

var errTODO = cairn.Errorf(cairn.CodeUnsupported, "asset is being built")

// Options plug a Service together.
type Options struct {
	Store     Store
	Trees     Trees
	Workspace string
	Log       *slog.Logger
	Now       func() time.Time
	// JobInfo tells the instance path of a job and whether its attempt resolves
	// labels anew. nil: "" and false.
	JobInfo func(ctx context.Context, p cairn.Principal) (JobInfo, error)
}

// JobInfo is what resolution needs to know of a job.
type JobInfo struct {
	Path    string
	Refresh bool
}

type Service struct{ o Options }

func New(o Options) *Service { return &Service{o} }

// NewVersion is a request for a version.
type NewVersion struct {
	Kind        cairn.AssetKind
	Name        string
	Version     string // "": the next number
	Type        string // "folder" or "file"
	Digest      cairn.Digest
	Size, Files int64
	Description string
	Tags        map[string]string
	Properties  map[string]string
	SourceRun   string
	SourceURI   string
	// Reuse takes the newest version with the same digest instead of making one.
	Reuse bool
}

func (s *Service) Create(ctx context.Context, n NewVersion, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return nil, errTODO
}

// Resolve finds what is asked for: "data/digits@latest", "digits:3" …; kind is
// for names without one.
func (s *Service) Resolve(ctx context.Context, kind cairn.AssetKind, asked string, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return nil, errTODO
}
func (s *Service) Version(ctx context.Context, kind cairn.AssetKind, name, version string) (*cairn.AssetVersion, error) {
	return nil, errTODO
}
func (s *Service) Versions(ctx context.Context, f cairn.AssetFilter) ([]cairn.AssetVersion, int64, error) {
	return nil, 0, errTODO
}

// Update holds changes of a version or a name; nil fields stay.
type Update struct {
	Description *string
	SetTags     map[string]string
	DeleteTags  []string
	Archived    *bool
	Stage       *string
}

func (s *Service) UpdateVersion(ctx context.Context, kind cairn.AssetKind, name, version string, u Update, actor cairn.Principal) (*cairn.AssetVersion, error) {
	return nil, errTODO
}
func (s *Service) DeleteVersion(ctx context.Context, kind cairn.AssetKind, name, version string, actor cairn.Principal) error {
	return errTODO
}

// CreateName makes a name without versions; one that exists is a conflict.
func (s *Service) CreateName(ctx context.Context, a cairn.Asset, actor cairn.Principal) (*cairn.Asset, error) {
	return nil, errTODO
}
func (s *Service) Name(ctx context.Context, kind cairn.AssetKind, name string) (*cairn.Asset, error) {
	return nil, errTODO
}
func (s *Service) Names(ctx context.Context, f cairn.AssetFilter) ([]cairn.Asset, int64, error) {
	return nil, 0, errTODO
}
func (s *Service) UpdateName(ctx context.Context, kind cairn.AssetKind, name string, u Update, actor cairn.Principal) (*cairn.Asset, error) {
	return nil, errTODO
}
func (s *Service) DeleteName(ctx context.Context, kind cairn.AssetKind, name string, actor cairn.Principal) error {
	return errTODO
}
func (s *Service) SetLabel(ctx context.Context, kind cairn.AssetKind, name, label, version string, actor cairn.Principal) (*cairn.Label, error) {
	return nil, errTODO
}
func (s *Service) DeleteLabel(ctx context.Context, kind cairn.AssetKind, name, label string, actor cairn.Principal) error {
	return errTODO
}
func (s *Service) Labels(ctx context.Context, kind cairn.AssetKind, name string) ([]cairn.Label, error) {
	return nil, errTODO
}
func (s *Service) Pins(ctx context.Context, run cairn.RunID) ([]cairn.Pin, error) {
	return nil, errTODO
}

// CreateArtifact records a tree under a name; Run, Attempt and Job come from actor when it is a job.
func (s *Service) CreateArtifact(ctx context.Context, a cairn.Artifact, overwrite bool, actor cairn.Principal) (*cairn.Artifact, error) {
	return nil, errTODO
}

// Artifacts lists a run's artifacts, newest attempt first.
func (s *Service) Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error) {
	return nil, errTODO
}

// Artifact is the one of the newest attempt.
func (s *Service) Artifact(ctx context.Context, run cairn.RunID, name string) (*cairn.Artifact, error) {
	return nil, errTODO
}

// UseArtifact links the job to an artifact that it took.
func (s *Service) UseArtifact(ctx context.Context, ref cairn.Ref, actor cairn.Principal) (*cairn.Artifact, error) {
	return nil, errTODO
}
func (s *Service) Holding(ctx context.Context, d cairn.Digest, limit int) ([]cairn.Holder, error) {
	return nil, errTODO
}
