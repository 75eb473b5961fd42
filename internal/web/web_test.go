package web_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/web"
)

type fake struct{ empty bool }

var at = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

const nasty = `<img src=x onerror="alert(1)">`

func (f fake) run() cairn.Run {
	return cairn.Run{ID: 3, Title: nasty, Workflow: nasty, Actor: nasty, Event: "push", Attempt: 2, Status: cairn.StatusCompleted, Conclusion: cairn.Failure,
		Commit: cairn.Commit{SHA: strings.Repeat("a", 40), Author: nasty, Subject: nasty, Date: at}, Dirty: true, CreatedAt: at, StartedAt: at, FinishedAt: at.Add(time.Minute)}
}
func (f fake) Run(_ context.Context, id cairn.RunID) (cairn.Run, error) {
	if id != 3 {
		return cairn.Run{}, cairn.Errorf(cairn.CodeNotFound, "there is no run %d", id)
	}
	return f.run(), nil
}
func (f fake) Runs(context.Context, cairn.RunFilter) ([]cairn.Run, error) {
	if f.empty {
		return nil, nil
	}
	active := f.run()
	active.Status, active.Conclusion, active.FinishedAt = cairn.StatusRunning, "", time.Time{}
	return []cairn.Run{f.run(), active}, nil
}
func (f fake) Job(context.Context, cairn.JobID) (cairn.Job, error) {
	return cairn.Job{ID: 8, Run: 3, Name: nasty, Status: cairn.StatusCompleted}, nil
}
func (f fake) Jobs(context.Context, cairn.RunID, int, bool) ([]cairn.Job, error) {
	j, _ := f.Job(context.Background(), 8)
	j.Conclusion = cairn.Failure
	j.Steps = []cairn.StepRow{{Job: 8, Number: 2, Name: nasty, Status: cairn.StatusCompleted, Conclusion: cairn.Failure, LogSize: 10, From: 7,
		If: &cairn.Condition{Expr: nasty, Values: []cairn.ConditionValue{{Expr: nasty, Value: nasty}}}}}
	j.If, j.Resume = j.Steps[0].If, &cairn.Resume{Job: 7, Attempt: 1, Step: 2}
	return []cairn.Job{j}, nil
}
func (f fake) Names(_ context.Context, q cairn.AssetFilter) ([]cairn.Asset, int64, error) {
	if f.empty {
		return nil, 0, nil
	}
	return []cairn.Asset{{Name: nasty}, {Name: string(q.Kind), Latest: &cairn.AssetVersion{Version: "3", Digest: cairn.SumBytes(nil), Size: 12345, CreatedAt: at}}}, 0, nil
}
func (f fake) Artifacts(context.Context, cairn.RunID) ([]cairn.Artifact, error) {
	return []cairn.Artifact{{Name: nasty, Digest: cairn.SumBytes(nil)}}, nil
}
func (f fake) StepLog(context.Context, cairn.Job, int, int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("2026-05-04T10:00:00.1Z " + nasty + "\n\xff\n")), nil
}

func (f fake) Stages(context.Context, string) ([]cairn.StageInfo, error) {
	if f.empty {
		return nil, nil
	}
	st := cairn.Stage{ID: 2, Repository: "a/b", Name: "prod/" + nasty, URL: "http://127.0.0.1:7081"}
	return []cairn.StageInfo{{Stage: st, Healthy: true, Live: &cairn.Deployment{ID: 4, LiveAt: at, ApprovedBy: nasty}, Release: &cairn.Release{Seq: 3, Service: nasty, Tags: []string{nasty}},
		Commit: &cairn.Commit{SHA: strings.Repeat("a", 40), Author: nasty, Subject: nasty}, Model: cairn.Ref("model/" + nasty + ":1"), Status: &cairn.StageStatus{Requests: 9, Live: &cairn.InstanceStatus{Memory: 5, Restarts: 1}},
		Waiting: []cairn.Deployment{{ID: 5}}}, {Stage: cairn.Stage{ID: 3, Repository: "a/b", Name: "x", URL: "javascript:alert(1)"}, Problem: nasty, Live: &cairn.Deployment{}}, {Stage: cairn.Stage{ID: 4, Repository: "a/b", Name: "empty"}}}, nil
}
func (f fake) PendingApprovals(context.Context) ([]cairn.PendingApproval, error) {
	return []cairn.PendingApproval{{What: "run/42", Repository: "a/b", Environment: "prod/" + nasty, Title: nasty, By: nasty, Reviewers: []string{nasty, "ben"}}, {What: "deployment/5", Environment: "x"}}, nil
}
func (f fake) Deployments(context.Context, cairn.DeploymentFilter) ([]cairn.Deployment, error) {
	return []cairn.Deployment{{ID: 5, Status: cairn.DeployFailed, Reason: nasty, By: nasty, Rollback: true}, {ID: 4, Status: cairn.DeployLive}, {ID: 3, Status: cairn.DeployWaiting}, {ID: 2, Status: cairn.DeployReplaced}}, nil
}
func (f fake) Predictions(_ context.Context, q cairn.PredictionFilter) ([]cairn.Prediction, error) {
	if q.Stage == "empty" {
		return nil, cairn.Errorf(cairn.CodeFailed, "a segment is damaged")
	}
	return []cairn.Prediction{{ID: "4f2a91c03d17-2-1-64", Status: 500, Method: nasty, Path: nasty, Report: &cairn.PredictionReport{Expected: nasty, Data: "data/w:1"}}}, nil
}
func (f fake) Trace(_ context.Context, _, asked string, down bool) (*cairn.Trace, error) {
	if asked == "none" {
		return nil, cairn.Errorf(cairn.CodeNotFound, "nothing here is called %q", asked)
	}
	deep := cairn.TraceNode{Title: nasty, Seen: true}
	for range 200 {
		deep = cairn.TraceNode{Ref: cairn.Ref("job/" + nasty), Title: nasty, Note: nasty, Relation: cairn.RelMade, Inverse: true, Dirty: true, Missing: nasty, Facts: []cairn.TraceFact{{Name: "x", Value: nasty}}, Children: []cairn.TraceNode{deep}}
	}
	return &cairn.Trace{Asked: asked, Down: down, Roots: []cairn.TraceNode{deep}, Gaps: []cairn.TraceGap{{At: "job/1", Reason: nasty}}}, nil
}

func TestEveryPage(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		f := fake{empty}
		p := web.New(web.Options{Rows: f, Assets: f, Logs: f, Served: f, URL: func() string { return "http://127.0.0.1:7077" }, Now: func() time.Time { return at.Add(time.Hour) }})
		for path, want := range map[string]string{
			"/": "cairn approve 42 --environment &#39;prod/", "/stages/a/b/x": "not healthy", "/stages/a/b/prod%2F%3Cimg%20src=x%20onerror=%22alert%281%29%22%3E": "the whole chain",
			"/stages/a/b/EMPTY": "a segment is damaged", "/stages/a/b/none": "nothing was put on stage none",
			"/trace": "Anything", "/trace?ref=model/x:1&down=1": "What came of", "/trace?ref=none": "nothing here is called", "/trace?ref=" + strings.Repeat("x", 1001): "too long",
			"/runs/3": "failed at step", "/runs/3?why": "goes on in the workspace of job 7 of attempt 1, from step 2", "/runs/3?if": "is false: &lt;img src=x", "/jobs/8/steps/2": "whole log", "/runs/4": "there is no run 4", "/x": "no page",
		} {
			w := httptest.NewRecorder()
			p.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			b := w.Body.String()
			if empty && strings.HasPrefix(path, "/stages/") {
				want = "nothing was put on stage"
			}
			if strings.Contains(b, `="javascript:`) {
				t.Errorf("%s links to a script", path)
			}
			if !strings.Contains(b, want) || strings.Contains(b, "<img") || !strings.Contains(b, "</html>") {
				t.Errorf("%s: %d\n%s", path, w.Code, b)
			}
			if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s has no policy", path)
			}
		}
	}
}

func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	f := fake{}
	p := web.New(web.Options{Rows: f, Assets: f, Logs: f, URL: func() string { return "" }, Allowed: func(context.Context) error {
		return cairn.Errorf(cairn.CodeUnauthenticated, "who are you?")
	}})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), "Commands") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}
