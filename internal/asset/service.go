package asset

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options plug a Service together.
type Options struct {
	Store     Store
	Trees     Trees
	Workspace string
	Log       *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// JobInfo tells what resolution needs to know of a job; nil: no paths, and
	// labels keep what they meant.
	JobInfo func(ctx context.Context, p cairn.Principal) (JobInfo, error)
	// Retention tells how long artifacts of a run are kept; nil: DefaultRetention.
	Retention func(ctx context.Context, run cairn.RunID) (Retention, error)
}

// JobInfo is what resolution needs to know of a job.
type JobInfo struct {
	Path    string // instance path, the same in every attempt
	Refresh bool   // the attempt resolves labels anew
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

// The types of versions.
const (
	TypeFolder = "folder" // the digest is the root of a tree
	TypeFile   = "file"   // the digest is a blob
	// TypeReference points to something that is not stored here (SourceURI); it
	// has no digest, and a trace says so.
	TypeReference = "reference"
)

// NewVersion is a request for a version. Size and Files are counted here when
// the content is stored.
type NewVersion struct {
	Kind        cairn.AssetKind
	Name        string
	Version     string // "": the next number
	Type        string
	Digest      cairn.Digest
	Size, Files int64
	Description string
	Tags        map[string]string
	Properties  map[string]string
	SourceRun   string // tracking run, 32 hex digits
	SourceURI   string
	// Derived lead to things that it was made of, such as the answers that a data
	// version was exported from. To and Note count; they are written with it.
	Derived []cairn.Link
	// Reuse takes the newest version with the same digest instead of making one:
	// for what every run records anew, such as environments.
	Reuse bool
}

// Create makes a version: always a new one, except that a job which asks the
// same again gets the same. What is there under the version with other content
// is a conflict.
func (s *Service) Create(ctx context.Context, n NewVersion, actor cairn.Principal) (*cairn.AssetVersion, error) {
	if err := trusted(actor, n.Kind); err != nil {
		return nil, err
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	return s.create(ctx, n, actor)
}

// create writes a version that was checked.
func (s *Service) create(ctx context.Context, n NewVersion, actor cairn.Principal) (*cairn.AssetVersion, error) {
	now := s.o.Now().UTC()
	v := cairn.AssetVersion{
		Workspace: s.o.Workspace, Kind: n.Kind, Name: n.Name, Version: n.Version, Type: n.Type, Digest: n.Digest,
		Size: n.Size, Files: n.Files, Description: n.Description, Tags: n.Tags, Properties: n.Properties,
		SourceRun: n.SourceRun, SourceURI: n.SourceURI, Job: actor.Job, Run: actor.Run, Attempt: actor.Attempt,
		By: actor.Name, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.measure(ctx, &v); err != nil {
		return nil, err
	}
	if v.Type == TypeFolder {
		if err := s.index(ctx, v.Digest); err != nil {
			return nil, err
		}
	}
	v, _, err := s.o.Store.CreateAssetVersion(ctx, v, n.Reuse, func(v cairn.AssetVersion, created bool) cairn.Change {
		ch := madeChange(v, created, actor)
		for _, l := range n.Derived {
			l.From, l.Relation = v.Ref(), cairn.RelDerived
			ch.Links = append(ch.Links, l)
		}
		return ch
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// measure checks that the content is stored, and counts it.
func (s *Service) measure(ctx context.Context, v *cairn.AssetVersion) error {
	if s.o.Trees == nil || v.Type == TypeReference {
		return nil
	}
	var err error
	if v.Type == TypeFile {
		v.Files = 1
		v.Size, err = s.o.Trees.Stat(ctx, v.Digest)
	} else {
		v.Size, v.Files, err = s.sum(ctx, v.Digest)
	}
	return notStored(err, v.Digest)
}

func (s *Service) sum(ctx context.Context, root cairn.Digest) (size, files int64, err error) {
	es, err := s.o.Trees.ReadTree(ctx, root)
	for _, e := range es {
		size += e.Size
		if e.Mode == cairn.ModeDir {
			files += e.Files
		} else {
			files++
		}
	}
	return size, files, err
}

func notStored(err error, d cairn.Digest) error {
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	return cairn.Errorf(cairn.CodeConflict, "%s is not stored here: upload the content first", d)
}

// madeChange is the event and the links of a version that was asked for.
func madeChange(v cairn.AssetVersion, created bool, actor cairn.Principal) cairn.Change {
	ch := cairn.Change{By: actor.Name}
	maker := cairn.NewRef(cairn.KindUser, actor.Name)
	if actor.Job != 0 {
		maker = cairn.JobRef(actor.Job)
	}
	if created {
		ch.Events = append(ch.Events, event(cairn.EvAssetCreated, v.Ref(), actor, v))
		ch.Links = append(ch.Links, cairn.Link{From: maker, Relation: cairn.RelMade, To: v.Ref()})
		if v.SourceRun != "" {
			ch.Links = append(ch.Links, cairn.Link{From: v.Ref(), Relation: cairn.RelDerived, To: cairn.NewRef(cairn.KindMLRun, v.SourceRun)})
		}
	}
	// An environment is what the job runs in, whoever was the first to have it. Of
	// anything else a job that made the same again has made it too.
	switch {
	case actor.Job == 0:
	case v.Kind == cairn.AssetEnvironment:
		ch.Links = append(ch.Links, cairn.Link{From: maker, Relation: cairn.RelUsed, To: v.Ref()})
	case !created:
		ch.Links = append(ch.Links, cairn.Link{From: maker, Relation: cairn.RelMade, To: v.Ref(), Note: "made again with the same content"})
	}
	return ch
}

func event(kind string, subject cairn.Ref, actor cairn.Principal, data any) cairn.Event {
	b, err := json.Marshal(data)
	if err != nil {
		b = nil // our own types always encode
	}
	return cairn.Event{Kind: kind, Subject: subject, Run: actor.Run, By: actor.Name, Data: b}
}

func (n *NewVersion) check() error {
	if err := CheckName(n.Kind, n.Name); err != nil {
		return err
	}
	if n.Version != "" {
		if err := checkVersion(n.Version); err != nil {
			return err
		}
	}
	switch n.Type {
	case TypeFolder, TypeFile:
		if _, err := cairn.ParseDigest(string(n.Digest)); err != nil {
			return err
		}
	case TypeReference:
		if n.Digest != "" || n.SourceURI == "" {
			return cairn.Errorf(cairn.CodeInvalid, "a version of type %q has a source and no digest", n.Type)
		}
	default:
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a type of version", clip(n.Type)).WithHint("allowed are folder, file and reference")
	}
	if n.Size < 0 || n.Files < 0 {
		return cairn.Errorf(cairn.CodeInvalid, "size and number of files cannot be negative")
	}
	if err := checkMap("tags", n.Tags); err != nil {
		return err
	}
	if err := checkMap("properties", n.Properties); err != nil {
		return err
	}
	return checkText(n.Description, n.SourceURI, n.SourceRun)
}

// Bounds of what people write to assets.
const (
	maxPairs = 200
	maxKey   = 250
	maxValue = 100_000
)

func checkMap(what string, m map[string]string) error {
	if len(m) > maxPairs {
		return cairn.Errorf(cairn.CodeTooLarge, "%d %s; at most %d are kept", len(m), what, maxPairs)
	}
	for k, v := range m {
		if k == "" || len(k) > maxKey || strings.ContainsRune(k, 0) {
			return cairn.Errorf(cairn.CodeInvalid, "%q is not a key: 1 to %d bytes are allowed", clip(k), maxKey)
		}
		if err := checkText(v); err != nil {
			return err
		}
	}
	return nil
}

func checkText(texts ...string) error {
	for _, t := range texts {
		if len(t) > maxValue {
			return cairn.Errorf(cairn.CodeTooLarge, "a text of %d bytes; at most %d are kept", len(t), maxValue)
		}
	}
	return nil
}
