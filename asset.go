package cairn

import "time"

// AssetKind is the kind of a versioned asset; its text is the kind of its refs.
type AssetKind string

// The kinds of assets.
const (
	AssetData        AssetKind = KindData
	AssetModel       AssetKind = KindModel
	AssetEnvironment AssetKind = KindEnvironment
	AssetComponent   AssetKind = KindComponent
	AssetCode        AssetKind = KindCode
)

// AssetVersion is one version: a name for a digest that never changes.
type AssetVersion struct {
	Workspace string    `json:"workspace"`
	Kind      AssetKind `json:"kind"`
	Name      string    `json:"name"`
	Version   string    `json:"version"` // "1", "2", … unless the creator chose one
	// Seq orders the versions of a name; it is Cairn's own, never reused.
	Seq int64 `json:"seq"`
	// Type says what the digest is: "folder" (a tree's root), "file" (a blob).
	Type        string            `json:"type"`
	Digest      Digest            `json:"digest"`
	Size        int64             `json:"size"` // bytes of all files
	Files       int64             `json:"files"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"` // mutable; the digest is not
	Properties  map[string]string `json:"properties,omitempty"`
	// SourceRun is the tracking run (32 hex) it was registered from; SourceURI
	// what the client named.
	SourceRun string    `json:"source_run,omitempty"`
	SourceURI string    `json:"source_uri,omitempty"`
	Stage     string    `json:"stage,omitempty"` // model registry stage: None, Staging, Production, Archived
	Archived  bool      `json:"archived,omitempty"`
	Deleted   bool      `json:"deleted,omitempty"`
	Job       JobID     `json:"job,omitempty"` // the job that made it; 0: by hand
	Run       RunID     `json:"run,omitempty"` // that job's run and attempt
	Attempt   int       `json:"attempt,omitempty"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Ref is the version's name in the lineage graph.
func (a *AssetVersion) Ref() Ref { return AssetRef(a.Kind, a.Name, a.Version) }

// Label is a movable name for a version: latest is implied (the largest Seq
// that is neither archived nor deleted) and never stored.
type Label struct {
	Workspace string    `json:"workspace"`
	Kind      AssetKind `json:"kind"`
	Name      string    `json:"name"`
	Label     string    `json:"label"`
	Version   string    `json:"version"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// Artifact is what a job uploaded under a name, or a file that it left behind.
type Artifact struct {
	// ID counts the artifacts of a home: a newer one has a higher number.
	ID        int64     `json:"id,omitempty"`
	Run       RunID     `json:"run"`
	Attempt   int       `json:"attempt"`
	Job       JobID     `json:"job"`
	Name      string    `json:"name"`
	Digest    Digest    `json:"digest"` // root of a tree
	Size      int64     `json:"size"`
	Files     int64     `json:"files"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // 90 days unless the step asks otherwise
	// Archive is the zip that a client of GitHub's artifact service uploaded, byte
	// for byte; Digest is the tree of what it holds.
	Archive     Digest `json:"archive,omitempty"`
	ArchiveSize int64  `json:"archive_size,omitempty"`
	// MediaType is set for a single file that was uploaded as it is, without a zip.
	MediaType string `json:"media_type,omitempty"`
	// Gone says why its bytes are not kept any more; see the Artifact constants. The
	// row stays, so that a trace keeps its names.
	Gone   string    `json:"gone,omitempty"`
	GoneAt time.Time `json:"gone_at,omitzero"`
}

// Why the bytes of an artifact are not kept any more.
const (
	ArtifactExpired = "expired"
	ArtifactDeleted = "deleted"
)

// Ref is the artifact's name in the lineage graph.
func (a *Artifact) Ref() Ref { return ArtifactRef(a.Run, a.Attempt, a.Name) }

// Roots are the digests that the artifact stands on: of a tree, and of an archive
// where there is one. One that is gone stands on none.
func (a *Artifact) Roots() (tree, archive Digest) {
	if a.Gone != "" {
		return "", ""
	}
	return a.Digest, a.Archive
}

// Asset is the name that versions belong to: a registered model, a dataset.
type Asset struct {
	Workspace   string            `json:"workspace"`
	Kind        AssetKind         `json:"kind"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Archived    bool              `json:"archived,omitempty"`
	By          string            `json:"by"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	// Latest is the version that @latest means now; filled by reads, nil
	// without a live version. Versions counts those that are not deleted.
	Latest   *AssetVersion `json:"latest,omitempty"`
	Versions int64         `json:"versions"`
}

// AssetFilter narrows a listing of assets or versions; zero fields do not.
type AssetFilter struct {
	Kind     AssetKind
	Name     string
	Digest   Digest
	Run      RunID
	Job      JobID
	Archived bool // include archived ones
	Deleted  bool // include deleted ones
	Limit    int  // 0: 1000
	// After is where a further page starts: the After of the previous one.
	After int64
}

// Holder is a place where a digest lies: a version or an artifact, and the path
// inside its tree ("" when it is the whole).
type Holder struct {
	Ref  Ref    `json:"ref"`
	Path string `json:"path"`
}
