package cairn

import (
	"encoding/json"
	"time"
)

// Follow is a repository that stays where it is: Cairn mirrors it, starts what
// matches, and says there what came of it.
type Follow struct {
	Repository string `json:"repository"` // owner/name here
	URL        string `json:"url"`        // never with credentials
	// Host is what answers there: github, gitea, gitlab, or "" for any git server.
	// API is the base of its interface, Project the repository's path there.
	Host    string `json:"host,omitempty"`
	API     string `json:"api,omitempty"`
	Project string `json:"project,omitempty"`
	// Every is how often the refs are looked at; 0: only when the webhook comes.
	Every time.Duration `json:"every"`
	// Branches are patterns of branches; empty: all. Tags are always followed.
	Branches []string `json:"branches,omitempty"`
	// Statuses says that runs are written back as commit statuses.
	Statuses bool `json:"statuses"`
	// User goes with the token to git; SSHKey is a file on the server's machine.
	User     string `json:"user,omitempty"`
	SSHKey   string `json:"ssh_key,omitempty"`
	HasToken bool   `json:"has_token"`
	// Hook is the path of the webhook below /hooks/; "" means none.
	Hook string `json:"hook,omitempty"`
	// Fresh says that refs without a record are noted and start nothing: history
	// from before. RunLatest makes an exception of the default branch.
	Fresh     bool `json:"fresh,omitempty"`
	RunLatest bool `json:"run_latest,omitempty"`
	Paused    bool `json:"paused,omitempty"`
	// StatusTrouble says why no statuses are written any more.
	StatusTrouble string    `json:"status_trouble,omitempty"`
	By            string    `json:"by"`
	CreatedAt     time.Time `json:"created_at"`
	Version       int64     `json:"version"` // row version, for compare-and-set
}

// The hosts whose interface Cairn speaks.
const (
	HostGitHub = "github"
	HostGitea  = "gitea"
	HostGitLab = "gitlab"
)

// FollowSeals are the sealed secrets of a followed repository. Nil changes
// nothing, empty removes.
type FollowSeals struct {
	Token []byte
	Hook  []byte
}

// FollowInfo is a followed repository as it stands.
type FollowInfo struct {
	Follow
	// HookURL is where the host sends its events to.
	HookURL string `json:"hook_url,omitempty"`
	// CheckedAt is when its refs were looked at last, NextAt when they will be next.
	CheckedAt time.Time `json:"checked_at,omitzero"`
	NextAt    time.Time `json:"next_at,omitzero"`
	Refs      int       `json:"refs"`
	// Failures counts the looks that failed since the last good one; Error and Hint
	// say why.
	Failures int    `json:"failures,omitempty"`
	Error    string `json:"error,omitempty"`
	Hint     string `json:"hint,omitempty"`
	// PullTrouble says why pull requests cannot be seen by looks.
	PullTrouble string `json:"pull_trouble,omitempty"`
	// Moves are what was seen last, newest first.
	Moves []FollowMove `json:"moves,omitempty"`
	// Deliveries are those of the webhook, newest first.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Waiting are statuses that are not written yet.
	Waiting []HostStatus `json:"waiting_statuses,omitempty"`
}

// FollowMove is one ref that moved at the other end, or one event from there.
type FollowMove struct {
	Event string    `json:"event"`
	Ref   string    `json:"ref,omitempty"`
	Old   string    `json:"old,omitempty"` // 40 zeros: made
	New   string    `json:"new,omitempty"` // 40 zeros: deleted
	By    string    `json:"by,omitempty"`
	Runs  []RunID   `json:"runs,omitempty"`
	Note  string    `json:"note,omitempty"` // why nothing started, where that is known
	At    time.Time `json:"at"`
}

// FollowSync is what one look at a followed repository brought.
type FollowSync struct {
	Repository string       `json:"repository"`
	Refs       int          `json:"refs"`
	Moves      []FollowMove `json:"moves"`
	// Noted counts refs that were written down and started nothing.
	Noted int `json:"noted,omitempty"`
}

// NewHook is a webhook with its secret, which is only shown this once.
type NewHook struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

// Delivery is one event that a webhook brought.
type Delivery struct {
	Seq        int64  `json:"seq"`
	Repository string `json:"repository"`
	ID         string `json:"id"` // the host's own
	Event      string `json:"event"`
	// Digest is that of the body: the id is not covered by the signature.
	Digest Digest `json:"digest"`
	// Payload is kept until the delivery is done.
	Payload json.RawMessage `json:"-"`
	At      time.Time       `json:"at"`
	DoneAt  time.Time       `json:"done_at,omitzero"`
	Note    string          `json:"note,omitempty"`
}

// SeenRef says that a commit was seen on a ref of a followed repository. One
// that is ahead was told by the webhook before the ref was seen there: when it
// is, nothing starts a second time.
type SeenRef struct {
	Repository string
	Ref        string
	SHA        string
	Ahead      bool
}

// HostStatus is what is written to a commit at the other end. The newest run
// of a workflow counts.
type HostStatus struct {
	Repository  string    `json:"repository"`
	SHA         string    `json:"sha"`
	Context     string    `json:"context"` // "cairn / build"
	Run         RunID     `json:"run"`
	State       string    `json:"state"` // pending, success, failure, error
	Description string    `json:"description"`
	Version     int64     `json:"version"` // grows with every change that is to be written
	Tries       int       `json:"tries,omitempty"`
	After       time.Time `json:"after,omitzero"` // not before
	Reason      string    `json:"reason,omitempty"`
}

// Remote is a git repository somewhere else, and what opens it.
type Remote struct {
	URL string
	// User and Token are for HTTP; they are given to git for that host alone.
	User, Token string
	// SSHKey is a file with a private key; empty: what ssh finds by itself.
	SSHKey string
	// Anonymous leaves out every credential of this machine: what the remote gives is
	// what it gives to everybody.
	Anonymous bool
}

// RemoteRefs are the refs that a remote offers, by full name.
type RemoteRefs struct {
	// Head is the default branch, in full; "" where the remote does not say.
	Head string
	Refs map[string]string
}
