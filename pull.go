package cairn

import (
	"fmt"
	"time"
)

// PullRequest asks to take the commits of one branch into another of a hosted
// repository.
type PullRequest struct {
	Repository string `json:"repository"`
	Number     int64  `json:"number"` // counts those of the repository, from 1
	Title      string `json:"title"`
	Body       string `json:"body,omitempty"`
	State      string `json:"state"` // open, closed
	Draft      bool   `json:"draft,omitempty"`
	// HeadRepository is another repository that the branch lies in; "" for the same
	// one. Then its runs are untrusted.
	HeadRepository string   `json:"head_repository,omitempty"`
	Head           string   `json:"head"` // branch
	HeadSHA        string   `json:"head_sha"`
	Base           string   `json:"base"` // branch
	BaseSHA        string   `json:"base_sha"`
	Labels         []string `json:"labels,omitempty"`
	// TestMerge is the commit that its workflows run: what a merge would give. It is
	// "" where the branches conflict; then Conflicts names the files.
	TestMerge string   `json:"test_merge,omitempty"`
	Conflicts []string `json:"conflicts,omitempty"`
	// Merging is the commit that the base branch is being moved to; the pull request
	// is merged once the branch is there.
	Merging string `json:"merging,omitempty"`
	Merged  bool   `json:"merged,omitempty"`
	// MergeCommit is what the base branch got, MergedBy who asked for it.
	MergeCommit string    `json:"merge_commit,omitempty"`
	MergedBy    string    `json:"merged_by,omitempty"`
	By          string    `json:"by"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	ClosedAt    time.Time `json:"closed_at,omitzero"`
	Version     int64     `json:"version"` // row version, for compare-and-set
}

// The states of a pull request.
const (
	PullOpen   = "open"
	PullClosed = "closed"
)

// HeadRef is the ref that always names the newest commit of its branch.
func (p *PullRequest) HeadRef() string { return fmt.Sprintf("refs/pull/%d/head", p.Number) }

// MergeRef is the ref of its test merge commit.
func (p *PullRequest) MergeRef() string { return fmt.Sprintf("refs/pull/%d/merge", p.Number) }

// Untrusted reports whether its commits come from another repository.
func (p *PullRequest) Untrusted() bool {
	return p.HeadRepository != "" && p.HeadRepository != p.Repository
}

// PullFilter selects pull requests; empty fields select all.
type PullFilter struct {
	Repository string
	State      string
	// HeadRepository and Head select by the branch that is to be merged.
	HeadRepository string
	Head           string
	Base           string
	Limit          int // 0: 100
	Offset         int
}

// TagRelease is a release as GitHub has it: a tag with a title and notes. What is
// put on a stage is a Release.
type TagRelease struct {
	ID         int64     `json:"id"`
	Repository string    `json:"repository"`
	Tag        string    `json:"tag"`
	Target     string    `json:"target,omitempty"` // what the tag is made from where there is none
	SHA        string    `json:"sha,omitempty"`
	Name       string    `json:"name,omitempty"`
	Body       string    `json:"body,omitempty"`
	Draft      bool      `json:"draft,omitempty"`
	Prerelease bool      `json:"prerelease,omitempty"`
	By         string    `json:"by"`
	CreatedAt  time.Time `json:"created_at"`
	Published  time.Time `json:"published_at,omitzero"`
	Version    int64     `json:"version"`
}

// CommitStatus is what a service says of a commit.
type CommitStatus struct {
	ID          int64     `json:"id"`
	Repository  string    `json:"repository"`
	SHA         string    `json:"sha"`
	State       string    `json:"state"` // error, failure, pending, success
	Context     string    `json:"context"`
	Description string    `json:"description,omitempty"`
	TargetURL   string    `json:"target_url,omitempty"`
	By          string    `json:"by"`
	CreatedAt   time.Time `json:"created_at"`
}
