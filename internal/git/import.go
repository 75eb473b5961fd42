package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
)

// MaxDirtyBytes bounds the content of uncommitted files that Import takes along.
const MaxDirtyBytes = 4 << 30

// Snapshot is code that a hosted repository has, whole.
type Snapshot struct {
	Repo       string       `json:"repo"`
	GitDir     string       `json:"git_dir"` // of the hosted repository
	Commit     cairn.Commit `json:"commit"`
	Ref        string       `json:"ref"`      // "" when HEAD is detached
	TreeGit    string       `json:"tree_git"` // what to check out
	Dirty      bool         `json:"dirty"`
	DirtyFiles []DirtyFile  `json:"dirty_files,omitempty"` // at most MaxDirtyFiles
	DirtyCount int          `json:"dirty_count,omitempty"`
	Shallow    bool         `json:"shallow,omitempty"` // history is cut off
	// Submodules are paths whose files are absent.
	Submodules []string  `json:"submodules,omitempty"`
	WorkTree   *WorkTree `json:"work_tree,omitempty"`
}

// CodeRef is what a job is told of the code.
func (s *Snapshot) CodeRef() cairn.CodeRef {
	c := cairn.CodeRef{Repository: s.Repo, GitDir: s.GitDir, Commit: s.Commit.SHA, Ref: s.Ref, TreeGit: s.TreeGit, Dirty: s.Dirty}
	if s.WorkTree != nil {
		c.WorkDir = s.WorkTree.Root
	}
	return c
}

// Import takes the state of a work tree into repo: with rev "" as it lies there,
// with uncommitted changes and untracked files that are not ignored; else that
// commit. Nothing is written to the work tree's own repository, and the hosted
// one needs it no more afterwards.
func (h *Host) Import(ctx context.Context, repo, worktree, rev string) (*Snapshot, error) {
	wt, err := h.g.Find(ctx, worktree)
	if err != nil {
		return nil, err
	}
	if wt.NoCommits {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the repository %s has no commits yet", wt.Root).
			WithHint("a run is of a commit: git add -A && git commit -m \"First commit\"")
	}
	if err := h.Create(ctx, repo); err != nil {
		return nil, err
	}
	dir, err := h.Dir(repo)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Repo: repo, GitDir: dir, Commit: wt.Head, Ref: wt.Ref, Shallow: wt.Shallow, Submodules: wt.Submodules, WorkTree: wt}
	if rev != "" {
		if s.Commit, err = h.g.commit(ctx, call{dir: wt.GitDir}, rev); err != nil {
			return nil, h.noRev(ctx, wt, rev, err)
		}
		if s.Ref, err = h.g.fullRef(ctx, call{dir: wt.GitDir}, rev); err != nil {
			return nil, err
		}
	}
	s.TreeGit = s.Commit.Tree
	if err := h.fetch(ctx, dir, wt, s.Commit.SHA); err != nil {
		return nil, err
	}
	if rev == "" && wt.Dirty {
		return s, h.takeDirty(ctx, wt, s)
	}
	return s, nil
}

// noRev lists what there is when a revision does not exist.
func (h *Host) noRev(ctx context.Context, wt *WorkTree, rev string, err error) error {
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	out, _ := h.g.run(ctx, call{dir: wt.GitDir, args: []string{"for-each-ref", "--count=200", "--format=%(refname:short)", "refs/heads", "refs/tags"}})
	names := strings.Fields(string(out))
	e := cairn.Errorf(cairn.CodeNotFound, "there is no branch, tag or commit %q in %s", rev, wt.Root)
	if near := cairn.Nearest(rev, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	if wt.Shallow {
		return e.WithHint("this clone is shallow: git fetch --unshallow brings the rest")
	}
	return e.WithHint("there are: %s", strings.Join(names[:min(len(names), 10)], ", "))
}

// fullRef gives the full name of a branch or tag, "" of anything else. What a
// remote calls a branch is that branch.
func (g *Git) fullRef(ctx context.Context, c call, rev string) (string, error) {
	c.args = []string{"rev-parse", "--symbolic-full-name", rev}
	ref, err := g.line(ctx, c)
	if noSuchRevision(err) || exitCode(err) == 128 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if _, name, ok := strings.Cut(strings.TrimPrefix(ref, "refs/remotes/"), "/"); ok && strings.HasPrefix(ref, "refs/remotes/") {
		ref = "refs/heads/" + name
	}
	if ref, ok := strings.CutPrefix(ref, "refs/cairn/tags/"); ok {
		return "refs/tags/" + ref, nil
	}
	if !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/tags/") {
		return "", nil
	}
	return ref, nil
}

// fetch brings a commit with its history into the hosted repository, and keeps
// it there. A commit that is kept already costs no process.
func (h *Host) fetch(ctx context.Context, dir string, wt *WorkTree, sha string) error {
	keep := "refs/cairn/keep/" + sha
	if h.hasRef(dir, keep) {
		return nil
	}
	// The user's configuration counts: upload-pack reads the user's repository. That
	// it may be read was found out by Find, by the rules of the work tree; here git
	// would look at the owner of .git once more, without them.
	_, err := h.g.run(ctx, call{dir: dir, env: []string{"GIT_DIR=" + dir}, args: []string{
		"-c", "protocol.file.allow=always", "-c", "fetch.fsckObjects=false", "-c", "transfer.fsckObjects=false",
		"-c", "fetch.prune=false", "-c", "fetch.pruneTags=false", "-c", "fetch.negotiationAlgorithm=default",
		"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--update-shallow", "--no-auto-maintenance", "--refmap=",
		"--upload-pack=" + shellQuote(h.g.binary) + " -c safe.directory='*' upload-pack", "--", wt.CommonDir, "+" + sha + ":" + keep, "+refs/tags/*:refs/cairn/tags/*"}})
	return err
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// hasRef looks for a loose ref; one that was packed costs a fetch that finds
// nothing to do.
func (h *Host) hasRef(dir, ref string) bool {
	_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(ref)))
	return err == nil
}

// copyIndex copies an index with its time. Git takes a file for unchanged when
// its times are those in the index, unless they are as new as the index itself:
// then it looks inside. A copy that looked newer would hide a change made within
// a tick of the clock after git add.
func copyIndex(from, to string) error {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		return err
	}
	return os.Chtimes(to, fi.ModTime(), fi.ModTime())
}

// takeDirty writes the uncommitted state as a tree into the hosted repository,
// by a copy of the user's index. That index spares the files that did not
// change; objects go to the hosted store alone.
func (h *Host) takeDirty(ctx context.Context, wt *WorkTree, s *Snapshot) error {
	if wt.DirtyBytes > MaxDirtyBytes {
		return cairn.Errorf(cairn.CodeTooLarge, "uncommitted files hold %d MiB, %q alone %d; at most %d MiB are taken along",
			wt.DirtyBytes>>20, wt.largest, wt.largestBytes>>20, int64(MaxDirtyBytes)>>20).
			WithHint("put data into .gitignore and register it: cairn data create NAME PATH")
	}
	tmp, err := os.MkdirTemp(s.GitDir, "index-*")
	if err != nil {
		return fileError(err)
	}
	defer os.RemoveAll(tmp)
	index := filepath.Join(tmp, "index")
	if err := copyIndex(filepath.Join(wt.GitDir, "index"), index); err != nil {
		return fileError(err)
	}
	c := call{dir: wt.Root, env: []string{"GIT_DIR=" + wt.GitDir, "GIT_WORK_TREE=" + wt.Root, "GIT_INDEX_FILE=" + index,
		"GIT_OBJECT_DIRECTORY=" + filepath.Join(s.GitDir, "objects"), "GIT_ALTERNATE_OBJECT_DIRECTORIES="}}
	do := func(stdin string, args ...string) (string, error) {
		c := c
		// A split index would write its other half into the user's repository.
		c.args = append([]string{"-c", "core.splitIndex=false", "-c", "core.fsync=loose-object", "-c", "core.fsyncMethod=batch"}, args...)
		c.stdin = strings.NewReader(stdin)
		return h.g.line(ctx, c)
	}
	// Content that was staged lies in the user's object store alone. Without the
	// file's times in the index, add reads it anew and writes it here.
	if len(wt.staged) > 0 {
		var in strings.Builder
		for _, e := range wt.staged {
			fmt.Fprintf(&in, "%s %s 0\t%s\x00", e.mode, e.id, e.path)
		}
		if _, err := do(in.String(), "update-index", "-z", "--index-info"); err != nil {
			return err
		}
	}
	if _, err := do("", "add", "--all", "--", ":/"); err != nil {
		return err
	}
	tree, err := do("", "write-tree")
	if err != nil {
		return err
	}
	if tree == s.Commit.Tree {
		return nil // times or modes that git does not keep
	}
	if ref := "refs/cairn/trees/" + tree; !h.hasRef(s.GitDir, ref) {
		if _, err := h.g.run(ctx, hosted(s.GitDir, "update-ref", ref, tree)); err != nil {
			return err
		}
	}
	s.TreeGit, s.Dirty, s.DirtyFiles, s.DirtyCount = tree, true, wt.DirtyFiles, wt.DirtyCount
	return nil
}
