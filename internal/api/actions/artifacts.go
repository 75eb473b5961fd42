package actions

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
)

// uploadTime and readTime are how long signed addresses hold.
const (
	uploadTime = 24 * time.Hour
	readTime   = time.Hour
)

// zipType is the media type of what is taken apart.
const zipType = "application/zip"

// own refuses requests that speak of another run than the token's.
func own(who cairn.Principal, in fields) error {
	run, err := in.text("workflowrunbackendid")
	if err != nil {
		return err
	}
	if id, _, ok := runOf(run); !ok || id != who.Run {
		return cairn.Errorf(cairn.CodeForbidden, "the token is of run %d, the request speaks of %.60q", who.Run, run)
	}
	return nil
}

// runOf reads the id of a run's attempt; see auth.BackendIDs.
func runOf(id string) (cairn.RunID, int, bool) {
	r, a, ok := strings.Cut(strings.TrimPrefix(id, "r"), "a")
	run, err1 := strconv.ParseInt(r, 10, 64)
	attempt, err2 := strconv.Atoi(a)
	return cairn.RunID(run), attempt, ok && err1 == nil && err2 == nil && strings.HasPrefix(id, "r")
}

// createArtifact begins an upload.
func (s *Service) createArtifact(ctx context.Context, who cairn.Principal, r *http.Request, in fields) (any, error) {
	m, err := artifactMeta(who, in)
	if err != nil {
		return nil, err
	}
	if err := asset.CheckArtifactName(m.Name); err != nil {
		return nil, err
	}
	if m.MediaType, err = in.text("mimetype"); err != nil {
		return nil, err
	}
	if m.Expires, err = in.time("expiresat"); err != nil {
		return nil, err
	}
	if len(m.MediaType) > 200 || strings.ContainsAny(m.MediaType, "\r\n") {
		return nil, cairn.Errorf(cairn.CodeInvalid, "mime_type is not a media type")
	}
	all, err := s.o.Artifacts.Artifacts(ctx, who.Run)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Name == m.Name && a.Attempt == who.Attempt && a.Gone == "" {
			return nil, cairn.Errorf(cairn.CodeConflict, "an artifact with this name already exists on the workflow run").
				WithHint("give each job its own name (for a matrix: %s-${{ matrix.… }}), or overwrite: true", m.Name)
		}
	}
	id, err := s.uploads.begin(m)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "signed_upload_url": s.signed(r, who, "uploads/"+id, true)}, nil
}

func artifactMeta(who cairn.Principal, in fields) (meta, error) {
	m := meta{Kind: kindArtifact, Run: who.Run, Attempt: who.Attempt, Job: who.Job, Epoch: who.Epoch}
	if err := own(who, in); err != nil {
		return m, err
	}
	var err error
	m.Name, err = in.text("name")
	return m, err
}

// signed is an address with the right to read or write one thing.
func (s *Service) signed(r *http.Request, who cairn.Principal, thing string, write bool) string {
	g := auth.Grant{Thing: thing, Write: write, Job: who.Job, Epoch: who.Epoch, Expires: s.o.Now().Add(readTime)}
	if write {
		g.Expires = s.o.Now().Add(uploadTime)
	}
	return base(r) + blobPrefix + thing + "?" + s.o.People.Key().Sign(g)
}

// finalizeArtifact keeps an upload that is whole. Asked again, it answers the same.
func (s *Service) finalizeArtifact(ctx context.Context, who cairn.Principal, _ *http.Request, in fields) (any, error) {
	m, err := artifactMeta(who, in)
	if err != nil {
		return nil, err
	}
	size, sized, err := in.number("size")
	if err != nil {
		return nil, err
	}
	hash, err := in.text("hash")
	if err != nil {
		return nil, err
	}
	var want cairn.Digest
	if hash != "" {
		if want, err = cairn.ParseDigest(hash); err != nil {
			return nil, err
		}
	}
	u, err := s.uploads.find(m.id())
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return s.finalizedBefore(ctx, who, m.Name, want, err)
	} else if err != nil {
		return nil, err
	}
	id, err := u.finish(ctx, func(ctx context.Context) (int64, error) {
		if !sized || size == 0 {
			size = -1 // older clients say 0 where their stream told no progress
		}
		a, err := s.keepArtifact(ctx, who, u, size, want)
		if err != nil {
			return 0, err
		}
		return a.ID, nil
	})
	if err != nil {
		return nil, err
	}
	s.uploads.end(u)
	return map[string]any{"ok": true, "artifact_id": strconv.FormatInt(id, 10)}, nil
}

// finalizedBefore answers a repeated call whose first answer was lost.
func (s *Service) finalizedBefore(ctx context.Context, who cairn.Principal, name string, want cairn.Digest, unknown error) (any, error) {
	all, err := s.o.Artifacts.Artifacts(ctx, who.Run)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Job == who.Job && a.Name == name && a.Gone == "" && want != "" && a.Archive == want {
			return map[string]any{"ok": true, "artifact_id": strconv.FormatInt(a.ID, 10)}, nil
		}
	}
	return nil, unknown
}

// keepArtifact stores the bytes of an upload, what they hold, and the row.
func (s *Service) keepArtifact(ctx context.Context, who cairn.Principal, u *upload, size int64, want cairn.Digest) (*cairn.Artifact, error) {
	body, n, err := u.open(size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	d, _, err := s.o.Blobs.Put(ctx, body, want)
	if err != nil {
		return nil, err
	}
	a := cairn.Artifact{Name: u.meta.Name, Archive: d, ArchiveSize: n, ExpiresAt: u.meta.Expires}
	if t := u.meta.MediaType; t == "" || t == zipType {
		a.Digest, err = s.unpack(ctx, d)
	} else {
		a.MediaType = t
		a.Digest, err = s.single(ctx, u.meta.Name, d, n)
	}
	if err == nil {
		var made *cairn.Artifact
		if made, err = s.o.Artifacts.CreateArtifact(ctx, a, false, who); err == nil {
			return made, nil
		}
	}
	if s.o.Free != nil {
		if ferr := s.o.Free(ctx, d); ferr != nil {
			s.o.Log.WarnContext(ctx, "bytes of a refused artifact could not be given free", "digest", d, "error", ferr)
		}
	}
	return nil, err
}

// single is the tree of one file.
func (s *Service) single(ctx context.Context, name string, d cairn.Digest, size int64) (cairn.Digest, error) {
	ds, err := s.o.Blobs.PutTrees(ctx, [][]cairn.TreeEntry{{{Name: name, Mode: cairn.ModeFile, Size: size, Digest: d}}})
	if err != nil {
		return "", err
	}
	return ds[0], nil
}

// listArtifacts lists what the run has, of all attempts: the newest of a name has
// the highest number, which is what clients go by.
func (s *Service) listArtifacts(ctx context.Context, who cairn.Principal, _ *http.Request, in fields) (any, error) {
	if err := own(who, in); err != nil {
		return nil, err
	}
	name, err := in.text("namefilter")
	if err != nil {
		return nil, err
	}
	id, byID, err := in.number("idfilter")
	if err != nil {
		return nil, err
	}
	all, err := s.o.Artifacts.Artifacts(ctx, who.Run)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, a := range all {
		if a.Gone != "" || name != "" && a.Name != name || byID && a.ID != id {
			continue
		}
		run, job := auth.BackendIDs(cairn.Principal{Run: a.Run, Attempt: a.Attempt, Job: a.Job})
		m := map[string]any{
			"workflow_run_backend_id": run, "workflow_job_run_backend_id": job, "database_id": strconv.FormatInt(a.ID, 10),
			"name": a.Name, "size": strconv.FormatInt(a.Size, 10), "created_at": a.CreatedAt.UTC().Format(time.RFC3339Nano),
		}
		if a.Archive != "" {
			m["size"], m["digest"] = strconv.FormatInt(a.ArchiveSize, 10), string(a.Archive)
		}
		out = append(out, m)
	}
	return map[string]any{"artifacts": out}, nil
}

// named finds an artifact by the ids that a listing gave and its name.
func (s *Service) named(ctx context.Context, who cairn.Principal, in fields) (*cairn.Artifact, error) {
	if err := own(who, in); err != nil {
		return nil, err
	}
	run, err := in.text("workflowrunbackendid")
	if err != nil {
		return nil, err
	}
	name, err := in.text("name")
	if err != nil {
		return nil, err
	}
	_, attempt, _ := runOf(run)
	all, err := s.o.Artifacts.Artifacts(ctx, who.Run)
	if err != nil {
		return nil, err
	}
	var newest *cairn.Artifact
	for i := range all {
		a := &all[i]
		if a.Name != name || a.Gone != "" {
			continue
		}
		if a.Attempt == attempt {
			return a, nil
		}
		if newest == nil || a.ID > newest.ID {
			newest = a
		}
	}
	if newest == nil {
		return nil, cairn.Errorf(cairn.CodeNotFound, "run %d has no artifact %.100q", who.Run, name)
	}
	return newest, nil
}

func (s *Service) signedArtifact(ctx context.Context, who cairn.Principal, r *http.Request, in fields) (any, error) {
	a, err := s.named(ctx, who, in)
	if err != nil {
		return nil, err
	}
	if _, err := s.o.Artifacts.UseArtifact(ctx, a.Ref(), who); err != nil {
		return nil, err
	}
	return map[string]any{"signed_url": s.artifactURL(r, who, a)}, nil
}

// artifactURL is where an artifact is read. Clients take what ends in .zip apart.
func (s *Service) artifactURL(r *http.Request, who cairn.Principal, a *cairn.Artifact) string {
	thing := "artifacts/" + strconv.FormatInt(a.ID, 10)
	u := s.signed(r, who, thing, false)
	path, query, _ := strings.Cut(u, "?")
	return path + "/" + url.PathEscape(fileName(a)) + "?" + query
}

// ArtifactURL is an address at which the artifact can be read for an hour, for the
// interface that answers with redirects: of whoever acts in the request.
func (s *Service) ArtifactURL(r *http.Request, a *cairn.Artifact) (string, error) {
	if err := asset.Held(a); err != nil {
		return "", err
	}
	return s.artifactURL(r, auth.Actor(r.Context()), a), nil
}

// fileName is what an artifact is called as a file.
func fileName(a *cairn.Artifact) string {
	if a.MediaType != "" || a.Archive != "" && strings.HasSuffix(strings.ToLower(a.Name), ".zip") {
		return a.Name
	}
	return a.Name + ".zip"
}

func (s *Service) deleteArtifact(ctx context.Context, who cairn.Principal, _ *http.Request, in fields) (any, error) {
	a, err := s.named(ctx, who, in)
	if err != nil {
		return nil, err
	}
	if err := s.o.Artifacts.DeleteArtifact(ctx, *a, who); err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "artifact_id": strconv.FormatInt(a.ID, 10)}, nil
}
