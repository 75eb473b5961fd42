package cas

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/cairn-ml/cairn"
)

var errTODO = cairn.Errorf(cairn.CodeUnsupported, "cas is being built")

// Options configure a store.
type Options struct {
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Workers bounds what is read, hashed and written at once; 0: by processors.
	Workers int
	// VerifyReads makes Get hash what it hands out: a reader that has come to the
	// end of a damaged blob gets an error instead of io.EOF.
	VerifyReads bool
}

// Store is safe for concurrent use. One process owns its directory.
type Store struct{}

func Open(dir string, o Options) (*Store, error) { return nil, errTODO }
func (s *Store) Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error) {
	return "", 0, errTODO
}
func (s *Store) PutBytes(ctx context.Context, b []byte) (cairn.Digest, error) { return "", errTODO }
func (s *Store) PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error) {
	return nil, errTODO
}
func (s *Store) Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error) {
	return nil, 0, errTODO
}
func (s *Store) ReadBlob(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error) {
	return nil, errTODO
}
func (s *Store) Has(ctx context.Context, d cairn.Digest) (bool, error) { return false, errTODO }
func (s *Store) Missing(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error) {
	return nil, errTODO
}
func (s *Store) Stat(ctx context.Context, d cairn.Digest) (int64, error) { return 0, errTODO }
func (s *Store) Verify(ctx context.Context, d cairn.Digest) error        { return errTODO }
func (s *Store) PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error) {
	return "", errTODO
}
func (s *Store) ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error) {
	return nil, errTODO
}
func (s *Store) WalkTree(ctx context.Context, root cairn.Digest, fn func(path string, e cairn.TreeEntry) error) error {
	return errTODO
}

// Lookup finds the entry at a slash-separated path.
func (s *Store) Lookup(ctx context.Context, root cairn.Digest, path string) (cairn.TreeEntry, error) {
	return cairn.TreeEntry{}, errTODO
}

func EncodeTree(entries []cairn.TreeEntry) ([]byte, error) { return nil, errTODO }
func DecodeTree(b []byte) ([]cairn.TreeEntry, error)       { return nil, errTODO }

// ScanOptions say what of a directory is taken.
type ScanOptions struct {
	// Paths limits it to these files and folders (slash-separated, relative).
	Paths []string
	// Include and Exclude are patterns (**, *, ?, [..], {a,b}) over relative paths.
	Include, Exclude []string
	Workers          int
}

// Result sums up a tree.
type Result struct {
	Root  cairn.Digest `json:"root"`
	Size  int64        `json:"size"`
	Files int64        `json:"files"`
}

// Manifest is a directory as it would be stored, without storing it.
type Manifest struct {
	Result
	Blobs []ManifestFile // files and links, each digest once
	Trees []ManifestTree // directories, inner ones first
}

type ManifestFile struct {
	Path   string // below the scanned directory; of a link see Target
	Digest cairn.Digest
	Size   int64
	Link   string // target, for a symbolic link: its text is the blob
	IsLink bool
}

type ManifestTree struct {
	Digest cairn.Digest
	Bytes  []byte
}

// Scan hashes a directory: for clients that send what the owner lacks.
func Scan(ctx context.Context, dir string, o ScanOptions) (*Manifest, error) { return nil, errTODO }

func (s *Store) CheckIn(ctx context.Context, dir string, o ScanOptions) (Result, error) {
	return Result{}, errTODO
}

type CheckOutOptions struct {
	Overwrite bool
}

// Source reads blobs for CheckOut: a Store, or a client.
type Source interface {
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
}

func (s *Store) CheckOut(ctx context.Context, root cairn.Digest, dir string, o CheckOutOptions) (Result, error) {
	return Result{}, errTODO
}

// Finding is one thing that Fsck says.
type Finding struct {
	Digest  cairn.Digest `json:"digest"`
	Problem string       `json:"problem"` // corrupt, missing
	Detail  string       `json:"detail"`
	Path    string       `json:"path,omitempty"`
}

// Root is one thing that must be kept.
type Root struct {
	Digest cairn.Digest
	Tree   bool
	Name   string // for messages: "data/digits:3"
}

type FsckOptions struct {
	Roots      iter.Seq2[Root, error]
	Quarantine bool
}
type FsckResult struct {
	Blobs, Bytes     int64
	Corrupt, Missing int64
}

func (s *Store) Fsck(ctx context.Context, o FsckOptions, report func(Finding)) (FsckResult, error) {
	return FsckResult{}, errTODO
}

type CollectOptions struct {
	Grace  time.Duration
	DryRun bool
	Report func(cairn.Blob)
}
type CollectResult struct {
	Kept, KeptBytes       int64
	Removed, RemovedBytes int64
}

func (s *Store) Collect(ctx context.Context, roots iter.Seq2[Root, error], o CollectOptions) (CollectResult, error) {
	return CollectResult{}, errTODO
}
