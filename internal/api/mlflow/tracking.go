package mlflow

import (
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

func (h *handler) createExperiment(c *call) (any, error) {
	name, location, tags := c.need("name"), c.str("artifact_location"), c.pairs("tags")
	if c.err != nil {
		return nil, c.err
	}
	e, err := h.track.CreateExperiment(c.r.Context(), name, location, tags)
	if err != nil {
		return nil, err
	}
	return object{"experiment_id": e.ID}, nil
}

func (h *handler) getExperiment(c *call) (any, error) {
	id := c.need("experiment_id")
	if c.err != nil {
		return nil, c.err
	}
	e, err := h.track.Experiment(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return object{"experiment": h.experiment(e)}, nil
}

func (h *handler) getExperimentByName(c *call) (any, error) {
	name := c.need("experiment_name")
	if c.err != nil {
		return nil, c.err
	}
	e, err := h.track.ExperimentByName(c.r.Context(), name)
	if err != nil {
		return nil, err
	}
	return object{"experiment": h.experiment(e)}, nil
}

// search reads what all searches have in common.
func (c *call) search(filter, view string) track.Search {
	q := track.Search{Experiments: c.strs("experiment_ids"), Filter: c.str(filter), Order: c.strs("order_by"),
		Max: c.count("max_results"), Token: c.str("page_token")}
	if c.has("max_results") && q.Max == 0 {
		c.fail(track.InvalidValue("max_results", 0, "it must be a positive integer."))
	}
	if view == "" {
		return q
	}
	switch v := c.viewType(view); v {
	case "", "1", "ACTIVE_ONLY":
		q.View = cairn.ViewActive
	case "2", "DELETED_ONLY":
		q.View = cairn.ViewDeleted
	case "3", "ALL":
		q.View = cairn.ViewAll
	default:
		c.fail(track.InvalidValue(view, v, "it must be ACTIVE_ONLY, DELETED_ONLY or ALL."))
	}
	return q
}

// viewType reads an enum by name or number.
func (c *call) viewType(name string) string {
	raw, _ := c.raw(name)
	return strings.ToUpper(strings.Trim(string(raw), `"`))
}

func (h *handler) searchExperiments(c *call) (any, error) {
	q := c.search("filter", "view_type")
	if c.err != nil {
		return nil, c.err
	}
	es, next, err := h.track.SearchExperiments(c.r.Context(), q)
	if err != nil {
		return nil, err
	}
	out := make([]experimentJSON, len(es))
	for i := range es {
		out[i] = h.experiment(&es[i])
	}
	return paged("experiments", out, next), nil
}

// paged is a page of a search: neither key is there when it would be empty.
func paged[T any](key string, list []T, next string) object {
	o := object{}
	if len(list) > 0 {
		o[key] = list
	}
	if next != "" {
		o["next_page_token"] = next
	}
	return o
}

func (h *handler) deleteExperiment(c *call) (any, error) {
	id := c.need("experiment_id")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteExperiment(c.r.Context(), id)
}

func (h *handler) restoreExperiment(c *call) (any, error) {
	id := c.need("experiment_id")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.RestoreExperiment(c.r.Context(), id)
}

func (h *handler) updateExperiment(c *call) (any, error) {
	id, name := c.need("experiment_id"), c.need("new_name")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.RenameExperiment(c.r.Context(), id, name)
}

func (h *handler) setExperimentTag(c *call) (any, error) {
	id, t := c.need("experiment_id"), cairn.Param{Key: c.need("key"), Value: c.str("value")}
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.SetExperimentTag(c.r.Context(), id, t)
}

func (h *handler) deleteExperimentTag(c *call) (any, error) {
	id, key := c.need("experiment_id"), c.need("key")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteExperimentTag(c.r.Context(), id, key)
}

func (h *handler) createRun(c *call) (any, error) {
	start, _ := c.integer("start_time")
	n := track.NewRun{Experiment: c.str("experiment_id"), Name: c.str("run_name"), User: c.str("user_id"), StartTime: start, Tags: c.pairs("tags")}
	if c.err != nil {
		return nil, c.err
	}
	r, err := h.track.CreateRun(c.r.Context(), n)
	if err != nil {
		return nil, err
	}
	reply := h.run(r)
	reply.Outputs = nil
	return object{"run": reply}, nil
}

func (h *handler) getRun(c *call) (any, error) {
	id := c.runID()
	if c.err != nil {
		return nil, c.err
	}
	r, err := h.track.Run(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return object{"run": h.run(r)}, nil
}

func (h *handler) updateRun(c *call) (any, error) {
	id := c.runID()
	p := track.RunPatch{Name: c.text("run_name")}
	if c.has("status") {
		p.Status = new(c.viewType("status"))
	}
	if end, ok := c.integer("end_time"); ok {
		p.EndTime = &end
	}
	if c.err != nil {
		return nil, c.err
	}
	r, err := h.track.UpdateRun(c.r.Context(), id, p)
	if err != nil {
		return nil, err
	}
	return object{"run_info": h.runInfo(r)}, nil
}

func (h *handler) deleteRun(c *call) (any, error) {
	id := c.runID()
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteRun(c.r.Context(), id)
}

func (h *handler) restoreRun(c *call) (any, error) {
	id := c.runID()
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.RestoreRun(c.r.Context(), id)
}

func (h *handler) searchRuns(c *call) (any, error) {
	q := c.search("filter", "run_view_type")
	if c.err != nil {
		return nil, c.err
	}
	rs, next, err := h.track.SearchRuns(c.r.Context(), q)
	if err != nil {
		return nil, err
	}
	out := make([]runJSON, len(rs))
	for i := range rs {
		out[i] = h.run(&rs[i])
	}
	return paged("runs", out, next), nil
}

func (h *handler) logMetric(c *call) (any, error) {
	id := c.runID()
	m := cairn.Metric{Key: c.need("key"), Model: c.str("model_id"), Dataset: c.str("dataset_name"), DatasetDigest: c.str("dataset_digest")}
	var v flexFloat
	if raw, ok := c.raw("value"); !ok {
		c.missing("value")
	} else if v.UnmarshalJSON(raw) != nil {
		c.wrongType("value", raw)
	}
	var ok bool
	if m.Timestamp, ok = c.integer("timestamp"); !ok {
		c.missing("timestamp")
	}
	m.Step, _ = c.integer("step")
	if m.Value = v.v; c.err != nil {
		return nil, c.err
	}
	return nil, h.track.LogMetric(c.r.Context(), id, m)
}

func (h *handler) logParam(c *call) (any, error) {
	id, p := c.runID(), cairn.Param{Key: c.need("key"), Value: c.str("value")}
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.LogParam(c.r.Context(), id, p)
}

func (h *handler) logBatch(c *call) (any, error) {
	id, b := c.runID(), track.Batch{Metrics: c.metrics("metrics"), Params: c.pairs("params"), Tags: c.pairs("tags")}
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.LogBatch(c.r.Context(), id, b)
}

func (h *handler) setTag(c *call) (any, error) {
	id, t := c.runID(), cairn.Param{Key: c.need("key"), Value: c.str("value")}
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.SetTag(c.r.Context(), id, t)
}

func (h *handler) deleteTag(c *call) (any, error) {
	id, key := c.runID(), c.need("key")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteTag(c.r.Context(), id, key)
}

func (h *handler) logInputs(c *call) (any, error) {
	id := c.runID()
	var in []datasetInputJSON
	c.list("datasets", &in)
	var models []modelInputJSON
	c.list("models", &models)
	if c.err != nil {
		return nil, c.err
	}
	datasets := make([]cairn.DatasetInput, len(in))
	for i, d := range in {
		datasets[i] = cairn.DatasetInput{Dataset: cairn.Dataset(d.Dataset), Tags: map[string]string{}}
		for _, t := range d.Tags {
			datasets[i].Tags[t.Key] = t.Value
		}
	}
	ids := make([]string, len(models))
	for i, m := range models {
		ids[i] = m.ID
	}
	return nil, h.track.LogInputs(c.r.Context(), id, datasets, ids)
}

func (h *handler) logOutputs(c *call) (any, error) {
	id := c.runID()
	var in []modelOutputJSON
	c.list("models", &in)
	if c.err != nil {
		return nil, c.err
	}
	outs := make([]cairn.ModelOutput, len(in))
	for i, m := range in {
		outs[i] = cairn.ModelOutput{Model: m.ID, Step: int64(m.Step)}
	}
	return nil, h.track.LogOutputs(c.r.Context(), id, outs)
}

// logModel is what clients of 2.x send beside the files of a model: a
// description, kept in a tag of the run.
func (h *handler) logModel(c *call) (any, error) {
	id, model := c.runID(), c.need("model_json")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.AddModelHistory(c.r.Context(), id, model)
}

func (h *handler) metricHistory(c *call) (any, error) {
	id, key := c.runID(), c.need("metric_key")
	limit, token := c.count("max_results"), c.str("page_token")
	if c.err != nil {
		return nil, c.err
	}
	points, next, err := h.track.MetricHistory(c.r.Context(), id, key, limit, token)
	if err != nil {
		return nil, err
	}
	o := object{}
	if len(points) > 0 {
		o["metrics"] = metricsJSON(points)
	}
	if next != "" {
		o["next_page_token"] = next
	}
	return o, nil
}
