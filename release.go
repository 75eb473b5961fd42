package cairn

import (
	"strconv"
	"time"
)

// Release is what is deployed: an image of a service with the model and the
// commit behind it. It never changes; its ID is the hash of these.
type Release struct {
	Workspace string `json:"workspace"`
	// ID is the first 12 hex digits of the SHA-256 of service, image, model,
	// configuration and commit, one a line.
	ID         string `json:"id"`
	Service    string `json:"service"`    // by default the name of the repository
	Repository string `json:"repository"` // owner/name
	// Seq counts the releases of a service from 1; people write r3.
	Seq    int64  `json:"seq"`
	Image  Digest `json:"image"`
	Name   string `json:"name,omitempty"`  // the reference that was asked for: "ghcr.io/acme/api:main"
	Model  Digest `json:"model,omitempty"` // of the packed model version; else of the packed file
	Config Digest `json:"config,omitempty"`
	Commit string `json:"commit,omitempty"`
	Dirty  bool   `json:"dirty,omitempty"`
	// Packed are the versions in the image: "model/digits:1"; the first is the model.
	Packed    []Ref     `json:"packed,omitempty"`
	Run       RunID     `json:"run,omitempty"` // of the job that made the image
	Job       JobID     `json:"job,omitempty"`
	By        string    `json:"by"` // who made it a release
	CreatedAt time.Time `json:"created_at"`
	// Tags are names of the release: "v1.2.3"; filled by reads.
	Tags []string `json:"tags,omitempty"`
}

// Ref is the release's name in the lineage graph.
func (r *Release) Ref() Ref { return NewRef(KindRelease, r.ID) }

// ReleaseTag is a further name of a release: a version tag of its image.
type ReleaseTag struct {
	Workspace string    `json:"workspace"`
	Service   string    `json:"service"`
	Tag       string    `json:"tag"`
	Release   string    `json:"release"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// DeploymentID numbers deployments within a home, from 1.
type DeploymentID int64

// Ref is the deployment's name in the lineage graph.
func (d DeploymentID) Ref() Ref { return NewRef(KindDeployment, strconv.FormatInt(int64(d), 10)) }

// DeploymentStatus is where a deployment stands.
type DeploymentStatus string

// The statuses of deployments. Waiting waits for an approval, a timer or for
// another deployment of the stage, and says so; the ones after Live are ends.
const (
	DeployWaiting  DeploymentStatus = "waiting"
	DeployStarting DeploymentStatus = "starting" // the new one comes up, beside what is live
	DeployLive     DeploymentStatus = "live"
	DeployReplaced DeploymentStatus = "replaced" // was live until another one took its place
	DeployFailed   DeploymentStatus = "failed"   // never became live; what was live stayed
	DeployRejected DeploymentStatus = "rejected"
	DeployStopped  DeploymentStatus = "stopped" // was live and was taken down
)

// Ended reports whether nothing more happens to it.
func (s DeploymentStatus) Ended() bool {
	switch s {
	case DeployReplaced, DeployFailed, DeployRejected, DeployStopped:
		return true
	}
	return false
}

// Deployment is a release put on a stage.
type Deployment struct {
	ID         DeploymentID     `json:"id"`
	Workspace  string           `json:"workspace"`
	Repository string           `json:"repository"`
	Stage      string           `json:"stage"`
	StageID    int64            `json:"stage_id"`
	Release    string           `json:"release"`
	Status     DeploymentStatus `json:"status"`
	// Reason says in words why it waits, failed or was rejected.
	Reason string `json:"reason,omitempty"`
	// Log are the last lines of the service when it failed.
	Log []string `json:"log,omitempty"`
	// Config is the digest of the canonical JSON of its StageConfig.
	Config Digest `json:"config"`
	// Replaces is the deployment that was live before it; 0: none.
	Replaces DeploymentID `json:"replaces,omitempty"`
	// Rollback says that somebody asked to go back to this release.
	Rollback bool `json:"rollback,omitempty"`
	// Of is the deployment that a rollback goes back to.
	Of DeploymentID `json:"of,omitempty"`
	// Checks are the results of the fixed checks.
	Checks []CheckResult `json:"checks,omitempty"`
	// Reviewers may approve it; empty: nobody need. Approved is who did.
	Reviewers []string `json:"reviewers,omitempty"`
	// Required is how many of them must; 0: one. Votes are what each of them said.
	Required   int       `json:"required,omitempty"`
	Votes      []Vote    `json:"votes,omitempty"`
	ApprovedBy string    `json:"approved_by,omitempty"`
	RejectedBy string    `json:"rejected_by,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	NotBefore  time.Time `json:"not_before,omitzero"` // wait timer
	// Run, Attempt and Job are those that asked for it; 0: by hand.
	Run     RunID  `json:"run,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Job     JobID  `json:"job,omitempty"`
	URL     string `json:"url,omitempty"`
	// Mode says how it is served: "container", "root" (its whole file system) or
	// "host" (its application on this machine's interpreter).
	Mode      string    `json:"mode,omitempty"`
	Notes     []string  `json:"notes,omitempty"` // port rewriting and the like
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	LiveAt    time.Time `json:"live_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Version   int64     `json:"version"` // row version, for compare-and-set
}

// Ref is the deployment's name in the lineage graph.
func (d *Deployment) Ref() Ref { return d.ID.Ref() }

// CheckResult is what became of one fixed check.
type CheckResult struct {
	Name   string `json:"name"`
	Expr   string `json:"expr"`
	Passed bool   `json:"passed"`
	// Detail shows the values that it looked at, or why it could not be evaluated.
	Detail string `json:"detail,omitempty"`
}

// ReleaseFilter narrows a listing of releases; zero fields do not. The newest
// come first.
type ReleaseFilter struct {
	Workspace  string
	Repository string // owner/name
	Service    string
	Image      Digest
	Model      Digest
	Commit     string // SHA or prefix
	Run        RunID
	Limit      int // 0: 100; at most 1000
	// Before is the next page: only releases of the service with a smaller Seq.
	Before int64
}

// DeploymentFilter narrows a listing of deployments; zero fields do not. The
// newest come first.
type DeploymentFilter struct {
	Workspace  string
	Repository string // owner/name
	Stage      string // compared without case
	StageID    int64
	Release    string // id
	Run        RunID
	Status     DeploymentStatus
	// Open leaves out those that are live or have ended; WasLive those that never
	// were live.
	Open    bool
	WasLive bool
	Limit   int          // 0: 100; at most 1000
	Before  DeploymentID // the next page
}

// StageInfo is a stage with all that people ask of it: what is live there, since
// when, whose commit it is and how it is doing.
type StageInfo struct {
	Stage   Stage       `json:"stage"`
	Live    *Deployment `json:"live,omitempty"`
	Release *Release    `json:"release,omitempty"` // of what is live
	// Images are the names of its image: "ghcr.io/acme/api:main".
	Images []string `json:"images,omitempty"`
	Commit *Commit  `json:"commit,omitempty"`
	// Model is the packed model version, "model/digits:1"; where none is registered,
	// the artifact that holds it.
	Model Ref `json:"model,omitempty"`
	// Status is what the process of the stage says; nil where none answers. Healthy
	// says that it does and that its program is well.
	Status  *StageStatus `json:"status,omitempty"`
	Healthy bool         `json:"healthy"`
	// Problem says in words what is wrong where it is not.
	Problem string       `json:"problem,omitempty"`
	Waiting []Deployment `json:"waiting,omitempty"` // those that wait or come up, oldest first
}

// PendingApproval is something that waits until somebody decides: an environment
// of a run, or a deployment.
type PendingApproval struct {
	What        Ref       `json:"what"` // run/42, deployment/7
	Repository  string    `json:"repository"`
	Environment string    `json:"environment"`
	Title       string    `json:"title"`
	Reviewers   []string  `json:"reviewers"`
	Required    int       `json:"required,omitempty"` // how many of them must; 0: one
	Votes       []Vote    `json:"votes,omitempty"`    // those who did already
	Since       time.Time `json:"since"`
	By          string    `json:"by"` // who asked for it
	// Mine says that whoever asks may decide on it.
	Mine bool `json:"mine"`
}

// The kinds of events of images and serving. Data is the row after the change.
const (
	EvImage      = "image.changed"
	EvImageTag   = "image.tagged"
	EvRelease    = "release.created"
	EvReleaseTag = "release.tagged"
	EvDeployment = "deployment.changed"
	EvStage      = "stage.changed"
	EvReport     = "prediction.reported"
)
