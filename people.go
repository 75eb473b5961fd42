package cairn

import "time"

// Repository is a git repository as Cairn knows it.
type Repository struct {
	Workspace     string    `json:"workspace"`
	Name          string    `json:"name"` // owner/name: from origin, else local/<folder>
	Origin        string    `json:"origin,omitempty"`
	WorkDir       string    `json:"work_dir,omitempty"` // where it was last run from
	DefaultBranch string    `json:"default_branch"`
	CreatedAt     time.Time `json:"created_at"`
}

// RecordedRef is a git ref of a hosted repository as the store knows it. Version
// grows with each move, so that a ref that comes back to an earlier commit is
// not taken for the same state.
type RecordedRef struct {
	SHA     string `json:"sha"` // 40 zeros: deleted
	Version int64  `json:"version"`
}

// Scope says whose a secret or variable is: "workspace", "repo:owner/name",
// "env:owner/name:stage" or "run:42" (from an --env-file). The narrowest wins.
type Scope string

// Scopes of secrets and variables.
func ScopeRepo(repo string) Scope     { return Scope("repo:" + repo) }
func ScopeEnv(repo, env string) Scope { return Scope("env:" + repo + ":" + env) }
func ScopeRun(id RunID) Scope         { return Scope("run:" + string(RunRef(id))[len("run/"):]) }

// ScopeWorkspace is the widest scope.
const ScopeWorkspace Scope = "workspace"

// Secret is an encrypted value. Sealed is never shown, logged or sent.
type Secret struct {
	Scope     Scope     `json:"scope"`
	Name      string    `json:"name"` // upper case
	Sealed    []byte    `json:"-"`
	By        string    `json:"by"`
	UpdatedAt time.Time `json:"updated_at"`
	// HiddenBy is the narrower scope whose value of this name is used instead; only
	// listings of what a run would see fill it in.
	HiddenBy Scope `json:"hidden_by,omitempty"`
}

// Variable is a plain configuration value.
type Variable struct {
	Scope     Scope     `json:"scope"`
	Name      string    `json:"name"`
	Value     string    `json:"value"`
	By        string    `json:"by"`
	UpdatedAt time.Time `json:"updated_at"`
	HiddenBy  Scope     `json:"hidden_by,omitempty"` // as of a Secret
}

// Principal is who acts: a user, or a job with its own token.
type Principal struct {
	Name  string `json:"name"` // "ana"; for a job "job/108"
	Email string `json:"email,omitempty"`
	Role  Role   `json:"role"`
	// Job, Run, Attempt and Epoch are set for a job's token.
	Job     JobID `json:"job,omitempty"`
	Run     RunID `json:"run,omitempty"`
	Attempt int   `json:"attempt,omitempty"`
	Epoch   int64 `json:"epoch,omitempty"`
	// Permissions are what the job's token may do. Untrusted says that its run is of
	// code that nobody here answers for.
	Permissions Permissions `json:"permissions,omitempty"`
	Untrusted   bool        `json:"untrusted,omitempty"`
	Disabled    bool        `json:"disabled,omitempty"`
	CreatedAt   time.Time   `json:"created_at,omitzero"`
}

// Role is what a principal may do; each includes the ones before it, save job,
// which may do only what its own job needs.
type Role string

// The roles.
const (
	RoleReader Role = "reader" // look
	RoleWriter Role = "writer" // run, push, register
	RoleAdmin  Role = "admin"  // people, secrets, environments
	RoleJob    Role = "job"
)

// Token lets a principal in. Only its hash is stored.
type Token struct {
	ID        string    `json:"id"` // public part, shown in lists
	Hash      []byte    `json:"-"`  // SHA-256 of the secret part
	Principal string    `json:"principal"`
	Name      string    `json:"name"`
	Job       JobID     `json:"job,omitempty"`
	Epoch     int64     `json:"epoch,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}
