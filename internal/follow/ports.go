package follow

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/cairn-ml/cairn"
)

// Store keeps what is followed; *store.Store satisfies it.
type Store interface {
	Follows(ctx context.Context) ([]cairn.Follow, error)
	Follow(ctx context.Context, repository string) (cairn.Follow, error)
	FollowByHook(ctx context.Context, hook string) (cairn.Follow, error)
	FollowSeals(ctx context.Context, repository string) (cairn.FollowSeals, error)
	AddFollow(ctx context.Context, f cairn.Follow, seals cairn.FollowSeals, ch cairn.Change) error
	PutFollow(ctx context.Context, f cairn.Follow, seals cairn.FollowSeals, ch cairn.Change) (cairn.Follow, error)
	DropFollow(ctx context.Context, repository string, ch cairn.Change) error

	RecordedRefs(ctx context.Context, repo string) (map[string]cairn.RecordedRef, error)
	SetFollowedRef(ctx context.Context, seen cairn.SeenRef, version int64, ch cairn.Change) error
	AddSeenRef(ctx context.Context, seen cairn.SeenRef, ch cairn.Change) error
	NoteRefs(ctx context.Context, repository string, refs map[string]string, ch cairn.Change) error
	SeenRef(ctx context.Context, repository, ref, sha string) (seen, ahead bool, err error)

	AddDelivery(ctx context.Context, d cairn.Delivery, again bool, ch cairn.Change) (fresh bool, err error)
	OpenDeliveries(ctx context.Context, repository string, limit int) ([]cairn.Delivery, error)
	Deliveries(ctx context.Context, repository string, limit int) ([]cairn.Delivery, error)
	DeliveryDone(ctx context.Context, seq int64, note string, ch cairn.Change) error

	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	ChangedRuns(ctx context.Context, after int64, limit int) (runs []cairn.Run, cursor int64, more bool, err error)
	PutHostStatuses(ctx context.Context, list []cairn.HostStatus, cursor int64, ch cairn.Change) error
	DueHostStatuses(ctx context.Context, limit int) ([]cairn.HostStatus, time.Time, error)
	WaitingHostStatuses(ctx context.Context, repository string, limit int) ([]cairn.HostStatus, error)
	HostStatusDone(ctx context.Context, x cairn.HostStatus, ch cairn.Change) error
	HostStatusRetry(ctx context.Context, x cairn.HostStatus, ch cairn.Change) error
	PutOffHostStatuses(ctx context.Context, repository string, until time.Time, ch cairn.Change) error
	DropHostStatuses(ctx context.Context, repository string, ch cairn.Change) error
	// Watch signals commits that wrote events.
	Watch() (signal <-chan struct{}, stop func())
}

// Mirror keeps the repositories; *git.Host satisfies it.
type Mirror interface {
	Create(ctx context.Context, repo string) error
	Exists(repo string) bool
	Dir(repo string) (string, error)
	// RemoteRefs lists branches and tags, and what further patterns name; the default
	// branch where HEAD is one of them.
	RemoteRefs(ctx context.Context, r cairn.Remote, more ...string) (*cairn.RemoteRefs, error)
	FetchRemote(ctx context.Context, repo string, r cairn.Remote, refs ...string) error
	FetchCommit(ctx context.Context, repo string, r cairn.Remote, sha string) error
	RefsBelow(ctx context.Context, repo string, prefixes ...string) (map[string]string, error)
	DeleteRefs(ctx context.Context, repo string, refs ...string) error
	SetHead(ctx context.Context, repo, branch string) error
	Commit(ctx context.Context, repo, rev string) (cairn.Commit, error)
}

// Sealer keeps secrets unreadable at rest; *auth.Key satisfies it.
type Sealer interface {
	Seal(scope cairn.Scope, name, value string) ([]byte, error)
	Open(s cairn.Secret) (string, error)
}

// Push is one ref that moved, for whoever starts runs.
type Push struct {
	ID       string // the same when it is told again
	Repo     string
	Ref      string
	Old, New string // 40 zeros: made, deleted
	By       string
	Beside   []string // all refs that moved at the same time
	// Known is an event of this move that was told of before, or will be: create or
	// push.
	Known string
	// Payload lies over what github.event gets by itself; nil: nothing does.
	Payload []byte
}

// Starter starts what an event matches. It may be told of the same one again. An
// error is one that passes; notes are sentences about what did not start.
type Starter interface {
	Push(ctx context.Context, p Push) (runs []cairn.RunID, notes []string, err error)
	Event(ctx context.Context, e cairn.TriggerEvent) (runs []cairn.RunID, notes []string, err error)
}

// Repositories are the rows that say what a repository is.
type Repositories interface {
	// Keep writes where a repository comes from and what its default branch is.
	Keep(ctx context.Context, name, origin, defaultBranch string) error
	// Origin is what is known of it so far; "" for one that is not there.
	Origin(ctx context.Context, name string) (string, error)
}

// Options are what a Service stands on.
type Options struct {
	Store        Store
	Mirror       Mirror
	Keys         Sealer
	Start        Starter
	Repositories Repositories
	// Parse takes the address of a remote apart, and refuses what is none.
	Parse func(text string) (Place, error)
	// Local reports whether who asks may name folders of this machine.
	Local func(ctx context.Context) bool
	// Actor is who asks.
	Actor func(ctx context.Context) string
	// URL is where people and hosts reach this server.
	URL func() string
	// Merge makes the commit that a merge would give; conflict says that there is
	// none. Nil: the head of a pull request runs.
	Merge  func(ctx context.Context, repo string, number int64, base, head string) (sha string, conflict bool, err error)
	HTTP   http.RoundTripper // nil: without a proxy
	Random io.Reader         // of secrets
	Now    func() time.Time  // nil: time.Now
	Log    *slog.Logger
}

// Place is the address of a remote, taken apart.
type Place struct {
	URL    string
	Scheme string // http, https, ssh, git, file
	Host   string // with its port; "" of what lies on this machine
	Path   string // owner/name there
	Name   string // owner/name here
	Plain  bool   // what is sent there can be read on the way
}
