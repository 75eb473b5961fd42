package server

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/runner/action"
)

// Actions lists the actions that are kept here.
func (s *Server) Actions(ctx context.Context) ([]cairn.ActionInfo, error) {
	var out []cairn.ActionInfo
	var last cairn.ActionVersion
	for {
		vs, err := s.store.ActionVersions(ctx, last, 1000)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			info, err := s.actionInfo(ctx, v)
			if err != nil {
				return nil, err
			}
			out = append(out, info)
			last = v
		}
		if len(vs) < 1000 {
			return out, nil
		}
	}
}

// Action finds a kept action by its name and a commit, a beginning of one, or a ref.
func (s *Server) Action(ctx context.Context, name string) (*cairn.ActionInfo, error) {
	all, err := s.Actions(ctx)
	if err != nil {
		return nil, err
	}
	repository, version, _ := strings.Cut(name, "@")
	var fit []*cairn.ActionInfo
	var names []string
	for i := range all {
		a := &all[i]
		names = append(names, a.Repository)
		if !strings.EqualFold(a.Repository, repository) {
			continue
		}
		if version == "" || slices.Contains(a.Refs, version) || len(version) >= 7 && strings.HasPrefix(a.Commit, strings.ToLower(version)) {
			fit = append(fit, a)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		var which []string
		for _, a := range fit {
			which = append(which, a.Repository+"@"+a.Commit[:12])
		}
		return nil, cairn.Errorf(cairn.CodeConflict, "%s is kept in several versions", name).WithHint("say which one: %s", strings.Join(which, ", "))
	}
	e := cairn.Errorf(cairn.CodeNotFound, "the action %s is not kept here", name)
	if near := cairn.Nearest(repository, names); near != "" && !strings.EqualFold(near, repository) {
		return nil, e.WithHint("did you mean %s?", near)
	}
	return nil, e.WithHint("cairn action list shows what is; cairn action fetch OWNER/REPO@VERSION brings one")
}

func (s *Server) actionInfo(ctx context.Context, v cairn.ActionVersion) (cairn.ActionInfo, error) {
	info := cairn.ActionInfo{ActionVersion: v}
	refs, err := s.store.ActionRefs(ctx, v.Repository, v.Commit)
	if err != nil {
		return info, err
	}
	for _, r := range refs {
		info.Refs = append(info.Refs, r.Ref)
	}
	links, err := s.store.LinksTo(ctx, cairn.ActionRef(v.Repository, v.Commit))
	if err != nil {
		return info, err
	}
	for _, l := range links {
		id, err := strconv.ParseInt(l.From.ID(), 10, 64)
		if err != nil {
			continue
		}
		j, err := s.store.Job(ctx, cairn.JobID(id))
		if err == nil && !slices.Contains(info.Runs, j.Run) {
			info.Runs = append(info.Runs, j.Run)
		}
	}
	slices.SortFunc(info.Runs, func(a, b cairn.RunID) int { return int(b - a) })
	return info, nil
}

// RemoveAction forgets a kept action. What used it stays linked to its commit.
func (s *Server) RemoveAction(ctx context.Context, name, by string) (*cairn.ActionInfo, error) {
	a, err := s.Action(ctx, name)
	if err != nil {
		return nil, err
	}
	return a, s.store.DeleteAction(ctx, a.ActionVersion, cairn.Change{By: by})
}

// RunActions lists the actions that the jobs of an attempt used.
func (s *Server) RunActions(ctx context.Context, id cairn.RunID, attempt int) ([]cairn.UsedAction, error) {
	r, err := s.store.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	if attempt == 0 {
		attempt = r.Attempt
	}
	jobs, err := s.store.Jobs(ctx, id, attempt, false)
	if err != nil {
		return nil, err
	}
	refs := make([]cairn.Ref, len(jobs))
	for i := range jobs {
		refs[i] = cairn.JobRef(jobs[i].ID)
	}
	links, err := s.store.LinksFrom(ctx, refs...)
	if err != nil {
		return nil, err
	}
	var out []cairn.UsedAction
	for _, l := range links {
		if l.Relation != cairn.RelUsed || l.To.Kind() != cairn.KindAction {
			continue
		}
		job, _ := strconv.ParseInt(l.From.ID(), 10, 64) // made by JobRef
		repository, commit, _ := strings.Cut(l.To.ID(), "@")
		out = append(out, cairn.UsedAction{Job: cairn.JobID(job), Repository: repository, Commit: commit, As: strings.TrimPrefix(l.Note, "as ")})
	}
	return out, nil
}

// actionRoots lists the trees of kept actions; false ends the listing.
func (s *Server) actionRoots(ctx context.Context, yield func(cas.Root, error) bool) bool {
	var last cairn.ActionVersion
	for {
		vs, err := s.store.ActionVersions(ctx, last, 1000)
		if err != nil {
			return yield(cas.Root{}, err)
		}
		for _, v := range vs {
			if !yield(cas.Root{Digest: v.Tree, Tree: true, Name: string(cairn.ActionRef(v.Repository, v.Commit))}, nil) {
				return false
			}
			last = v
		}
		if len(vs) < 1000 {
			return true
		}
	}
}

// preflightPatience bounds how long mirrors are asked before a run.
const preflightPatience = 15 * time.Second

// actionProblem says why an action cannot be met: it is neither built in nor kept
// nor at a mirror. Nil where it can, as far as is known before it is fetched.
func (s *Server) actionProblem(ctx context.Context, uses string) error {
	name, _, _ := strings.Cut(uses, "@")
	switch {
	case strings.HasPrefix(uses, "docker://"), strings.HasPrefix(uses, "./"), strings.HasPrefix(uses, "$/"):
		return nil
	case !s.original(name):
		own := action.Supported(uses)
		if own == nil {
			return nil
		}
	}
	u, err := cairn.ParseActionUses(uses)
	if err != nil {
		return err
	}
	if shaPattern.MatchString(u.Ref) {
		if _, err := s.store.ActionVersion(ctx, u.Repository, strings.ToLower(u.Ref)); err == nil {
			return nil
		}
	}
	f, t, err := s.askAll(ctx, u, asking{})
	if err != nil || f != nil {
		return err
	}
	if t.away != nil {
		if _, err := s.store.ActionRef(ctx, u.Repository, u.Ref); err == nil {
			return nil // the last one that is known is taken, and said
		}
	}
	if own := action.Supported(uses); own != nil && !s.original(name) && action.Known(name) {
		return own
	}
	return s.unresolved(u, t)
}

// original reports whether the built-in of that name is not to be used.
func (s *Server) original(name string) bool {
	return slices.ContainsFunc(s.config.Actions.Original, func(o string) bool { return strings.EqualFold(o, name) })
}

// actionProblems looks at several actions at the same time.
func (s *Server) actionProblems(ctx context.Context, uses []string) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, preflightPatience)
	defer cancel()
	out := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	limit := make(chan struct{}, 4)
	for _, u := range uses {
		mu.Lock()
		_, seen := out[u]
		out[u] = nil
		mu.Unlock()
		if seen {
			continue
		}
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			err := s.actionProblem(ctx, u)
			if err != nil && ctx.Err() != nil {
				err = cairn.Errorf(cairn.CodeUnavailable, "whether there is an action %s could not be found out in %s", u, preflightPatience)
			}
			mu.Lock()
			out[u] = err
			mu.Unlock()
		})
	}
	wg.Wait()
	return out
}
