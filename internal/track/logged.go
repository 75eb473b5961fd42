package track

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// NewLoggedModel is what a client says before it writes a model's files.
type NewLoggedModel struct {
	Experiment string
	Name       string
	Type       string
	SourceRun  string
	Params     []cairn.Param
	Tags       []cairn.Param
}

// CreateLoggedModel makes a logged model that waits for its files.
func (s *Service) CreateLoggedModel(ctx context.Context, n NewLoggedModel) (*cairn.LoggedModel, error) {
	if n.Experiment == "" {
		n.Experiment = DefaultExperiment
	}
	e, err := s.store.Experiment(ctx, n.Experiment)
	if err != nil {
		return nil, err
	}
	if err := activeExperiment(e); err != nil {
		return nil, err
	}
	if strings.ContainsAny(n.Name, "/:.%\"'") {
		return nil, invalid("Invalid model name (%s) provided. Model name must be a non-empty string and cannot contain the following characters: ['/', ':', '.', '%%', '\"', \"'\"]", quoteValue(n.Name))
	}
	if n.SourceRun != "" {
		if err := checkRunID(n.SourceRun); err != nil {
			return nil, err
		}
	}
	id, err := s.id(16)
	if err != nil {
		return nil, err
	}
	if n.Name == "" {
		if n.Name, err = s.runName(); err != nil {
			return nil, err
		}
	}
	now := s.now().UTC()
	m := cairn.LoggedModel{ID: "m-" + id, Experiment: e.ID, Name: n.Name, Type: n.Type, SourceRun: n.SourceRun,
		Status: cairn.LoggedPending, Root: e.Root + "/models/m-" + id + "/artifacts", By: s.actor(ctx).Name, CreatedAt: now, UpdatedAt: now,
		Tags: map[string]string{}}
	if err := mergeLogged(&m, n.Params, n.Tags); err != nil {
		return nil, err
	}
	return &m, s.store.CreateLoggedModel(ctx, m, s.change(ctx, cairn.EvLoggedModel, cairn.NewRef("loggedmodel", m.ID)))
}

func mergeLogged(m *cairn.LoggedModel, params, tags []cairn.Param) error {
	for i, p := range params {
		if err := checkKey(p.Key, fmt.Sprintf("params[%d].key", i)); err != nil {
			return err
		}
		p.Value = cut(p.Value, MaxParamValue)
		if at := slices.IndexFunc(m.Params, func(o cairn.Param) bool { return o.Key == p.Key }); at >= 0 {
			m.Params[at] = p
		} else {
			m.Params = append(m.Params, p)
		}
	}
	for i, t := range tags {
		if err := checkKey(t.Key, fmt.Sprintf("tags[%d].key", i)); err != nil {
			return err
		}
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[t.Key] = cut(t.Value, MaxTagValue)
	}
	return nil
}

// LoggedModel reads one.
func (s *Service) LoggedModel(ctx context.Context, id string) (*cairn.LoggedModel, error) {
	return s.store.LoggedModel(ctx, id)
}

// FinishLoggedModel says that all files are there, or that they will not be.
func (s *Service) FinishLoggedModel(ctx context.Context, id, status string) (*cairn.LoggedModel, error) {
	st := cairn.LoggedModelStatus(strings.ToUpper(status))
	if !strings.HasPrefix(string(st), "LOGGED_MODEL_") {
		st = "LOGGED_MODEL_" + st
	}
	if !slices.Contains([]cairn.LoggedModelStatus{cairn.LoggedReady, cairn.LoggedFailed, cairn.LoggedPending}, st) {
		return nil, InvalidValue("status", status, "it must be LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED.")
	}
	return s.saveLogged(ctx, id, func(m *cairn.LoggedModel) error { m.Status = st; return nil })
}

// AddToLoggedModel sets params and tags.
func (s *Service) AddToLoggedModel(ctx context.Context, id string, params, tags []cairn.Param) (*cairn.LoggedModel, error) {
	return s.saveLogged(ctx, id, func(m *cairn.LoggedModel) error { return mergeLogged(m, params, tags) })
}

// DeleteLoggedModelTag removes a tag.
func (s *Service) DeleteLoggedModelTag(ctx context.Context, id, key string) (*cairn.LoggedModel, error) {
	return s.saveLogged(ctx, id, func(m *cairn.LoggedModel) error {
		if _, ok := m.Tags[key]; !ok {
			return cairn.Errorf(cairn.CodeNotFound, "No tag with key %s for model with ID '%s'.", quoteValue(key), id)
		}
		delete(m.Tags, key)
		return nil
	})
}

// DeleteLoggedModel hides one.
func (s *Service) DeleteLoggedModel(ctx context.Context, id string) error {
	_, err := s.saveLogged(ctx, id, func(m *cairn.LoggedModel) error { m.Deleted = true; return nil })
	return err
}

func (s *Service) saveLogged(ctx context.Context, id string, change func(*cairn.LoggedModel) error) (*cairn.LoggedModel, error) {
	return s.store.SaveLoggedModel(ctx, id, func(m *cairn.LoggedModel) error {
		if err := change(m); err != nil {
			return err
		}
		m.UpdatedAt = s.now().UTC()
		return nil
	}, s.change(ctx, cairn.EvLoggedModel, cairn.NewRef("loggedmodel", id)))
}

// LoggedOrder is one key by which logged models are ordered; a metric's key may
// be limited to a dataset.
type LoggedOrder struct {
	Field         string
	Desc          bool
	Dataset       string
	DatasetDigest string
}

// LoggedSearch is a question for logged models. Datasets limit the metrics that
// conditions look at.
type LoggedSearch struct {
	Experiments []string
	Filter      string
	Datasets    []cairn.Dataset
	Order       []LoggedOrder
	Max         int
	Token       string
}

// SearchLoggedModels returns a page of logged models and the token of the next.
func (s *Service) SearchLoggedModels(ctx context.Context, q LoggedSearch) ([]cairn.LoggedModel, string, error) {
	g := loggedGrammar
	n, err := pageSize(q.Max, 100, MaxSearch)
	if err != nil {
		return nil, "", err
	}
	where, err := g.parseFilter(q.Filter)
	if err != nil {
		return nil, "", err
	}
	pg, err := parseToken(q.Token, questionOf("logged", q.Experiments, q.Filter, q.Order, q.Datasets))
	if err != nil {
		return nil, "", err
	}
	var orders []cairn.TrackOrder
	for _, o := range q.Order {
		to, err := g.parseOrder(o.Field)
		if err != nil {
			return nil, "", err
		}
		to.Desc = o.Desc
		orders = append(orders, to)
	}
	source := ""
	for _, c := range where {
		if c.Subject == cairn.OfAttribute && c.Key == "source_run_id" && c.Op == "=" {
			source = c.Text
		}
	}
	all, err := s.store.LoggedModels(ctx, q.Experiments, source)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(m cairn.LoggedModel) bool {
		return !slices.Contains(q.Experiments, m.Experiment) || !matches(where, loggedRow(&m, q.Datasets))
	})
	slices.SortStableFunc(all, func(a, b cairn.LoggedModel) int {
		for i := range orders {
			var ds []cairn.Dataset
			if q.Order[i].Dataset != "" {
				ds = []cairn.Dataset{{Name: q.Order[i].Dataset, Digest: q.Order[i].DatasetDigest}}
			}
			if d := compareBy(orders[i:i+1], g, loggedRow(&a, ds), loggedRow(&b, ds)); d != 0 {
				return d
			}
		}
		return 0
	})
	out, next := take(all, pg, n)
	return out, next, nil
}

func loggedRow(m *cairn.LoggedModel, datasets []cairn.Dataset) row {
	return func(sub cairn.TrackSubject, key string) (string, float64, bool) {
		switch sub {
		case cairn.OfTag:
			v, ok := m.Tags[key]
			return v, 0, ok
		case cairn.OfParam:
			for _, p := range m.Params {
				if p.Key == key {
					return p.Value, 0, true
				}
			}
			return "", 0, false
		case cairn.OfMetric:
			var best *cairn.Metric
			for i, x := range m.Metrics {
				if x.Key == key && onDataset(x, datasets) && (best == nil || x.Newer(*best)) {
					best = &m.Metrics[i]
				}
			}
			if best == nil || best.NaN {
				return "", 0, false
			}
			return "", best.Value, true
		}
		switch key {
		case "name":
			return m.Name, 0, true
		case "model_id":
			return m.ID, 0, true
		case "model_type":
			return m.Type, 0, m.Type != ""
		case "status":
			return strings.TrimPrefix(string(m.Status), "LOGGED_MODEL_"), 0, true
		case "source_run_id":
			return m.SourceRun, 0, m.SourceRun != ""
		case "experiment_id":
			return m.Experiment, 0, true
		case "creation_timestamp":
			return "", float64(m.CreatedAt.UnixMilli()), true
		case "last_updated_timestamp":
			return "", float64(m.UpdatedAt.UnixMilli()), true
		}
		return "", 0, false
	}
}

func onDataset(m cairn.Metric, ds []cairn.Dataset) bool {
	return len(ds) == 0 || slices.ContainsFunc(ds, func(d cairn.Dataset) bool {
		return d.Name == m.Dataset && (d.Digest == "" || d.Digest == m.DatasetDigest)
	})
}
