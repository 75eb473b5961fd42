package cairn

import "time"

// ReleaseDiff says what differs between two releases: From is the earlier one
// as asked, To the later.
type ReleaseDiff struct {
	From ReleaseSide `json:"from"`
	To   ReleaseSide `json:"to"`
	// Same says that both are one release.
	Same     bool            `json:"same,omitempty"`
	Code     CodeDiff        `json:"code"`
	Models   []ModelDiff     `json:"models,omitempty"`
	Data     []DataDiff      `json:"data,omitempty"`
	Packages []PackageChange `json:"packages,omitempty"`
	Config   []ConfigChange  `json:"config,omitempty"`
	// Notes say what could not be compared, and why.
	Notes []string `json:"notes,omitempty"`
}

// ReleaseSide is one side of a comparison.
type ReleaseSide struct {
	Asked      string       `json:"asked"` // "staging", "r3", "v1.2.3"
	Release    string       `json:"release"`
	Service    string       `json:"service"`
	Seq        int64        `json:"seq"`
	Repository string       `json:"repository"`
	Image      Digest       `json:"image"`
	Commit     string       `json:"commit,omitempty"`
	Dirty      bool         `json:"dirty,omitempty"`
	Stage      string       `json:"stage,omitempty"` // where a stage was asked for
	Deployment DeploymentID `json:"deployment,omitempty"`
	CreatedAt  time.Time    `json:"created_at"`
}

// CodeDiff is what git says lies between two commits.
type CodeDiff struct {
	// Commits are those that To has and From has not, newest first; Undone are
	// those that only From has. More says that there are more of either.
	Commits []Commit `json:"commits,omitempty"`
	Undone  []Commit `json:"undone,omitempty"`
	More    bool     `json:"more,omitempty"`
	// Files are the first of the changed files, FileCount is all of them.
	Files     []FileChange `json:"files,omitempty"`
	FileCount int          `json:"file_count,omitempty"`
}

// FileChange is one file that two commits hold differently.
type FileChange struct {
	Path    string `json:"path"`
	Added   int64  `json:"added"` // lines
	Removed int64  `json:"removed"`
	Binary  bool   `json:"binary,omitempty"` // has no lines
}

// ModelDiff compares the models of two releases. A side without one is empty.
type ModelDiff struct {
	From    Ref           `json:"from,omitempty"`
	To      Ref           `json:"to,omitempty"`
	Same    bool          `json:"same,omitempty"` // the same bytes, under whatever versions
	Metrics []ValueChange `json:"metrics,omitempty"`
	Params  []ValueChange `json:"params,omitempty"`
}

// ValueChange is a named value on both sides; a side without it is empty.
type ValueChange struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Delta is To - From of numbers, with its sign: "+0.021".
	Delta string `json:"delta,omitempty"`
}

// DataDiff compares a data version that the model was made from.
type DataDiff struct {
	Name string `json:"name"`
	From Ref    `json:"from,omitempty"`
	To   Ref    `json:"to,omitempty"`
	Same bool   `json:"same,omitempty"` // the same bytes
	// Files that only To has, that only From has, and that both have with other
	// content; some of them by name.
	Added    int64    `json:"added,omitempty"`
	Removed  int64    `json:"removed,omitempty"`
	Changed  int64    `json:"changed,omitempty"`
	Examples []string `json:"examples,omitempty"` // "+ 3/17.png", "- 3/2.png", "~ labels.csv"
	// AtLeast says that comparing was given up: there is more.
	AtLeast bool `json:"at_least,omitempty"`
}

// PackageChange is a package that the environments hold differently; "" is where
// it is missing.
type PackageChange struct {
	// Where is "image" (what serves) or "training" (what made the model).
	Where string `json:"where"`
	Name  string `json:"name"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// ConfigChange is one setting that differs.
type ConfigChange struct {
	Where string `json:"where"` // image, stage
	Name  string `json:"name"`  // "env LOG_LEVEL", "command", "memory"
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}
