package git

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// TreeLimits bound what a repository from elsewhere may hold.
type TreeLimits struct {
	Bytes int64
	Files int
	// Link says why a symbolic link at a depth below the top is not kept; nil keeps
	// all.
	Link func(target string, depth int) error
}

// StoredTree is a commit's tree in a sink.
type StoredTree struct {
	Commit string
	Root   cairn.Digest
	Size   int64
	Files  int64
	// Left are paths that were left out: symbolic links that lead away.
	Left []string
}

// commitPatience bounds the fetch of one commit.
const commitPatience = 10 * time.Minute

// RemoteCommit asks a remote which commit a branch or tag means; a tag wins over a
// branch of the same name. full is the name of the ref there. A ref that is not
// there is CodeNotFound.
func (h *Host) RemoteCommit(ctx context.Context, r cairn.Remote, ref string) (full, commit string, err error) {
	names := []string{"refs/tags/" + ref, "refs/heads/" + ref}
	if strings.HasPrefix(ref, "refs/heads/") || strings.HasPrefix(ref, "refs/tags/") {
		names = []string{ref}
	}
	if err := CheckRef(names[0]); err != nil {
		return "", "", err
	}
	c, err := h.g.remoteCall(r)
	if err != nil {
		return "", "", err
	}
	c.args = []string{"ls-remote", "--quiet", upload(h.g.binary, c.remote), "--", c.remote}
	for _, n := range names {
		c.args = append(c.args, n, n+"^{}")
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return "", "", fileError(err)
	}
	// Not in a repository, whose configuration would count.
	c.dir, c.env = h.dir, append(c.env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(h.dir))
	ctx, cancel := context.WithTimeoutCause(ctx, listPatience, tookTooLong(c.remote, listPatience))
	defer cancel()
	out, err := h.g.run(ctx, c)
	if err != nil {
		return "", "", whyEnded(ctx, err)
	}
	found := map[string]string{}
	for l := range strings.SplitSeq(string(out), "\n") {
		// Patterns match the end of names: others come along.
		if id, name, ok := strings.Cut(l, "\t"); ok && isID(id) {
			found[name] = id
		}
	}
	for _, n := range names {
		if id := found[n+"^{}"]; id != "" {
			return n, id, nil
		}
		if id := found[n]; id != "" {
			return n, id, nil
		}
	}
	return "", "", cairn.Errorf(cairn.CodeNotFound, "there is no branch or tag %s at %s", clip(ref), c.remote)
}

// upload lets a folder of this machine give out any commit that it has, whoever
// owns it. A host decides for itself.
func upload(binary, remote string) string {
	if !filepath.IsAbs(remote) && !strings.HasPrefix(remote, "file://") {
		return "--upload-pack=git-upload-pack"
	}
	return "--upload-pack=" + shellQuote(binary) + " -c safe.directory='*' -c uploadpack.allowAnySHA1InWant=true upload-pack"
}

// StoreCommit brings one commit of a remote, without its history, and stores its
// tree in a sink. ref is its full name there; "" where only the commit is known.
// The repository it passes through is removed again.
func (h *Host) StoreCommit(ctx context.Context, r cairn.Remote, ref, commit string, limits TreeLimits, sink Sink) (*StoredTree, error) {
	if !isID(commit) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the id of a commit", clip(commit))
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, fileError(err)
	}
	dir, err := os.MkdirTemp(h.dir, ".fetch-*")
	if err != nil {
		return nil, fileError(err)
	}
	defer os.RemoveAll(dir)
	if err := makeBare(dir); err != nil {
		return nil, fileError(err)
	}
	if err := h.bringCommit(ctx, dir, r, ref, commit, limits.Bytes); err != nil {
		return nil, err
	}
	return h.storeTree(ctx, dir, commit, limits, sink)
}

func makeBare(dir string) error {
	for _, d := range []string{"objects/info", "objects/pack", "refs/heads"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[core]\n\trepositoryformatversion = 0\n\tbare = true\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/main\n"), 0o600)
}

// bringCommit fetches the one commit; where the remote gives out commits by the
// names of refs only, all of them, to look whether it is there.
func (h *Host) bringCommit(ctx context.Context, dir string, r cairn.Remote, ref, commit string, limit int64) error {
	try := func(depth string, specs ...string) error {
		return h.fetchInto(ctx, dir, r, limit, depth, specs)
	}
	have := func() bool {
		_, err := h.g.run(ctx, hosted(dir, "cat-file", "-e", commit+"^{commit}"))
		return err == nil
	}
	var err error
	if ref != "" {
		if err = CheckRef(ref); err != nil {
			return err
		}
		if err = try("--depth=1", "+"+ref+":refs/heads/one"); err == nil && have() {
			return nil
		}
	}
	if err == nil || ref != "" {
		if err = try("--depth=1", "+"+commit+":refs/heads/one"); err == nil {
			return nil
		}
	}
	if cairn.CodeOf(err) == cairn.CodeUnavailable || cairn.CodeOf(err) == cairn.CodeTooLarge || ctx.Err() != nil {
		return err
	}
	if all := try("", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); all != nil {
		return all
	}
	if !have() {
		return cairn.Errorf(cairn.CodeNotFound, "there is no commit %s at %s", commit, withoutPassword(r.URL))
	}
	return nil
}

func (h *Host) fetchInto(ctx context.Context, dir string, r cairn.Remote, limit int64, depth string, specs []string) error {
	args := []string{"-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c", "core.fsync=none"}
	for _, fault := range lenient {
		args = append(args, "-c", "fetch.fsck."+fault+"=ignore")
	}
	c, err := h.g.remoteCall(r)
	if err != nil {
		return err
	}
	c.args = append(args, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--update-shallow",
		"--no-auto-maintenance", "--refmap=", upload(h.g.binary, c.remote))
	if depth != "" {
		c.args = append(c.args, depth)
	}
	c.args = append(append(c.args, "--", c.remote), specs...)
	c.dir, c.env = dir, append(c.env, "GIT_DIR="+dir)
	ctx, cancel := context.WithTimeoutCause(ctx, commitPatience, tookTooLong(c.remote, commitPatience))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchPack(ctx, filepath.Join(dir, "objects", "pack"), limit, stop, c.remote)
	}()
	if _, err = h.g.run(ctx, c); err != nil {
		err = whyEnded(ctx, err)
	}
	stop(nil)
	<-watched
	return err
}

// StoreTree stores the tree of a hosted repository's commit or tree within limits.
func (h *Host) StoreTree(ctx context.Context, repo, tree string, limits TreeLimits, sink Sink) (*StoredTree, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	if err := checkRev(tree); err != nil {
		return nil, err
	}
	return h.storeTree(ctx, dir, tree, limits, sink)
}

// HostedCommit is RemoteCommit of a repository that is hosted here.
func (h *Host) HostedCommit(ctx context.Context, repo, ref string) (string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return "", err
	}
	revs := []string{"refs/tags/" + ref, "refs/heads/" + ref}
	if strings.HasPrefix(ref, "refs/heads/") || strings.HasPrefix(ref, "refs/tags/") {
		revs = []string{ref}
	}
	if isID(ref) {
		revs = []string{ref}
	} else if err := CheckRef(revs[0]); err != nil {
		return "", err
	}
	for _, rev := range revs {
		id, err := h.g.line(ctx, hosted(dir, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}"))
		if err == nil && isID(id) {
			return id, nil
		}
	}
	return "", cairn.Errorf(cairn.CodeNotFound, "there is no branch, tag or commit %s in %s", clip(ref), repo)
}

func (h *Host) storeTree(ctx context.Context, dir, commit string, limits TreeLimits, sink Sink) (*StoredTree, error) {
	out, err := h.g.run(ctx, hosted(dir, "ls-tree", "-r", "-t", "-z", "-l", "--full-tree", "--end-of-options", commit))
	if err != nil {
		return nil, err
	}
	all, err := lsTree(out)
	if err != nil {
		return nil, err
	}
	st := &StoredTree{Commit: commit}
	if all, err = h.within(ctx, dir, all, limits, st); err != nil {
		return nil, err
	}
	blobs, err := h.blobs(ctx, dir, all, sink)
	if err != nil {
		return nil, err
	}
	st.Root, err = assemble(ctx, all, blobs, sink)
	return st, err
}

// within refuses names that mean another place, and what is too much, and leaves
// out links that lead away.
func (h *Host) within(ctx context.Context, dir string, all []DirEntry, limits TreeLimits, st *StoredTree) ([]DirEntry, error) {
	var links []string
	for _, e := range all {
		if err := checkEntry(e.Name); err != nil {
			return nil, err
		}
		switch e.Mode {
		case GitDir, GitSubmodule:
			continue
		case GitSymlink:
			links = append(links, e.ID)
		}
		st.Files++
		st.Size += max(e.Size, 0)
	}
	if limits.Files > 0 && st.Files > int64(limits.Files) {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "the repository holds %d files; at most %d are taken", st.Files, limits.Files)
	}
	if limits.Bytes > 0 && st.Size > limits.Bytes {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "the repository holds %d MiB; at most %d are taken", st.Size>>20, limits.Bytes>>20)
	}
	if limits.Link == nil || len(links) == 0 {
		return all, nil
	}
	targets, err := h.linkTargets(ctx, dir, links)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e DirEntry) bool {
		if e.Mode != GitSymlink || limits.Link(targets[e.ID], strings.Count(e.Name, "/")) == nil {
			return false
		}
		st.Left = append(st.Left, e.Name)
		st.Files--
		return true
	}), nil
}

// checkEntry refuses a path of a tree that git itself would not have made.
func checkEntry(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.ContainsAny(part, "\\\x00") {
			return cairn.Errorf(cairn.CodeInvalid, "the repository has a file with the name %q", clip(name)).
				WithHint("such a name means another place; the repository is not taken")
		}
	}
	return nil
}

// maxLink bounds the target of a symbolic link.
const maxLink = 4096

// linkTargets reads small blobs.
func (h *Host) linkTargets(ctx context.Context, dir string, ids []string) (map[string]string, error) {
	c := hosted(dir, "cat-file", "--batch", "--buffer")
	c.stdin = strings.NewReader(strings.Join(ids, "\n") + "\n")
	out, err := h.g.run(ctx, c)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(bytes.NewReader(out))
	targets := make(map[string]string, len(ids))
	for range ids {
		head, err := r.ReadString('\n')
		f := strings.Fields(head)
		if err != nil || len(f) != 3 {
			return nil, fmt.Errorf("git cat-file answers %q", clip(head))
		}
		size, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil || size > maxLink {
			return nil, cairn.Errorf(cairn.CodeInvalid, "a symbolic link of the repository has a target of %s bytes", f[2])
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		if _, err := r.Discard(1); err != nil {
			return nil, err
		}
		targets[f[0]] = string(text)
	}
	return targets, nil
}
