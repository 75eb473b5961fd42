package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sync/errgroup"
)

// ActionSource finds actions that are not built in. A Server may be one.
type ActionSource interface {
	// ResolveAction answers which commit `uses` means to the calling job, and the
	// tree of its repository: owner/repo/path@ref, or $/path in the run's own code.
	ResolveAction(ctx context.Context, uses string) (cairn.ActionVersion, error)
}

// maxCalls bounds the uses of actions in one job, those in composite actions
// counted: a few small files could ask for millions.
const maxCalls = 2000

// maxRemote bounds the different actions that one job may have fetched.
const maxRemote = 300

// usedActions is what the steps of a job share of actions.
type usedActions struct {
	mu     sync.Mutex
	found  map[string]*foundAction // by uses
	trees  map[string]*fetchedTree // by folder
	nodes  map[string]string       // versions by path of node
	images map[string]string       // of built Dockerfiles
	told   map[string]bool         // lines that the log has
	calls  int
}

// foundAction is what a remote uses was found to be.
type foundAction struct {
	once    sync.Once
	handler handler
	err     error
	version cairn.ActionVersion
	lines   []string // for the log
}

// fetchedTree is a repository that was brought into the job's folder.
type fetchedTree struct {
	once sync.Once
	err  error
}

// finder prepares the calls of steps. Everything that is missing is told at once.
type finder struct {
	x    *executor
	ctx  context.Context
	line func(format string, args ...any) // of the log
	errs []error
	// stop says that looking on makes no sense.
	stop bool
}

// chain is the composite actions around a step, outermost first.
type chain struct {
	from  origin
	depth int
	uses  []string // by commit
}

// findActions finds what the steps of the job use.
func (x *executor) findActions(log *stepLog) error {
	f := &finder{x: x, ctx: x.ctx, line: log.line}
	var uses []string
	for i := range x.Spec.Steps {
		uses = append(uses, x.Spec.Steps[i].Uses)
	}
	f.fetch(uses, origin{})
	for i := range x.Spec.Steps {
		if s := &x.Spec.Steps[i]; s.Uses != "" {
			x.calls[s] = f.call(s, chain{})
		}
	}
	return errors.Join(f.errs...)
}

// prepareParts finds what a local composite action uses, once its step runs.
func (st *step) prepareParts(ctx context.Context, a *actionFile) error {
	f := &finder{x: st.x, ctx: ctx, line: st.log.line}
	st.call.parts = f.parts(a, chain{from: st.scope.from, depth: st.scope.depth})
	return errors.Join(f.errs...)
}

func (f *finder) fail(err error) {
	for _, e := range f.errs {
		if e.Error() == err.Error() {
			return
		}
	}
	f.errs = append(f.errs, err)
}

// call prepares one use of an action.
func (f *finder) call(s *cairn.Step, in chain) *call {
	c := &call{spec: s}
	if f.stop {
		return c
	}
	f.x.used.mu.Lock()
	f.x.used.calls++
	n := f.x.used.calls
	f.x.used.mu.Unlock()
	if n > maxCalls {
		f.stop = true
		f.fail(cairn.Errorf(cairn.CodeTooLarge, "the job uses actions more than %d times, those inside of composite actions counted", maxCalls))
		return c
	}
	uses := in.from.expand(s.Uses)
	switch {
	case strings.HasPrefix(uses, "./"):
		return c // looked for when its step runs
	case strings.HasPrefix(uses, "docker://"):
		if f.x.containerRunner() == nil {
			f.fail(noEngine(s.Uses))
		}
		c.handler = imageAction(uses)
		return c
	}
	if a := f.x.builtIn(uses); a != nil {
		c.handler = native{a}
		return c
	}
	found := f.remote(uses, in.from)
	f.tell(found)
	if found.err != nil {
		f.fail(found.err)
		return c
	}
	c.handler = found.handler
	f.deepen(c, found, in)
	return c
}

// deepen prepares what the steps of a composite action use.
func (f *finder) deepen(c *call, found *foundAction, in chain) {
	a, ok := c.handler.(*composite)
	if !ok {
		if d, ok := c.handler.(*dockerAction); ok && f.x.containerRunner() == nil {
			f.fail(noEngine(d.file.uses))
		}
		return
	}
	v := found.version
	id := strings.ToLower(v.Repository) + "/" + v.Path + "@" + v.Commit
	if in.depth >= maxDepth || slices.Contains(in.uses, id) {
		f.stop = true
		f.fail(depthError(a.file.uses))
		return
	}
	in.uses = append(slices.Clone(in.uses), id)
	c.parts = f.parts(a.file, in)
}

// parts prepares the steps of a composite action.
func (f *finder) parts(a *actionFile, in chain) []*call {
	steps := a.def.Runs.Steps
	in.from, in.depth = a.from, in.depth+1
	var uses []string
	for i := range steps {
		uses = append(uses, steps[i].Uses)
	}
	f.fetch(uses, in.from)
	out := make([]*call, len(steps))
	for i := range steps {
		if steps[i].Uses != "" {
			out[i] = f.call(&steps[i].Step, in)
		}
	}
	return out
}

// expand says what $/ means in a file of a repository that was fetched.
func (o origin) expand(uses string) string {
	if p, ok := strings.CutPrefix(uses, "$/"); ok && o.commit != "" {
		return o.repository + "/" + strings.TrimLeft(p, "/") + "@" + o.commit
	}
	return uses
}

// builtIn is the action of that name that is part of Cairn; nil: there is none, or
// the configuration wants the original.
func (x *executor) builtIn(uses string) Action {
	name, _, _ := strings.Cut(uses, "@")
	if x.Registry == nil || slices.ContainsFunc(x.Spec.Originals, func(o string) bool { return strings.EqualFold(o, name) }) {
		return nil
	}
	a, err := x.Registry.Action(uses)
	if err != nil {
		return nil
	}
	return a
}

// fetch finds several actions at the same time.
func (f *finder) fetch(uses []string, from origin) {
	var g errgroup.Group
	g.SetLimit(4)
	for _, u := range uses {
		u = from.expand(u)
		if u == "" || strings.HasPrefix(u, "./") || strings.HasPrefix(u, "docker://") || f.x.builtIn(u) != nil {
			continue
		}
		g.Go(func() error {
			f.remote(u, from)
			return nil
		})
	}
	_ = g.Wait()
}

// remote finds an action of another repository, or of the run's own commit.
func (f *finder) remote(uses string, from origin) *foundAction {
	used := &f.x.used
	used.mu.Lock()
	if used.found == nil {
		used.found = map[string]*foundAction{}
	}
	a := used.found[uses]
	if a == nil && len(used.found) >= maxRemote {
		used.mu.Unlock()
		return &foundAction{err: cairn.Errorf(cairn.CodeTooLarge, "the job uses more than %d different actions of other repositories", maxRemote)}
	}
	if a == nil {
		a = &foundAction{}
		used.found[uses] = a
	}
	used.mu.Unlock()
	a.once.Do(func() { a.handler, a.err = f.find(a, uses, from) })
	return a
}

// tell logs what came of an action, each line once a job.
func (f *finder) tell(a *foundAction) {
	used := &f.x.used
	for _, l := range a.lines {
		used.mu.Lock()
		told := used.told[l]
		if used.told == nil {
			used.told = map[string]bool{}
		}
		used.told[l] = true
		used.mu.Unlock()
		if !told {
			f.line("%s", l)
		}
	}
}

func (f *finder) find(a *foundAction, uses string, from origin) (handler, error) {
	x := f.x
	source, ok := x.Server.(ActionSource)
	if !ok {
		return nil, x.notBuiltIn(uses, nil)
	}
	v, err := source.ResolveAction(f.ctx, uses)
	if err != nil {
		return nil, x.notBuiltIn(uses, err)
	}
	if err := checkVersion(v); err != nil {
		return nil, err
	}
	a.version = v
	shown := v.Repository
	if v.Ref != "" {
		shown += "@" + v.Ref
	}
	if v.Commit != from.commit { // what $/ means is there already
		a.lines = append(a.lines, fmt.Sprintf("Download action repository '%s' (SHA:%s)", shown, v.Commit))
	}
	if v.Note != "" {
		a.lines = append(a.lines, "##[warning]"+v.Note)
	}
	root := filepath.Join(x.Machine.Dirs().Files, "actions", filepath.FromSlash(v.Repository), v.Commit)
	if err := f.bring(v, root); err != nil {
		return nil, err
	}
	o := origin{repository: v.Repository, commit: v.Commit, ref: v.Ref}
	if from.commit == v.Commit && from.repository == v.Repository {
		o.ref = from.ref // a $/ path keeps what was asked for
	}
	file := &actionFile{uses: uses, dir: filepath.Join(root, filepath.FromSlash(v.Path)), root: root, from: o}
	return loadAction(file)
}

// bring writes the repository into the job's folder, once.
func (f *finder) bring(v cairn.ActionVersion, root string) error {
	used := &f.x.used
	used.mu.Lock()
	if used.trees == nil {
		used.trees = map[string]*fetchedTree{}
	}
	t := used.trees[root]
	if t == nil {
		t = &fetchedTree{}
		used.trees[root] = t
	}
	used.mu.Unlock()
	t.once.Do(func() { t.err = f.x.Server.DownloadTree(f.ctx, v.Tree, root) })
	if t.err != nil {
		return fmt.Errorf("the action %s cannot be brought here: %w", v.Uses, t.err)
	}
	return nil
}

// notBuiltIn joins why an action is neither built in nor to be had elsewhere.
func (x *executor) notBuiltIn(uses string, err error) error {
	if x.Registry != nil && !strings.HasPrefix(uses, "$/") {
		if _, own := x.Registry.Action(uses); own != nil && (err == nil || cairn.CodeOf(err) == cairn.CodeUnsupported) {
			return own
		}
	}
	if err == nil {
		err = cairn.Errorf(cairn.CodeUnsupported, "%s is not built in, and there is nothing to fetch it from", uses)
	}
	return err
}

var (
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$`)
	commitID       = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// checkVersion keeps what the server answers from naming a folder elsewhere.
func checkVersion(v cairn.ActionVersion) error {
	owner, repo, _ := strings.Cut(v.Repository, "/")
	if !repositoryName.MatchString(v.Repository) || !filepath.IsLocal(owner) || !filepath.IsLocal(repo) || owner == "." || repo == "." ||
		!commitID.MatchString(v.Commit) || v.Path != "" && !filepath.IsLocal(filepath.FromSlash(v.Path)) {
		return cairn.Errorf(cairn.CodeInvalid, "the action %q has no place: repository %q, path %q, commit %q", v.Uses, v.Repository, v.Path, v.Commit)
	}
	return nil
}

// findLocal loads a local action, now that its step runs.
func (st *step) findLocal(ctx context.Context) error {
	root := st.x.Machine.Dirs().Workspace
	f := &actionFile{uses: st.spec.Uses, root: root, dir: filepath.Join(root, filepath.FromSlash(st.spec.Uses)), local: true}
	h, err := loadAction(f)
	if err != nil {
		return err
	}
	st.call.handler = h
	return nil
}
