package action

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

const githubURL = "https://github.com"

// remote fetches a repository that Cairn does not have, with the job's git.
func (a *checkout) remote(ctx context.Context, c *runner.StepContext, in checkoutInput, k *keys) (sha, ref string, err error) {
	address, err := in.address()
	if err != nil {
		return "", "", err
	}
	c.Logf("Cairn does not have %s: it is fetched from %s", in.repository, address)
	if err := emptyFolder(in.dir); err != nil {
		return "", "", err
	}
	g := func(stdout *bytes.Buffer, args ...string) error {
		p := runner.Process{Args: append([]string{"git"}, args...), Dir: in.dir, Env: k.env(c, "protocol.version=2")}
		if stdout != nil {
			p.Stdout = stdout
		}
		status, err := c.Exec(ctx, p)
		if err == nil && status != 0 {
			err = cairn.Errorf(cairn.CodeFailed, "git %s failed with code %d", args[0], status).
				WithHint("%s is not in this Cairn; to have it here: cairn repo add %s", in.repository, address)
		}
		return err
	}
	for _, args := range [][]string{{"init", "--quiet", in.dir}, {"remote", "add", "origin", address}, {"config", "--local", "gc.auto", "0"}} {
		if err := g(nil, args...); err != nil {
			return "", "", err
		}
	}
	if in.persist {
		if err := k.persist(c, in.dir, address, a.major); err != nil {
			return "", "", err
		}
	}
	ref = in.Ref
	if ref == "" {
		var out bytes.Buffer
		if err := g(&out, "ls-remote", "--quiet", "--exit-code", "--symref", "origin", "HEAD"); err != nil {
			return "", "", err
		}
		head, _, _ := strings.Cut(out.String(), "\t")
		if ref = strings.TrimSpace(strings.TrimPrefix(head, "ref:")); !strings.HasPrefix(ref, "refs/heads/") {
			return "", "", cairn.Errorf(cairn.CodeNotFound, "%s does not say what its default branch is", address).WithHint("give ref")
		}
	}
	if strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " \t\r\n\x00:^~?*[\\") {
		return "", "", cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a branch, tag or commit", ref)
	}
	if err := g(nil, fetchArgs(in, ref)...); err != nil {
		return "", "", err
	}
	if err := a.place(in, ref, g); err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	if err := g(&out, "log", "-1", "--format=%H %s"); err != nil {
		return "", "", err
	}
	sha, subject, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
	c.Logf("HEAD is at %s %s", short(sha), subject)
	if fullSHA.MatchString(ref) {
		ref = ""
	}
	return sha, ref, nil
}

// place checks out what was fetched: a branch on a branch, everything else detached.
func (a *checkout) place(in checkoutInput, ref string, g func(*bytes.Buffer, ...string) error) error {
	if len(in.Sparse) > 0 {
		cone := "--no-cone"
		if in.Cone {
			cone = "--cone"
		}
		if err := g(nil, append([]string{"sparse-checkout", "set", cone}, in.Sparse...)...); err != nil {
			return err
		}
	}
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	switch {
	case fullSHA.MatchString(ref):
		return g(nil, "checkout", "--progress", "--force", ref)
	case strings.HasPrefix(ref, "refs/pull/"):
		return g(nil, "checkout", "--progress", "--force", "refs/remotes/"+strings.TrimPrefix(ref, "refs/"))
	case strings.HasPrefix(ref, "refs/") && !isBranch:
		return g(nil, "checkout", "--progress", "--force", ref)
	case !isBranch:
		branch = ref
		var out bytes.Buffer
		if g(&out, "rev-parse", "--verify", "--quiet", "refs/remotes/origin/"+branch) != nil {
			return g(nil, "checkout", "--progress", "--force", "refs/tags/"+branch)
		}
	}
	if in.Detach {
		return g(nil, "checkout", "--progress", "--force", "--detach", "refs/remotes/origin/"+branch)
	}
	return g(nil, "checkout", "--progress", "--force", "-B", branch, "refs/remotes/origin/"+branch)
}

// fetchArgs are those of the original.
func fetchArgs(in checkoutInput, ref string) []string {
	args := []string{"fetch"}
	if !in.Tags || in.Depth == 0 {
		args = append(args, "--no-tags")
	}
	args = append(args, "--prune", "--no-recurse-submodules")
	switch {
	case in.filter != "":
		args = append(args, "--filter="+in.filter)
	case len(in.Sparse) > 0:
		args = append(args, "--filter=blob:none")
	}
	if in.Depth > 0 {
		args = append(args, "--depth="+itoa(in.Depth))
	}
	args = append(args, "origin")
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	pull, isPull := strings.CutPrefix(ref, "refs/pull/")
	switch {
	case in.Depth == 0:
		args = append(args, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
		if isPull {
			args = append(args, "+"+ref+":refs/remotes/pull/"+pull)
		}
	case fullSHA.MatchString(ref):
		args = append(args, ref)
	case isBranch:
		args = append(args, "+"+ref+":refs/remotes/origin/"+branch)
	case isPull:
		args = append(args, "+"+ref+":refs/remotes/pull/"+pull)
	case strings.HasPrefix(ref, "refs/"):
		args = append(args, "+"+ref+":"+ref)
	default:
		args = append(args, "+refs/heads/"+ref+"*:refs/remotes/origin/"+ref+"*", "+refs/tags/"+ref+"*:refs/tags/"+ref+"*")
	}
	return args
}

// address is where a repository is fetched from.
func (in checkoutInput) address() (string, error) {
	server := in.server
	if server == "" {
		server = githubURL
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", cairn.Errorf(cairn.CodeInvalid, "github-server-url %q is not an address", server).WithHint("for example https://github.com")
	}
	if in.ssh.key != "" {
		return in.ssh.user + "@" + u.Hostname() + ":" + in.repository + ".git", nil
	}
	return strings.TrimRight(server, "/") + "/" + in.repository, nil
}

// emptyFolder makes a folder and removes what is in it.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be made: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", dir, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be emptied: %w", dir, err)
		}
	}
	return nil
}
