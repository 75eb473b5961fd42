package git

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// maxConflicts bounds how many files of a conflict are named.
const maxConflicts = 50

// MergeTree merges two commits without a working tree. It answers the tree, or the
// files that conflict.
func (h *Host) MergeTree(ctx context.Context, repo, ours, theirs string) (tree string, conflicts []string, err error) {
	dir, err := h.existing(repo)
	if err != nil {
		return "", nil, err
	}
	for _, rev := range []string{ours, theirs} {
		if !isID(rev) {
			return "", nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the id of a commit", clip(rev))
		}
	}
	out, err := h.g.run(ctx, hosted(dir, "merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", ours, theirs))
	parts := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	switch code := exitCode(err); {
	case err == nil && isID(parts[0]):
		return parts[0], nil, nil
	case code == 1 && isID(parts[0]):
		conflicts = parts[1:]
		if len(conflicts) > maxConflicts {
			conflicts = conflicts[:maxConflicts]
		}
		return "", conflicts, nil
	case code == 129, err == nil:
		return "", nil, cairn.Errorf(cairn.CodeUnsupported, "this machine's git cannot merge without a working tree").
			WithHint("git 2.38 and newer can")
	}
	return "", nil, err
}

// Signature is who made a commit, and when.
type Signature struct {
	Name, Email string
	Date        time.Time
}

// NewCommit is a commit to be written.
type NewCommit struct {
	Tree              string
	Parents           []string
	Message           string
	Author, Committer Signature
}

// WriteCommit writes a commit. The same fields give the same id.
func (h *Host) WriteCommit(ctx context.Context, repo string, n NewCommit) (string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return "", err
	}
	args := []string{"-c", "commit.gpgSign=false", "-c", "i18n.commitEncoding=UTF-8", "commit-tree", n.Tree}
	for _, p := range n.Parents {
		args = append(args, "-p", p)
	}
	c := hosted(dir, append(args, "-F", "-")...)
	c.stdin = strings.NewReader(n.Message)
	c.env = append(c.env, signed("AUTHOR", n.Author)...)
	c.env = append(c.env, signed("COMMITTER", n.Committer)...)
	return h.g.line(ctx, c)
}

// signed gives who made a commit to git; what would break its header is left out.
func signed(role string, s Signature) []string {
	clean := func(t, instead string) string {
		t = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == '<' || r == '>' || r == 0x7f {
				return -1
			}
			return r
		}, t))
		if t == "" {
			return instead
		}
		return t
	}
	name := clean(s.Name, "unknown")
	_, zone := s.Date.Zone()
	return []string{
		"GIT_" + role + "_NAME=" + name, "GIT_" + role + "_EMAIL=" + clean(s.Email, strings.ReplaceAll(name, " ", ".")+"@users.noreply.cairn"),
		fmt.Sprintf("GIT_%s_DATE=@%d %+03d%02d", role, max(s.Date.Unix(), 0), zone/3600, abs(zone/60%60)),
	}
}

func abs(n int) int { return max(n, -n) }

// maxReplayed bounds how many commits are put onto another branch one by one.
const maxReplayed = 250

// Replay puts the commits that head has and base has not onto base, one by one. It
// answers the newest of them, or the files that conflict. Merges are left out, as
// git rebase does.
func (h *Host) Replay(ctx context.Context, repo, base, head string, by Signature) (tip string, conflicts []string, err error) {
	dir, err := h.existing(repo)
	if err != nil {
		return "", nil, err
	}
	if ahead, err := h.Contains(ctx, repo, head, base); err != nil || ahead {
		return head, nil, err // nothing is in between: the branch goes forward
	}
	out, err := h.g.run(ctx, hosted(dir, "rev-list", "--reverse", "--topo-order", "--no-merges", "--max-count="+strconv.Itoa(maxReplayed+1), head, "^"+base, "--"))
	if err != nil {
		return "", nil, err
	}
	ids := strings.Fields(string(out))
	if len(ids) > maxReplayed {
		return "", nil, cairn.Errorf(cairn.CodeTooLarge, "there are more than %d commits to be put onto the branch", maxReplayed).
			WithHint("merge or squash them")
	}
	tip = base
	for _, id := range ids {
		c, err := h.Commit(ctx, repo, id)
		if err != nil {
			return "", nil, err
		}
		tree, conflicts, err := h.pick(ctx, repo, tip, &c)
		if err != nil || conflicts != nil {
			return "", conflicts, err
		}
		onto, err := h.Commit(ctx, repo, tip)
		if err != nil {
			return "", nil, err
		}
		if tree == onto.Tree {
			continue // what it does is there already
		}
		message := c.Message
		if message == "" {
			message = c.Subject
		}
		if tip, err = h.WriteCommit(ctx, repo, NewCommit{
			Tree: tree, Parents: []string{tip}, Message: message, Author: Signature{c.Author, c.Email, c.Date}, Committer: by,
		}); err != nil {
			return "", nil, err
		}
	}
	return tip, nil, nil
}

// pick applies what a commit changed to another one: a merge whose base is the
// commit's parent. Older gits cannot be told the base, so it is made the parent of
// all three.
func (h *Host) pick(ctx context.Context, repo, onto string, c *cairn.Commit) (tree string, conflicts []string, err error) {
	was := emptyTree
	if len(c.Parents) > 0 {
		was = c.Parents[0] + "^{tree}"
	}
	at := Signature{Name: "replay", Date: time.Unix(0, 0).UTC()}
	write := func(tree string, parents ...string) string {
		if err != nil {
			return ""
		}
		if tree, err = h.treeOf(ctx, repo, tree); err != nil {
			return ""
		}
		var id string
		id, err = h.WriteCommit(ctx, repo, NewCommit{Tree: tree, Parents: parents, Message: "base of a replay\n", Author: at, Committer: at})
		return id
	}
	base := write(was)
	ours := write(onto+"^{tree}", base)
	theirs := write(c.Tree, base)
	if err != nil {
		return "", nil, err
	}
	return h.MergeTree(ctx, repo, ours, theirs)
}

func (h *Host) treeOf(ctx context.Context, repo, rev string) (string, error) {
	dir, err := h.existing(repo)
	if err != nil {
		return "", err
	}
	if rev == emptyTree {
		c := hosted(dir, "mktree")
		c.stdin = strings.NewReader("")
		return h.g.line(ctx, c)
	}
	return h.g.line(ctx, hosted(dir, "rev-parse", "--verify", "--end-of-options", rev))
}

// SetOwnRef points a ref that only Cairn moves (refs/pull/…) at a commit; "" removes
// it.
func (h *Host) SetOwnRef(ctx context.Context, repo, ref, sha string) error {
	dir, err := h.existing(repo)
	if err != nil {
		return err
	}
	if err := CheckRef(ref); err != nil || !strings.HasPrefix(ref, "refs/pull/") {
		return errors.Join(err, cairn.Errorf(cairn.CodeInternal, "%s is not ours to move", ref))
	}
	if sha == "" {
		_, err = h.g.run(ctx, hosted(dir, "update-ref", "-d", ref))
		return err
	}
	_, err = h.g.run(ctx, hosted(dir, "update-ref", ref, sha))
	return err
}

// Take fetches a branch of another hosted repository into a ref of our own.
func (h *Host) Take(ctx context.Context, repo, from, branch, into string) error {
	dir, err := h.existing(repo)
	if err != nil {
		return err
	}
	source, err := h.existing(from)
	if err != nil {
		return err
	}
	for _, r := range []string{"refs/heads/" + branch, into} {
		if err := CheckRef(r); err != nil {
			return err
		}
	}
	_, err = h.g.run(ctx, hosted(dir, "-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
		source, "+refs/heads/"+branch+":"+into))
	return err
}

// Branch is the commit that a branch of a hosted repository is at.
func (h *Host) Branch(ctx context.Context, repo, name string) (cairn.Commit, error) {
	if err := CheckRef("refs/heads/" + name); err != nil {
		return cairn.Commit{}, err
	}
	c, err := h.Commit(ctx, repo, "refs/heads/"+name)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return c, err
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no branch %s in %s", clip(name), repo)
	refs, rerr := h.Refs(ctx, repo)
	if rerr != nil {
		return c, err
	}
	var names []string
	for r := range refs {
		if b, ok := strings.CutPrefix(r, "refs/heads/"); ok {
			names = append(names, b)
		}
	}
	if near := cairn.Nearest(name, names); near != "" {
		return c, e.WithHint("did you mean %s?", near)
	}
	return c, e.WithHint("push it first: git push … %s", name)
}
