package git

import (
	"context"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// MaxReadFile bounds ReadFile: workflow files, action files.
const MaxReadFile = 8 << 20

// Commit reads a commit of a hosted repository; rev is a branch, tag, commit or
// the prefix of one.
func (h *Host) Commit(ctx context.Context, repo, rev string) (cairn.Commit, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return cairn.Commit{}, err
	}
	return h.g.hostedCommit(ctx, dir, rev)
}

// hostedCommit also finds tags that were imported.
func (g *Git) hostedCommit(ctx context.Context, dir, rev string) (cairn.Commit, error) {
	c, err := g.commit(ctx, hosted(dir), rev)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		if c, err := g.commit(ctx, hosted(dir), "refs/cairn/tags/"+strings.TrimPrefix(rev, "refs/tags/")); err == nil {
			return c, nil
		}
	}
	return c, err
}

// Snapshot is a commit that is hosted: what a push runs.
func (h *Host) Snapshot(ctx context.Context, repo, rev string) (*Snapshot, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	c, err := h.g.hostedCommit(ctx, dir, rev)
	if err != nil {
		return nil, err
	}
	ref, err := h.g.fullRef(ctx, hosted(dir), rev)
	return &Snapshot{Repo: repo, GitDir: dir, Commit: c, Ref: ref, TreeGit: c.Tree}, err
}

// ResolvePrefix lists the commits whose id starts with prefix (at least 4 hex
// digits), at most 100.
func (h *Host) ResolvePrefix(ctx context.Context, repo, prefix string) ([]string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	if len(prefix) < 4 || len(prefix) > 40 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the start of a commit id", clip(prefix)).
			WithHint("at least 4 lower-case hex digits")
	}
	out, err := h.g.run(ctx, hosted(dir, "rev-parse", "--disambiguate="+prefix))
	ids := strings.Fields(string(out))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	c := hosted(dir, "cat-file", "--batch-check=%(objecttype) %(objectname)")
	c.stdin = strings.NewReader(strings.Join(ids[:min(len(ids), 1000)], "\n") + "\n")
	if out, err = h.g.run(ctx, c); err != nil {
		return nil, err
	}
	var commits []string
	for l := range strings.SplitSeq(string(out), "\n") {
		if id, ok := strings.CutPrefix(l, "commit "); ok && len(commits) < 100 {
			commits = append(commits, id)
		}
	}
	return commits, nil
}

// ReadFile reads a file of a tree or commit.
func (h *Host) ReadFile(ctx context.Context, repo, tree, path string) ([]byte, error) {
	dir, path, err := h.inTree(repo, tree, path)
	if err != nil {
		return nil, err
	}
	c := hosted(dir, "cat-file", "blob", tree+":"+path)
	c.limit = MaxReadFile
	b, err := h.g.run(ctx, c)
	if exitCode(err) == 128 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no file %s in %s%w", path, clip(tree), hidden{err})
	}
	return b, err
}

func (h *Host) inTree(repo, tree, path string) (dir, clean string, err error) {
	if dir, err = h.existing(repo); err == nil {
		err = checkRev(tree)
	}
	if err == nil {
		clean, err = checkPath(path)
	}
	return dir, clean, err
}

// DirEntry is one entry of a folder in a git tree.
type DirEntry struct {
	Name string `json:"name"`
	Mode uint32 `json:"mode"` // git's: 0100644, 0100755, 0120000, 0040000, 0160000
	ID   string `json:"id"`
	Size int64  `json:"size"` // -1 of what is not a file
}

// The modes of git trees.
const (
	GitFile      uint32 = 0o100644
	GitExec      uint32 = 0o100755
	GitSymlink   uint32 = 0o120000
	GitDir       uint32 = 0o040000
	GitSubmodule uint32 = 0o160000
)

// ListDir lists a folder of a tree or commit; "" is its top.
func (h *Host) ListDir(ctx context.Context, repo, tree, folder string) ([]DirEntry, error) {
	dir, folder, err := h.inTree(repo, tree, folder)
	if err != nil {
		return nil, err
	}
	at := tree
	if folder != "" {
		at += ":" + folder
	}
	out, err := h.g.run(ctx, hosted(dir, "ls-tree", "-z", "-l", "--end-of-options", at))
	if exitCode(err) == 128 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no folder %s in %s%w", folder, clip(tree), hidden{err})
	}
	if err != nil {
		return nil, err
	}
	return lsTree(out)
}

// lsTree reads "mode type id size\tname" records.
func lsTree(out []byte) ([]DirEntry, error) {
	var es []DirEntry
	for rec := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if rec == "" {
			continue
		}
		head, name, _ := strings.Cut(rec, "\t")
		f := strings.Fields(head)
		if len(f) != 4 {
			return nil, cairn.Errorf(cairn.CodeInternal, "git ls-tree answers %q", rec)
		}
		mode, err := strconv.ParseUint(f[0], 8, 32)
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			size = -1
		}
		es = append(es, DirEntry{name, uint32(mode), f[2], size})
	}
	return es, nil
}

// ChangedFiles lists the paths that differ between two commits. With from ""
// (or zeros) it lists what the commit itself changed.
func (h *Host) ChangedFiles(ctx context.Context, repo, from, to string) ([]string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	args := []string{"diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-commit-id", "--root", "-m", "--first-parent"}
	for _, rev := range []string{from, to} {
		if rev == "" || rev == zeroID {
			continue
		}
		if err := checkRev(rev); err != nil {
			return nil, err
		}
		args = append(args, rev)
	}
	out, err := h.g.run(ctx, hosted(dir, append(args, "--")...))
	if noSuchRevision(err) {
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s or %s is not in %s%w", clip(from), clip(to), repo, hidden{err})
	}
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// Refs are the branches and tags that were pushed, by full name.
func (h *Host) Refs(ctx context.Context, repo string) (map[string]string, error) {
	return h.RefsBelow(ctx, repo, "refs/heads", "refs/tags")
}

// RefsBelow are the refs of a hosted repository below prefixes, by full name.
func (h *Host) RefsBelow(ctx context.Context, repo string, prefixes ...string) (map[string]string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	out, err := h.g.run(ctx, hosted(dir, append([]string{"for-each-ref", "--format=%(objectname) %(refname)"}, prefixes...)...))
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for l := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		if id, ref, ok := strings.Cut(l, " "); ok {
			refs[ref] = id
		}
	}
	return refs, nil
}
