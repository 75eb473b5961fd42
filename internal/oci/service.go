package oci

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/cairn-ml/cairn"
)

// Store keeps the rows of this room; *store.Store satisfies it.
type Store interface {
	// PutImage writes an image with its tags. One that is there keeps its first
	// maker; a tag without Tag makes it a part of the repository only.
	PutImage(ctx context.Context, img cairn.Image, tags []cairn.ImageTag, ch cairn.Change) (cairn.Image, error)
	// Image reads an image, a deleted one too.
	Image(ctx context.Context, workspace string, d cairn.Digest) (cairn.Image, error)
	Images(ctx context.Context, workspace string, f cairn.ImageFilter) ([]cairn.Image, error)
	ImagesByHex(ctx context.Context, workspace, hex string, limit int) ([]cairn.Image, error)
	DeleteImage(ctx context.Context, workspace string, d cairn.Digest, ch cairn.Change) error

	ImageTag(ctx context.Context, workspace, name, tag string) (cairn.ImageTag, error)
	ImageTags(ctx context.Context, workspace string, d cairn.Digest) ([]cairn.ImageTag, error)
	SetImageTags(ctx context.Context, workspace string, d cairn.Digest, tags []cairn.ImageTag, ch cairn.Change) error
	DeleteImageTag(ctx context.Context, workspace, name, tag string, ch cairn.Change) error
	ImageNameTags(ctx context.Context, workspace, name, after string, limit int) ([]string, error)
	ImageNames(ctx context.Context, workspace, after string, limit int) ([]string, error)
	HasImageName(ctx context.Context, workspace, name string) (bool, error)

	ImageIn(ctx context.Context, workspace, name string, d cairn.Digest, manifest bool) (bool, error)
	ImageHolders(ctx context.Context, workspace string, d cairn.Digest, manifest bool) ([]string, error)
	AddImageBlob(ctx context.Context, workspace, name string, d cairn.Digest) error
	DropImageContent(ctx context.Context, workspace, name string, d cairn.Digest, manifest bool, change func(last bool) cairn.Change) error
	// ImageParents are the indexes that name an image.
	ImageParents(ctx context.Context, workspace string, d cairn.Digest) ([]cairn.Digest, error)
	ImageReferrers(ctx context.Context, workspace, name string, d cairn.Digest) ([]cairn.Image, error)

	LayerListing(ctx context.Context, layer cairn.Digest) (cairn.Digest, error)
	SetLayerListing(ctx context.Context, layer, listing cairn.Digest) error
	HeldDigests(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	Holding(ctx context.Context, workspace string, d cairn.Digest, limit int) ([]cairn.Holder, error)

	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error)
	LinksFrom(ctx context.Context, refs ...cairn.Ref) ([]cairn.Link, error)
	AddLinks(ctx context.Context, ch cairn.Change) error
}

// Blobs are stored bytes; *cas.Store satisfies it.
type Blobs interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	PutBytes(ctx context.Context, b []byte) (cairn.Digest, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
	ReadBlob(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error)
	Missing(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	Stat(ctx context.Context, d cairn.Digest) (int64, error)
}

// Code knows the hosted repositories.
type Code interface {
	// FileSums answers which of sums (SHA-1 of git blobs) are files of a tree or
	// commit.
	FileSums(ctx context.Context, repository, tree string, sums []string) (map[string]bool, error)
	// Commit finds the repository that has a commit; "" where none has.
	Commit(ctx context.Context, sha string) (repository string, err error)
}

// Options plug a Service together.
type Options struct {
	Store     Store
	Blobs     Blobs
	Workspace string
	// Code is asked what is code; nil: nothing is.
	Code Code
	// Own are the addresses of Cairn's own registry, "127.0.0.1:7077"; nil: none.
	Own func() []string
	// InUse says what keeps an image from being deleted, "" for nothing; nil: nothing
	// ever does.
	InUse func(ctx context.Context, d cairn.Digest) (string, error)
	Log   *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is safe for concurrent use.
type Service struct{ o Options }

// New makes a Service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workspace == "" {
		o.Workspace = "default"
	}
	return &Service{o}
}

func (s *Service) own() []string {
	if s.o.Own == nil {
		return nil
	}
	return s.o.Own()
}

// maker is who an image or a tag comes from in the lineage graph.
func maker(actor cairn.Principal) cairn.Ref {
	if actor.Job != 0 {
		return cairn.JobRef(actor.Job)
	}
	return cairn.NewRef(cairn.KindUser, actor.Name)
}

func event(kind string, subject cairn.Ref, actor cairn.Principal, data any) cairn.Event {
	b, err := json.Marshal(data)
	if err != nil {
		b = nil // our own types always encode
	}
	return cairn.Event{Kind: kind, Subject: subject, Run: actor.Run, By: actor.Name, Data: b}
}
