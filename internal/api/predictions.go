package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/deploy"
)

// Predictions are the answers of stages and what people say of them;
// *feedback.Service satisfies it.
type Predictions interface {
	List(ctx context.Context, f cairn.PredictionFilter) ([]cairn.Prediction, error)
	Show(ctx context.Context, id cairn.PredictionID) (*cairn.Prediction, error)
	Input(ctx context.Context, id cairn.PredictionID) (*cairn.PredictionInput, error)
	Report(ctx context.Context, id cairn.PredictionID, expected, comment string, actor cairn.Principal) (*cairn.PredictionReport, error)
	Delete(ctx context.Context, id cairn.PredictionID, actor cairn.Principal) (*cairn.PredictionErased, error)
	Export(ctx context.Context, name string, f cairn.PredictionFilter, actor cairn.Principal) (*cairn.PredictionExport, error)
}

// Differ compares releases; *diff.Gatherer satisfies it.
type Differ interface {
	Diff(ctx context.Context, repository, from, to string) (*cairn.ReleaseDiff, error)
}

// PredictionPath is the prediction that a path names; exported for the same
// reason as RunPath.
type PredictionPath struct {
	ID string `path:"id" maxLength:"80" doc:"id of the prediction"`
}

func (p PredictionPath) prediction() cairn.PredictionID { return cairn.PredictionID(p.ID) }

func (a *API) predictionRoutes() {
	p := a.o.Predictions
	route(a, op{method: "GET", path: "/predictions", id: "list-predictions", summary: "Answered requests, newest first, without bodies", need: readers, trusted: true}, a.listPredictions)
	route(a, op{method: "GET", path: "/predictions/{id}", id: "get-prediction", summary: "One answered request with its bodies", need: readers, trusted: true},
		func(ctx context.Context, in *PredictionPath) (*cairn.Prediction, error) {
			return p.Show(ctx, in.prediction())
		})
	route(a, op{method: "GET", path: "/predictions/{id}/input", id: "prediction-input", summary: "What was sent to be judged, taken out of the request", need: readers, trusted: true},
		func(ctx context.Context, in *PredictionPath) (*cairn.PredictionInput, error) {
			return p.Input(ctx, in.prediction())
		})
	route(a, op{method: "POST", path: "/predictions/{id}/report", id: "report-prediction", summary: "Say what was expected instead of an answer", need: makers, trusted: true},
		func(ctx context.Context, in *struct {
			PredictionPath
			Body struct {
				Expected string `json:"expected" maxLength:"1000"`
				Comment  string `json:"comment,omitempty" maxLength:"10000"`
			}
		}) (*cairn.PredictionReport, error) {
			return p.Report(ctx, in.prediction(), in.Body.Expected, in.Body.Comment, auth.Actor(ctx))
		})
	route(a, op{method: "DELETE", path: "/predictions/{id}", id: "erase-prediction", summary: "Erase the bodies of a request and its answer; that it was stays", need: writers},
		func(ctx context.Context, in *PredictionPath) (*cairn.PredictionErased, error) {
			return p.Delete(ctx, in.prediction(), auth.Actor(ctx))
		})
	route(a, op{method: "POST", path: "/predictions/export", id: "export-predictions", summary: "Make a data version of what was reported", need: makers, trusted: true},
		func(ctx context.Context, in *struct {
			Body struct {
				Name       string    `json:"name" minLength:"1" maxLength:"255"`
				Repository string    `json:"repository,omitempty" maxLength:"255"`
				Stage      string    `json:"stage,omitempty" maxLength:"255"`
				Release    string    `json:"release,omitempty" maxLength:"80"`
				Since      time.Time `json:"since,omitzero"`
			}
		}) (*cairn.PredictionExport, error) {
			b := in.Body
			return p.Export(ctx, b.Name, cairn.PredictionFilter{Repository: b.Repository, Stage: b.Stage, Release: b.Release, Since: b.Since}, auth.Actor(ctx))
		})
	route(a, op{method: "GET", path: "/releases/diff", id: "diff-releases", summary: "What differs between two releases", need: readers},
		func(ctx context.Context, in *struct {
			From       string `query:"from" required:"true" maxLength:"1000"`
			To         string `query:"to" required:"true" maxLength:"1000"`
			Repository string `query:"repository" maxLength:"255"`
		}) (*cairn.ReleaseDiff, error) {
			return a.o.Differ.Diff(ctx, in.Repository, in.From, in.To)
		})
	route(a, op{method: "GET", path: "/trace/origins", id: "trace-origins", summary: "Who changed the code, which model, which data: for each stage", need: readers},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
		}) ([]cairn.Origin, error) {
			return a.o.Tracer.Origins(ctx, in.Repository)
		})
	a.raw(op{method: "GET", path: "/stages/log", id: "stage-log", summary: "What the program of a stage wrote; follow=true goes on", need: readers, trusted: true}, a.stageLog)
}

func (a *API) listPredictions(ctx context.Context, in *struct {
	Repository string    `query:"repository" maxLength:"255"`
	Stage      string    `query:"stage" maxLength:"255"`
	Release    string    `query:"release" maxLength:"80" doc:"id or its beginning"`
	Since      time.Time `query:"since"`
	Until      time.Time `query:"until"`
	Status     int       `query:"status" minimum:"0" maximum:"999"`
	Reported   bool      `query:"reported"`
	Path       string    `query:"path" maxLength:"1000"`
	Limit      int       `query:"limit" minimum:"0" maximum:"1000"`
}) ([]cairn.Prediction, error) {
	return orEmpty(a.o.Predictions.List(ctx, cairn.PredictionFilter{
		Repository: in.Repository, Stage: in.Stage, Release: in.Release, Since: in.Since, Until: in.Until, Status: in.Status,
		Reported: in.Reported, Path: in.Path, Limit: in.Limit,
	}))
}

// linesLimit bounds how many lines may be asked for.
const linesLimit = 1_000_000

// stageLog sends the output of what is live on a stage, or (previous) of the
// deployment that was started before it.
func (a *API) stageLog(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	lines, err := intQuery(r, "lines")
	if err != nil {
		return err
	}
	id, err := intQuery(r, "deployment")
	if err != nil {
		return err
	}
	repository, stage := q.Get("repository"), q.Get("stage")
	ask := deploy.LogRequest{Deployment: cairn.DeploymentID(id), Lines: int(min(lines, linesLimit)), Follow: q.Get("follow") == "true"}
	if q.Get("previous") == "true" {
		if ask.Deployment, err = a.previous(r.Context(), repository, stage); err != nil {
			return err
		}
	}
	ctx, cancel := a.whileHere(r.Context())
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Trailer", client.LogEnd)
	rc := http.NewResponseController(w)
	out := &flushed{w: &patientWriter{rc, w}, rc: rc}
	err = a.o.StageLogs.Logs(ctx, repository, stage, ask, out)
	if err != nil && !out.begun && r.Context().Err() == nil {
		w.Header().Del("Trailer")
		return err
	}
	if err != nil || ctx.Err() != nil {
		return a.cut(r.Context(), err) // the client takes it up again
	}
	w.Header().Set(client.LogEnd, "1")
	return nil
}

// previous is the newest deployment of a stage that ran and is not live.
func (a *API) previous(ctx context.Context, repository, stage string) (cairn.DeploymentID, error) {
	ds, err := a.o.DeployRows.Deployments(ctx, cairn.DeploymentFilter{Workspace: a.o.Workspace, Repository: repository, Stage: stage, Limit: 50})
	for _, d := range ds {
		switch d.Status {
		case cairn.DeployReplaced, cairn.DeployFailed, cairn.DeployStopped:
			return d.ID, err
		}
	}
	if err != nil {
		return 0, err
	}
	return 0, cairn.Errorf(cairn.CodeNotFound, "there is no deployment on %q before the one that is live", stage).
		WithHint("cairn status shows what is live where")
}

// StageLogs reads what services write; *deploy.Service satisfies it.
type StageLogs interface {
	Logs(ctx context.Context, repository, stage string, r deploy.LogRequest, w io.Writer) error
}

// flushed sends each piece at once.
type flushed struct {
	w     *patientWriter
	rc    *http.ResponseController
	begun bool
}

func (f *flushed) Write(p []byte) (int, error) {
	f.begun = true
	n, err := f.w.Write(p)
	if err == nil {
		err = f.rc.Flush()
	}
	return n, err
}
