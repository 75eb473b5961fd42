package action

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// CheckoutOptions are what the step asks of the code.
type CheckoutOptions struct {
	Ref       string // other than the run's: a branch, tag or commit; "" is what the run is of
	Depth     int    // 0 is all of history, with all branches and tags
	Tags      bool
	Clean     bool // remove what is not of the commit
	Detach    bool // no branch, as the first version
	RemoteURL string
	Sparse    []string // folders, or with Cone false patterns
	Cone      bool
	Own       bool // hold all objects itself: the hosted repository is not there for the steps
}

// checkout is actions/checkout. Code that Cairn has comes from the hosted
// repository, without a network; other repositories are fetched as the original
// does.
type checkout struct {
	deps  Deps
	major int
}

func newCheckout(d Deps, major int) runner.Action {
	a := &checkout{d, major}
	if major == 1 {
		return struct{ runner.Action }{a} // it left nothing to take away again
	}
	return a
}

// checkoutInput is what the step asks for.
type checkoutInput struct {
	CheckoutOptions
	repository string
	dir        string
	submodules bool
	nested     bool
	lfs        bool
	persist    bool
	filter     string
	server     string // github-server-url
	token      string // as given; "" is the job's
	ssh        sshInput
}

var fullSHA = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

// Run does the step.
func (a *checkout) Run(ctx context.Context, c *runner.StepContext) error {
	in, err := a.read(c)
	if err != nil {
		return err
	}
	if err := a.safe(c, in); err != nil {
		return err
	}
	code, here, err := a.source(ctx, c, in)
	if err != nil {
		return err
	}
	k, err := newKeys(c, in)
	if err != nil {
		return err
	}
	defer k.end(c, in.persist)
	ref := in.Ref
	switch {
	case fullSHA.MatchString(ref):
		ref = ""
	case ref == "":
		ref = code.Ref
	}
	var sha string
	if here {
		sha, err = a.local(ctx, c, code, in, k)
	} else {
		sha, ref, err = a.remote(ctx, c, in, k)
	}
	if err != nil {
		return err
	}
	if a.major >= 4 {
		c.SetOutput("ref", ref)
		c.SetOutput("commit", sha)
	}
	if in.lfs {
		if err := a.largeFiles(ctx, c, code, in); err != nil {
			return err
		}
	}
	return a.modules(ctx, c, code, in, k)
}

// read takes the inputs as the original reads them: a boolean that is not true is
// false, a depth that is no number is 0.
func (a *checkout) read(c *runner.StepContext) (in checkoutInput, err error) {
	yes := func(name string) bool { return strings.EqualFold(c.Input(name), "true") }
	in.repository = c.Input("repository")
	if in.repository == "" {
		in.repository = c.Spec.Code.Repository
	}
	if owner, name, ok := strings.Cut(in.repository, "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return in, cairn.Errorf(cairn.CodeInvalid, "Invalid repository '%s'. Expected format {owner}/{repo}.", in.repository)
	}
	if in.dir, err = insideReally(c.Dirs.Workspace, c.Input("path")); err != nil {
		return in, err
	}
	in.Ref, in.Clean, in.Tags, in.lfs = c.Input("ref"), yes("clean"), yes("fetch-tags"), yes("lfs")
	in.Detach = a.major == 1
	in.Depth = depth(c.Input("fetch-depth"))
	in.Sparse, in.Cone = lines(c.Input("sparse-checkout")), yes("sparse-checkout-cone-mode")
	in.filter, in.server = c.Input("filter"), strings.TrimRight(c.Input("github-server-url"), "/")
	in.persist = a.major > 1 && yes("persist-credentials")
	in.token = c.Input("token")
	in.ssh = sshInput{key: c.Input("ssh-key"), hosts: c.Input("ssh-known-hosts"), strict: yes("ssh-strict"), user: c.Input("ssh-user")}
	if a.major < 4 {
		in.ssh.user = "git"
	}
	switch strings.ToLower(c.Input("submodules")) {
	case "true":
		in.submodules = true
	case "recursive":
		in.submodules, in.nested = true, true
	}
	return in, nil
}

// depth reads fetch-depth: what is not a number above 0 is everything.
func depth(v string) int {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n >= 1) {
		return 0
	}
	return int(min(math.Floor(n), math.MaxInt32))
}

// source finds where the code comes from. here is false where Cairn does not have it.
func (a *checkout) source(ctx context.Context, c *runner.StepContext, in checkoutInput) (code cairn.CodeRef, here bool, err error) {
	code = c.Spec.Code
	own := strings.EqualFold(in.repository, code.Repository)
	if own || a.deps.Other == nil {
		return code, own, nil
	}
	if foreign(c) {
		return cairn.CodeRef{Repository: in.repository}, false, nil // code of a fork sees no other repository here
	}
	other, err := a.deps.Other(code, in.repository)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return cairn.CodeRef{Repository: in.repository}, false, nil
	}
	return other, err == nil, err
}

// local makes the work tree from what Cairn has.
func (a *checkout) local(ctx context.Context, c *runner.StepContext, code cairn.CodeRef, in checkoutInput, k *keys) (string, error) {
	o := in.CheckoutOptions
	if o.Ref == "" && code.Commit == "" {
		o.Ref = code.Ref // the default branch of another repository
	}
	o.RemoteURL, o.Own = remoteURL(c, code.Repository), c.InContainer
	commit, err := a.deps.Checkout(ctx, code, in.dir, o)
	if err != nil {
		return "", err
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
	if in.filter != "" {
		c.Logf("filter: %s has no effect: all objects are on this machine", in.filter)
	}
	if in.ssh.key != "" && !in.submodules {
		c.Logf("ssh-key is not needed: %s is here", code.Repository)
	}
	if c.InContainer && a.major > 1 && strings.EqualFold(c.Input("set-safe-directory"), "true") {
		if err := trust(c, in.dir); err != nil {
			return "", err
		}
	}
	if in.persist && o.RemoteURL != "" {
		if err := k.persist(c, in.dir, o.RemoteURL, a.major); err != nil {
			return "", err
		}
	}
	return commit.SHA, nil
}

// trust lets git in the job's container work in a folder that belongs to a user of
// this machine.
func trust(c *runner.StepContext, dir string) error {
	f, err := os.OpenFile(filepath.Join(c.Dirs.Home, ".gitconfig"), os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
	if err == nil {
		_, err = f.WriteString("[safe]\n\tdirectory = " + quoteGit(dir) + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the folder cannot be made a safe one for git: %w", err)
	}
	return nil
}

// remoteURL is where the job's git reaches a repository of Cairn; "" without a
// server: then it is a folder of this machine.
func remoteURL(c *runner.StepContext, repository string) string {
	base := strings.TrimRight(c.Env["CAIRN_URL"], "/")
	if base == "" {
		return ""
	}
	return base + "/git/" + repository + ".git"
}

// safe refuses what the original refuses since 2026: code of a fork in a workflow
// that has the secrets of this repository, unless the step says that it means it.
func (a *checkout) safe(c *runner.StepContext, in checkoutInput) error {
	if a.major < 5 || strings.EqualFold(c.Input("allow-unsafe-pr-checkout"), "true") || c.Input("ref") == "" && strings.EqualFold(in.repository, c.Spec.Code.Repository) {
		return nil
	}
	pr := forkOf(c.Spec.Contexts["github"])
	if pr == nil || pr.untrusted {
		return nil
	}
	ref := strings.ToLower(in.Ref)
	if strings.EqualFold(in.repository, pr.repository) || pr.sha != "" && ref == pr.sha || pr.merge != "" && ref == pr.merge || strings.HasPrefix(ref, "refs/pull/") {
		return cairn.Errorf(cairn.CodeForbidden, "this checks out the code of a pull request from %s in a workflow that has this repository's secrets", pr.repository).
			WithHint("use the event pull_request, or say that it is meant: allow-unsafe-pr-checkout: true")
	}
	return nil
}

// fork is the pull request of a fork that an event is about.
type fork struct {
	repository, sha, merge string
	untrusted              bool // its code runs: the event is pull_request
}

func forkOf(github json.RawMessage) *fork {
	type side struct {
		SHA  string `json:"sha"`
		Repo struct {
			FullName string `json:"full_name"`
		} `json:"repo"`
	}
	var g struct {
		EventName  string `json:"event_name"`
		Repository string `json:"repository"`
		Event      struct {
			PullRequest struct {
				Head  side   `json:"head"`
				Merge string `json:"merge_commit_sha"`
			} `json:"pull_request"`
			WorkflowRun struct {
				Event          string `json:"event"`
				HeadSHA        string `json:"head_sha"`
				HeadRepository struct {
					FullName string `json:"full_name"`
				} `json:"head_repository"`
			} `json:"workflow_run"`
		} `json:"event"`
	}
	if json.Unmarshal(github, &g) != nil {
		return nil
	}
	var f fork
	switch run := g.Event.WorkflowRun; {
	case g.EventName == "pull_request_target" || g.EventName == "pull_request":
		f = fork{g.Event.PullRequest.Head.Repo.FullName, g.Event.PullRequest.Head.SHA, g.Event.PullRequest.Merge, g.EventName == "pull_request"}
	case g.EventName == "workflow_run" && strings.HasPrefix(run.Event, "pull_request"):
		f = fork{run.HeadRepository.FullName, run.HeadSHA, "", false}
	default:
		return nil
	}
	if f.repository == "" || strings.EqualFold(f.repository, g.Repository) {
		return nil
	}
	return &f
}

// foreign reports whether the job runs the code of a fork, or other code that nobody
// here answers for.
func foreign(c *runner.StepContext) bool {
	if c.Spec.Untrusted {
		return true
	}
	pr := forkOf(c.Spec.Contexts["github"])
	return pr != nil && pr.untrusted
}

// Post takes credentials away again.
func (a *checkout) Post(_ context.Context, c *runner.StepContext) error { return dropKeys(c) }

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

// insideReally is inside for a folder that is written: no link leads out of it.
func insideReally(base, rel string) (string, error) {
	p, err := inside(base, rel)
	if err != nil {
		return "", err
	}
	for at := p; at != base && len(at) > len(base); at = filepath.Dir(at) {
		if fi, err := os.Lstat(at); err == nil && fi.Mode()&os.ModeSymlink != 0 {
			return "", cairn.Errorf(cairn.CodeInvalid, "path %q leads through the link %s", rel, at).WithHint("give a folder of its own")
		}
	}
	return p, nil
}
