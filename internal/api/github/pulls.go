package github

import (
	"net/http"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/trigger"
)

func (h *handler) pullRoutes() {
	read, write := cairn.PermissionRead, cairn.PermissionWrite
	h.in("GET", "/pulls", "pull-requests", read, h.listPulls)
	h.in("POST", "/pulls", "pull-requests", write, h.createPull)
	h.in("GET", "/pulls/{number}", "pull-requests", read, func(r *request) (answer, error) {
		v, err := h.pull(r)
		if err != nil {
			return none(err)
		}
		out := h.pullObject(r, &v.Pull)
		added, removed := int64(0), int64(0)
		for _, f := range v.Files {
			added, removed = added+f.Added, removed+f.Removed
		}
		out["commits"], out["changed_files"], out["additions"], out["deletions"] = len(v.Commits), len(v.Files), added, removed
		return ok(out)
	})
	h.in("PATCH", "/pulls/{number}", "pull-requests", write, h.editPull)
	h.in("PUT", "/pulls/{number}/merge", "contents", write, h.mergePull)
	h.in("GET", "/pulls/{number}/merge", "pull-requests", read, func(r *request) (answer, error) {
		v, err := h.pull(r)
		switch {
		case err != nil:
			return none(err)
		case !v.Pull.Merged:
			return done(http.StatusNotFound)
		}
		return done(http.StatusNoContent)
	})
	h.in("GET", "/pulls/{number}/files", "pull-requests", read, func(r *request) (answer, error) {
		v, err := h.pull(r)
		if err != nil {
			return none(err)
		}
		out := []any{}
		for _, f := range page(r, v.Files) {
			out = append(out, map[string]any{"filename": f.Path, "status": "modified", "additions": f.Added, "deletions": f.Removed, "changes": f.Added + f.Removed})
		}
		return ok(out)
	})
	h.in("GET", "/pulls/{number}/commits", "pull-requests", read, func(r *request) (answer, error) {
		v, err := h.pull(r)
		if err != nil {
			return none(err)
		}
		out := []any{}
		for i := len(v.Commits) - 1; i >= 0; i-- {
			out = append(out, commitObject(r, &v.Commits[i]))
		}
		return ok(page(r, out))
	})
	h.in("GET", "/issues/{number}/labels", "issues", read, func(r *request) (answer, error) {
		v, err := h.pull(r)
		if err != nil {
			return none(err)
		}
		return ok(trigger.Labels(v.Pull.Labels))
	})
	h.in("POST", "/issues/{number}/labels", "pull-requests", write, h.addLabels)
	h.in("DELETE", "/issues/{number}/labels/{name}", "pull-requests", write, func(r *request) (answer, error) {
		return h.labels(r, client.PullEdit{Remove: []string{r.PathValue("name")}})
	})
	for _, what := range []string{"/issues/{number}/comments", "/pulls/{number}/comments", "/pulls/{number}/reviews"} {
		for _, method := range []string{"GET", "POST"} {
			h.refuse(method, what, "comments and reviews")
		}
	}
	for _, method := range []string{"GET", "POST"} {
		h.refuse(method, "/issues", "issues")
		h.refuse(method, "/pulls/{number}/requested_reviewers", "reviews")
	}
}

func (h *handler) pull(r *request) (*client.PullView, error) {
	n, err := r.number("number")
	if err != nil {
		return nil, err
	}
	return h.o.Owner.Pull(r.Context(), r.repo.Name, n)
}

func (h *handler) pullObject(r *request, p *cairn.PullRequest) map[string]any {
	head := r.site
	if p.Untrusted() {
		head = h.o.Owner.Site(cairn.Repository{Name: p.HeadRepository, DefaultBranch: "main"})
	}
	return r.site.Pull(p, head)
}

func (h *handler) listPulls(r *request) (answer, error) {
	q := r.URL.Query()
	f := cairn.PullFilter{Repository: r.repo.Name, State: cairn.PullOpen, Base: q.Get("base"), Limit: maxRuns}
	switch s := q.Get("state"); s {
	case "", cairn.PullOpen:
	case cairn.PullClosed:
		f.State = s
	case "all":
		f.State = ""
	default:
		return none(cairn.Errorf(cairn.CodeInvalid, "state cannot be %q", clip(s)).WithHint("open, closed or all"))
	}
	if head := q.Get("head"); head != "" {
		f.HeadRepository, f.Head = h.headOf(r, head)
	}
	all, err := h.o.Owner.Pulls(r.Context(), f)
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, p := range page(r, all) {
		out = append(out, h.pullObject(r, &p))
	}
	return ok(out)
}

// headOf reads branch or owner:branch; the fork of an owner has the same name.
func (h *handler) headOf(r *request, head string) (repository, branch string) {
	owner, name, _ := strings.Cut(r.repo.Name, "/")
	if o, b, ok := strings.Cut(head, ":"); ok {
		owner, head = o, b
	}
	return owner + "/" + name, head
}

func (h *handler) createPull(r *request) (answer, error) {
	var in struct {
		Title, Head, Base, Body string
		HeadRepo                string `json:"head_repo"`
		Draft                   bool
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	if in.Head == "" || in.Base == "" {
		return none(cairn.Errorf(cairn.CodeInvalid, "Validation Failed: head and base are missing").WithHint("the two branches"))
	}
	from, branch := h.headOf(r, in.Head)
	if in.HeadRepo != "" {
		owner, _, _ := strings.Cut(from, "/")
		from = owner + "/" + in.HeadRepo
	}
	a, err := h.o.Owner.CreatePull(r.Context(), client.PullCreate{
		Repository: r.repo.Name, Head: branch, HeadRepository: from, Base: in.Base, Title: in.Title, Body: in.Body, Draft: in.Draft,
	})
	if err != nil {
		return none(unprocessable(err))
	}
	return created(h.pullObject(r, &a.Pull))
}

// unprocessable is how GitHub answers what cannot be done with the branches.
func unprocessable(err error) error {
	if c := cairn.CodeOf(err); c == cairn.CodeConflict || c == cairn.CodeNotFound {
		return refusal{err, http.StatusUnprocessableEntity}
	}
	return err
}

func (h *handler) editPull(r *request) (answer, error) {
	n, err := r.number("number")
	if err != nil {
		return none(err)
	}
	var in struct{ Title, Body, State, Base *string }
	if err := r.read(&in); err != nil {
		return none(err)
	}
	a, err := h.o.Owner.EditPull(r.Context(), r.repo.Name, n, client.PullEdit{Title: in.Title, Body: in.Body, State: in.State, Base: in.Base})
	if err != nil {
		return none(err)
	}
	return ok(h.pullObject(r, &a.Pull))
}

func (h *handler) mergePull(r *request) (answer, error) {
	n, err := r.number("number")
	if err != nil {
		return none(err)
	}
	var in struct {
		CommitTitle   string `json:"commit_title"`
		CommitMessage string `json:"commit_message"`
		SHA           string `json:"sha"`
		Method        string `json:"merge_method"`
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	a, err := h.o.Owner.MergePull(r.Context(), r.repo.Name, n, client.PullMerge{Method: in.Method, Head: in.SHA, Title: in.CommitTitle, Message: in.CommitMessage})
	if cairn.CodeOf(err) == cairn.CodeFailed {
		err = refusal{err, http.StatusMethodNotAllowed} // how GitHub says that it is not mergeable
	}
	if err != nil {
		return none(err)
	}
	return ok(map[string]any{"sha": a.Pull.MergeCommit, "merged": a.Pull.Merged, "message": "Pull Request successfully merged"})
}

func (h *handler) addLabels(r *request) (answer, error) {
	var in struct{ Labels []string }
	if err := r.read(&in); err != nil {
		return none(err)
	}
	return h.labels(r, client.PullEdit{Add: in.Labels})
}

func (h *handler) labels(r *request, e client.PullEdit) (answer, error) {
	n, err := r.number("number")
	if err != nil {
		return none(err)
	}
	a, err := h.o.Owner.EditPull(r.Context(), r.repo.Name, n, e)
	if err != nil {
		return none(err)
	}
	return ok(trigger.Labels(a.Pull.Labels))
}
