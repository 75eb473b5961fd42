package git

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sync/errgroup"
)

// WorkTree is what is known of a repository on the user's disk.
type WorkTree struct {
	Root      string // top folder of the work tree; of a bare repository its own folder
	Prefix    string // the asked folder below Root, slash-separated; "" at the top
	GitDir    string // of this work tree
	CommonDir string // of the repository: differs from GitDir in a linked work tree
	Bare      bool
	Linked    bool // made by git worktree
	Shallow   bool // history is cut off
	NoCommits bool
	Head      cairn.Commit // zero without commits
	Ref       string       // refs/heads/main; "" when HEAD is detached
	Origin    string       // URL of the remote origin, without credentials
	Name      string       // owner/name
	// DefaultBranch is origin's, else main or master where they exist, else the
	// current one.
	DefaultBranch string
	Dirty         bool
	DirtyFiles    []DirtyFile // at most MaxDirtyFiles, in the order git gives
	DirtyCount    int
	DirtyBytes    int64    // bytes that the dirty files have now
	Submodules    []string // paths; the files inside are not taken along

	staged       []stagedEntry
	largest      string // of the dirty files
	largestBytes int64
}

// MaxDirtyFiles bounds the list of dirty files; the count goes on.
const MaxDirtyFiles = 200

// DirtyFile is one path that differs from the commit.
type DirtyFile struct {
	Path   string `json:"path"`
	Status string `json:"status"` // modified, added, deleted, type, untracked, conflict, submodule, repository
}

// stagedEntry is content that may be in the user's object store alone.
type stagedEntry struct{ mode, id, path string }

// Find tells everything about the repository that dir lies in. It writes
// nothing. A folder in no repository is CodeInvalid.
func (g *Git) Find(ctx context.Context, dir string) (*WorkTree, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not a folder", dir)
	}
	wt, err := g.locate(ctx, dir)
	if err != nil {
		return nil, err
	}
	var origin string
	eg, ectx := errgroup.WithContext(ctx)
	eg.Go(func() error { return g.status(ectx, wt) })
	eg.Go(func() error {
		var err error
		wt.Head, err = g.commit(ectx, call{dir: dir}, "HEAD")
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			wt.NoCommits = true
			return nil
		}
		return err
	})
	eg.Go(func() error {
		var err error
		origin, err = g.line(ectx, call{dir: dir, args: []string{"config", "--get", "remote.origin.url"}})
		if exitCode(err) == 1 {
			return nil
		}
		return err
	})
	eg.Go(func() error { return g.submodules(ectx, wt) })
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	wt.Origin = withoutPassword(origin)
	wt.Name = RepoName(origin, wt.Root)
	wt.DefaultBranch = wt.defaultBranch()
	return wt, nil
}

// locate finds folders and kind of the repository.
func (g *Git) locate(ctx context.Context, dir string) (*WorkTree, error) {
	out, err := g.run(ctx, call{dir: dir, args: []string{"rev-parse", "--path-format=absolute", "--is-bare-repository",
		"--is-shallow-repository", "--show-object-format", "--absolute-git-dir", "--git-common-dir", "--show-prefix", "--show-toplevel"}})
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	// A bare repository has no top level; everything before it is told.
	bare := len(lines) >= 6 && lines[0] == "true"
	if err != nil && !bare {
		if strings.Contains(err.Error(), "must be run in a work tree") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s is inside the .git folder of a repository", dir).
				WithHint("change into its work tree")
		}
		return nil, err
	}
	if !bare && len(lines) != 7 {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the path of the repository holds a line feed")
	}
	if lines[2] != "sha1" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the repository names its objects by %s", lines[2]).
			WithHint("only repositories with SHA-1 ids are supported")
	}
	wt := &WorkTree{Bare: bare, Shallow: lines[1] == "true", GitDir: lines[3], CommonDir: lines[4]}
	wt.Linked = wt.GitDir != wt.CommonDir
	wt.Prefix = strings.TrimSuffix(lines[5], "/")
	wt.Root = wt.GitDir
	if !bare {
		wt.Root = lines[6]
	}
	return wt, nil
}

// status reads branch and dirty files. A bare repository has only the branch.
func (g *Git) status(ctx context.Context, wt *WorkTree) error {
	if wt.Bare {
		ref, err := g.line(ctx, call{dir: wt.GitDir, args: []string{"symbolic-ref", "--quiet", "HEAD"}})
		if exitCode(err) == 1 {
			return nil
		}
		wt.Ref = ref
		return err
	}
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := g.run(ctx, call{dir: wt.Root, out: pw, args: []string{"status", "--porcelain=v2", "--branch", "-z",
			"--untracked-files=all", "--no-renames", "--ignore-submodules=none"}})
		pw.CloseWithError(err)
		done <- err
	}()
	perr := records(pr, wt.take)
	// Whatever was not read has to go, or the process would wait for us.
	pr.CloseWithError(io.ErrClosedPipe)
	if err := <-done; err != nil && perr == nil {
		return err
	}
	wt.Dirty = wt.DirtyCount > 0
	return perr
}

// records calls fn with each NUL-terminated record.
func records(r io.Reader, fn func(rec string) error) error {
	buf := make([]byte, 0, 64<<10)
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			i := bytes.IndexByte(buf, 0)
			if i < 0 {
				break
			}
			if ferr := fn(string(buf[:i])); ferr != nil {
				return ferr
			}
			buf = buf[i+1:]
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(buf) > 1<<20 {
			return cairn.Errorf(cairn.CodeTooLarge, "git answers a record of more than 1 MiB")
		}
	}
}

// take reads one record of status --porcelain=v2 -z.
func (wt *WorkTree) take(rec string) error {
	if ref, ok := strings.CutPrefix(rec, "# branch.head "); ok {
		if ref != "(detached)" {
			wt.Ref = "refs/heads/" + ref
		}
		return nil
	}
	switch {
	case strings.HasPrefix(rec, "? "):
		what := "untracked"
		if strings.HasSuffix(rec, "/") {
			what = "repository" // git does not look into it
		}
		wt.dirty(rec[2:], what)
	case strings.HasPrefix(rec, "1 "):
		// 1 XY sub mH mI mW hH hI path
		if f := strings.SplitN(rec, " ", 9); len(f) == 9 {
			wt.changed(f[1], f[2], f[4], f[7], f[8])
		}
	case strings.HasPrefix(rec, "u "):
		// u XY sub m1 m2 m3 mW h1 h2 h3 path
		if f := strings.SplitN(rec, " ", 11); len(f) == 11 {
			wt.dirty(f[10], "conflict")
		}
	}
	return nil
}

func (wt *WorkTree) changed(xy, sub, mode, id, path string) {
	if xy[0] != '.' && xy[0] != 'D' && sub[0] != 'S' {
		wt.staged = append(wt.staged, stagedEntry{mode, id, path})
	}
	what := "modified"
	switch {
	case sub[0] == 'S':
		what = "submodule"
	case strings.ContainsRune(xy, 'D'):
		what = "deleted"
	case xy[0] == 'A':
		what = "added"
	case strings.ContainsRune(xy, 'T'):
		what = "type"
	}
	wt.dirty(path, what)
}

func (wt *WorkTree) dirty(path, what string) {
	wt.DirtyCount++
	if fi, err := os.Lstat(filepath.Join(wt.Root, path)); err == nil && fi.Mode().IsRegular() {
		wt.DirtyBytes += fi.Size()
		if fi.Size() > wt.largestBytes {
			wt.largest, wt.largestBytes = path, fi.Size()
		}
	}
	if len(wt.DirtyFiles) < MaxDirtyFiles {
		wt.DirtyFiles = append(wt.DirtyFiles, DirtyFile{path, what})
	}
}

func (g *Git) submodules(ctx context.Context, wt *WorkTree) error {
	if _, err := os.Stat(filepath.Join(wt.Root, ".gitmodules")); err != nil || wt.Bare {
		return nil
	}
	out, err := g.run(ctx, call{dir: wt.Root, args: []string{"config", "-z", "--file", ".gitmodules", "--get-regexp", `^submodule\..*\.path$`}})
	if exitCode(err) == 1 {
		return nil
	}
	for rec := range strings.SplitSeq(string(out), "\x00") {
		if _, p, ok := strings.Cut(rec, "\n"); ok {
			wt.Submodules = append(wt.Submodules, p)
		}
	}
	return err
}

func (wt *WorkTree) defaultBranch() string {
	if b, err := os.ReadFile(filepath.Join(wt.CommonDir, "refs/remotes/origin/HEAD")); err == nil {
		if name, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "ref: refs/remotes/origin/"); ok {
			return name
		}
	}
	packed, _ := os.ReadFile(filepath.Join(wt.CommonDir, "packed-refs"))
	for _, name := range []string{"main", "master"} {
		_, err := os.Stat(filepath.Join(wt.CommonDir, "refs/heads", name))
		if err == nil || bytes.Contains(packed, []byte(" refs/heads/"+name+"\n")) {
			return name
		}
	}
	if name, ok := strings.CutPrefix(wt.Ref, "refs/heads/"); ok {
		return name
	}
	return "main"
}

// Ignored reports whether git ignores a path (relative to workdir, or absolute
// inside it).
func (g *Git) Ignored(ctx context.Context, workdir, path string) (bool, error) {
	_, err := g.run(ctx, call{dir: workdir, args: []string{"check-ignore", "--quiet", "--", path}})
	if exitCode(err) == 1 {
		return false, nil
	}
	return err == nil, err
}

// Rev reads the commit that a revision (HEAD, a branch, a tag, HEAD~2) means in
// the repository that dir lies in. One that means nothing is CodeNotFound.
func (g *Git) Rev(ctx context.Context, dir, rev string) (cairn.Commit, error) {
	return g.commit(ctx, call{dir: dir}, rev)
}

// commitFormat are the fields of a commit, each ended by a NUL.
const commitFormat = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%s%x00%B%x00"

// commit reads one commit; c says where. One that does not exist is CodeNotFound.
func (g *Git) commit(ctx context.Context, c call, rev string) (cairn.Commit, error) {
	if err := checkRev(rev); err != nil {
		return cairn.Commit{}, err
	}
	c.args = append(c.args, "log", "-1", "--encoding=UTF-8", "--no-decorate", "--format="+commitFormat, "--end-of-options", rev+"^{commit}", "--")
	c.limit = 4 << 20
	out, err := g.run(ctx, c)
	if noSuchRevision(err) {
		return cairn.Commit{}, cairn.Errorf(cairn.CodeNotFound, "there is no commit %s%w", rev, hidden{err})
	}
	if err != nil {
		return cairn.Commit{}, err
	}
	f := strings.Split(string(out), "\x00")
	if len(f) < 9 {
		return cairn.Commit{}, cairn.Errorf(cairn.CodeInternal, "git log answers %d fields", len(f))
	}
	date, err := time.Parse(time.RFC3339, f[5])
	if err != nil {
		date = time.Time{} // commits with impossible dates exist
	}
	return cairn.Commit{
		SHA: f[0], Tree: f[1], Parents: strings.Fields(f[2]), Author: f[3], Email: f[4], Date: date,
		Committer: f[6], Subject: f[7], Message: strings.TrimSuffix(f[8], "\n"),
	}, nil
}

// noSuchRevision tells a name that means nothing from other failures.
func noSuchRevision(err error) bool {
	var e *exitError
	if !errors.As(err, &e) {
		return false
	}
	for _, say := range []string{"unknown revision", "bad revision", "bad object", "ambiguous argument", "Not a valid object name", "Needed a single revision", "not a tree object"} {
		if strings.Contains(e.stderr, say) {
			return true
		}
	}
	return false
}
