package cairn

import "time"

// Blob names stored bytes and says how many they are.
type Blob struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
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

// PinAsk is a job's question for an asset: what a label or version means to it.
type PinAsk struct {
	Workspace string
	Run       RunID
	Attempt   int
	Job       JobID
	Path      string // instance path of the job, the same in every attempt
	Asked     string // canonical: "data/digits@latest", "data/digits:3"
	Kind      AssetKind
	Name      string
	Version   string // one of Version and Label is given
	Label     string
	Refresh   bool // resolve labels anew instead of keeping earlier pins
}

// PinFacts is what is recorded at the moment a job asks, read in the
// transaction that writes the answer down.
type PinFacts struct {
	// Made are the live versions of the name that this run made, oldest first.
	Made []AssetVersion
	// Pins are the earlier answers to the same question in this run, oldest first.
	Pins []PinnedVersion
	// Now is what the workspace says: the version or label as it is; nil if none.
	Now *AssetVersion
	// LabelRun and LabelAttempt say which run moved the label last; 0: none.
	LabelRun     RunID
	LabelAttempt int
}

// PinnedVersion is an earlier answer with the job's path and the whole version.
type PinnedVersion struct {
	Pin   Pin
	Path  string
	Asset AssetVersion
}

// Holder is a place where a digest lies: a version or an artifact, and the path
// inside its tree ("" when it is the whole).
type Holder struct {
	Ref  Ref    `json:"ref"`
	Path string `json:"path"`
}

// RecordedRef is a git ref of a hosted repository as the store knows it. Version
// grows with each move, so that a ref that comes back to an earlier commit is
// not taken for the same state.
type RecordedRef struct {
	SHA     string `json:"sha"` // 40 zeros: deleted
	Version int64  `json:"version"`
}

// TreeDir is one directory object.
type TreeDir struct {
	Digest  Digest
	Entries []TreeEntry
}
