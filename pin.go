package cairn

// Pin records which version a label meant for a run. Later attempts of the run
// read it instead of resolving the label again.
type Pin struct {
	Run     RunID  `json:"run"`
	Attempt int    `json:"attempt"`
	Job     JobID  `json:"job"`
	Asked   string `json:"asked"` // "data/digits@latest"
	Version Ref    `json:"version"`
	Digest  Digest `json:"digest"`
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
