package github

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/trigger"
)

func (h *handler) repoRoutes() {
	read := cairn.PermissionRead
	h.at("GET", "/user", func(r *request) (answer, error) { return ok(trigger.User(auth.Actor(r.Context()).Name)) })
	h.at("GET", "/rate_limit", func(*request) (answer, error) {
		rate := map[string]any{"limit": 5000, "remaining": 5000, "reset": 0, "used": 0}
		return ok(map[string]any{"resources": map[string]any{"core": rate, "search": rate, "graphql": rate}, "rate": rate})
	})
	h.at("GET", "/meta", func(*request) (answer, error) {
		return ok(map[string]any{"verifiable_password_authentication": false, "installed_version": "3.20.0"})
	})
	h.at("GET", "/user/repos", func(r *request) (answer, error) {
		if err := auth.Check(r.Context(), auth.Need{Role: cairn.RoleReader}); err != nil {
			return none(err)
		}
		all, err := h.o.Rows.Repositories(r.Context(), "default")
		out := []any{}
		for _, x := range page(r, all) {
			out = append(out, h.o.Owner.Site(x).Repo(x.CreatedAt))
		}
		return answer{http.StatusOK, out}, err
	})
	h.in("GET", "", "metadata", read, func(r *request) (answer, error) {
		out := r.site.Repo(r.repo.CreatedAt)
		p := auth.Actor(r.Context())
		out["permissions"] = map[string]any{
			"pull": true, "push": auth.Permit(r.Context(), "contents", cairn.PermissionWrite) == nil, "admin": p.Role == cairn.RoleAdmin,
		}
		return ok(out)
	})
	h.in("GET", "/branches", "contents", read, func(r *request) (answer, error) { return h.refList(r, "refs/heads/") })
	h.in("GET", "/tags", "contents", read, func(r *request) (answer, error) { return h.refList(r, "refs/tags/") })
	h.in("GET", "/branches/{branch...}", "contents", read, func(r *request) (answer, error) {
		c, err := h.o.Code.Commit(r.Context(), r.repo.Name, "refs/heads/"+r.PathValue("branch"))
		if err != nil {
			return none(err)
		}
		return ok(map[string]any{"name": r.PathValue("branch"), "commit": commitObject(r, &c), "protected": false})
	})
	h.in("GET", "/commits", "contents", read, h.commits)
	h.in("GET", "/commits/{ref...}", "contents", read, h.commit)
	h.in("GET", "/compare/{range...}", "contents", read, h.compare)
	h.in("GET", "/contents/{path...}", "contents", read, h.contents)
	h.refuse("PUT", "/contents/{path...}", "way to write files by this interface: push a commit")
	h.refuse("DELETE", "/contents/{path...}", "way to write files by this interface: push a commit")
}

// refList lists branches or tags by name.
func (h *handler) refList(r *request, prefix string) (answer, error) {
	refs, err := h.o.Code.Refs(r.Context(), r.repo.Name)
	if err != nil {
		return none(err)
	}
	var names []string
	for ref := range refs {
		if name, ok := strings.CutPrefix(ref, prefix); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := []any{}
	for _, n := range page(r, names) {
		sha := refs[prefix+n]
		out = append(out, map[string]any{"name": n, "protected": false, "commit": map[string]any{"sha": sha, "url": r.site.API + "/commits/" + sha}})
	}
	return ok(out)
}

// commitObject is a commit as GitHub shows it.
func commitObject(r *request, c *cairn.Commit) map[string]any {
	parents := []any{}
	for _, p := range c.Parents {
		parents = append(parents, map[string]any{"sha": p, "url": r.site.API + "/commits/" + p})
	}
	message, committer := c.Message, c.Committer
	if message == "" {
		message = c.Subject
	}
	if committer == "" {
		committer = c.Author
	}
	return map[string]any{
		"sha": c.SHA, "node_id": "commit-" + c.SHA, "url": r.site.API + "/commits/" + c.SHA, "html_url": r.site.HTML + "/commit/" + c.SHA,
		"commit": map[string]any{
			"message": message, "tree": map[string]any{"sha": c.Tree}, "comment_count": 0,
			"author":    map[string]any{"name": c.Author, "email": c.Email, "date": stamp(c.Date)},
			"committer": map[string]any{"name": committer, "email": c.Email, "date": stamp(c.Date)},
		},
		"author": nil, "committer": nil, "parents": parents,
	}
}

// maxCommits is how many commits a list looks at.
const maxCommits = 1000

func (h *handler) commits(r *request) (answer, error) {
	q := r.URL.Query()
	for _, no := range []string{"path", "author", "since", "until", "committer"} {
		if q.Get(no) != "" {
			return none(cairn.Errorf(cairn.CodeUnsupported, "commits are not selected by %s here", no))
		}
	}
	rev := q.Get("sha")
	if rev == "" {
		rev = "refs/heads/" + r.repo.DefaultBranch
	}
	cs, err := h.o.Code.History(r.Context(), r.repo.Name, rev, maxCommits)
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, c := range page(r, cs) {
		out = append(out, commitObject(r, &c))
	}
	return ok(out)
}

// commit shows a commit, or what services say of it: a name of a branch may hold
// slashes, so the routes below it are told apart here.
func (h *handler) commit(r *request) (answer, error) {
	ref := r.PathValue("ref")
	for suffix, fn := range map[string]func(*request, *cairn.Commit) (answer, error){
		"/status": h.combinedStatus, "/statuses": h.statuses, "/check-runs": h.checkRuns,
	} {
		rev, ok := strings.CutSuffix(ref, suffix)
		if !ok {
			continue
		}
		c, err := h.o.Code.Commit(r.Context(), r.repo.Name, rev)
		if err != nil {
			return none(err)
		}
		return fn(r, &c)
	}
	for _, no := range []string{"/comments", "/check-suites", "/pulls"} {
		if strings.HasSuffix(ref, no) {
			return none(cairn.Errorf(cairn.CodeUnsupported, "Cairn has no %s of a commit", strings.TrimPrefix(no, "/")))
		}
	}
	c, err := h.o.Code.Commit(r.Context(), r.repo.Name, ref)
	if err != nil {
		return none(err)
	}
	out := commitObject(r, &c)
	from := ""
	if len(c.Parents) > 0 {
		from = c.Parents[0]
	}
	if from != "" {
		if out["files"], err = h.files(r, from, c.SHA); err != nil {
			return none(err)
		}
	}
	return ok(out)
}

// maxFiles is how many files a comparison lists, as on GitHub.
const maxFiles = 300

func (h *handler) files(r *request, from, to string) ([]any, error) {
	fs, _, err := h.o.Code.FileChanges(r.Context(), r.repo.Name, from, to, maxFiles)
	out := []any{}
	for _, f := range fs {
		out = append(out, map[string]any{"filename": f.Path, "status": "modified", "additions": f.Added, "deletions": f.Removed, "changes": f.Added + f.Removed})
	}
	return out, err
}

func (h *handler) compare(r *request) (answer, error) {
	base, head, ok3 := strings.Cut(r.PathValue("range"), "...")
	if !ok3 {
		return none(cairn.Errorf(cairn.CodeNotFound, "Not Found: a comparison is BASE...HEAD"))
	}
	b, err := h.o.Code.Commit(r.Context(), r.repo.Name, base)
	if err != nil {
		return none(err)
	}
	c, err := h.o.Code.Commit(r.Context(), r.repo.Name, head)
	if err != nil {
		return none(err)
	}
	ahead, _, err := h.o.Code.Between(r.Context(), r.repo.Name, b.SHA, c.SHA, maxCommits)
	if err != nil {
		return none(err)
	}
	behind, _, err := h.o.Code.Between(r.Context(), r.repo.Name, c.SHA, b.SHA, maxCommits)
	if err != nil {
		return none(err)
	}
	common, err := h.o.Code.MergeBase(r.Context(), r.repo.Name, b.SHA, c.SHA)
	if err != nil {
		return none(err)
	}
	if common == "" {
		return none(cairn.Errorf(cairn.CodeNotFound, "No common ancestor between %s and %s.", clip(base), clip(head)))
	}
	status := "identical"
	switch {
	case len(ahead) > 0 && len(behind) > 0:
		status = "diverged"
	case len(ahead) > 0:
		status = "ahead"
	case len(behind) > 0:
		status = "behind"
	}
	commits := []any{}
	for i := len(ahead) - 1; i >= 0; i-- {
		commits = append(commits, commitObject(r, &ahead[i]))
	}
	files, err := h.files(r, common, c.SHA)
	if err != nil {
		return none(err)
	}
	return ok(map[string]any{
		"status": status, "ahead_by": len(ahead), "behind_by": len(behind), "total_commits": len(ahead), "commits": page(r, commits), "files": files,
		"base_commit": commitObject(r, &b), "merge_base_commit": map[string]any{"sha": common},
	})
}

// maxEncoded is up to what size a file is answered inside of JSON, as on GitHub.
const maxEncoded = 1 << 20

func (h *handler) contents(r *request) (answer, error) {
	rev := r.URL.Query().Get("ref")
	if rev == "" {
		rev = "refs/heads/" + r.repo.DefaultBranch
	}
	c, err := h.o.Code.Commit(r.Context(), r.repo.Name, rev)
	if err != nil {
		return none(cairn.Errorf(cairn.CodeNotFound, "No commit found for the ref %s", clip(rev)))
	}
	name := strings.Trim(path.Clean("/"+r.PathValue("path")), "/")
	if name != "" {
		entry, err := h.entry(r, c.Tree, name)
		if err != nil {
			return none(err)
		}
		if entry.Mode != git.GitDir {
			return h.file(r, c.Tree, name, entry)
		}
	}
	es, err := h.o.Code.ListDir(r.Context(), r.repo.Name, c.Tree, name)
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, e := range es {
		out = append(out, entryObject(r, path.Join(name, e.Name), &e))
	}
	return ok(out)
}

func (h *handler) entry(r *request, tree, name string) (*git.DirEntry, error) {
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	es, err := h.o.Code.ListDir(r.Context(), r.repo.Name, tree, dir)
	for i := range es {
		if es[i].Name == path.Base(name) {
			return &es[i], nil
		}
	}
	if err == nil || cairn.CodeOf(err) == cairn.CodeNotFound {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no %s", clip(name))
	}
	return nil, err
}

func entryObject(r *request, name string, e *git.DirEntry) map[string]any {
	kind := "file"
	switch e.Mode {
	case git.GitDir:
		kind = "dir"
	case git.GitSymlink:
		kind = "symlink"
	case git.GitSubmodule:
		kind = "submodule"
	}
	return map[string]any{
		"type": kind, "name": e.Name, "path": name, "sha": e.ID, "size": max(e.Size, 0), "url": r.site.API + "/contents/" + name,
		"html_url": r.site.HTML + "/blob/" + r.repo.DefaultBranch + "/" + name, "git_url": r.site.API + "/git/blobs/" + e.ID, "download_url": nil,
	}
}

func (h *handler) file(r *request, tree, name string, e *git.DirEntry) (answer, error) {
	out := entryObject(r, name, e)
	if e.Mode == git.GitSubmodule {
		return ok(out)
	}
	raw := strings.Contains(r.Header.Get("Accept"), ".raw")
	if e.Size > maxEncoded && !raw {
		out["encoding"], out["content"] = "none", ""
		return ok(out)
	}
	b, err := h.o.Code.ReadFile(r.Context(), r.repo.Name, tree, name)
	if err != nil {
		return none(err)
	}
	if raw {
		r.w.Header().Set("Content-Type", "application/vnd.github.raw; charset=utf-8")
		r.w.Header().Set("X-Content-Type-Options", "nosniff")
		if _, err := r.w.Write(b); err != nil {
			h.o.Log.Debug("a file was cut short", "path", name, "error", err)
		}
		return answer{}, nil
	}
	out["encoding"], out["content"] = "base64", base64.StdEncoding.EncodeToString(b)
	return ok(out)
}

func refObject(r *request, ref, sha string) map[string]any {
	return map[string]any{
		"ref": ref, "node_id": "ref-" + ref, "url": fmt.Sprintf("%s/git/%s", r.site.API, ref),
		"object": map[string]any{"type": "commit", "sha": sha, "url": r.site.API + "/git/commits/" + sha},
	}
}

func (h *handler) gitRoutes() {
	read, write := cairn.PermissionRead, cairn.PermissionWrite
	h.in("GET", "/git/ref/{ref...}", "contents", read, func(r *request) (answer, error) {
		refs, err := h.o.Code.Refs(r.Context(), r.repo.Name)
		if err != nil {
			return none(err)
		}
		ref := "refs/" + r.PathValue("ref")
		if refs[ref] == "" {
			return none(cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no %s", clip(ref)))
		}
		return ok(refObject(r, ref, refs[ref]))
	})
	h.in("GET", "/git/matching-refs/{ref...}", "contents", read, func(r *request) (answer, error) {
		refs, err := h.o.Code.Refs(r.Context(), r.repo.Name)
		if err != nil {
			return none(err)
		}
		var names []string
		for ref := range refs {
			if strings.HasPrefix(ref, "refs/"+r.PathValue("ref")) {
				names = append(names, ref)
			}
		}
		slices.Sort(names)
		out := []any{}
		for _, n := range page(r, names) {
			out = append(out, refObject(r, n, refs[n]))
		}
		return ok(out)
	})
	h.in("POST", "/git/refs", "contents", write, func(r *request) (answer, error) {
		var in struct{ Ref, SHA string }
		if err := r.read(&in); err != nil {
			return none(err)
		}
		sha, err := h.o.Owner.MoveRef(r.Context(), r.repo.Name, in.Ref, in.SHA, true, false)
		if err != nil {
			return none(err)
		}
		return created(refObject(r, in.Ref, sha))
	})
	h.in("PATCH", "/git/refs/{ref...}", "contents", write, func(r *request) (answer, error) {
		var in struct {
			SHA   string
			Force bool
		}
		if err := r.read(&in); err != nil {
			return none(err)
		}
		ref := "refs/" + r.PathValue("ref")
		sha, err := h.o.Owner.MoveRef(r.Context(), r.repo.Name, ref, in.SHA, false, in.Force)
		if err != nil {
			return none(err)
		}
		return ok(refObject(r, ref, sha))
	})
	h.in("DELETE", "/git/refs/{ref...}", "contents", write, func(r *request) (answer, error) {
		if _, err := h.o.Owner.MoveRef(r.Context(), r.repo.Name, "refs/"+r.PathValue("ref"), "", false, true); err != nil {
			return none(err)
		}
		return done(http.StatusNoContent)
	})
}
