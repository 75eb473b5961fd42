package mlflow

import (
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

func (h *handler) createLogged(c *call) (any, error) {
	n := track.NewLoggedModel{Experiment: c.str("experiment_id"), Name: c.str("name"), Type: c.str("model_type"),
		SourceRun: c.str("source_run_id"), Params: c.pairs("params"), Tags: c.pairs("tags")}
	if c.err != nil {
		return nil, c.err
	}
	return h.loggedReply(h.track.CreateLoggedModel(c.r.Context(), n))
}

func (h *handler) loggedReply(m *cairn.LoggedModel, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return object{"model": h.logged(m)}, nil
}

func (h *handler) getLogged(c *call) (any, error) {
	return h.loggedReply(h.track.LoggedModel(c.r.Context(), c.rest[0]))
}

// loggedStatuses are the numbers of the enum.
var loggedStatuses = map[string]string{"1": string(cairn.LoggedPending), "2": string(cairn.LoggedReady), "3": string(cairn.LoggedFailed)}

func (h *handler) finishLogged(c *call) (any, error) {
	status := c.viewType("status")
	if name, ok := loggedStatuses[status]; ok {
		status = name
	}
	if status == "" {
		c.missing("status")
	}
	if c.err != nil {
		return nil, c.err
	}
	return h.loggedReply(h.track.FinishLoggedModel(c.r.Context(), c.rest[0], status))
}

func (h *handler) deleteLogged(c *call) (any, error) {
	return nil, h.track.DeleteLoggedModel(c.r.Context(), c.rest[0])
}

func (h *handler) addLoggedParams(c *call) (any, error) {
	params := c.pairs("params")
	if c.err != nil {
		return nil, c.err
	}
	_, err := h.track.AddToLoggedModel(c.r.Context(), c.rest[0], params, nil)
	return nil, err
}

func (h *handler) setLoggedTags(c *call) (any, error) {
	tags := c.pairs("tags")
	if c.err != nil {
		return nil, c.err
	}
	_, err := h.track.AddToLoggedModel(c.r.Context(), c.rest[0], nil, tags)
	return nil, err
}

func (h *handler) deleteLoggedTag(c *call) (any, error) {
	_, err := h.track.DeleteLoggedModelTag(c.r.Context(), c.rest[0], c.rest[1])
	return nil, err
}

type loggedDatasetJSON struct {
	Name   string `json:"dataset_name"`
	Digest string `json:"dataset_digest"`
}

type loggedOrderJSON struct {
	Field     string `json:"field_name"`
	Ascending *bool  `json:"ascending"`
	loggedDatasetJSON
}

func (h *handler) searchLogged(c *call) (any, error) {
	q := track.LoggedSearch{Experiments: c.strs("experiment_ids"), Filter: c.str("filter"), Max: c.count("max_results"), Token: c.str("page_token")}
	var datasets []loggedDatasetJSON
	c.list("datasets", &datasets)
	var order []loggedOrderJSON
	c.list("order_by", &order)
	if c.err != nil {
		return nil, c.err
	}
	for _, d := range datasets {
		q.Datasets = append(q.Datasets, cairn.Dataset{Name: d.Name, Digest: d.Digest})
	}
	for _, o := range order {
		q.Order = append(q.Order, track.LoggedOrder{Field: strings.TrimSpace(o.Field), Desc: o.Ascending != nil && !*o.Ascending,
			Dataset: o.Name, DatasetDigest: o.Digest})
	}
	ms, next, err := h.track.SearchLoggedModels(c.r.Context(), q)
	if err != nil {
		return nil, err
	}
	out := make([]loggedJSON, len(ms))
	for i := range ms {
		out[i] = h.logged(&ms[i])
	}
	return paged("models", out, next), nil
}
