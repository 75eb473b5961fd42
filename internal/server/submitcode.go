package server

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
)

// jobCode is the state of the code that a job's file is of.
type jobCode struct {
	repository string
	commit     cairn.Commit
	ref        string
	dirty      bool
	treeGit    string
	treeDigest cairn.Digest
	workDir    string
	parent     cairn.JobID
	chain      int
	untrusted  bool
	// permissions bound those of the jobs by what the job may do that asks.
	permissions []cairn.NamedValue
	notes       []string
	check       bool // nothing is run: nothing is fetched
}

// jobCode finds out which commit a request is of.
func (s *Server) jobCode(ctx context.Context, r *client.JobRequest) (*jobCode, error) {
	who := auth.Actor(ctx)
	if who.Job != 0 {
		return s.codeOfJob(ctx, who)
	}
	local := &jobCode{repository: localRepository(cmpOr(r.Dir, r.Experiment))}
	if r.Dir == "" {
		return local, nil
	}
	if r.Schedule != "" {
		return s.codeOfSchedule(ctx, r.Dir, local)
	}
	return s.codeOfDir(ctx, r.Dir, local)
}

// codeOfDir takes in the state of a folder; one that is in no repository, or in one
// without commits, is code of no commit.
func (s *Server) codeOfDir(ctx context.Context, dir string, local *jobCode) (*jobCode, error) {
	if !auth.Socket(ctx) {
		return nil, cairn.Errorf(cairn.CodeForbidden, "a folder can only be given by a program of the server's own user, on its socket")
	}
	wt, err := s.git.Find(ctx, dir)
	if cairn.CodeOf(err) == cairn.CodeInvalid || err == nil && wt.NoCommits {
		local.workDir = dir
		local.notes = append(local.notes, "the folder is of no commit: a trace of what comes of this job ends at the files that were sent")
		return local, nil
	} else if err != nil {
		return nil, readable(err, dir)
	}
	local.repository = wt.Name
	c, err := s.workTree(ctx, client.RunRequest{Dir: dir, Dirty: true})
	if err != nil {
		return nil, err
	}
	local.commit, local.ref, local.dirty, local.treeGit, local.workDir = c.snap.Commit, c.snap.Ref, c.snap.Dirty, c.snap.TreeGit, c.workDir()
	local.notes = append(local.notes, c.notes()...)
	if local.dirty {
		local.treeDigest, err = s.host.ToTree(ctx, c.repo.Name, c.snap.TreeGit, s.blobs)
	}
	return local, err
}

// codeOfSchedule finds the commit that a repository is at now. Only folders that a
// program of this user has run from are looked into.
func (s *Server) codeOfSchedule(ctx context.Context, dir string, local *jobCode) (*jobCode, error) {
	rs, err := s.store.Repositories(ctx, Workspace)
	if err != nil {
		return nil, err
	}
	for _, repo := range rs {
		if repo.WorkDir == "" || !liesIn(repo.WorkDir, dir) {
			continue
		}
		snap, err := s.host.Import(ctx, repo.Name, repo.WorkDir, "HEAD")
		if err != nil {
			return nil, readable(err, repo.WorkDir)
		}
		local.repository, local.commit, local.ref, local.treeGit, local.workDir = repo.Name, snap.Commit, snap.Ref, snap.TreeGit, repo.WorkDir
		return local, nil
	}
	return local, nil
}

// codeOfJob is the code of the run whose job asks.
func (s *Server) codeOfJob(ctx context.Context, who cairn.Principal) (*jobCode, error) {
	j, err := s.store.Job(ctx, who.Job)
	if err != nil {
		return nil, err
	}
	r, err := s.store.Run(ctx, j.Run)
	if err != nil {
		return nil, err
	}
	c := &jobCode{
		repository: r.Repository, commit: r.Commit, ref: r.Ref, dirty: r.Dirty, treeGit: r.TreeGit, treeDigest: r.TreeDigest, workDir: r.WorkDir,
		parent: j.ID, chain: r.Chain, untrusted: r.Untrusted || who.Untrusted,
	}
	for _, scope := range slices.Sorted(maps.Keys(j.Permissions)) {
		c.permissions = append(c.permissions, cairn.NamedValue{Name: scope, Value: cairn.Str(j.Permissions[scope])})
	}
	return c, nil
}

// localRepository names the code of a folder that is in no repository.
func localRepository(dir string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, filepath.Base(dir))
	name = strings.Trim(name, "-.")
	if name == "" {
		name = "jobs"
	}
	return "local/" + name[:min(len(name), 80)]
}

// liesIn reports whether a path lies in a folder.
func liesIn(folder, p string) bool {
	rel, err := filepath.Rel(folder, p)
	return err == nil && filepath.IsLocal(rel)
}
