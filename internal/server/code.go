package server

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// code is what a run is of: a repository and a state of it.
type code struct {
	repo cairn.Repository
	snap *git.Snapshot
	// event is what starts it; nil for a run that somebody asked for.
	event *cairn.TriggerEvent
	// fork says that the event told of somebody else's code; a branch that is not
	// trusted is untrusted, too, but came from somebody who may write.
	fork bool
}

func (c *code) workDir() string {
	if c.snap.WorkTree == nil {
		return ""
	}
	return c.snap.WorkTree.Root
}

// notes are sentences about what was taken.
func (c *code) notes() []string {
	var out []string
	if c.snap.Dirty {
		out = append(out, dirtyNotes(c.snap)...)
	}
	if c.snap.Shallow {
		out = append(out, "the repository is a shallow clone: older commits are not known")
	}
	for _, p := range c.snap.Submodules {
		out = append(out, "the submodule "+p+" is not taken along: actions/checkout fetches it where it has submodules: true")
	}
	return out
}

// bigDirty is from where on it is said how much uncommitted files hold.
const bigDirty = 10 << 20

func dirtyNotes(s *git.Snapshot) []string {
	note := "1 uncommitted file is part of this run"
	if s.DirtyCount != 1 {
		note = fmt.Sprintf("%d uncommitted files are part of this run", s.DirtyCount)
	}
	if wt := s.WorkTree; wt != nil && wt.DirtyBytes >= bigDirty {
		note += fmt.Sprintf(" (%d MiB; data belongs into .gitignore and cairn data create)", wt.DirtyBytes>>20)
	}
	out := []string{note}
	conflicts := 0
	for _, f := range s.DirtyFiles {
		switch f.Status {
		case "conflict":
			conflicts++
		case "repository":
			out = append(out, f.Path+" is a git repository of its own: its files are not taken along")
		}
	}
	if conflicts > 0 {
		out = append(out, fmt.Sprintf("a merge is under way: %d of these files hold conflicts", conflicts))
	}
	return out
}

// code takes in the state of a working tree, or finds that of a hosted repository.
func (s *Server) code(ctx context.Context, r client.RunRequest) (*code, error) {
	switch {
	case r.Dir != "" && r.Repository != "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "a folder and a hosted repository are both given")
	case r.Dir != "":
		return s.workTree(ctx, r)
	case r.Repository == "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "neither a folder nor a hosted repository is given")
	}
	repo, err := s.store.Repository(ctx, Workspace, r.Repository)
	if err != nil {
		return nil, s.noRepository(ctx, r.Repository, err)
	}
	rev := r.Ref
	if rev == "" {
		rev = repo.DefaultBranch
	}
	snap, err := s.host.Snapshot(ctx, repo.Name, rev)
	if err != nil {
		return nil, readable(err, repo.Name)
	}
	return &code{repo: repo, snap: snap}, nil
}

func (s *Server) noRepository(ctx context.Context, name string, err error) error {
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no repository %q here", name)
	rs, lerr := s.store.Repositories(ctx, Workspace)
	if lerr != nil || len(rs) == 0 {
		return e.WithHint("push one: git push %s/git/%s.git HEAD:main", s.url, name)
	}
	var all []string
	for _, r := range rs {
		all = append(all, r.Name)
	}
	return e.WithHint("there are %s", strings.Join(all, ", "))
}

// workTree imports the state of a folder on this machine: only for its own user.
func (s *Server) workTree(ctx context.Context, r client.RunRequest) (*code, error) {
	if !auth.Socket(ctx) {
		return nil, cairn.Errorf(cairn.CodeForbidden, "a folder can only be given by a program of the server's own user, on its socket").
			WithHint("push the repository, and name it instead")
	}
	if !filepath.IsAbs(r.Dir) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the folder %q is not an absolute path", r.Dir)
	}
	wt, err := s.git.Find(ctx, r.Dir)
	if err != nil {
		return nil, readable(err, r.Dir)
	}
	rev := r.Ref
	if rev == "" && !r.Dirty {
		rev = "HEAD"
	}
	snap, err := s.host.Import(ctx, wt.Name, wt.Root, rev)
	if err != nil {
		return nil, readable(err, wt.Root)
	}
	if rev == "HEAD" && snap.Ref == "" {
		snap.Ref = wt.Ref
	}
	repo := cairn.Repository{Workspace: Workspace, Name: wt.Name, Origin: wt.Origin, WorkDir: wt.Root, DefaultBranch: wt.DefaultBranch}
	return &code{repo: repo, snap: snap}, s.keepRepository(ctx, &repo)
}

// keepRepository writes what is known of a repository if that is news.
func (s *Server) keepRepository(ctx context.Context, r *cairn.Repository) error {
	old, err := s.store.Repository(ctx, r.Workspace, r.Name)
	switch {
	case err == nil:
		r.CreatedAt = old.CreatedAt
		if old == *r {
			return nil
		}
	case cairn.CodeOf(err) != cairn.CodeNotFound:
		return err
	default:
		r.CreatedAt = time.Now().UTC()
	}
	return s.store.PutRepository(ctx, *r, cairn.Change{By: auth.Actor(ctx).Name})
}

// candidate is a workflow file of some code.
type candidate struct {
	path     string
	src      []byte
	workflow *workflow.Workflow
	problems []cairn.Problem
}

func (c *candidate) events() []string {
	var out []string
	if c.workflow != nil {
		for _, e := range c.workflow.On {
			out = append(out, e.Name)
		}
	}
	return out
}

// defaultEvent is the event of a run that names none.
func (c *candidate) defaultEvent() string {
	es := c.events()
	for _, want := range []string{"workflow_dispatch", "push"} {
		if slices.Contains(es, want) {
			return want
		}
	}
	if len(es) > 0 {
		return es[0]
	}
	return "workflow_dispatch"
}

func (c *candidate) choice() client.WorkflowChoice {
	out := client.WorkflowChoice{Path: c.path, Events: c.events()}
	if c.workflow != nil {
		out.Name = c.workflow.Name
	}
	return out
}

const workflowDir = ".github/workflows"

// workflows reads every workflow file of some code.
func (s *Server) workflows(ctx context.Context, c *code) ([]candidate, error) {
	es, err := s.host.ListDir(ctx, c.repo.Name, c.snap.TreeGit, workflowDir)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	} else if err != nil {
		return nil, readable(err, c.repo.Name)
	}
	var out []candidate
	for _, e := range es {
		if ext := path.Ext(e.Name); ext != ".yml" && ext != ".yaml" || e.Size < 0 {
			continue
		}
		w, err := s.readWorkflow(ctx, c, workflowDir+"/"+e.Name)
		if cairn.CodeOf(err) == cairn.CodeTooLarge {
			// It keeps no other workflow from running.
			file := workflowDir + "/" + e.Name
			w = &candidate{path: file, problems: []cairn.Problem{unmet(cairn.Position{File: file}, "workflow.size", "", "%s", cairn.AsError(err).Message)}}
		} else if err != nil {
			return nil, err
		}
		out = append(out, *w)
	}
	return out, nil
}

func (s *Server) readWorkflow(ctx context.Context, c *code, file string) (*candidate, error) {
	src, err := s.host.ReadFile(ctx, c.repo.Name, c.snap.TreeGit, file)
	if err != nil {
		return nil, readable(err, c.repo.Name)
	}
	w := &candidate{path: file, src: src}
	w.workflow, w.problems = workflow.Parse(file, src)
	return w, nil
}

// oneWorkflow finds the workflow that a request means, and refuses a broken one.
func (s *Server) oneWorkflow(ctx context.Context, c *code, r client.RunRequest) (*candidate, error) {
	all, err := s.workflows(ctx, c)
	if err != nil {
		return nil, err
	}
	w, err := s.choose(ctx, c, all, r)
	if err != nil {
		return nil, err
	}
	if cairn.HasErrors(w.problems) || w.workflow == nil {
		return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: w.path + " is not a valid workflow", Problems: w.problems}
	}
	return w, nil
}

func (s *Server) choose(ctx context.Context, c *code, all []candidate, r client.RunRequest) (*candidate, error) {
	if r.Workflow != "" {
		return s.named(ctx, c, all, r)
	}
	var fit []*candidate
	for i := range all {
		es := all[i].events()
		if len(es) == 1 && es[0] == "workflow_call" && r.Event == "" || r.Event != "" && !slices.Contains(es, r.Event) {
			continue
		}
		fit = append(fit, &all[i])
	}
	switch {
	case len(all) == 0:
		e := cairn.Errorf(cairn.CodeNotFound, "the repository has no workflow in %s", workflowDir)
		return nil, e.WithHint("write one, or name a file elsewhere: cairn run --workflow path/to/file.yml")
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) == 0:
		return nil, cairn.Errorf(cairn.CodeNotFound, "no workflow of the repository runs on %s", cmpOr(r.Event, "anything but workflow_call")).
			WithHint("there are %s", listChoices(all))
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "the repository has several workflows").
		WithHint("say which one with --workflow: %s", listChoices(all))
}

func listChoices(all []candidate) string {
	var out []string
	for i := range all {
		out = append(out, path.Base(all[i].path))
	}
	return strings.Join(out, ", ")
}

// named finds a workflow by its name, file name or path.
func (s *Server) named(ctx context.Context, c *code, all []candidate, r client.RunRequest) (*candidate, error) {
	name := filepath.ToSlash(r.Workflow)
	if filepath.IsAbs(r.Workflow) && c.workDir() != "" {
		rel, err := filepath.Rel(c.workDir(), r.Workflow)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s lies outside of the repository %s", r.Workflow, c.workDir())
		}
		name = filepath.ToSlash(rel)
	}
	var found []*candidate
	var known []string
	for i := range all {
		w := &all[i]
		base := path.Base(w.path)
		known = append(known, base, strings.TrimSuffix(base, path.Ext(base)))
		switch {
		case w.path == path.Clean(name):
			return w, nil
		case base == name, strings.TrimSuffix(base, path.Ext(base)) == name, w.workflow != nil && strings.EqualFold(w.workflow.Name, name):
			found = append(found, w)
		}
		if w.workflow != nil && w.workflow.Name != "" {
			known = append(known, w.workflow.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%d workflows are called %q", len(found), r.Workflow).
			WithHint("give the path of its file")
	}
	if ext := path.Ext(name); ext == ".yml" || ext == ".yaml" {
		w, err := s.elsewhere(ctx, c, name, r.Dir)
		if cairn.CodeOf(err) != cairn.CodeNotFound {
			return w, err
		}
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no workflow %q in the repository", r.Workflow)
	if near := cairn.Nearest(name, known); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	if len(all) == 0 {
		return nil, e.WithHint("%s is empty, or git ignores it", workflowDir)
	}
	return nil, e.WithHint("there are %s", listChoices(all))
}

// elsewhere reads a workflow at any path of the repository: from its top, or
// from the folder that the request came from.
func (s *Server) elsewhere(ctx context.Context, c *code, name, dir string) (*candidate, error) {
	tries := []string{path.Clean(name)}
	if root := c.workDir(); root != "" {
		if rel, err := filepath.Rel(root, dir); err == nil && rel != "." {
			tries = append(tries, path.Join(filepath.ToSlash(rel), name))
		}
	}
	var last error
	for _, t := range tries {
		if !filepath.IsLocal(filepath.FromSlash(t)) {
			continue
		}
		w, err := s.readWorkflow(ctx, c, t)
		if err == nil {
			return w, nil
		}
		last = err
	}
	if last == nil {
		last = cairn.Errorf(cairn.CodeNotFound, "%s lies outside of the repository", name)
	}
	return nil, last
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func sorted(xs []string) []string {
	slices.Sort(xs)
	return xs
}
