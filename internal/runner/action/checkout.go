package action

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// CheckoutOptions are what the step asks of the code.
type CheckoutOptions struct {
	Ref   string // other than the run's: a branch, tag or commit; "" is what the run is of
	Depth int    // 0 is all of history
	Tags  bool
	Clean bool // empty the folder first
}

func checkoutInputs() []string {
	return []string{"repository", "ref", "token", "ssh-key", "ssh-known-hosts", "ssh-strict", "ssh-user", "persist-credentials", "path", "clean",
		"filter", "sparse-checkout", "sparse-checkout-cone-mode", "fetch-depth", "fetch-tags", "show-progress", "lfs", "submodules",
		"set-safe-directory", "github-server-url"}
}

// checkout is actions/checkout: the run's code, from the hosted repository.
type checkout struct{ deps Deps }

// Run does the step.
func (a *checkout) Run(ctx context.Context, c *runner.StepContext) error {
	code := c.Spec.Code
	if repo := c.Input("repository"); repo != "" && !strings.EqualFold(repo, code.Repository) {
		return cairn.Errorf(cairn.CodeUnsupported, "repository %q is not this one (%s)", repo, code.Repository).
			WithHint("other repositories cannot be checked out for now; git clone in a run step can do it")
	}
	dir, err := inside(c.Dirs.Workspace, c.Input("path"))
	if err != nil {
		return err
	}
	o := CheckoutOptions{Ref: c.Input("ref")}
	if o.Clean, err = boolInput(c, "clean", true); err != nil {
		return err
	}
	if o.Tags, err = boolInput(c, "fetch-tags", false); err != nil {
		return err
	}
	if o.Depth, err = intInput(c, "fetch-depth", 1); err != nil {
		return err
	}
	if lfs, err := boolInput(c, "lfs", false); err != nil {
		return err
	} else if lfs {
		return cairn.Errorf(cairn.CodeUnsupported, "lfs: true is not built in: the files would be pointers").
			WithHint("large files are kept as data versions: cairn data create NAME PATH")
	}
	if c.Input("sparse-checkout") != "" {
		c.Warn("sparse-checkout is not built in: all files are checked out")
	}
	commit, err := a.deps.Checkout(ctx, code, dir, o)
	if err != nil {
		return err
	}
	if commit.SHA == "" {
		c.Logf("The repository has no commit yet; the working tree's files are taken")
	} else {
		c.Logf("HEAD is at %s %s", short(commit.SHA), commit.Subject)
		c.Logf("  by %s, %s", commit.Author, commit.Date.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if code.Dirty && o.Ref == "" {
		c.Logf("with the uncommitted changes of the working tree it was started from (tree %s)", short(code.TreeGit))
	}
	c.SetOutput("commit", commit.SHA)
	ref := o.Ref
	if ref == "" {
		ref = code.Ref
	}
	c.SetOutput("ref", ref)
	return a.submodules(ctx, c, dir)
}

// submodules fetches what is asked for with git itself; what is not asked for
// stays empty, as on GitHub, but is said.
func (a *checkout) submodules(ctx context.Context, c *runner.StepContext, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, ".gitmodules")); err != nil {
		return nil
	}
	args := []string{"git", "submodule", "update", "--init", "--depth=1"}
	switch v := strings.ToLower(c.Input("submodules")); v {
	case "", "false":
		c.Warn("this repository has submodules; their folders stay empty without submodules: true")
		return nil
	case "true":
	case "recursive":
		args = append(args, "--recursive")
	default:
		return cairn.Errorf(cairn.CodeInvalid, "input 'submodules' is %q", v).WithHint("allowed are true, false and recursive")
	}
	code, err := c.Exec(ctx, runner.Process{Args: args, Dir: dir})
	if err != nil {
		return err
	}
	if code != 0 {
		return cairn.Errorf(cairn.CodeFailed, "git submodule update failed with code %d", code).
			WithHint("submodules are fetched from their own addresses; relative ones cannot be resolved here")
	}
	return nil
}

func short(sha string) string { return sha[:min(len(sha), 7)] }

// inside joins rel to base and refuses to leave it.
func inside(base, rel string) (string, error) {
	if rel == "" {
		return base, nil
	}
	p := rel
	if !filepath.IsAbs(p) {
		p = filepath.Join(base, rel)
	}
	p = filepath.Clean(p)
	if p != base && !strings.HasPrefix(p, base+string(filepath.Separator)) {
		return "", cairn.Errorf(cairn.CodeInvalid, "path %q is not under the workspace", rel).
			WithHint("give a folder below %s", base)
	}
	return p, nil
}
