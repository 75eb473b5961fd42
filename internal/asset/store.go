package asset

import (
	"context"
	"time"

	"github.com/cairn-ml/cairn"
)

// Store keeps the rows of this room; *store.Store satisfies it. The functions
// it is handed run inside the transaction: they are pure and do not call back.
type Store interface {
	// CreateAssetVersion adds v. With v.Version "" it counts on from the highest
	// number. An identical version by the same job, or with reuse the newest live
	// one with the same digest, is answered instead (created false), and change is
	// applied all the same. The same name and version with another digest is a
	// conflict.
	CreateAssetVersion(ctx context.Context, v cairn.AssetVersion, reuse bool,
		change func(v cairn.AssetVersion, created bool) cairn.Change) (_ cairn.AssetVersion, created bool, err error)
	AssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string) (cairn.AssetVersion, error)
	// LatestAssetVersion is the live version with the largest Seq.
	LatestAssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name string) (cairn.AssetVersion, error)
	// AssetVersions lists newest first; next is the After of the next page, 0 at the end.
	AssetVersions(ctx context.Context, workspace string, f cairn.AssetFilter) (vs []cairn.AssetVersion, next int64, err error)
	UpdateAssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string,
		mutate func(*cairn.AssetVersion) error, change func(cairn.AssetVersion) cairn.Change) (cairn.AssetVersion, error)

	// PutAsset makes a name; one that is there is answered with created false.
	PutAsset(ctx context.Context, a cairn.Asset, ch cairn.Change) (_ cairn.Asset, created bool, err error)
	Asset(ctx context.Context, workspace string, kind cairn.AssetKind, name string) (cairn.Asset, error)
	Assets(ctx context.Context, workspace string, f cairn.AssetFilter) (as []cairn.Asset, next int64, err error)
	UpdateAsset(ctx context.Context, workspace string, kind cairn.AssetKind, name string,
		mutate func(*cairn.Asset) error, change func(cairn.Asset) cairn.Change) (cairn.Asset, error)
	// DeleteAsset removes a name with its labels and marks its versions deleted.
	DeleteAsset(ctx context.Context, workspace string, kind cairn.AssetKind, name string, ch cairn.Change) error

	// SetAssetLabel moves a label to a version that exists; run and attempt are
	// those of the job that moves it, 0 by hand.
	SetAssetLabel(ctx context.Context, l cairn.Label, run cairn.RunID, attempt int, ch cairn.Change) error
	DeleteAssetLabel(ctx context.Context, workspace string, kind cairn.AssetKind, name, label string, ch cairn.Change) error
	AssetLabels(ctx context.Context, workspace string, kind cairn.AssetKind, name string) ([]cairn.Label, error)

	// PinAsset reads what is known, lets choose decide, and writes the pin, all in
	// one transaction.
	PinAsset(ctx context.Context, ask cairn.PinAsk, choose func(cairn.PinFacts) (cairn.AssetVersion, error),
		change func(cairn.AssetVersion) cairn.Change) (cairn.AssetVersion, error)
	Pins(ctx context.Context, run cairn.RunID) ([]cairn.Pin, error)

	// CreateArtifact adds an artifact and numbers it. The same one again by the same
	// job is answered; another one under its name is a conflict unless overwrite.
	CreateArtifact(ctx context.Context, a cairn.Artifact, overwrite bool, change func(cairn.Artifact) cairn.Change) (cairn.Artifact, error)
	// Artifacts lists a run's artifacts, newest attempt first, those that are gone too.
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
	ArtifactByID(ctx context.Context, id int64) (cairn.Artifact, error)
	// ArtifactsExpired lists artifacts whose time is over and that are not gone yet.
	ArtifactsExpired(ctx context.Context, now time.Time, limit int) ([]cairn.Artifact, error)
	// EndArtifact notes that the bytes of an artifact are not kept any more; ok is
	// false for one that is gone already.
	EndArtifact(ctx context.Context, id int64, why string, at time.Time, change func(cairn.Artifact) cairn.Change) (ok bool, err error)
	// AddLinks writes links and events that belong to no row of this room.
	AddLinks(ctx context.Context, ch cairn.Change) error

	// TreesUnindexed answers which of the trees are not in the file index.
	TreesUnindexed(ctx context.Context, trees []cairn.Digest) ([]cairn.Digest, error)
	// IndexTrees adds what directories hold, each behind those that it holds.
	IndexTrees(ctx context.Context, dirs []cairn.TreeDir) error
	// Holding lists versions and artifacts that are the digest or hold it.
	Holding(ctx context.Context, workspace string, d cairn.Digest, limit int) ([]cairn.Holder, error)
}

// Trees reads directory objects; the CAS satisfies it.
type Trees interface {
	ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)
	Stat(ctx context.Context, d cairn.Digest) (size int64, err error)
}
