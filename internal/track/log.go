package track

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Batch is what one request logs to a run.
type Batch struct {
	Metrics []cairn.Metric
	Params  []cairn.Param
	Tags    []cairn.Param
}

// LogBatch checks all of a batch, then writes params and tags, then metrics. A
// batch that is refused leaves nothing; one that is sent again adds nothing.
func (s *Service) LogBatch(ctx context.Context, run string, b Batch) error {
	if err := checkRunID(run); err != nil {
		return err
	}
	if err := checkBatch(len(b.Metrics), len(b.Params), len(b.Tags)); err != nil {
		return err
	}
	metrics := slices.Clone(b.Metrics)
	for i := range metrics {
		if err := checkMetric(&metrics[i], fmt.Sprintf("metrics[%d].", i)); err != nil {
			return err
		}
	}
	params, err := checkParams(b.Params)
	if err != nil {
		return err
	}
	tags, err := checkTags(b.Tags)
	if err != nil {
		return err
	}
	if len(params)+len(tags) > 0 || len(metrics) == 0 {
		if err := s.store.LogParams(ctx, run, params, tags); err != nil {
			return err
		}
	}
	if len(metrics) > 0 {
		return s.store.LogMetrics(ctx, run, metrics)
	}
	return nil
}

// LogMetric adds one point.
func (s *Service) LogMetric(ctx context.Context, run string, m cairn.Metric) error {
	if err := checkRunID(run); err != nil {
		return err
	}
	if err := checkMetric(&m, ""); err != nil {
		return err
	}
	return s.store.LogMetrics(ctx, run, []cairn.Metric{m})
}

// LogParam writes one param, once.
func (s *Service) LogParam(ctx context.Context, run string, p cairn.Param) error {
	if err := checkKey(p.Key, "key"); err != nil {
		return err
	}
	return s.LogBatch(ctx, run, Batch{Params: []cairn.Param{p}})
}

// SetTag sets a tag of a run.
func (s *Service) SetTag(ctx context.Context, run string, t cairn.Param) error {
	if err := checkKey(t.Key, "key"); err != nil {
		return err
	}
	return s.LogBatch(ctx, run, Batch{Tags: []cairn.Param{t}})
}

// DeleteTag removes a tag of a run.
func (s *Service) DeleteTag(ctx context.Context, run, key string) error {
	if err := checkRunID(run); err != nil {
		return err
	}
	return s.store.DeleteMLRunTag(ctx, run, key)
}

// LogInputs notes datasets and logged models that a run used; LogOutputs those
// models that it made.
func (s *Service) LogInputs(ctx context.Context, run string, datasets []cairn.DatasetInput, models []string) error {
	if err := checkRunID(run); err != nil {
		return err
	}
	if err := checkDatasets(datasets); err != nil {
		return err
	}
	return s.store.LogInputs(ctx, run, datasets, models, nil)
}

// LogOutputs notes logged models that a run made.
func (s *Service) LogOutputs(ctx context.Context, run string, outputs []cairn.ModelOutput) error {
	if err := checkRunID(run); err != nil {
		return err
	}
	return s.store.LogInputs(ctx, run, nil, nil, outputs)
}

// tagModelHistory lists the models that clients of 2.x logged to a run.
const tagModelHistory = "mlflow.log-model.history"

// maxModelHistory bounds that tag, which no client reads beyond its last entries.
const maxModelHistory = 1 << 20

// AddModelHistory notes what a client of 2.x says of a model it logged.
func (s *Service) AddModelHistory(ctx context.Context, run, model string) error {
	if !json.Valid([]byte(model)) || !strings.HasPrefix(strings.TrimSpace(model), "{") {
		return invalid("Malformed model info. \n %s \n is not valid JSON.", cut(model, 200))
	}
	r, err := s.Run(ctx, run)
	if err != nil {
		return err
	}
	var list []json.RawMessage
	if old := r.Tags[tagModelHistory]; old != "" {
		if err := json.Unmarshal([]byte(old), &list); err != nil {
			list = nil // somebody wrote the tag by hand
		}
	}
	b, err := json.Marshal(append(list, json.RawMessage(model)))
	if err != nil {
		return err
	}
	if len(b) > maxModelHistory {
		return cairn.Errorf(cairn.CodeTooLarge, "the models logged to run %s are described in more than %d bytes", run, maxModelHistory)
	}
	return s.store.LogParams(ctx, run, nil, []cairn.Param{{Key: tagModelHistory, Value: string(b)}})
}

// historyPage bounds a page of a metric's history for clients that set no bound.
const historyPage = 1_000_000

// MetricHistory returns a page of points in order of time, step and value.
func (s *Service) MetricHistory(ctx context.Context, run, key string, limit int, token string) ([]cairn.Metric, string, error) {
	if err := checkRunID(run); err != nil {
		return nil, "", err
	}
	n, err := pageSize(limit, historyPage, historyPage)
	if err != nil {
		return nil, "", err
	}
	question := questionOf("history", run, key)
	pg, err := parseToken(token, question)
	if err != nil {
		return nil, "", err
	}
	if _, err := s.store.MLRunInfo(ctx, run); err != nil {
		return nil, "", err
	}
	points, err := s.store.MetricHistory(ctx, run, key, pg.After, n+1)
	if err != nil || len(points) <= n {
		return points, "", err
	}
	points = points[:n]
	return points, page{Of: question, After: &points[n-1]}.token(), nil
}
