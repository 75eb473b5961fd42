package git

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// historyLimit bounds what one question about history answers.
const historyLimit = 1000

// Between lists the commits that to has and from has not, newest first, at most
// limit; more says that there are others.
func (h *Host) Between(ctx context.Context, repo, from, to string, limit int) (cs []cairn.Commit, more bool, err error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, false, err
	}
	for _, rev := range []string{from, to} {
		if err := checkRev(rev); err != nil {
			return nil, false, err
		}
	}
	limit = min(max(limit, 1), historyLimit)
	cs, err = h.g.commits(ctx, hosted(dir, "log", "-n", strconv.Itoa(limit+1), "--encoding=UTF-8", "--no-decorate", "--format="+commitFormat,
		"--end-of-options", "^"+from, to, "--"))
	if noSuchRevision(err) {
		return nil, false, cairn.Errorf(cairn.CodeNotFound, "%s or %s is not in %s%w", clip(from), clip(to), repo, hidden{err})
	}
	if len(cs) > limit {
		return cs[:limit], true, err
	}
	return cs, false, err
}

// LastChange is the newest commit up to rev that changed one of the paths, of
// which those that are not there count for nothing. No paths mean all.
func (h *Host) LastChange(ctx context.Context, repo, rev string, paths []string) (cairn.Commit, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return cairn.Commit{}, err
	}
	if err := checkRev(rev); err != nil {
		return cairn.Commit{}, err
	}
	args := []string{"--literal-pathspecs", "log", "-1", "--encoding=UTF-8", "--no-decorate", "--format=" + commitFormat, "--end-of-options", rev, "--"}
	for _, p := range paths {
		clean, err := checkPath(p)
		if err != nil {
			return cairn.Commit{}, err
		}
		if clean == "" {
			clean = "."
		}
		args = append(args, clean)
	}
	cs, err := h.g.commits(ctx, hosted(dir, args...))
	if err == nil && len(cs) == 0 || noSuchRevision(err) {
		return cairn.Commit{}, cairn.Errorf(cairn.CodeNotFound, "no commit up to %s changed these files", clip(rev))
	}
	if err != nil {
		return cairn.Commit{}, err
	}
	return cs[0], nil
}

// commits reads what git log writes in commitFormat.
func (g *Git) commits(ctx context.Context, c call) ([]cairn.Commit, error) {
	out, err := g.run(ctx, c)
	if err != nil {
		return nil, err
	}
	const fields = 9
	f := strings.Split(string(out), "\x00")
	var cs []cairn.Commit
	for ; len(f) > fields; f = f[fields:] {
		date, err := time.Parse(time.RFC3339, f[5])
		if err != nil {
			date = time.Time{} // commits with impossible dates exist
		}
		cs = append(cs, cairn.Commit{
			SHA: strings.TrimPrefix(f[0], "\n"), Tree: f[1], Parents: strings.Fields(f[2]), Author: f[3], Email: f[4], Date: date,
			Committer: f[6], Subject: f[7], Message: strings.TrimSuffix(f[8], "\n"),
		})
	}
	return cs, nil
}

// FileChanges tells which files differ between two commits, and by how many
// lines: the first limit of them by path, and how many they are.
func (h *Host) FileChanges(ctx context.Context, repo, from, to string, limit int) (fs []cairn.FileChange, count int, err error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, 0, err
	}
	for _, rev := range []string{from, to} {
		if err := checkRev(rev); err != nil {
			return nil, 0, err
		}
	}
	out, err := h.g.run(ctx, hosted(dir, "diff-tree", "-r", "-z", "--numstat", "--no-renames", "--end-of-options", from, to, "--"))
	if noSuchRevision(err) {
		return nil, 0, cairn.Errorf(cairn.CodeNotFound, "%s or %s is not in %s%w", clip(from), clip(to), repo, hidden{err})
	}
	if err != nil {
		return nil, 0, err
	}
	for rec := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		f := strings.SplitN(rec, "\t", 3)
		if len(f) != 3 {
			continue
		}
		if count++; len(fs) == limit {
			continue
		}
		c := cairn.FileChange{Path: f[2], Binary: f[0] == "-"}
		if !c.Binary {
			// Numbers by git's own format; what is none counts as no line.
			c.Added, _ = strconv.ParseInt(f[0], 10, 64)
			c.Removed, _ = strconv.ParseInt(f[1], 10, 64)
		}
		fs = append(fs, c)
	}
	return fs, count, nil
}

// Files lists the paths of all files of a tree or commit, at most limit.
func (h *Host) Files(ctx context.Context, repo, tree string, limit int) ([]string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return nil, err
	}
	if err := checkRev(tree); err != nil {
		return nil, err
	}
	out, err := h.g.run(ctx, hosted(dir, "ls-tree", "-r", "-z", "--name-only", "--end-of-options", tree))
	if exitCode(err) == 128 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not in %s%w", clip(tree), repo, hidden{err})
	}
	if err != nil || len(out) == 0 {
		return nil, err
	}
	all := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	return all[:min(len(all), limit)], nil
}
