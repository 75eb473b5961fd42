package asset

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// badArtifactName matches what GitHub forbids in the name of an artifact.
var badArtifactName = regexp.MustCompile(`[":<>|*?\r\n\\/\x00-\x1f]`)

// CheckArtifactName refuses what cannot be the name of an artifact.
func CheckArtifactName(name string) error {
	if name == "" || len(name) > 255 || badArtifactName.MatchString(name) {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of an artifact", clip(name)).
			WithHint(`1 to 255 bytes without " : < > | * ? \ / and line feeds`)
	}
	return nil
}

// CreateArtifact records a tree under a name. A job's token says whose it is:
// Run, Attempt and Job of a are then taken from it.
func (s *Service) CreateArtifact(ctx context.Context, a cairn.Artifact, overwrite bool, actor cairn.Principal) (*cairn.Artifact, error) {
	if actor.Job != 0 {
		a.Run, a.Attempt, a.Job = actor.Run, actor.Attempt, actor.Job
	}
	if a.Run == 0 || a.Attempt == 0 || a.Job == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "an artifact belongs to a job of a run")
	}
	if err := CheckArtifactName(a.Name); err != nil {
		return nil, err
	}
	if _, err := cairn.ParseDigest(string(a.Digest)); err != nil {
		return nil, err
	}
	if s.o.Trees != nil {
		var err error
		if a.Size, a.Files, err = s.sum(ctx, a.Digest); err != nil {
			return nil, notStored(err, a.Digest)
		}
	}
	if err := s.index(ctx, a.Digest); err != nil {
		return nil, err
	}
	if err := s.keepFor(ctx, &a); err != nil {
		return nil, err
	}
	a, err := s.o.Store.CreateArtifact(ctx, a, overwrite, func(a cairn.Artifact) cairn.Change {
		e := event(cairn.EvAssetCreated, a.Ref(), actor, a)
		e.Run = a.Run
		return cairn.Change{By: actor.Name, Events: []cairn.Event{e},
			Links: []cairn.Link{{From: cairn.JobRef(a.Job), Relation: cairn.RelMade, To: a.Ref()}}}
	})
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// Artifacts lists a run's artifacts, newest attempt first: without those that
// somebody deleted, with those whose time is over.
func (s *Service) Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error) {
	all, err := s.o.Store.Artifacts(ctx, run)
	return slices.DeleteFunc(all, func(a cairn.Artifact) bool { return a.Gone == cairn.ArtifactDeleted }), err
}

// Artifact is the one of that name of the newest attempt that has it.
func (s *Service) Artifact(ctx context.Context, run cairn.RunID, name string) (*cairn.Artifact, error) {
	return s.findArtifact(ctx, run, 0, name)
}

// findArtifact looks in one attempt, or (0) in all, newest first.
func (s *Service) findArtifact(ctx context.Context, run cairn.RunID, attempt int, name string) (*cairn.Artifact, error) {
	all, err := s.Artifacts(ctx, run)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range all {
		if all[i].Name == name && (attempt == 0 || all[i].Attempt == attempt) {
			return &all[i], Held(&all[i])
		}
		names = append(names, all[i].Name)
	}
	e := cairn.Errorf(cairn.CodeNotFound, "run %d has no artifact %q", run, clip(name))
	if near := cairn.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %q?", near)
	}
	if len(names) == 0 {
		return nil, e.WithHint("it has none (yet)")
	}
	return nil, e.WithHint("it has: %s", list(names))
}

// UseArtifact finds an artifact by its ref ("artifact/42.1/name") and links the
// job that took it.
func (s *Service) UseArtifact(ctx context.Context, ref cairn.Ref, actor cairn.Principal) (*cairn.Artifact, error) {
	run, attempt, name, err := parseArtifactRef(ref)
	if err != nil {
		return nil, err
	}
	a, err := s.findArtifact(ctx, run, attempt, name)
	if err != nil || actor.Job == 0 {
		return a, err
	}
	return a, s.o.Store.AddLinks(ctx, cairn.Change{By: actor.Name,
		Links: []cairn.Link{{From: cairn.JobRef(actor.Job), Relation: cairn.RelUsed, To: ref}}})
}

func parseArtifactRef(ref cairn.Ref) (run cairn.RunID, attempt int, name string, err error) {
	place, name, ok := strings.Cut(ref.ID(), "/")
	r, a, dot := strings.Cut(place, ".")
	n, err1 := strconv.ParseInt(r, 10, 64)
	attempt, err2 := strconv.Atoi(a)
	if ref.Kind() != cairn.KindArtifact || !ok || !dot || err1 != nil || err2 != nil || name == "" {
		return 0, 0, "", cairn.Errorf(cairn.CodeInvalid, "%q does not name an artifact", clip(string(ref))).
			WithHint("it is artifact/RUN.ATTEMPT/NAME, such as artifact/42.1/model")
	}
	return cairn.RunID(n), attempt, name, nil
}

// Holding lists versions and artifacts that are d or hold it, newest first.
func (s *Service) Holding(ctx context.Context, d cairn.Digest, limit int) ([]cairn.Holder, error) {
	if _, err := cairn.ParseDigest(string(d)); err != nil {
		return nil, err
	}
	return s.o.Store.Holding(ctx, s.o.Workspace, d, limit)
}

// maxIndexed bounds the entries of one tree that the file index takes; what a
// larger one holds is not found by its files' digests.
const maxIndexed = 2_000_000

// index adds the directories of a tree to the file index, inner ones first;
// those that are there already are skipped with all below, so that a version
// that differs in one file costs only the folders above it.
func (s *Service) index(ctx context.Context, root cairn.Digest) error {
	if s.o.Trees == nil {
		return nil
	}
	var dirs []cairn.TreeDir
	left, held := maxIndexed, 0
	seen := map[cairn.Digest]bool{}
	flush := func() error {
		err := s.o.Store.IndexTrees(ctx, dirs)
		dirs, held = nil, 0
		return err
	}
	var visit func(d cairn.Digest, depth int) error
	visit = func(d cairn.Digest, depth int) error {
		if seen[d] {
			return nil
		}
		seen[d] = true
		missing, err := s.o.Store.TreesUnindexed(ctx, []cairn.Digest{d})
		if err != nil || len(missing) == 0 {
			return err
		}
		es, err := s.o.Trees.ReadTree(ctx, d)
		if err != nil {
			return notStored(err, d)
		}
		if left -= len(es); left < 0 || depth > 128 {
			return errIndexFull
		}
		for _, e := range es {
			if e.Mode == cairn.ModeDir {
				if err := visit(e.Digest, depth+1); err != nil {
					return err
				}
			}
		}
		dirs = append(dirs, cairn.TreeDir{Digest: d, Entries: es})
		if held += len(es); held > 20_000 {
			return flush()
		}
		return nil
	}
	err := visit(root, 0)
	if err == errIndexFull {
		s.o.Log.Warn("a tree is too large for the file index", "root", root, "limit", maxIndexed)
		return nil
	}
	if err != nil {
		return err
	}
	return flush()
}

var errIndexFull = cairn.Errorf(cairn.CodeTooLarge, "too large for the file index")
