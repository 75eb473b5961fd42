package cache

import (
	"context"
	"time"

	"github.com/cairn-ml/cairn"
)

// Store keeps the rows of this room; *store.Store satisfies it.
type Store interface {
	// CreateCache adds an entry and numbers it. The same one again by the same job
	// is answered; another one of its repository, scope, version and key is a conflict.
	CreateCache(ctx context.Context, e cairn.CacheEntry, change func(cairn.CacheEntry) cairn.Change) (cairn.CacheEntry, error)
	// FindCache answers the entry of this key, or with prefix the newest whose key
	// begins with it.
	FindCache(ctx context.Context, repository, scope, version, key string, prefix bool) (cairn.CacheEntry, error)
	// UseCache notes when an entry was last asked for.
	UseCache(ctx context.Context, id int64, at time.Time, ch cairn.Change) error
	// Caches lists entries, the last used first.
	Caches(ctx context.Context, f cairn.CacheFilter) ([]cairn.CacheEntry, error)
	// CacheUse is how many bytes each repository keeps.
	CacheUse(ctx context.Context) (map[string]int64, error)
	// OldestCaches lists entries of a repository ("": of all), the longest unused first.
	OldestCaches(ctx context.Context, repository string, limit int) ([]cairn.CacheEntry, error)
	// DeleteCache removes an entry unless it was used after since (zero: in any
	// case), and notes its bytes as free.
	DeleteCache(ctx context.Context, id int64, since time.Time, change func(cairn.CacheEntry) cairn.Change) (ok bool, err error)
}

// Blobs are stored bytes; *cas.Store satisfies it.
type Blobs interface {
	// Missing answers which blobs are not stored; the others count as new from now on.
	Missing(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	Stat(ctx context.Context, d cairn.Digest) (int64, error)
}

// Place is where a job's caches belong.
type Place struct {
	Repository string
	// Scopes are the refs whose entries the job finds, its own first: that is the
	// one that it writes to. A job without one (of a detached head) has no caches.
	Scopes []string
	// ReadOnly says that the job may not write: code of strangers could put something
	// in the way of others.
	ReadOnly bool
}

// Limits bound what a repository keeps. Zero fields mean the defaults.
type Limits struct {
	Size int64         // bytes; 0: DefaultSize
	Age  time.Duration // without being asked for; 0: DefaultAge
}

// GitHub's own limits.
const (
	DefaultSize = 10 << 30
	DefaultAge  = 7 * 24 * time.Hour
)
