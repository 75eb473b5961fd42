package git

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
)

// Host keeps bare repositories below one folder.
type Host struct {
	g   *Git
	dir string
	// create keeps two callers from making the same repository at once.
	create sync.Mutex
	// fetchLimit bounds a fetch from a remote; 0: MaxFetchBytes. packLimit is from
	// how many packs on they are joined; 0: manyPacks.
	fetchLimit int64
	packLimit  int
}

// OpenHost opens the folder of hosted repositories, which is made when the first
// one is, and removes what a killed process left unfinished there. One process
// owns the folder.
func (g *Git) OpenHost(dir string) (*Host, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, left := range []string{"index-*", ".new-*", "objects/tmp_objdir-*", "objects/pack/tmp_*"} {
		paths, err := filepath.Glob(filepath.Join(globEscape(dir), "*", "*.git", left))
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			if err := os.RemoveAll(p); err != nil {
				return nil, fileError(err)
			}
		}
	}
	// What passes through on its way into the store, see StoreCommit.
	passing, err := filepath.Glob(filepath.Join(globEscape(dir), ".fetch-*"))
	if err != nil {
		return nil, err
	}
	for _, p := range passing {
		if err := os.RemoveAll(p); err != nil {
			return nil, fileError(err)
		}
	}
	return &Host{g: g, dir: dir}, nil
}

// globEscape makes a path mean itself in a pattern.
func globEscape(p string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p)
}

// Dir is where a repository lies; it may not exist yet.
func (h *Host) Dir(repo string) (string, error) {
	if err := CheckRepo(repo); err != nil {
		return "", err
	}
	return filepath.Join(h.dir, filepath.FromSlash(repo)+".git"), nil
}

// Exists reports whether a repository is hosted.
func (h *Host) Exists(repo string) bool {
	dir, err := h.Dir(repo)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, "HEAD"))
	return err == nil
}

// existing is Dir of a repository that has to be there.
func (h *Host) existing(repo string) (string, error) {
	dir, err := h.Dir(repo)
	if err == nil && !h.Exists(repo) {
		err = cairn.Errorf(cairn.CodeNotFound, "there is no repository %s here", repo)
		all, _ := h.Repos(context.Background())
		if near := cairn.Nearest(repo, all); near != "" {
			err = cairn.AsError(err).WithHint("did you mean %s?", near)
		}
	}
	return dir, err
}

// hostConfig is the whole configuration of a hosted repository. What is written
// to it is on disk before it is acknowledged; refs of our own are hidden from
// clients and cannot be pushed.
const hostConfig = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	fsync = loose-object,pack,pack-metadata,reference
	fsyncMethod = batch
[gc]
	auto = 0
[receive]
	autogc = false
	fsckObjects = true
	denyDeletes = false
	denyNonFastForwards = false
[receive "fsck"]
	zeroPaddedFilemode = ignore
	badTimezone = ignore
	missingSpaceBeforeDate = ignore
	badDateOverflow = ignore
	nullSha1 = ignore
[transfer]
	hideRefs = refs/cairn
[uploadpack]
	allowAnySHA1InWant = false
	allowFilter = true
`

// Create makes a repository; one that is there is left as it is. It writes the
// few files itself: git init takes ten times as long.
func (h *Host) Create(ctx context.Context, repo string) error {
	dir, err := h.Dir(repo)
	if err != nil {
		return err
	}
	h.create.Lock()
	defer h.create.Unlock()
	if h.Exists(repo) {
		return nil
	}
	// HEAD comes last: with it the repository exists.
	for _, d := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/cairn/keep", "refs/cairn/trees"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return fileError(err)
		}
	}
	for name, text := range map[string]string{"config": hostConfig, "description": repo + "\n"} {
		if err := writeFile(filepath.Join(dir, name), text); err != nil {
			return fileError(err)
		}
	}
	return fileError(writeFile(filepath.Join(dir, "HEAD"), "ref: refs/heads/main\n"))
}

// maxComplaints bounds what Fsck tells of one repository.
const maxComplaints = 20

// Fsck lets git look for objects that are damaged or missing, and gives what it
// complains about. That it does is not an error.
func (h *Host) Fsck(ctx context.Context, repo string) ([]string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	out, err := h.g.run(ctx, hosted(dir, "fsck", "--full", "--no-dangling", "--no-progress"))
	var failed *exitError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &failed):
		return nil, err
	}
	var say []string
	for l := range strings.SplitSeq(string(out)+"\n"+failed.stderr, "\n") {
		// Warnings are about the shape of objects that people made long ago.
		l = strings.TrimPrefix(strings.TrimSpace(l), "error: ")
		if l == "" || strings.HasPrefix(l, "warning ") || strings.HasPrefix(l, "notice: ") || slices.Contains(say, l) {
			continue
		}
		if say = append(say, l); len(say) == maxComplaints {
			break
		}
	}
	return say, nil
}

// Repos lists what is hosted, sorted.
func (h *Host) Repos(ctx context.Context) ([]string, error) {
	owners, err := os.ReadDir(h.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError(err)
	}
	var out []string
	for _, o := range owners {
		repos, err := os.ReadDir(filepath.Join(h.dir, o.Name()))
		if err != nil {
			continue // not a folder: not ours
		}
		for _, r := range repos {
			if name, ok := strings.CutSuffix(r.Name(), ".git"); ok && h.Exists(o.Name()+"/"+name) {
				out = append(out, o.Name()+"/"+name)
			}
		}
	}
	slices.Sort(out)
	return out, ctx.Err()
}

// hosted is a call in a hosted repository, or in another bare one of ours.
func hosted(dir string, args ...string) call {
	return call{dir: dir, env: []string{"GIT_DIR=" + dir}, own: true, args: args}
}

// writeFile replaces a file at once and durably.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func fileError(err error) error {
	var ce *cairn.Error
	if err == nil || errors.As(err, &ce) {
		return err
	}
	return cairn.Errorf(cairn.CodeUnavailable, "a git repository could not be written or read: %w", err)
}
