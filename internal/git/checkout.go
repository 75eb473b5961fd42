package git

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sync/errgroup"
)

// CheckoutOptions say what a job wants of its work tree.
type CheckoutOptions struct {
	// Ref is a branch, tag or commit other than the run's; "" is what the run is of.
	Ref string
	// Depth is how many commits of each line of history are shown, as fetch-depth: the
	// rest is on this machine, but git log ends there. 0 is all of history, with
	// every branch and tag that is hosted.
	Depth int
	// Tags makes the repository's tags known in the work tree.
	Tags bool
	// Clean removes what is not of the commit. Without it a folder that is a work tree
	// of the same remote keeps what the commit does not have.
	Clean bool
	// Detach leaves HEAD at the commit where it would be on a branch.
	Detach bool
	// RemoteURL is what the remote origin is set to; "": the hosted repository.
	RemoteURL string
	// Sparse are the folders (Cone) or patterns of a sparse checkout; none is all.
	Sparse []string
	Cone   bool
	// Own makes the repository hold its objects itself: for a container, where the
	// hosted one is not.
	Own bool
}

// Checkout makes dir a work tree of what code names and returns the commit that
// its HEAD is at. The repository in it is real (git log, git describe, git diff
// work) and borrows its objects from the hosted one, unless it is to own them. Of a dirty run the
// uncommitted changes are there, staged.
func (g *Git) Checkout(ctx context.Context, code cairn.CodeRef, dir string, o CheckoutOptions) (cairn.Commit, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return cairn.Commit{}, err
	}
	if _, err := os.Stat(filepath.Join(code.GitDir, "HEAD")); err != nil {
		return cairn.Commit{}, cairn.Errorf(cairn.CodeNotFound, "the hosted repository of %s is gone: %w", code.Repository, err)
	}
	sha, tree, ref := code.Commit, code.TreeGit, code.Ref
	if o.Ref != "" && !ofRun(code, o.Ref) {
		if sha, tree, ref, err = g.other(ctx, code, o.Ref); err != nil {
			return cairn.Commit{}, err
		}
	}
	if !isID(sha) || !isID(tree) {
		return cairn.Commit{}, cairn.Errorf(cairn.CodeInvalid, "%q and %q are not ids of a commit and a tree", clip(sha), clip(tree))
	}
	if o.Detach {
		ref = ""
	}
	if o.RemoteURL == "" {
		o.RemoteURL = code.GitDir
	}
	was, err := makeRoom(dir, o)
	if err != nil {
		return cairn.Commit{}, fileError(err)
	}
	if err := makeRepo(dir, code.GitDir, sha, ref, o.RemoteURL, was); err != nil {
		return cairn.Commit{}, fileError(err)
	}
	own := filepath.Join(dir, ".git")
	if err := g.cutHistory(ctx, code.GitDir, own, sha, o.Depth); err != nil {
		return cairn.Commit{}, err
	}
	inTree := call{dir: dir, own: true, env: []string{"GIT_DIR=" + own, "GIT_WORK_TREE=" + dir}}
	if err := g.sparse(ctx, inTree, o); err != nil {
		return cairn.Commit{}, err
	}
	var c cairn.Commit
	eg, ectx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		var err error
		c, err = g.commit(ectx, hosted(code.GitDir), sha)
		return err
	})
	eg.Go(func() error {
		w := inTree
		w.args = []string{"read-tree", "-u", "--reset", tree}
		_, err := g.run(ectx, w)
		return err
	})
	eg.Go(func() error { return g.copyRefs(ectx, code.GitDir, own, ref, o) })
	if err = eg.Wait(); err == nil && o.Own {
		err = g.ownObjects(ctx, inTree, own)
	}
	return c, err
}

// ofRun reports whether a ref is what the run is of. A run that began in a working
// tree is of its branch as it was there; what was pushed of that branch may be older.
func ofRun(code cairn.CodeRef, ref string) bool {
	if code.Commit == "" {
		return false
	}
	here := ref == code.Ref || "refs/heads/"+ref == code.Ref || "refs/tags/"+ref == code.Ref
	return ref == code.Commit || here && code.WorkDir != ""
}

// other finds what a job asks for instead of what its run is of: a branch before a
// tag of the same name, as actions/checkout does.
func (g *Git) other(ctx context.Context, code cairn.CodeRef, rev string) (sha, tree, ref string, err error) {
	full := rev
	if !isID(rev) && !strings.HasPrefix(rev, "refs/") {
		for _, p := range []string{"refs/heads/", "refs/tags/", "refs/cairn/tags/"} {
			if CheckRef(p+rev) != nil {
				continue
			}
			if _, err := g.line(ctx, hosted(code.GitDir, "rev-parse", "--verify", "--quiet", p+rev)); err == nil {
				full = p + rev
				break
			}
		}
	}
	c, err := g.hostedCommit(ctx, code.GitDir, full)
	if cairn.CodeOf(err) == cairn.CodeNotFound && code.Commit != "" && (rev == code.Ref || full == code.Ref || "refs/heads/"+rev == code.Ref) {
		return code.Commit, code.TreeGit, code.Ref, nil // it was never pushed: the run's is the only one
	}
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			err = cairn.Errorf(cairn.CodeNotFound, "there is no branch, tag or commit %q in %s as Cairn has it", rev, code.Repository).
				WithHint("only what ran or was pushed here is known: git push cairn %s", rev)
		}
		return "", "", "", err
	}
	if strings.HasPrefix(rev, "refs/pull/") {
		return c.SHA, c.Tree, rev, nil
	}
	ref, err = g.fullRef(ctx, hosted(code.GitDir), full)
	return c.SHA, c.Tree, ref, err
}

// Sibling is another repository of the same host, with nothing of it chosen. Its name
// is looked for in any case, as on GitHub, but one of the very same name comes first.
func Sibling(code cairn.CodeRef, repo string) (cairn.CodeRef, error) {
	if err := CheckRepo(repo); err != nil {
		return cairn.CodeRef{}, err
	}
	dir := filepath.Dir(filepath.Dir(code.GitDir))
	owner, name, _ := strings.Cut(repo, "/")
	owner = sameName(dir, owner)
	name = sameName(filepath.Join(dir, owner), name+".git")
	dir, repo = filepath.Join(dir, owner, name), owner+"/"+strings.TrimSuffix(name, ".git")
	head, err := os.ReadFile(filepath.Join(dir, "HEAD"))
	if err != nil {
		return cairn.CodeRef{}, cairn.Errorf(cairn.CodeNotFound, "there is no repository %s here", repo)
	}
	ref, _ := strings.CutPrefix(strings.TrimSpace(string(head)), "ref: ")
	return cairn.CodeRef{Repository: repo, GitDir: dir, Ref: ref}, nil
}

// sameName is the entry of a folder that is called name, or so in another case.
func sameName(dir, name string) string {
	if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		return name
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return name
	}
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return e.Name()
		}
	}
	return name
}

// quoteConfig writes a value of a git configuration file.
func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
