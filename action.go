package cairn

import (
	"regexp"
	"strings"
	"time"
)

// ActionVersion is an action's repository at a commit: what a `uses` means to a run.
type ActionVersion struct {
	Uses       string `json:"uses,omitempty"` // as asked for
	Repository string `json:"repository"`     // owner/name
	Path       string `json:"path,omitempty"` // of the action's folder; "" is the top
	Ref        string `json:"ref,omitempty"`  // branch, tag or commit as asked for; "" in the run's own code
	Commit     string `json:"commit"`         // 40 hex digits; of uncommitted code the id of its git tree
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

// ActionInfo is a kept action with what is known of it.
type ActionInfo struct {
	ActionVersion
	// Refs are the branches and tags that meant it when they were asked for last.
	Refs []string `json:"refs,omitempty"`
	// Runs are those that used it, newest first.
	Runs []RunID `json:"runs,omitempty"`
}

// UsedAction is an action that a job used.
type UsedAction struct {
	Job        JobID  `json:"job"`
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
	As         string `json:"as"` // what the workflow says
}

// ActionUses is a `uses` of another repository, taken apart.
type ActionUses struct {
	Repository string // owner/name
	Path       string // below it, with slashes; "" is the top
	Ref        string
}

var usesPattern = regexp.MustCompile(`^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)((?:/[^@]*)?)@(.+)$`)

// ParseActionUses reads owner/name[/path]@ref and refuses what names another place.
func ParseActionUses(text string) (ActionUses, error) {
	m := usesPattern.FindStringSubmatch(text)
	bad := m == nil || len(text) > 1000
	u := ActionUses{}
	if !bad {
		u = ActionUses{Repository: m[1], Path: strings.Trim(m[2], "/"), Ref: m[3]}
		for part := range strings.SplitSeq(u.Repository, "/") {
			bad = bad || strings.Trim(part, ".") == "" || strings.HasPrefix(part, "-") || len(part) > 100
		}
		if u.Path != "" {
			for part := range strings.SplitSeq(u.Path, "/") {
				bad = bad || part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git")
			}
		}
		bad = bad || strings.ContainsFunc(u.Path+u.Ref, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) || strings.HasPrefix(u.Ref, "-")
	}
	if bad {
		return u, Errorf(CodeInvalid, "%q is not an action", clip(text, 200)).WithHint("write OWNER/REPO@VERSION, OWNER/REPO/PATH@VERSION, ./PATH or docker://IMAGE")
	}
	return u, nil
}

// String puts it together again.
func (u ActionUses) String() string {
	if u.Path != "" {
		return u.Repository + "/" + u.Path + "@" + u.Ref
	}
	return u.Repository + "@" + u.Ref
}
