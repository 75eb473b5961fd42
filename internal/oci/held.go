package oci

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Limits of questions about files.
const (
	// MaxHeld bounds the files of one question.
	MaxHeld      = 200_000
	holdersLimit = 200
)

// HeldFiles answers which versions hold files, the likeliest first. Asked by a job,
// versions that its run used or made go before all others: these are not named where
// there is one of those. Of the candidates that are left only those of the likeliest
// kind are named, so that more than one means that it is not known which. What lies
// in the code of the run is code: nothing is named for it. Empty files tell nothing.
func (s *Service) HeldFiles(ctx context.Context, qs []cairn.HeldQuery, actor cairn.Principal) (map[cairn.Digest][]cairn.Ref, error) {
	near, code, err := s.origin(ctx, actor)
	if err != nil {
		return nil, err
	}
	return s.held(ctx, qs, near, code)
}

// tree is a git tree or commit of a hosted repository.
type tree struct{ repository, tree string }

// held is HeldFiles with what is nearest and what is code.
func (s *Service) held(ctx context.Context, qs []cairn.HeldQuery, near map[cairn.Ref]bool, code tree) (map[cairn.Digest][]cairn.Ref, error) {
	if len(qs) > MaxHeld {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%d files in one question; at most %d", len(qs), MaxHeld)
	}
	var ds []cairn.Digest
	sums := map[cairn.Digest]string{}
	for _, q := range qs {
		if _, err := cairn.ParseDigest(string(q.Digest)); err != nil {
			return nil, err
		}
		if q.Digest == emptyFile {
			continue
		}
		if q.Sum != "" {
			if len(q.Sum) != 40 || !isHex(q.Sum) {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the SHA-1 of a git blob", clip(q.Sum))
			}
			sums[q.Digest] = q.Sum
		}
		ds = append(ds, q.Digest)
	}
	slices.Sort(ds)
	held, err := s.o.Store.HeldDigests(ctx, slices.Compact(ds))
	out := map[cairn.Digest][]cairn.Ref{}
	if err != nil || len(held) == 0 {
		return out, err
	}
	isCode, err := s.code(ctx, held, sums, code)
	if err != nil {
		return nil, err
	}
	for _, d := range held {
		if isCode[sums[d]] {
			continue
		}
		hs, err := s.o.Store.Holding(ctx, s.o.Workspace, d, holdersLimit)
		if err != nil {
			return nil, err
		}
		if refs := likeliest(hs, near); len(refs) > 0 {
			out[d] = refs
		}
	}
	return out, nil
}

var emptyFile = cairn.SumBytes(nil) // a constant that Go cannot write as one

// code answers which files of those that are held are files of a commit.
func (s *Service) code(ctx context.Context, held []cairn.Digest, sums map[cairn.Digest]string, t tree) (map[string]bool, error) {
	var ask []string
	for _, d := range held {
		if sum := sums[d]; sum != "" {
			ask = append(ask, sum)
		}
	}
	if len(ask) == 0 || t.tree == "" || s.o.Code == nil {
		return nil, nil
	}
	return s.o.Code.FileSums(ctx, t.repository, t.tree, ask)
}

// origin is what a job stands on: the versions that the jobs of its run used or
// made, and the code that it runs.
func (s *Service) origin(ctx context.Context, actor cairn.Principal) (near map[cairn.Ref]bool, code tree, err error) {
	if actor.Run == 0 {
		return nil, tree{}, nil
	}
	r, err := s.o.Store.Run(ctx, actor.Run)
	if err != nil {
		return nil, tree{}, err
	}
	code = tree{r.Repository, r.TreeGit} // that of a dirty run holds its changes too
	if code.tree == "" {
		code.tree = r.Commit.SHA
	}
	jobs, err := s.o.Store.Jobs(ctx, actor.Run, 0, false)
	if err != nil {
		return nil, tree{}, err
	}
	refs := make([]cairn.Ref, len(jobs))
	for i := range jobs {
		refs[i] = cairn.JobRef(jobs[i].ID)
	}
	links, err := s.o.Store.LinksFrom(ctx, refs...)
	if err != nil {
		return nil, tree{}, err
	}
	near = map[cairn.Ref]bool{}
	for _, l := range links {
		if l.Relation == cairn.RelUsed || l.Relation == cairn.RelMade {
			near[l.To] = true
		}
	}
	return near, code, nil
}

// kindRank orders what a file may belong to: the same file of a training job is
// often uploaded as an artifact and registered as a model.
func kindRank(kind string) int {
	switch kind {
	case cairn.KindModel:
		return 0
	case cairn.KindData:
		return 1
	case cairn.KindArtifact:
		return 2
	}
	return 3
}

// likeliest keeps those of the best kind among those nearest to the run, in the
// order given: newest first.
func likeliest(hs []cairn.Holder, near map[cairn.Ref]bool) []cairn.Ref {
	rank := func(r cairn.Ref) int {
		n := kindRank(r.Kind())
		if !near[r] {
			n += 10
		}
		return n
	}
	best := 100
	var out []cairn.Ref
	for _, h := range hs {
		n := rank(h.Ref)
		if n < best {
			best, out = n, nil
		}
		if n == best && !slices.Contains(out, h.Ref) {
			out = append(out, h.Ref)
		}
	}
	slices.SortStableFunc(out, func(a, b cairn.Ref) int {
		return strings.Compare(a.Kind(), b.Kind()) // of the kinds that rank last
	})
	return out
}
