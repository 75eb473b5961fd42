package github

import (
	"archive/zip"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// maxRuns is how many runs a list looks at, as on GitHub.
const maxRuns = 1000

func (h *handler) runRoutes() {
	read, write := cairn.PermissionRead, cairn.PermissionWrite
	h.in("GET", "/actions/runs", "actions", read, func(r *request) (answer, error) { return h.listRuns(r, "") })
	h.in("GET", "/actions/runs/{id}", "actions", read, func(r *request) (answer, error) {
		run, err := h.run(r)
		if err != nil {
			return none(err)
		}
		return ok(r.site.Run(&run))
	})
	h.in("GET", "/actions/runs/{id}/jobs", "actions", read, h.runJobs)
	h.in("GET", "/actions/runs/{id}/attempts/{attempt}/jobs", "actions", read, h.runJobs)
	h.in("GET", "/actions/runs/{id}/logs", "actions", read, h.runLogs)
	h.in("GET", "/actions/jobs/{id}", "actions", read, func(r *request) (answer, error) {
		j, run, err := h.job(r)
		if err != nil {
			return none(err)
		}
		if j.Steps, err = h.o.Rows.Steps(r.Context(), j.ID); err != nil {
			return none(err)
		}
		return ok(jobObject(r, &run, &j))
	})
	h.in("GET", "/actions/jobs/{id}/logs", "actions", read, h.jobLogs)
	h.in("POST", "/actions/runs/{id}/cancel", "actions", write, func(r *request) (answer, error) { return h.cancel(r, false) })
	h.in("POST", "/actions/runs/{id}/force-cancel", "actions", write, func(r *request) (answer, error) { return h.cancel(r, true) })
	h.in("POST", "/actions/runs/{id}/rerun", "actions", write, func(r *request) (answer, error) { return h.rerun(r, client.RerunRequest{Mode: "all"}) })
	h.in("POST", "/actions/runs/{id}/rerun-failed-jobs", "actions", write, func(r *request) (answer, error) {
		return h.rerun(r, client.RerunRequest{Mode: "failed"})
	})
	h.in("POST", "/actions/jobs/{id}/rerun", "actions", write, func(r *request) (answer, error) {
		j, run, err := h.job(r)
		if err != nil {
			return none(err)
		}
		r.SetPathValue("id", fmt.Sprint(run.ID))
		return h.rerun(r, client.RerunRequest{Mode: "job", Job: j.Path})
	})
	h.refuse("DELETE", "/actions/runs/{id}", "way to remove a run: it is part of the trace")
	h.refuse("DELETE", "/actions/runs/{id}/logs", "way to remove the log of a run: it is part of the trace")
}

// run is the run that a path names, of this repository.
func (h *handler) run(r *request) (cairn.Run, error) {
	id, err := r.number("id")
	if err != nil {
		return cairn.Run{}, err
	}
	run, err := h.o.Rows.Run(r.Context(), cairn.RunID(id))
	if err == nil && run.Repository != r.repo.Name {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: run %d is not of %s", id, r.repo.Name)
	}
	return run, err
}

func (h *handler) job(r *request) (cairn.Job, cairn.Run, error) {
	id, err := r.number("id")
	if err != nil {
		return cairn.Job{}, cairn.Run{}, err
	}
	j, err := h.o.Rows.Job(r.Context(), cairn.JobID(id))
	if err != nil {
		return j, cairn.Run{}, err
	}
	run, err := h.o.Rows.Run(r.Context(), j.Run)
	if err == nil && run.Repository != r.repo.Name {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: job %d is not of %s", id, r.repo.Name)
	}
	return j, run, err
}

// listRuns lists runs, of one workflow where path is given.
func (h *handler) listRuns(r *request, path string) (answer, error) {
	q := r.URL.Query()
	f := cairn.RunFilter{
		Workspace: r.repo.Workspace, Repository: r.repo.Name, Workflow: path, Branch: q.Get("branch"), SHA: q.Get("head_sha"),
		Event: q.Get("event"), Actor: q.Get("actor"), Limit: maxRuns,
	}
	for _, no := range []string{"created", "check_suite_id"} {
		if q.Get(no) != "" {
			return none(cairn.Errorf(cairn.CodeUnsupported, "runs are not selected by %s here", no))
		}
	}
	switch s := q.Get("status"); s {
	case "":
	case "in_progress":
		f.Status = cairn.StatusRunning
	case "requested":
		f.Status = cairn.StatusQueued
	case "pending":
		f.Status = cairn.StatusBlocked
	case string(cairn.StatusQueued), string(cairn.StatusWaiting), string(cairn.StatusCompleted):
		f.Status = cairn.Status(s)
	default:
		f.Conclusion = cairn.Conclusion(s)
	}
	rs, err := h.o.Rows.Runs(r.Context(), f)
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, x := range page(r, rs) {
		out = append(out, r.site.Run(&x))
	}
	return ok(map[string]any{"total_count": len(rs), "workflow_runs": out})
}

func (h *handler) runJobs(r *request) (answer, error) {
	run, err := h.run(r)
	if err != nil {
		return none(err)
	}
	from, to := run.Attempt, run.Attempt
	if r.PathValue("attempt") != "" {
		n, err := r.number("attempt")
		if err == nil && n > int64(run.Attempt) {
			err = cairn.Errorf(cairn.CodeNotFound, "Not Found: run %d has %d attempts", run.ID, run.Attempt)
		}
		if err != nil {
			return none(err)
		}
		from, to = int(n), int(n)
	} else if r.URL.Query().Get("filter") == "all" {
		from = 1
	}
	var all []cairn.Job
	for n := from; n <= to; n++ {
		js, err := h.o.Rows.Jobs(r.Context(), run.ID, n, true)
		if err != nil {
			return none(err)
		}
		all = append(all, js...)
	}
	out := []any{}
	for _, j := range page(r, all) {
		out = append(out, jobObject(r, &run, &j))
	}
	return ok(map[string]any{"total_count": len(all), "jobs": out})
}

// jobObject is a job as GitHub shows it.
func jobObject(r *request, run *cairn.Run, j *cairn.Job) map[string]any {
	steps := []any{}
	for _, s := range j.Steps {
		status, conclusion := trigger.RunStatus(s.Status, s.Conclusion)
		steps = append(steps, map[string]any{
			"name": s.Name, "status": status, "conclusion": conclusion, "number": s.Number, "started_at": stamp(s.StartedAt), "completed_at": stamp(s.FinishedAt),
		})
	}
	status, conclusion := trigger.RunStatus(j.Status, j.Conclusion)
	labels := j.Labels
	if labels == nil {
		labels = []string{}
	}
	url := fmt.Sprintf("%s/actions/jobs/%d", r.site.API, j.ID)
	return map[string]any{
		"id": j.ID, "node_id": fmt.Sprintf("job-%d", j.ID), "run_id": j.Run, "run_url": fmt.Sprintf("%s/actions/runs/%d", r.site.API, j.Run), "run_attempt": j.Attempt,
		"head_sha": trigger.HeadSHA(run), "head_branch": trigger.RefName(run.Ref), "url": url, "html_url": fmt.Sprintf("%s/runs/%d", r.base, j.Run), "name": j.Name, "status": status, "conclusion": conclusion,
		"created_at": stamp(j.CreatedAt), "started_at": stamp(j.StartedAt), "completed_at": stamp(j.FinishedAt), "steps": steps, "labels": labels,
		"runner_id": 1, "runner_name": j.Runner, "runner_group_id": 1, "runner_group_name": "Default", "workflow_name": run.Workflow, "check_run_url": fmt.Sprintf("%s/check-runs/%d", r.site.API, j.ID),
	}
}

func (h *handler) cancel(r *request, force bool) (answer, error) {
	run, err := h.run(r)
	if err == nil {
		err = h.o.Owner.Cancel(r.Context(), run.ID, force)
	}
	if err != nil {
		return none(err)
	}
	return answer{http.StatusAccepted, map[string]any{}}, nil
}

func (h *handler) rerun(r *request, ask client.RerunRequest) (answer, error) {
	run, err := h.run(r)
	if err != nil {
		return none(err)
	}
	var in struct {
		Debug bool `json:"enable_debug_logging"`
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	ask.Debug = in.Debug
	if _, err := h.o.Owner.Rerun(r.Context(), run.ID, ask); err != nil {
		return none(err)
	}
	return created(map[string]any{})
}

// jobLogs writes the log of a job as text, where GitHub answers with the address
// of it.
func (h *handler) jobLogs(r *request) (answer, error) {
	j, _, err := h.job(r)
	if err != nil {
		return none(err)
	}
	if j.Steps, err = h.o.Rows.Steps(r.Context(), j.ID); err != nil {
		return none(err)
	}
	r.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := h.copyLog(r, r.w, &j); err != nil {
		h.o.Log.Debug("a log was cut short", "job", j.ID, "error", err)
	}
	return answer{}, nil
}

func (h *handler) copyLog(r *request, w io.Writer, j *cairn.Job) error {
	for _, s := range j.Steps {
		l, err := h.o.Logs.StepLog(r.Context(), *j, s.Number, 0)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		} else if err != nil {
			return err
		}
		_, err = io.Copy(w, l)
		l.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// runLogs writes the logs of all jobs as an archive.
func (h *handler) runLogs(r *request) (answer, error) {
	run, err := h.run(r)
	if err != nil {
		return none(err)
	}
	jobs, err := h.o.Rows.Jobs(r.Context(), run.ID, run.Attempt, true)
	if err != nil {
		return none(err)
	}
	r.w.Header().Set("Content-Type", "application/zip")
	z := zip.NewWriter(r.w)
	for i := range jobs {
		name := strings.Map(func(c rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, c) || c < ' ' {
				return '_'
			}
			return c
		}, jobs[i].Name)
		f, err := z.Create(fmt.Sprintf("%d_%s.txt", i, name))
		if err == nil {
			err = h.copyLog(r, f, &jobs[i])
		}
		if err != nil {
			h.o.Log.Debug("an archive of logs was cut short", "run", run.ID, "error", err)
			return answer{}, nil
		}
	}
	if err := z.Close(); err != nil {
		h.o.Log.Debug("an archive of logs was cut short", "run", run.ID, "error", err)
	}
	return answer{}, nil
}
