package cairn

import "time"

// CacheEntry is what a job kept for later runs under a key: a compressed tar, as
// actions/cache makes it. It never changes; it goes when nobody asked for it for a
// while, or when its repository keeps more than it may.
type CacheEntry struct {
	ID         int64  `json:"id"`
	Repository string `json:"repository"`
	// Scope is the ref whose runs made it: refs/heads/main, refs/pull/7/merge. Runs
	// of that ref find it, and where it is a default or base branch those of others.
	Scope   string `json:"scope"`
	Key     string `json:"key"`
	Version string `json:"version"` // 64 hex digits of what was packed, and how
	Digest  Digest `json:"digest"`
	Size    int64  `json:"size"`

	Run       RunID     `json:"run"`
	Attempt   int       `json:"attempt"`
	Job       JobID     `json:"job"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at"` // when it was last asked for
}

// CacheFilter narrows a listing of cache entries; zero fields do not.
type CacheFilter struct {
	Repository string
	// Key is the beginning of keys; with Exact it is the whole key.
	Key   string
	Exact bool
	Scope string
	ID    int64
	Limit int // 0: 1000
}

// Freed names bytes that nothing may need any more, because the row that named
// them went: what else needs them is looked up before they are removed.
type Freed struct {
	Digest Digest    `json:"digest"`
	Tree   bool      `json:"tree"` // it is the root of a tree
	At     time.Time `json:"at"`
}
