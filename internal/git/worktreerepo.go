package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// earlier is what a new work tree takes over from the one before it.
type earlier struct {
	who   map[string]string // user.name and user.email
	index []byte            // of files that are kept; nil: nothing is
}

// maxIndex bounds the index that is taken over.
const maxIndex = 256 << 20

// makeRoom removes what a new work tree must not find in dir. A repository that is
// already there is never written into: a step may have put links or filters into
// it, and a step in a container must not reach this machine through them.
func makeRoom(dir string, o CheckoutOptions) (was earlier, err error) {
	own := filepath.Join(dir, ".git")
	fi, err := os.Lstat(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return was, err
	}
	same := false
	if err == nil && fi.IsDir() {
		old := readConfig(filepath.Join(own, "config"))
		was.who = map[string]string{}
		for _, k := range []string{"user.name", "user.email"} {
			if v := old[k]; v != "" {
				was.who[k] = v
			}
		}
		same = old["remote.origin.url"] == o.RemoteURL
	}
	if o.Clean || !same {
		return was, emptyDir(dir)
	}
	// By its index git knows which files were of the earlier commit.
	if fi, err := os.Lstat(filepath.Join(own, "index")); err == nil && fi.Mode().IsRegular() && fi.Size() <= maxIndex {
		if was.index, err = os.ReadFile(filepath.Join(own, "index")); err != nil {
			return was, err
		}
	}
	return was, os.RemoveAll(own)
}

// unquoteConfig reads a value as git wrote it.
func unquoteConfig(v string) string {
	if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\t`, "\t").Replace(v)
}

// readConfig reads the plain values of a git configuration file that is a file of
// its own and not too large. What it cannot read is not there.
func readConfig(path string) map[string]string {
	out := map[string]string{}
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > 1<<20 {
		return out
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return out
	}
	section := ""
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		l := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]") {
			name, sub, _ := strings.Cut(strings.Trim(l, "[]"), " ")
			section = strings.ToLower(name)
			if sub = strings.Trim(strings.TrimSpace(sub), `"`); sub != "" {
				section += "." + sub
			}
			continue
		}
		if k, v, ok := strings.Cut(l, "="); ok {
			out[section+"."+strings.ToLower(strings.TrimSpace(k))] = unquoteConfig(strings.TrimSpace(v))
		}
	}
	return out
}

// makeRepo writes a repository without objects. A few files written here take a
// fiftieth of the time of git init, git remote and git update-ref.
func makeRepo(dir, gitDir, sha, ref, remote string, was earlier) error {
	own := filepath.Join(dir, ".git")
	files := map[string]string{
		"objects/info/alternates": filepath.Join(gitDir, "objects") + "\n",
		"HEAD":                    sha + "\n",
	}
	config := "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n" +
		"[gc]\n\tauto = 0\n[remote \"origin\"]\n\turl = " + quoteConfig(remote) + "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
	if len(was.who) > 0 {
		config += "[user]\n"
		for _, k := range slices.Sorted(maps.Keys(was.who)) {
			config += "\t" + strings.TrimPrefix(k, "user.") + " = " + quoteConfig(was.who[k]) + "\n"
		}
	}
	if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok && CheckRef(ref) == nil {
		files["HEAD"] = "ref: " + ref + "\n"
		files[ref] = sha + "\n"
		files["refs/remotes/origin/"+name] = sha + "\n"
		config += "[branch " + quoteConfig(name) + "]\n\tremote = origin\n\tmerge = " + quoteConfig(ref) + "\n"
	} else if name, ok := strings.CutPrefix(ref, "refs/pull/"); ok && CheckRef(ref) == nil {
		files["refs/remotes/pull/"+name] = sha + "\n"
	}
	files["config"] = config
	if was.index != nil {
		files["index"] = string(was.index)
	}
	if b, err := os.ReadFile(filepath.Join(gitDir, "shallow")); err == nil {
		files["shallow"] = string(b)
	}
	for _, d := range []string{"objects/pack", "refs/heads", "refs/tags", "info"} {
		if err := os.MkdirAll(filepath.Join(own, d), 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		p := filepath.Join(own, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// cutHistory makes the history of a work tree end depth commits below its HEAD, as
// a shallow fetch does.
func (g *Git) cutHistory(ctx context.Context, gitDir, own, sha string, depth int) error {
	if depth <= 0 {
		return nil
	}
	edge := []string{sha}
	if depth > 1 {
		out, err := g.run(ctx, hosted(gitDir, "rev-list", "--parents", sha))
		if cairn.CodeOf(err) == cairn.CodeTooLarge {
			return nil // so much history is shown whole
		}
		if err != nil {
			return err
		}
		edge = boundary(string(out), sha, depth)
	}
	if len(edge) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(own, "shallow"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fileError(err)
	}
	_, err = f.WriteString(strings.Join(edge, "\n") + "\n")
	return fileError(errors.Join(err, f.Close()))
}

// boundary lists the commits at the given depth, as git does also where nothing lies
// behind them. lines are commits, each with its parents.
func boundary(lines, tip string, depth int) []string {
	parents := map[string][]string{}
	for l := range strings.SplitSeq(lines, "\n") {
		if f := strings.Fields(l); len(f) > 0 {
			parents[f[0]] = f[1:]
		}
	}
	seen, level := map[string]bool{tip: true}, []string{tip}
	for range depth - 1 {
		var next []string
		for _, c := range level {
			for _, p := range parents[c] {
				if !seen[p] {
					seen[p] = true
					next = append(next, p)
				}
			}
		}
		level = next
	}
	return level
}

// ownObjects copies what a repository shows of the one it borrows from, and lets that go.
func (g *Git) ownObjects(ctx context.Context, in call, own string) error {
	in.args = []string{"repack", "-a", "-d", "-q", "--no-write-bitmap-index"}
	if _, err := g.run(ctx, in); err != nil {
		return err
	}
	return fileError(os.Remove(filepath.Join(own, "objects", "info", "alternates")))
}

// sparse limits the work tree to what is asked for, before its files are written.
func (g *Git) sparse(ctx context.Context, in call, o CheckoutOptions) error {
	if len(o.Sparse) == 0 {
		return nil
	}
	cone := "--no-cone"
	if o.Cone {
		cone = "--cone"
	}
	in.args = []string{"sparse-checkout", "set", cone, "--stdin"}
	in.stdin = strings.NewReader(strings.Join(o.Sparse, "\n") + "\n")
	_, err := g.run(ctx, in)
	if exitCode(err) > 0 {
		return cairn.Errorf(cairn.CodeInvalid, "sparse-checkout: %w", err).
			WithHint("in cone mode each line is a folder; sparse-checkout-cone-mode: false takes patterns as in .gitignore")
	}
	return err
}

// copyRefs makes refs of the hosted repository known in a work tree: the tag that it
// is of, all tags, or with all of history all branches too.
func (g *Git) copyRefs(ctx context.Context, gitDir, own, ref string, o CheckoutOptions) error {
	var ask []string
	all := o.Depth <= 0
	switch tag, isTag := strings.CutPrefix(ref, "refs/tags/"); {
	case all:
		ask = []string{"refs/cairn/tags", "refs/tags", "refs/heads"}
	case o.Tags:
		ask = []string{"refs/cairn/tags", "refs/tags"}
	case isTag:
		ask = []string{"refs/cairn/tags/" + tag, ref}
	default:
		return nil
	}
	out, err := g.run(ctx, hosted(gitDir, append([]string{"for-each-ref", "--format=%(objectname) %(refname)"}, ask...)...))
	if err != nil || len(out) == 0 {
		return err
	}
	refs := map[string]string{} // a pushed tag wins over an imported one
	for l := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		id, name, ok := strings.Cut(l, " ")
		if !ok {
			continue
		}
		if rest, ok := strings.CutPrefix(name, "refs/cairn/tags/"); ok {
			name = "refs/tags/" + rest
		} else if rest, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			name = "refs/remotes/origin/" + rest
		}
		refs[name] = id
	}
	var b strings.Builder
	b.WriteString("# pack-refs with: sorted \n")
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		b.WriteString(refs[name] + " " + name + "\n")
	}
	return fileError(os.WriteFile(filepath.Join(own, "packed-refs"), []byte(b.String()), 0o644))
}

// emptyDir removes what is in a folder, not the folder.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
