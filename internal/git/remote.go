package git

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// MaxRemoteRefs bounds how many refs of a remote are looked at.
const MaxRemoteRefs = 100_000

// MaxFetchBytes bounds what one fetch may bring, packed.
const MaxFetchBytes = 8 << 30

// listPatience and fetchPatience bound how long a remote may take.
const (
	listPatience  = time.Minute
	fetchPatience = time.Hour
)

// tokenHelper answers git's question for a password out of the environment, and
// only for the host that it is configured for: a redirect to another one gets
// nothing.
const tokenHelper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$CAIRN_GIT_USER" "$CAIRN_GIT_TOKEN"; }; f`

// remoteCall is a call that talks to a remote. The user's configuration counts,
// as when they typed it (proxies, certificates, credential helpers); with a token
// no other credentials do. Neither arguments nor files hold the token.
func (g *Git) remoteCall(r cairn.Remote, args ...string) (call, error) {
	at, err := ParseRemote(r.URL)
	if err != nil {
		return call{}, err
	}
	if r.Anonymous && at.Scheme == "ssh" {
		return call{}, cairn.Errorf(cairn.CodeForbidden, "%s cannot be asked without a key", at.URL)
	}
	c := call{args: args, remote: at.URL, own: r.Anonymous, env: []string{"GIT_ALLOW_PROTOCOL=http:https:ssh:git:file", "GIT_ASKPASS=", "SSH_ASKPASS="}}
	settings := [][2]string{
		{"http.followRedirects", "initial"}, {"http.lowSpeedLimit", "1000"}, {"http.lowSpeedTime", "60"}, {"core.askPass", ""},
	}
	if r.Token != "" && (at.Scheme == "https" || at.Scheme == "http") {
		if at.Plain() {
			return call{}, cairn.Errorf(cairn.CodeForbidden, "%s is not encrypted: the token could be read on the way", at.URL).WithHint("use https://")
		}
		settings = append(settings, [2]string{"credential.helper", ""}, [2]string{"credential." + at.base() + ".helper", tokenHelper})
		c.env = append(c.env, "CAIRN_GIT_USER="+r.User, "CAIRN_GIT_TOKEN="+r.Token)
	}
	ssh := "ssh -o BatchMode=yes -o ConnectTimeout=20"
	if r.SSHKey != "" {
		ssh += " -o IdentitiesOnly=yes -i " + shellQuote(r.SSHKey)
	}
	c.env = append(c.env, "GIT_SSH_COMMAND="+ssh, "GIT_SSH_VARIANT=ssh")
	c.env = append(c.env, g.moreConfig(settings)...)
	return c, nil
}

// moreConfig adds settings to those that the environment has already, if any.
func (g *Git) moreConfig(settings [][2]string) []string {
	n := 0
	for _, kv := range g.env {
		if v, ok := strings.CutPrefix(kv, "GIT_CONFIG_COUNT="); ok {
			n, _ = strconv.Atoi(v) // what is no number counts for none
		}
	}
	var out []string
	for i, s := range settings {
		k := strconv.Itoa(n + i)
		out = append(out, "GIT_CONFIG_KEY_"+k+"="+s[0], "GIT_CONFIG_VALUE_"+k+"="+s[1])
	}
	return append(out, "GIT_CONFIG_COUNT="+strconv.Itoa(n+len(settings)))
}

// RemoteRefs lists the branches and tags of a remote, and what further patterns
// name: refs/pull/*/head, or HEAD for the default branch. Nothing is fetched. With
// further patterns the remote sends everything that it has, which may be a lot.
func (h *Host) RemoteRefs(ctx context.Context, r cairn.Remote, more ...string) (*cairn.RemoteRefs, error) {
	c, err := h.g.remoteCall(r)
	if err != nil {
		return nil, err
	}
	c.args = []string{"ls-remote", "--quiet", "--heads", "--tags", "--", c.remote}
	if len(more) > 0 {
		c.args = append([]string{"ls-remote", "--quiet", "--symref", "--", c.remote, "refs/heads/*", "refs/tags/*"}, more...)
	}
	// Not in a repository, whose configuration would count.
	if c.dir = h.dir; os.MkdirAll(h.dir, 0o700) != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the folder of repositories %s cannot be made", h.dir)
	}
	c.env = append(c.env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(h.dir))
	ctx, cancel := context.WithTimeoutCause(ctx, listPatience, tookTooLong(c.remote, listPatience))
	defer cancel()
	out, err := h.g.run(ctx, c)
	if err != nil {
		return nil, whyEnded(ctx, err)
	}
	return readRefs(c.remote, out)
}

// readRefs reads what ls-remote --symref writes.
func readRefs(url string, out []byte) (*cairn.RemoteRefs, error) {
	refs := &cairn.RemoteRefs{Refs: map[string]string{}}
	for l := range strings.SplitSeq(string(out), "\n") {
		id, ref, ok := strings.Cut(l, "\t")
		head, symbolic := strings.CutPrefix(id, "ref: ")
		switch {
		case !ok || strings.HasSuffix(ref, "^{}"): // what a tag points to
			continue
		case symbolic:
			if ref == "HEAD" && strings.HasPrefix(head, "refs/heads/") && CheckRef(head) == nil {
				refs.Head = head
			}
			continue
		case len(id) == 64 && strings.Trim(id, "0123456789abcdef") == "":
			return nil, cairn.Errorf(cairn.CodeUnsupported, "%s names its objects by SHA-256, which Cairn does not read", url)
		case !isID(id) || CheckRef(ref) != nil || strings.HasPrefix(ref, "refs/remotes/"):
			continue // HEAD, and what could not be kept here
		}
		refs.Refs[ref] = id
		if len(refs.Refs) > MaxRemoteRefs {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has more than %d branches and tags", url, MaxRemoteRefs)
		}
	}
	return refs, nil
}

// FetchRemote brings refs of a remote into a hosted repository, under the same
// names. Refs that went another way are moved all the same.
func (h *Host) FetchRemote(ctx context.Context, repo string, r cairn.Remote, refs ...string) error {
	specs := make([]string, len(refs))
	for i, ref := range refs {
		if err := CheckRef(ref); err != nil {
			return err
		}
		specs[i] = "+" + ref + ":" + ref
	}
	return h.fetchSpecs(ctx, repo, r, specs)
}

// FetchCommit brings one commit that no ref of the remote need name any more,
// where the remote gives it out.
func (h *Host) FetchCommit(ctx context.Context, repo string, r cairn.Remote, sha string) error {
	if !isID(sha) {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the id of a commit", clip(sha))
	}
	return h.fetchSpecs(ctx, repo, r, []string{"+" + sha + ":refs/cairn/keep/" + sha})
}

// lenient are faults of old objects that people cannot mend any more.
var lenient = [...]string{"zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "badDateOverflow", "nullSha1"}

func (h *Host) fetchSpecs(ctx context.Context, repo string, r cairn.Remote, specs []string) error {
	dir, err := h.existing(repo)
	if err != nil || len(specs) == 0 {
		return err
	}
	args := []string{
		"-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c", "fetch.prune=false", "-c", "fetch.pruneTags=false",
		"-c", "core.fsync=loose-object,pack,pack-metadata,reference", "-c", "core.fsyncMethod=batch",
	}
	for _, fault := range lenient {
		args = append(args, "-c", "fetch.fsck."+fault+"=ignore")
	}
	c, err := h.g.remoteCall(r)
	if err != nil {
		return err
	}
	c.args = append(args, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--update-shallow",
		"--no-auto-maintenance", "--refmap=", "--stdin", "--", c.remote)
	c.dir, c.env = dir, append(c.env, "GIT_DIR="+dir)
	c.stdin = strings.NewReader(strings.Join(specs, "\n") + "\n")

	ctx, cancel := context.WithTimeoutCause(ctx, fetchPatience, tookTooLong(c.remote, fetchPatience))
	defer cancel()
	fetching, stop := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchPack(fetching, filepath.Join(dir, "objects", "pack"), h.maxFetch(), stop, c.remote)
	}()
	if _, err = h.g.run(fetching, c); err != nil {
		err = whyEnded(fetching, err)
	}
	stop(nil)
	<-watched
	if err = errors.Join(err, removeUnfinished(dir)); err == nil {
		h.joinPacks(ctx, dir)
	}
	return err
}

// manyPacks is from how many packs on they are joined: each fetch brings one, and
// git looks through all of them.
const manyPacks = 50

// joinPacks makes few packs of many, of which none loses anything: commits that no
// ref names any more have runs. That it cannot be done is no failure of a fetch.
func (h *Host) joinPacks(ctx context.Context, dir string) {
	packs, _ := filepath.Glob(filepath.Join(globEscape(dir), "objects", "pack", "pack-*.pack")) // the pattern is well formed
	if limit := h.packLimit; len(packs) < manyPacks && (limit == 0 || len(packs) < limit) {
		return
	}
	if _, err := h.g.run(ctx, hosted(dir, "-c", "core.fsync=pack,pack-metadata", "repack", "--geometric=2", "-d", "-q", "--no-write-bitmap-index")); err != nil {
		h.g.log.Warn("joining packs", "dir", dir, "error", err)
	}
}

func (h *Host) maxFetch() int64 {
	if h.fetchLimit > 0 {
		return h.fetchLimit
	}
	return MaxFetchBytes
}

// watchPack looks at the pack that a fetch writes, since git itself has no bound
// for it.
func watchPack(ctx context.Context, dir string, limit int64, stop context.CancelCauseFunc, url string) {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		var n int64
		for _, p := range unfinished(dir) {
			if fi, err := os.Stat(p); err == nil {
				n += fi.Size()
			}
		}
		if n > limit {
			stop(cairn.Errorf(cairn.CodeTooLarge, "%s sends more than %d MiB at once", url, limit>>20).
				WithHint("follow fewer branches: --branch PATTERN"))
			return
		}
	}
}

// unfinished are the packs that are being written, or were when git was killed.
func unfinished(packs string) []string {
	paths, _ := filepath.Glob(filepath.Join(globEscape(packs), "tmp_pack_*")) // the pattern is well formed
	return paths
}

// removeUnfinished removes what a fetch that was ended left of its pack; one
// fetch at a time goes into a repository that is followed.
func removeUnfinished(dir string) error {
	for _, p := range unfinished(filepath.Join(dir, "objects", "pack")) {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(err)
		}
	}
	return nil
}

func tookTooLong(url string, d time.Duration) error {
	return cairn.Errorf(cairn.CodeUnavailable, "%s did not answer in full within %s", url, d).WithHint("it is tried again by itself")
}

// whyEnded prefers why a call was cut short to the context's own words.
func whyEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// DeleteRefs removes refs of a hosted repository; those that are not there count
// for nothing.
func (h *Host) DeleteRefs(ctx context.Context, repo string, refs ...string) error {
	dir, err := h.existing(repo)
	if err != nil || len(refs) == 0 {
		return err
	}
	var in strings.Builder
	for _, ref := range refs {
		if err := CheckRef(ref); err != nil {
			return err
		}
		in.WriteString("delete " + ref + "\n")
	}
	c := hosted(dir, "update-ref", "--stdin")
	c.stdin = strings.NewReader(in.String())
	_, err = h.g.run(ctx, c)
	return err
}

// SetHead makes a branch (by its full name) the default one of a hosted
// repository.
func (h *Host) SetHead(ctx context.Context, repo, branch string) error {
	dir, err := h.existing(repo)
	if err != nil {
		return err
	}
	if err := CheckRef(branch); err != nil || !strings.HasPrefix(branch, "refs/heads/") {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the full name of a branch", clip(branch))
	}
	want, path := "ref: "+branch+"\n", filepath.Join(dir, "HEAD")
	if b, err := os.ReadFile(path); err == nil && string(b) == want {
		return nil
	}
	return fileError(writeFile(path, want))
}
