package server

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cas"
)

// findingLimit bounds the findings of one report.
const findingLimit = 1000

// Fsck compares blobs with their digests, rows with blobs and links with rows.
func (s *Server) Fsck(ctx context.Context) (*client.FsckReport, error) {
	out := &client.FsckReport{}
	found := func(subject, problem, fix string) {
		if len(out.Findings) < findingLimit {
			out.Findings = append(out.Findings, client.FsckFinding{Subject: subject, Problem: problem, Fix: fix})
		}
	}
	res, err := s.blobs.Fsck(ctx, cas.FsckOptions{Roots: s.roots(ctx, out)}, func(f cas.Finding) {
		problem := f.Problem
		if f.Detail != "" {
			problem += ": " + f.Detail
		}
		if f.Path != "" {
			problem += " (" + f.Path + ")"
		}
		found(string(f.Digest), problem, "register the same bytes again, or restore the blob from a copy of the home")
	})
	if err != nil {
		return nil, err
	}
	out.Blobs, out.Bytes = res.Blobs, res.Bytes
	known := map[cairn.Ref]bool{}
	err = s.store.AllLinks(ctx, func(l cairn.Link) error {
		out.Links++
		for _, r := range []cairn.Ref{l.From, l.To} {
			ok, seen := known[r]
			if !seen {
				var err error
				if ok, err = s.exists(ctx, r); err != nil {
					return err
				}
				known[r] = ok
				if !ok {
					found(string(r), fmt.Sprintf("a link (%s %s %s) leads to it, and it has no row", l.From, l.Relation, l.To), "")
				}
			}
		}
		return ctx.Err()
	})
	return out, err
}

// roots lists everything that rows say is stored.
func (s *Server) roots(ctx context.Context, out *client.FsckReport) iter.Seq2[cas.Root, error] {
	return func(yield func(cas.Root, error) bool) {
		for _, kind := range []cairn.AssetKind{cairn.AssetData, cairn.AssetModel, cairn.AssetEnvironment, cairn.AssetComponent, cairn.AssetCode} {
			f := cairn.AssetFilter{Kind: kind, Archived: true}
			for {
				vs, next, err := s.store.AssetVersions(ctx, Workspace, f)
				if err != nil {
					yield(cas.Root{}, err)
					return
				}
				for i := range vs {
					out.Versions++
					if !yield(cas.Root{Digest: vs[i].Digest, Tree: vs[i].Type == "folder", Name: string(vs[i].Ref())}, nil) {
						return
					}
				}
				if next == 0 {
					break
				}
				f.After = next
			}
		}
		s.runRoots(ctx, yield)
	}
}

func (s *Server) runRoots(ctx context.Context, yield func(cas.Root, error) bool) {
	f := cairn.RunFilter{Workspace: Workspace, Limit: 1000}
	for {
		rs, err := s.store.Runs(ctx, f)
		if err != nil {
			yield(cas.Root{}, err)
			return
		}
		for i := range rs {
			if d := rs[i].TreeDigest; d != "" && !yield(cas.Root{Digest: d, Tree: true, Name: string(cairn.RunRef(rs[i].ID))}, nil) {
				return
			}
			as, err := s.store.Artifacts(ctx, rs[i].ID)
			if err != nil {
				yield(cas.Root{}, err)
				return
			}
			for _, a := range as {
				if !yield(cas.Root{Digest: a.Digest, Tree: true, Name: string(cairn.ArtifactRef(a.Run, a.Attempt, a.Name))}, nil) {
					return
				}
			}
		}
		if len(rs) < f.Limit {
			return
		}
		f.Before = rs[len(rs)-1].ID
	}
}

// exists reports whether a ref of a kind that has rows has one.
func (s *Server) exists(ctx context.Context, r cairn.Ref) (bool, error) {
	var err error
	switch r.Kind() {
	case cairn.KindRun, cairn.KindJob:
		n, perr := strconv.ParseInt(r.ID(), 10, 64)
		if perr != nil {
			return false, nil
		}
		if r.Kind() == cairn.KindRun {
			_, err = s.store.Run(ctx, cairn.RunID(n))
		} else {
			_, err = s.store.Job(ctx, cairn.JobID(n))
		}
	case cairn.KindData, cairn.KindModel, cairn.KindEnvironment, cairn.KindComponent, cairn.KindCode:
		name, version := r.NameVersion()
		_, err = s.store.AssetVersion(ctx, Workspace, cairn.AssetKind(r.Kind()), name, version)
	case cairn.KindMLRun:
		_, err = s.store.MLRun(ctx, r.ID())
	default:
		return true, nil
	}
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return false, nil
	}
	return err == nil, err
}
