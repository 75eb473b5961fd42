package git

import (
	"context"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// PushedFiles lists the files that a move of a branch changed: against where it was,
// and for a new branch against the parent of the oldest commit that no other
// branch has. beside are refs that moved at the same time: what they have is as
// new. Nil means that there are more than limit commits, or that nobody can tell;
// no files are an empty list.
func (h *Host) PushedFiles(ctx context.Context, repo, ref, before, after string, beside []string, limit int) ([]string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	if err := checkRev(after); err != nil {
		return nil, err
	}
	if before != "" && before != zeroID {
		if err := checkRev(before); err != nil {
			return nil, err
		}
		n, err := h.g.line(ctx, hosted(dir, "rev-list", "--count", "--max-count="+strconv.Itoa(limit+1), "--end-of-options", after, "^"+before, "--"))
		if err != nil {
			return nil, err
		}
		if count, err := strconv.Atoi(n); err != nil || count > limit {
			return nil, err
		}
		return h.changed(ctx, repo, before, after)
	}
	args := []string{"rev-list", "--topo-order", "--parents", "--max-count=" + strconv.Itoa(limit+1), after, "--not"}
	for _, r := range append([]string{ref}, beside...) {
		if name, ok := strings.CutPrefix(r, "refs/heads/"); ok && CheckRef(r) == nil {
			args = append(args, "--exclude="+globEscape(name))
		}
	}
	out, err := h.g.run(ctx, hosted(dir, append(args, "--branches", "--")...))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	switch {
	case lines[0] == "":
		return []string{}, nil
	case len(lines) > limit:
		return nil, nil
	}
	oldest := strings.Fields(lines[len(lines)-1])
	base := emptyTree
	if len(oldest) > 1 {
		base = oldest[1]
	}
	return h.changed(ctx, repo, base, after)
}

// emptyTree is git's name for no files at all.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

func (h *Host) changed(ctx context.Context, repo, from, to string) ([]string, error) {
	files, err := h.ChangedFiles(ctx, repo, from, to)
	if files == nil && err == nil {
		files = []string{}
	}
	return files, err
}

// MergeBase is the newest commit that two have in common; "" where there is none.
func (h *Host) MergeBase(ctx context.Context, repo, a, b string) (string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return "", err
	}
	for _, rev := range []string{a, b} {
		if err := checkRev(rev); err != nil {
			return "", err
		}
	}
	base, err := h.g.line(ctx, hosted(dir, "merge-base", "--end-of-options", a, b))
	if exitCode(err) == 1 {
		return "", nil
	}
	return base, err
}

// PullFiles lists the files that the commits of head change since it left base.
func (h *Host) PullFiles(ctx context.Context, repo, base, head string) ([]string, error) {
	from, err := h.MergeBase(ctx, repo, base, head)
	if err != nil {
		return nil, err
	}
	if from == "" {
		from = emptyTree
	}
	return h.changed(ctx, repo, from, head)
}

// Contains reports whether a commit is in the history of another.
func (h *Host) Contains(ctx context.Context, repo, newer, older string) (bool, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return false, err
	}
	for _, rev := range []string{newer, older} {
		if !isID(rev) {
			return false, cairn.Errorf(cairn.CodeInvalid, "%q is not the id of a commit", clip(rev))
		}
	}
	_, err = h.g.run(ctx, hosted(dir, "merge-base", "--is-ancestor", older, newer))
	if exitCode(err) == 1 {
		return false, nil
	}
	return err == nil, err
}

// History lists a commit and what came before it, newest first, at most limit.
func (h *Host) History(ctx context.Context, repo, rev string, limit int) ([]cairn.Commit, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	if err := checkRev(rev); err != nil {
		return nil, err
	}
	cs, err := h.g.commits(ctx, hosted(dir, "log", "-n", strconv.Itoa(min(max(limit, 1), historyLimit)), "--encoding=UTF-8", "--no-decorate",
		"--format="+commitFormat, "--end-of-options", rev, "--"))
	if noSuchRevision(err) {
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not in %s%w", clip(rev), repo, hidden{err})
	}
	return cs, err
}
