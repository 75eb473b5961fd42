package github

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// The states of a commit status.
var statusStates = []string{"error", "failure", "pending", "success"}

func (h *handler) statusRoutes() {
	h.in("POST", "/statuses/{sha}", "statuses", cairn.PermissionWrite, h.putStatus)
	h.refuse("POST", "/check-runs", "check runs of other services: write a commit status, POST …/statuses/SHA")
	h.refuse("PATCH", "/check-runs/{id}", "check runs of other services: write a commit status, POST …/statuses/SHA")
	h.in("GET", "/check-runs/{id}", "checks", cairn.PermissionRead, func(r *request) (answer, error) {
		j, run, err := h.job(r)
		if err != nil {
			return none(err)
		}
		return ok(checkRun(r, &run, &j))
	})
}

func (h *handler) putStatus(r *request) (answer, error) {
	var in struct {
		State, Context, Description string
		TargetURL                   string `json:"target_url"`
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	if in.Context == "" {
		in.Context = "default"
	}
	switch {
	case !slices.Contains(statusStates, in.State):
		e := cairn.Errorf(cairn.CodeInvalid, "state cannot be %q", clip(in.State))
		if near := cairn.Nearest(in.State, statusStates); near != "" {
			return none(e.WithHint("did you mean %s?", near))
		}
		return none(e.WithHint("error, failure, pending or success"))
	case utf8.RuneCountInString(in.Context) > 255, utf8.RuneCountInString(in.Description) > 140, len(in.TargetURL) > 2000:
		return none(cairn.Errorf(cairn.CodeInvalid, "context has at most 255 characters, description 140, target_url 2000"))
	}
	x, err := h.o.Owner.PutStatus(r.Context(), cairn.CommitStatus{
		Repository: r.repo.Name, SHA: r.PathValue("sha"), State: in.State, Context: in.Context, Description: in.Description, TargetURL: in.TargetURL,
		By: auth.Actor(r.Context()).Name, CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		return none(err)
	}
	return created(statusObject(r, &x))
}

func statusObject(r *request, x *cairn.CommitStatus) map[string]any {
	return map[string]any{
		"id": x.ID, "node_id": fmt.Sprintf("status-%d", x.ID), "state": x.State, "context": x.Context, "description": x.Description, "target_url": x.TargetURL,
		"url": r.site.API + "/statuses/" + x.SHA, "created_at": stamp(x.CreatedAt), "updated_at": stamp(x.CreatedAt), "creator": trigger.User(x.By), "avatar_url": nil,
	}
}

func (h *handler) statuses(r *request, c *cairn.Commit) (answer, error) {
	all, err := h.o.Rows.CommitStatuses(r.Context(), r.repo.Name, c.SHA)
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, x := range page(r, all) {
		out = append(out, statusObject(r, &x))
	}
	return ok(out)
}

// combinedStatus is the newest word of each service, and of all in one.
func (h *handler) combinedStatus(r *request, c *cairn.Commit) (answer, error) {
	all, err := h.o.Rows.CommitStatuses(r.Context(), r.repo.Name, c.SHA)
	if err != nil {
		return none(err)
	}
	state, seen, latest := "success", map[string]bool{}, []cairn.CommitStatus{}
	for _, x := range all {
		if seen[x.Context] {
			continue
		}
		seen[x.Context] = true
		latest = append(latest, x)
		switch {
		case x.State == "error" || x.State == "failure":
			state = "failure"
		case x.State == "pending" && state == "success":
			state = "pending"
		}
	}
	if len(latest) == 0 {
		state = "pending"
	}
	out := []any{}
	for _, x := range page(r, latest) {
		out = append(out, statusObject(r, &x))
	}
	return ok(map[string]any{"state": state, "sha": c.SHA, "total_count": len(latest), "statuses": out, "repository": r.site.Repo(c.Date)})
}

// checkRuns are the jobs of a commit's runs.
func (h *handler) checkRuns(r *request, c *cairn.Commit) (answer, error) {
	if err := auth.Permit(r.Context(), "checks", cairn.PermissionRead); err != nil {
		return none(err)
	}
	runs, err := h.o.Rows.Runs(r.Context(), cairn.RunFilter{Workspace: r.repo.Workspace, Repository: r.repo.Name, SHA: c.SHA, Limit: pageMax})
	if err != nil {
		return none(err)
	}
	all := []any{}
	for i := range runs {
		jobs, err := h.o.Rows.Jobs(r.Context(), runs[i].ID, runs[i].Attempt, false)
		if err != nil {
			return none(err)
		}
		for k := range jobs {
			all = append(all, checkRun(r, &runs[i], &jobs[k]))
		}
	}
	return ok(map[string]any{"total_count": len(all), "check_runs": page(r, all)})
}

func checkRun(r *request, run *cairn.Run, j *cairn.Job) map[string]any {
	status, conclusion := trigger.RunStatus(j.Status, j.Conclusion)
	return map[string]any{
		"id": j.ID, "node_id": fmt.Sprintf("check-%d", j.ID), "name": j.Name, "head_sha": trigger.HeadSHA(run), "status": status, "conclusion": conclusion,
		"started_at": stamp(j.StartedAt), "completed_at": stamp(j.FinishedAt), "url": fmt.Sprintf("%s/check-runs/%d", r.site.API, j.ID),
		"html_url": fmt.Sprintf("%s/runs/%d", r.base, run.ID), "details_url": fmt.Sprintf("%s/runs/%d", r.base, run.ID), "external_id": fmt.Sprint(j.ID),
		"output": map[string]any{"title": nil, "summary": nil, "text": nil, "annotations_count": 0}, "check_suite": map[string]any{"id": run.ID},
		"app": map[string]any{"slug": "cairn", "name": "Cairn"}, "pull_requests": []any{},
	}
}
