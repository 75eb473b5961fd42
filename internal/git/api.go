package git

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/cairn-ml/cairn"
)

var errTODO = cairn.Errorf(cairn.CodeUnsupported, "git is being built")

// Options configure how git is run.
type Options struct {
	// Binary is the git to run; "": found on PATH of Env.
	Binary string
	// Env is the environment git is run with, cleaned (os.Environ of the caller):
	// HOME and the user's configuration count for working trees.
	Env []string
	Log *slog.Logger
	Now func() time.Time
}

// Git runs the system's git.
type Git struct{ o Options }

func New(o Options) *Git { return &Git{o} }

// WorkTree is what is known of a repository on the user's disk.
type WorkTree struct {
	Root      string // top folder of the work tree; of a bare repository its own folder
	Prefix    string // the asked folder below Root, slash-separated; "" at the top
	GitDir    string
	CommonDir string
	Bare      bool
	Linked    bool // a work tree made by git worktree
	Shallow   bool
	NoCommits bool
	Head      cairn.Commit // zero without commits
	Ref       string       // refs/heads/main; "" when HEAD is detached
	Origin    string       // URL of the remote origin, without credentials
	Name      string       // owner/name
	// DefaultBranch is origin's, else main or master where they exist, else the current.
	DefaultBranch string
	Dirty         bool
	DirtyFiles    []DirtyFile // at most MaxDirtyFiles
	DirtyCount    int
	Submodules    []string // paths; files inside are not taken along
}

const MaxDirtyFiles = 200

type DirtyFile struct {
	Path   string `json:"path"`
	Status string `json:"status"` // modified, added, deleted, renamed, untracked, conflict, submodule
}

func (g *Git) Find(ctx context.Context, dir string) (*WorkTree, error) { return nil, errTODO }

// Ignored reports whether git ignores a path of a work tree.
func (g *Git) Ignored(ctx context.Context, workdir, path string) (bool, error) {
	return false, errTODO
}

type CheckoutOptions struct {
	// Ref other than the run's: a branch, tag or commit; "" is what the run is of.
	Ref string
	// Depth as fetch-depth is accepted: history is local, all of it is there.
	Depth int
	// Tags makes the repository's tags known in the workspace.
	Tags  bool
	Clean bool // empty dir first
	// RemoteURL is what origin is set to; "": the hosted repository's folder.
	RemoteURL string
}

// Checkout makes dir a work tree of what code names; it needs no server.
func (g *Git) Checkout(ctx context.Context, code cairn.CodeRef, dir string, o CheckoutOptions) (cairn.Commit, error) {
	return cairn.Commit{}, errTODO
}

// Host keeps bare repositories: <dir>/<owner>/<name>.git.
type Host struct{ g *Git }

func (g *Git) OpenHost(dir string) (*Host, error) { return nil, errTODO }

// Dir is where a repository lies; it may not exist yet.
func (h *Host) Dir(repo string) (string, error)               { return "", errTODO }
func (h *Host) Exists(repo string) bool                       { return false }
func (h *Host) Create(ctx context.Context, repo string) error { return errTODO }
func (h *Host) Repos(ctx context.Context) ([]string, error)   { return nil, errTODO }

// Snapshot is code that was taken into the host.
type Snapshot struct {
	Repo       string
	GitDir     string // of the hosted repository
	Commit     cairn.Commit
	Ref        string
	TreeGit    string // what to check out
	Dirty      bool
	DirtyFiles []DirtyFile
	DirtyCount int
	Shallow    bool
	Submodules []string
	WorkTree   *WorkTree
}

// Import takes the state of a work tree into repo: with rev "" as it lies there,
// uncommitted changes and untracked files included; else that commit. Nothing
// is written to the work tree's own repository.
func (h *Host) Import(ctx context.Context, repo, worktree, rev string) (*Snapshot, error) {
	return nil, errTODO
}
func (h *Host) Commit(ctx context.Context, repo, rev string) (cairn.Commit, error) {
	return cairn.Commit{}, errTODO
}
func (h *Host) Snapshot(ctx context.Context, repo, rev string) (*Snapshot, error) {
	return nil, errTODO
}
func (h *Host) ResolvePrefix(ctx context.Context, repo, prefix string) ([]string, error) {
	return nil, errTODO
}
func (h *Host) ReadFile(ctx context.Context, repo, tree, path string) ([]byte, error) {
	return nil, errTODO
}

type DirEntry struct {
	Name string
	Mode uint32 // git's: 0100644, 0100755, 0120000, 0040000, 0160000
	ID   string
	Size int64 // -1 for directories
}

func (h *Host) ListDir(ctx context.Context, repo, tree, dir string) ([]DirEntry, error) {
	return nil, errTODO
}
func (h *Host) ChangedFiles(ctx context.Context, repo, from, to string) ([]string, error) {
	return nil, errTODO
}

// Refs are the branches and tags of a hosted repository.
func (h *Host) Refs(ctx context.Context, repo string) (map[string]string, error) { return nil, errTODO }

// Sink takes a tree's content; the CAS satisfies it.
type Sink interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error)
	PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error)
}

func (h *Host) ToTree(ctx context.Context, repo, tree string, sink Sink) (cairn.Digest, error) {
	return "", errTODO
}

// Push is one ref that a client moved.
type Push struct {
	// ID names this very push; it is the same when the hook is called again.
	ID       string `json:"id"`
	Repo     string `json:"repo"`
	Ref      string `json:"ref"`
	Old, New string // 40 zeros: none
	By       string `json:"by"` // "" when it is found at start
}

// RecordedRef is a ref as the store knows it; Version grows with each SetRef.
type RefStore interface {
	RecordedRefs(ctx context.Context, repo string) (map[string]cairn.RecordedRef, error)
	// SetRef records a move if the ref is still at version (0: not recorded).
	SetRef(ctx context.Context, repo, ref, sha string, version int64, ch cairn.Change) error
}

type HandlerOptions struct {
	Refs RefStore
	// Principal names who asks, from the request's context.
	Principal func(ctx context.Context) string
	// Allow decides whether who asks may read or write repo.
	Allow func(ctx context.Context, repo string, write bool) error
	// Create is asked before a first push makes a repository; nil refuses.
	Create func(ctx context.Context, repo string) error
	// OnPush is called for each ref that moved, before the move is recorded: after
	// a crash it is called again with the same ID.
	OnPush   func(ctx context.Context, p Push) error
	MaxBytes int64
}

// Server answers git clients over HTTP below its mount point.
type Server struct{}

func (h *Host) Server(o HandlerOptions) *Server                    { return nil }
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
func (s *Server) Reconcile(ctx context.Context) error              { return errTODO }
