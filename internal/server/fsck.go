package server

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cas"
)

// findingLimit bounds the findings of one report.
const findingLimit = 1000

// Fsck compares blobs with their digests, rows with blobs and links with rows,
// and looks into databases and repositories. With repair damaged blobs are moved
// aside; nothing else is changed.
func (s *Server) Fsck(ctx context.Context, repair bool) (*client.FsckReport, error) {
	out := &client.FsckReport{}
	found := func(f client.FsckFinding) {
		if len(out.Findings) < findingLimit {
			out.Findings = append(out.Findings, f)
		}
	}
	broken, err := s.store.Check(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range broken {
		found(client.FsckFinding{Subject: d.File, Problem: "the database is damaged: " + someOf(d.Problems),
			Fix: "stop the server and put the file back from a copy of the home, or from its folder backups"})
	}
	if err := s.fsckRepositories(ctx, found); err != nil {
		return nil, err
	}
	res, err := s.blobs.Fsck(ctx, cas.FsckOptions{Roots: s.roots(ctx, out), Quarantine: repair}, func(f cas.Finding) {
		found(blobFinding(f, repair))
	})
	out.Blobs, out.Bytes = res.Blobs, res.Bytes
	if err == nil {
		err = s.fsckLinks(ctx, out, found)
	}
	if err != nil && len(broken) > 0 && ctx.Err() == nil {
		return out, nil // what cannot be read was told
	}
	return out, err
}

// blobFinding says what is wrong with a blob, and which versions that hits.
func blobFinding(f cas.Finding, repaired bool) client.FsckFinding {
	out := client.FsckFinding{Subject: string(f.Digest), Problem: strings.TrimPrefix(f.Detail, string(f.Digest)+" is "), Held: f.Held}
	for _, h := range f.Holders {
		by := h.Root
		if h.Path != "" {
			by += " " + h.Path
		}
		out.HeldBy = append(out.HeldBy, by)
	}
	again := "store the same files again (cairn data create), or put the blob back from a copy of the home"
	if len(f.Holders) > 0 && !slices.ContainsFunc(f.Holders, func(h cas.Holder) bool { return !strings.HasPrefix(h.Root, cairn.KindImage+"/") }) {
		again = "build, pull or load the image again, or put the blob back from a copy of the home"
	}
	switch {
	case f.Problem == cas.ProblemForeign:
		out.Subject, out.Problem = f.Detail, "a file that is no blob lies among the blobs"
		out.Fix = "move it elsewhere"
	case f.Problem == cas.ProblemCorrupt && f.Held == 0:
		out.Fix = "nothing needs it: cairn fsck --repair moves it aside"
	case f.Problem == cas.ProblemCorrupt && !repaired:
		out.Fix = "cairn fsck --repair moves it aside; then " + again
	default:
		out.Fix = again
	}
	return out
}

// someOf tells the first of many complaints.
func someOf(all []string) string {
	const most, length = 3, 300
	text := strings.Join(all[:min(len(all), most)], "; ")
	if len(text) > length {
		text = strings.ToValidUTF8(text[:length], "") + "…"
	}
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// fsckRepositories asks git about each hosted repository.
func (s *Server) fsckRepositories(ctx context.Context, found func(client.FsckFinding)) error {
	repos, err := s.host.Repos(ctx)
	if err != nil {
		return err
	}
	for _, r := range repos {
		problems, err := s.host.Fsck(ctx, r)
		if err != nil {
			return err
		}
		if len(problems) > 0 {
			found(client.FsckFinding{Subject: "repository " + r, Problem: "git finds it damaged: " + someOf(problems),
				Fix: "move its folder in " + filepath.Join(s.o.Home, "repositories") + " away: the next cairn run, or git push, brings the code anew"})
		}
	}
	return nil
}

// fsckLinks looks for what links lead to.
func (s *Server) fsckLinks(ctx context.Context, out *client.FsckReport, found func(client.FsckFinding)) error {
	known := map[cairn.Ref]bool{}
	return s.store.AllLinks(ctx, func(l cairn.Link) error {
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
					found(client.FsckFinding{Subject: string(r), Problem: fmt.Sprintf("a link (%s %s %s) leads to it, and it has no row", l.From, l.Relation, l.To)})
				}
			}
		}
		return ctx.Err()
	})
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
		if s.actionRoots(ctx, yield) && s.imageRoots(ctx, yield) && s.reportRoots(ctx, yield) && s.cacheRoots(ctx, yield) && s.taskRoots(ctx, yield) {
			s.runRoots(ctx, yield)
		}
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
				if !yieldArtifact(&a, yield) {
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
		if builtinRef(r) {
			return true, nil
		}
		name, version := r.NameVersion()
		_, err = s.store.AssetVersion(ctx, Workspace, cairn.AssetKind(r.Kind()), name, version)
	case cairn.KindImage:
		_, err = s.store.Image(ctx, Workspace, cairn.Digest(r.ID()))
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
