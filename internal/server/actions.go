package server

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/runner/action"
)

// Bounds of an action's repository.
const (
	maxActionBytes = 1 << 30
	maxActionFiles = 100_000
)

var (
	shaPattern   = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)
	shortPattern = regexp.MustCompile(`^[0-9a-f]{7,39}$`)
)

func actionLimits() git.TreeLimits {
	return git.TreeLimits{Bytes: maxActionBytes, Files: maxActionFiles, Link: cas.CheckLink}
}

// asking is for whom an action is looked for.
type asking struct {
	run     cairn.RunID // 0: for nobody's run
	attempt int
	job     cairn.JobID
	by      string
	refresh bool // an attempt that resolves anew
	// untrusted says that the run is of code from outside: it gets what everybody gets
	// who asks without credentials, and of what is hosted here its own repository.
	untrusted  bool
	repository string // of the run
}

// ResolveAction answers which commit `uses` means to a job, and the tree of its
// repository, which is fetched where it is not kept yet.
func (s *Server) ResolveAction(ctx context.Context, uses string, p cairn.Principal) (cairn.ActionVersion, error) {
	info, err := s.jobInfo(ctx, p)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	r, err := s.store.Run(ctx, p.Run)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	a := asking{run: p.Run, attempt: p.Attempt, job: p.Job, by: p.Name, refresh: info.Refresh, untrusted: p.Untrusted || r.Untrusted, repository: r.Repository}
	if path, ok := strings.CutPrefix(uses, "$/"); ok {
		return s.selfAction(ctx, uses, path, a)
	}
	u, err := cairn.ParseActionUses(uses)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	return s.action(ctx, u, a)
}

// FetchAction makes an action be kept here, for no run in particular.
func (s *Server) FetchAction(ctx context.Context, uses, by string) (cairn.ActionVersion, error) {
	u, err := cairn.ParseActionUses(uses)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	return s.action(ctx, u, asking{by: by})
}

// action finds the commit of a ref, and its tree, and writes down that it was used.
func (s *Server) action(ctx context.Context, u cairn.ActionUses, a asking) (cairn.ActionVersion, error) {
	// Several jobs that begin at once fetch it once.
	unlock, err := s.fetches.lock(ctx, strings.ToLower(u.Repository))
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	defer unlock()
	f, note, err := s.commitOf(ctx, u, a)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	v, err := s.store.ActionVersion(ctx, u.Repository, f.commit)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		v, err = s.fetchAction(ctx, u, f, a)
	}
	if err != nil {
		return v, err
	}
	v.Uses, v.Path, v.Ref = u.String(), u.Path, u.Ref
	return s.usedAction(ctx, v, f, note, a)
}

// usedAction writes down what was found, for the job that uses it.
func (s *Server) usedAction(ctx context.Context, v cairn.ActionVersion, f *found, note string, a asking) (cairn.ActionVersion, error) {
	var ref *cairn.ActionPin
	if f.full != "" || f.at.hosted && !shaPattern.MatchString(v.Ref) {
		ref = &cairn.ActionPin{Repository: v.Repository, Ref: v.Ref, Commit: f.commit, Source: f.source, At: time.Now().UTC()}
	}
	ch := cairn.Change{By: a.by}
	if a.job != 0 {
		ch.Links = []cairn.Link{{From: cairn.JobRef(a.job), Relation: cairn.RelUsed, To: cairn.ActionRef(v.Repository, v.Commit), Note: "as " + v.Uses}}
	}
	kept := v
	kept.Uses, kept.Path, kept.Ref, kept.Note = "", "", "", v.Note
	if err := s.store.PutAction(ctx, kept, ref, 0, 0, cairn.Change{}); err != nil {
		return v, err
	}
	if a.run != 0 {
		pin := cairn.ActionVersion{Repository: v.Repository, Ref: v.Ref, Commit: v.Commit}
		if err := s.store.PutAction(ctx, pin, nil, a.run, a.attempt, ch); err != nil {
			return v, err
		}
	}
	if note != "" {
		v.Note = strings.TrimPrefix(v.Note+"; "+note, "; ")
	}
	return v, nil
}

// commitOf finds out which commit a ref means: to this run from before, else what
// the mirrors say, else what was known last. A full commit id asks nobody.
func (s *Server) commitOf(ctx context.Context, u cairn.ActionUses, a asking) (*found, string, error) {
	if shaPattern.MatchString(u.Ref) && !a.untrusted {
		return &found{commit: strings.ToLower(u.Ref)}, "", nil
	}
	if a.run != 0 {
		commit, since, err := s.store.RunAction(ctx, a.run, u.Repository, u.Ref)
		if err != nil {
			return nil, "", err
		}
		if commit != "" && (!a.refresh || since == a.attempt) {
			return &found{commit: commit}, "", nil
		}
	}
	f, trouble, err := s.askAll(ctx, u, a)
	if err != nil {
		return nil, "", err
	}
	if f != nil {
		return f, "", nil
	}
	if trouble.away != nil && !a.untrusted {
		last, err := s.store.ActionRef(ctx, u.Repository, u.Ref)
		if err == nil {
			return &found{commit: last.Commit}, fmt.Sprintf("%s; %s@%s is taken as it was on %s (%s)", cairn.AsError(trouble.away).Message,
				u.Repository, u.Ref, last.At.UTC().Format("2006-01-02 15:04 UTC"), last.Commit[:12]), nil
		}
		if cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, "", err
		}
	}
	return nil, "", s.unresolved(u, trouble)
}

// trouble is why no place has an action.
type trouble struct {
	said       []string // what each place says
	repository bool     // some place has the repository
	away       error    // some place did not answer
}

// askAll asks the places in their order. Nil without an error: none has it. Behind a
// place that does not answer no other one is asked where a ref is known from before:
// what is asked first is trusted most.
func (s *Server) askAll(ctx context.Context, u cairn.ActionUses, a asking) (*found, trouble, error) {
	var t trouble
	_, err := s.store.ActionRef(ctx, u.Repository, u.Ref)
	known := err == nil && !a.untrusted
	for _, m := range s.mirrors() {
		if err := s.quiet.of(m.name, time.Now()); known && err != nil {
			t.away = err
			return nil, t, nil
		}
		f, err := s.ask(ctx, m, u, a)
		if err == nil {
			return f, t, nil
		}
		if ctx.Err() != nil {
			return nil, t, ctx.Err()
		}
		t.note(m, u, err)
		if cairn.CodeOf(err) == cairn.CodeUnavailable {
			if m.dir == "" {
				s.quiet.set(m.name, time.Now().Add(quietTime), err)
			}
			if known {
				return nil, t, nil
			}
		}
	}
	return nil, t, nil
}

func (t *trouble) note(m mirror, u cairn.ActionUses, err error) {
	e := cairn.AsError(err)
	switch e.Code {
	case cairn.CodeNotFound:
		if m.hosted && !strings.HasPrefix(e.Message, "there is no branch") {
			return // that a repository is not hosted here is the usual case
		}
		t.repository = t.repository || strings.HasPrefix(e.Message, "there is no branch")
	case cairn.CodeUnavailable:
		t.away = err
	}
	t.said = append(t.said, m.name+": "+e.Message)
}

const mirrorsHint = "actions.mirrors in config.yaml lists where to look: github, a folder of owner/repo repositories, https://git.example.com/{owner}/{repo}"

// unresolved says in the words of the original that there is no such action.
func (s *Server) unresolved(u cairn.ActionUses, t trouble) error {
	hint := "asked were " + strings.Join(t.said, "; ") + ". " + mirrorsHint
	if len(t.said) == 0 {
		hint = "nothing is asked for actions. " + mirrorsHint
	}
	switch {
	case t.repository && shortPattern.MatchString(strings.ToLower(u.Ref)):
		return cairn.Errorf(cairn.CodeInvalid, "Unable to resolve action `%s`, the provided ref `%s` is the shortened version of a commit SHA, which is not supported. Please use the full commit SHA instead.", u, u.Ref).
			WithHint("it has 40 digits: git rev-parse %s", u.Ref)
	case t.repository:
		return cairn.Errorf(cairn.CodeNotFound, "Unable to resolve action `%s`, unable to find version `%s`", u, u.Ref).WithHint("%s", hint)
	case t.away != nil:
		return cairn.Errorf(cairn.CodeUnavailable, "Unable to resolve action `%s`: %s", u, cairn.AsError(t.away).Message).
			WithHint("%sit is not kept here. Without network: cairn action fetch %s beforehand, or a folder of repositories under actions.mirrors in config.yaml", insteadOf(u), u)
	}
	// What is well known is no misspelling of something else.
	if more := insteadOf(u); more != "" {
		hint = more + hint
	} else if near := nearBuiltIn(u.Repository); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return cairn.Errorf(cairn.CodeNotFound, "Unable to resolve action `%s`, repository not found", u).WithHint("%s", hint)
}

// insteadOf begins a hint with what does the work of a well-known action.
func insteadOf(u cairn.ActionUses) string {
	if more := action.Instead(u.Repository); more != "" {
		return more + "; "
	}
	return ""
}

func nearBuiltIn(name string) string {
	var all []string
	for _, i := range action.Names() {
		all = append(all, i.Name)
	}
	return cairn.Nearest(name, all)
}

// fetchAction brings a commit from the place that named it; where only the commit is
// known, from the first that has it.
func (s *Server) fetchAction(ctx context.Context, u cairn.ActionUses, f *found, a asking) (cairn.ActionVersion, error) {
	from := []mirror{f.at}
	if f.source == "" {
		from = s.mirrors()
	}
	sha := u
	sha.Ref = f.commit
	t := trouble{repository: false}
	for _, m := range from {
		g := f
		var err error
		if f.source == "" {
			if g, err = s.ask(ctx, m, sha, a); err != nil {
				t.note(m, u, err)
				continue
			}
		}
		st, err := s.storeAction(ctx, u.Repository, g)
		if err != nil {
			if ctx.Err() != nil || cairn.CodeOf(err) == cairn.CodeTooLarge || cairn.CodeOf(err) == cairn.CodeInvalid {
				return cairn.ActionVersion{}, err
			}
			t.note(m, u, err)
			continue
		}
		v := cairn.ActionVersion{Repository: u.Repository, Commit: f.commit, Tree: st.Root, Source: g.source,
			Size: st.Size, Files: st.Files, FetchedAt: time.Now().UTC()}
		if len(st.Left) > 0 {
			v.Note = fmt.Sprintf("%d symbolic links of %s lead out of it and are left out: %s", len(st.Left), u.Repository, strings.Join(st.Left[:min(len(st.Left), 3)], ", "))
		}
		s.log.Info("action fetched", "action", u.Repository, "commit", f.commit, "from", g.source, "files", st.Files, "bytes", st.Size)
		return v, nil
	}
	if shaPattern.MatchString(u.Ref) && t.away == nil && len(t.said) > 0 {
		return cairn.ActionVersion{}, cairn.Errorf(cairn.CodeNotFound, "Unable to resolve action `%s`, unable to find version `%s`", u, u.Ref).
			WithHint("asked were %s", strings.Join(t.said, "; "))
	}
	return cairn.ActionVersion{}, s.unresolved(u, t)
}

func (s *Server) storeAction(ctx context.Context, repository string, f *found) (*git.StoredTree, error) {
	if f.at.hosted {
		return s.host.StoreTree(ctx, repository, f.commit, actionLimits(), s.blobs)
	}
	return s.host.StoreCommit(ctx, f.remote, f.full, f.commit, actionLimits(), s.blobs)
}

// selfAction is an action of the run's own code, at its own commit.
func (s *Server) selfAction(ctx context.Context, uses, path string, a asking) (cairn.ActionVersion, error) {
	r, err := s.store.Run(ctx, a.run)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	u, err := cairn.ParseActionUses(r.Repository + "/" + strings.Trim(path, "/") + "@self")
	if err != nil || u.Path == "" {
		return cairn.ActionVersion{}, cairn.Errorf(cairn.CodeInvalid, "%q is not a path of the repository", uses).WithHint("write $/path/of/the/folder")
	}
	unlock, err := s.fetches.lock(ctx, strings.ToLower(r.Repository))
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	defer unlock()
	// Uncommitted code is named by its tree.
	commit := r.Commit.SHA
	if r.Dirty || commit == "" {
		commit = r.TreeGit
	}
	v, err := s.store.ActionVersion(ctx, r.Repository, commit)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		var st *git.StoredTree
		if st, err = s.host.StoreTree(ctx, r.Repository, r.TreeGit, actionLimits(), s.blobs); err == nil {
			v = cairn.ActionVersion{Repository: r.Repository, Commit: commit, Tree: st.Root, Source: "self", Size: st.Size, Files: st.Files, FetchedAt: time.Now().UTC()}
		}
	}
	if err != nil {
		return v, err
	}
	v.Uses, v.Path = uses, u.Path
	return s.usedAction(ctx, v, &found{commit: commit}, "", a)
}

// RemoteFile reads one file of another repository: a workflow that is called. It
// answers the commit that its version means now.
func (s *Server) RemoteFile(ctx context.Context, uses, by string) (text []byte, commit string, err error) {
	return s.remoteFile(ctx, uses, asking{by: by})
}

func (s *Server) remoteFile(ctx context.Context, uses string, a asking) (text []byte, commit string, err error) {
	u, err := cairn.ParseActionUses(uses)
	if err != nil {
		return nil, "", err
	}
	v, err := s.action(ctx, u, a)
	if err != nil {
		return nil, "", err
	}
	tree := v.Tree
	parts := strings.Split(u.Path, "/")
	for i, part := range parts {
		entries, err := s.blobs.ReadTree(ctx, tree)
		if err != nil {
			return nil, "", err
		}
		at := -1
		for j, e := range entries {
			if e.Name == part {
				at = j
			}
		}
		last := i == len(parts)-1
		if at < 0 || last == (entries[at].Mode == cairn.ModeDir) || entries[at].Mode == cairn.ModeSymlink {
			return nil, "", cairn.Errorf(cairn.CodeNotFound, "there is no file %s in %s@%s", u.Path, u.Repository, u.Ref)
		}
		if tree = entries[at].Digest; last && entries[at].Size > maxRemoteFile {
			return nil, "", cairn.Errorf(cairn.CodeTooLarge, "%s holds %d bytes; at most %d are read", uses, entries[at].Size, maxRemoteFile)
		}
	}
	r, _, err := s.blobs.Get(ctx, tree)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	text, err = io.ReadAll(io.LimitReader(r, maxRemoteFile))
	return text, v.Commit, err
}

// maxRemoteFile bounds a workflow of another repository, as those of the own one are.
const maxRemoteFile = 1 << 20

// remoteWorkflow puts a workflow of another repository to the files of a plan. All
// jobs of the run get what its version means now.
// Untrusted code gets what everybody gets, as for actions.
func (s *Server) remoteWorkflow(ctx context.Context, uses string, c *code, files plan.Files, t *plan.Trigger) error {
	a := asking{repository: c.repo.Name, untrusted: s.config.untrusted(c.snap.Ref, "") || c.event != nil && c.event.Untrusted}
	text, commit, err := s.remoteFile(ctx, uses, a)
	if err != nil {
		return err
	}
	if t.Commits == nil {
		t.Commits = map[string]string{}
	}
	files[uses], t.Commits[uses] = text, commit
	return nil
}
