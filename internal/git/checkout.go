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
	// Depth as fetch-depth is accepted and has no effect: history is on this
	// machine, so all of it is there.
	Depth int
	// Tags makes the repository's tags known in the workspace.
	Tags bool
	// Clean empties the folder first. Without it a folder that holds something
	// keeps what the commit does not have.
	Clean bool
	// RemoteURL is what the remote origin is set to; "": the hosted repository.
	RemoteURL string
}

// Checkout makes dir a work tree of what code names and returns the commit that
// its HEAD is at. The repository in it is real (git log, git describe, git diff
// work) and borrows its objects from the hosted one. Of a dirty run the
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
	if o.Ref != "" && o.Ref != code.Ref && o.Ref != code.Commit {
		if sha, tree, ref, err = g.other(ctx, code, o.Ref); err != nil {
			return cairn.Commit{}, err
		}
	}
	if !isID(sha) || !isID(tree) {
		return cairn.Commit{}, cairn.Errorf(cairn.CodeInvalid, "%q and %q are not ids of a commit and a tree", clip(sha), clip(tree))
	}
	if o.Clean {
		if err := emptyDir(dir); err != nil {
			return cairn.Commit{}, fileError(err)
		}
	}
	if err := makeRepo(dir, code.GitDir, sha, ref, o.RemoteURL); err != nil {
		return cairn.Commit{}, fileError(err)
	}
	own := filepath.Join(dir, ".git")
	var c cairn.Commit
	eg, ectx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		w := call{dir: dir, own: true, env: []string{"GIT_DIR=" + own, "GIT_WORK_TREE=" + dir}, args: []string{"read-tree", "-u", "--reset", tree}}
		_, err := g.run(ectx, w)
		return err
	})
	eg.Go(func() error {
		var err error
		c, err = g.commit(ectx, hosted(code.GitDir), sha)
		return err
	})
	if o.Tags || o.Depth < 0 {
		eg.Go(func() error { return g.copyTags(ectx, code.GitDir, own) })
	}
	return c, eg.Wait()
}

// other finds what a job asks for instead of what its run is of.
func (g *Git) other(ctx context.Context, code cairn.CodeRef, rev string) (sha, tree, ref string, err error) {
	c, err := g.hostedCommit(ctx, code.GitDir, rev)
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			err = cairn.Errorf(cairn.CodeNotFound, "there is no branch, tag or commit %q in %s as Cairn has it", rev, code.Repository).
				WithHint("only what ran or was pushed here is known: git push cairn %s", rev)
		}
		return "", "", "", err
	}
	ref, err = g.fullRef(ctx, hosted(code.GitDir), rev)
	return c.SHA, c.Tree, ref, err
}

// makeRepo writes a repository without objects. A few files written here take a
// fiftieth of the time of git init, git remote and git update-ref.
func makeRepo(dir, gitDir, sha, ref, remote string) error {
	own := filepath.Join(dir, ".git")
	if remote == "" {
		remote = gitDir
	}
	files := map[string]string{
		"objects/info/alternates": filepath.Join(gitDir, "objects") + "\n",
		"config": "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n" +
			"[gc]\n\tauto = 0\n[remote \"origin\"]\n\turl = " + quoteConfig(remote) + "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
		"HEAD": sha + "\n",
	}
	if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok && CheckRef(ref) == nil {
		files["HEAD"] = "ref: " + ref + "\n"
		files[ref] = sha + "\n"
		files["refs/remotes/origin/"+name] = sha + "\n"
	}
	if b, err := os.ReadFile(filepath.Join(gitDir, "shallow")); err == nil {
		files["shallow"] = string(b)
	}
	for _, d := range []string{"objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(own, d), 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		p := filepath.Join(own, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyTags makes pushed and imported tags known in a work tree.
func (g *Git) copyTags(ctx context.Context, gitDir, own string) error {
	out, err := g.run(ctx, hosted(gitDir, "for-each-ref", "--format=%(objectname) %(refname)", "refs/cairn/tags", "refs/tags"))
	if err != nil || len(out) == 0 {
		return err
	}
	tags := map[string]string{} // a pushed tag wins over an imported one
	for l := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		if id, ref, ok := strings.Cut(l, " "); ok {
			tags["refs/tags/"+strings.TrimPrefix(strings.TrimPrefix(ref, "refs/cairn/tags/"), "refs/tags/")] = id
		}
	}
	var in strings.Builder
	for ref, id := range tags {
		in.WriteString("update " + ref + " " + id + "\n")
	}
	c := hosted(own, "update-ref", "--stdin")
	c.stdin = strings.NewReader(in.String())
	_, err = g.run(ctx, c)
	return err
}

// emptyDir removes what is in a folder, not the folder.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// quoteConfig writes a value of a git configuration file.
func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
