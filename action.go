package cairn

import "time"

// ActionVersion is an action's repository at a commit: what a `uses` means to a run.
type ActionVersion struct {
	Uses       string `json:"uses"`           // as asked for
	Repository string `json:"repository"`     // owner/name
	Path       string `json:"path,omitempty"` // of the action's folder; "" is the top
	Ref        string `json:"ref,omitempty"`  // branch, tag or commit as asked for; "" in the run's own code
	Commit     string `json:"commit"`         // 40 hex digits
	Tree       Digest `json:"tree"`           // Merkle root of the repository at the commit
	// Source is where it came from: a URL, a folder, "hosted" or "self".
	Source string `json:"source,omitempty"`
	Size   int64  `json:"size"`
	Files  int64  `json:"files"`
	// Note is what a person has to know: that the source could not be asked, say.
	Note      string    `json:"note,omitempty"`
	FetchedAt time.Time `json:"fetched_at,omitzero"`
}

// ActionRef is the ref of an action's repository at a commit.
func ActionRef(repository, commit string) Ref { return NewRef(KindAction, repository+"@"+commit) }

// ActionPin remembers which commit a ref of an action's repository meant last.
type ActionPin struct {
	Repository string    `json:"repository"`
	Ref        string    `json:"ref"`
	Commit     string    `json:"commit"`
	Source     string    `json:"source"`
	At         time.Time `json:"at"`
}
