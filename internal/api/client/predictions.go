package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// Predictions lists answered requests, newest first, without bodies.
func (c *Client) Predictions(ctx context.Context, f cairn.PredictionFilter) ([]cairn.Prediction, error) {
	q := query("repository", f.Repository, "stage", f.Stage, "release", f.Release, "path", f.Path)
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Reported {
		q.Set("reported", "true")
	}
	number(q, "status", int64(f.Status))
	number(q, "limit", int64(f.Limit))
	return list[cairn.Prediction](ctx, c, "/predictions", q)
}

// Prediction returns one answered request with its bodies.
func (c *Client) Prediction(ctx context.Context, id cairn.PredictionID) (*cairn.Prediction, error) {
	return call[cairn.Prediction](ctx, c, http.MethodGet, predictionPath(id, ""), nil)
}

// PredictionInput returns what was sent to be judged: the file of a form, or the
// whole body.
func (c *Client) PredictionInput(ctx context.Context, id cairn.PredictionID) (*cairn.PredictionInput, error) {
	return call[cairn.PredictionInput](ctx, c, http.MethodGet, predictionPath(id, "/input"), nil)
}

// ReportPrediction says what was expected instead of an answer.
func (c *Client) ReportPrediction(ctx context.Context, id cairn.PredictionID, expected, comment string) (*cairn.PredictionReport, error) {
	return call[cairn.PredictionReport](ctx, c, http.MethodPost, predictionPath(id, "/report"),
		map[string]string{"expected": expected, "comment": comment}, idempotent)
}

// ErasePrediction erases the bodies of a request and its answer.
func (c *Client) ErasePrediction(ctx context.Context, id cairn.PredictionID) (*cairn.PredictionErased, error) {
	return call[cairn.PredictionErased](ctx, c, http.MethodDelete, predictionPath(id, ""), nil, idempotent)
}

// ExportPredictions makes a data version of what was reported. Of the filter,
// repository, stage, release and Since count.
func (c *Client) ExportPredictions(ctx context.Context, name string, f cairn.PredictionFilter) (*cairn.PredictionExport, error) {
	body := map[string]any{"name": name, "repository": f.Repository, "stage": f.Stage, "release": f.Release}
	if !f.Since.IsZero() {
		body["since"] = f.Since.UTC()
	}
	return call[cairn.PredictionExport](ctx, c, http.MethodPost, "/predictions/export", body)
}

// DiffReleases says what differs between two releases: r3, v1.2.3, an id, or a
// stage (what is live there).
func (c *Client) DiffReleases(ctx context.Context, repository, from, to string) (*cairn.ReleaseDiff, error) {
	return call[cairn.ReleaseDiff](ctx, c, http.MethodGet, "/releases/diff?"+query("repository", repository, "from", from, "to", to).Encode(), nil)
}

// Origins answers the three questions for each stage of a repository ("": of all).
func (c *Client) Origins(ctx context.Context, repository string) ([]cairn.Origin, error) {
	return list[cairn.Origin](ctx, c, "/trace/origins", query("repository", repository))
}

// StageLogRequest says which output of a stage is meant.
type StageLogRequest struct {
	Repository string
	Stage      string
	Lines      int  // the last so many; 0: all that is kept
	Previous   bool // of the deployment before the one that is live
	Follow     bool
}

// StageLog reads what the program of a stage wrote. A reader that follows ends
// with io.ErrUnexpectedEOF when the owner went away: it can be asked for anew.
func (c *Client) StageLog(ctx context.Context, r StageLogRequest) (io.ReadCloser, error) {
	q := query("repository", r.Repository, "stage", r.Stage)
	number(q, "lines", int64(r.Lines))
	for name, set := range map[string]bool{"previous": r.Previous, "follow": r.Follow} {
		if set {
			q.Set(name, strconv.FormatBool(set))
		}
	}
	resp, err := c.send(ctx, http.MethodGet, "/stages/log?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func predictionPath(id cairn.PredictionID, rest string) string {
	// Nothing of what somebody typed is a path of its own.
	return "/predictions/" + url.PathEscape(string(id)) + rest
}
