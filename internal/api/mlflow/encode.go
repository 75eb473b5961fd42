package mlflow

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

// The messages as MLflow's JSON has them: fields that are not set are left out,
// int64 are numbers, ids and versions are strings.

type experimentJSON struct {
	ID             string     `json:"experiment_id"`
	Name           string     `json:"name"`
	Location       string     `json:"artifact_location"`
	Stage          string     `json:"lifecycle_stage"`
	LastUpdateTime int64      `json:"last_update_time"`
	CreationTime   int64      `json:"creation_time"`
	Tags           []keyValue `json:"tags,omitempty"`
}

func (h *handler) experiment(e *cairn.Experiment) experimentJSON {
	return experimentJSON{ID: e.ID, Name: e.Name, Location: h.track.URI(e.Root), Stage: stage(e.Deleted),
		LastUpdateTime: e.UpdatedAt.UnixMilli(), CreationTime: e.CreatedAt.UnixMilli(), Tags: tagList(e.Tags)}
}

func stage(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

func tagList(tags map[string]string) []keyValue {
	out := make([]keyValue, 0, len(tags))
	for k, v := range tags {
		out = append(out, keyValue{k, v})
	}
	slices.SortFunc(out, func(a, b keyValue) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return out
}

func paramList(ps []cairn.Param) []keyValue {
	out := make([]keyValue, len(ps))
	for i, p := range ps {
		out[i] = keyValue(p)
	}
	return out
}

type runInfoJSON struct {
	UUID        string `json:"run_uuid"`
	ID          string `json:"run_id"`
	Name        string `json:"run_name"`
	Experiment  string `json:"experiment_id"`
	User        string `json:"user_id"`
	Status      string `json:"status"`
	StartTime   int64  `json:"start_time"`
	EndTime     int64  `json:"end_time,omitempty"`
	ArtifactURI string `json:"artifact_uri"`
	Stage       string `json:"lifecycle_stage"`
}

func (h *handler) runInfo(r *cairn.MLRun) runInfoJSON {
	return runInfoJSON{UUID: r.ID, ID: r.ID, Name: r.Name, Experiment: r.Experiment, User: r.User, Status: string(r.Status),
		StartTime: r.StartTime, EndTime: r.EndTime, ArtifactURI: h.track.URI(r.Root), Stage: stage(r.Deleted)}
}

type runJSON struct {
	Info    runInfoJSON  `json:"info"`
	Data    runDataJSON  `json:"data"`
	Inputs  inputsJSON   `json:"inputs"`
	Outputs *outputsJSON `json:"outputs,omitempty"` // nil in the reply to runs/create
}

type runDataJSON struct {
	Metrics metricsJSON `json:"metrics,omitempty"`
	Params  []keyValue  `json:"params,omitempty"`
	Tags    []keyValue  `json:"tags,omitempty"`
}

type inputsJSON struct {
	Datasets []datasetInputJSON `json:"dataset_inputs,omitempty"`
	Models   []modelInputJSON   `json:"model_inputs,omitempty"`
}

type outputsJSON struct {
	Models []modelOutputJSON `json:"model_outputs,omitempty"`
}

type modelInputJSON struct {
	ID string `json:"model_id"`
}

type modelOutputJSON struct {
	ID   string  `json:"model_id"`
	Step flexInt `json:"step"`
}

type datasetInputJSON struct {
	Tags    []keyValue  `json:"tags,omitempty"`
	Dataset datasetJSON `json:"dataset"`
}

type datasetJSON struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

func (h *handler) run(r *cairn.MLRun) runJSON {
	out := runJSON{Info: h.runInfo(r), Data: runDataJSON{Metrics: r.Metrics, Params: paramList(r.Params), Tags: tagList(r.Tags)}}
	for _, d := range r.Inputs {
		out.Inputs.Datasets = append(out.Inputs.Datasets, datasetInputJSON{Tags: tagList(d.Tags), Dataset: datasetJSON(d.Dataset)})
	}
	for _, id := range r.ModelInputs {
		out.Inputs.Models = append(out.Inputs.Models, modelInputJSON{id})
	}
	out.Outputs = &outputsJSON{}
	for _, o := range r.ModelOutputs {
		out.Outputs.Models = append(out.Outputs.Models, modelOutputJSON{o.Model, flexInt(o.Step)})
	}
	return out
}

// metricsJSON writes points without going through a struct for each: a history
// has tens of thousands.
type metricsJSON []cairn.Metric

// MarshalJSON writes the list.
func (ms metricsJSON) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+96*len(ms))
	b = append(b, '[')
	var key, keyJSON string
	for i, m := range ms {
		if i > 0 {
			b = append(b, ',')
		}
		if keyJSON == "" || m.Key != key {
			text, err := json.Marshal(m.Key)
			if err != nil {
				return nil, err
			}
			key, keyJSON = m.Key, string(text)
		}
		b = append(b, `{"key":`...)
		b = append(b, keyJSON...)
		b = append(b, `,"value":`...)
		if m.NaN {
			b = append(b, `"NaN"`...)
		} else {
			b = strconv.AppendFloat(b, m.Value, 'g', -1, 64)
		}
		b = append(b, `,"timestamp":`...)
		b = strconv.AppendInt(b, m.Timestamp, 10)
		b = append(b, `,"step":`...)
		b = strconv.AppendInt(b, m.Step, 10)
		for _, f := range [...]struct{ name, value string }{
			{"model_id", m.Model}, {"dataset_name", m.Dataset}, {"dataset_digest", m.DatasetDigest}, {"run_id", m.Run}} {
			if f.value == "" {
				continue
			}
			text, err := json.Marshal(f.value)
			if err != nil {
				return nil, err
			}
			b = append(append(append(append(b, `,"`...), f.name...), `":`...), text...)
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

type loggedJSON struct {
	Info loggedInfoJSON `json:"info"`
	Data struct {
		Params  []keyValue  `json:"params,omitempty"`
		Metrics metricsJSON `json:"metrics,omitempty"`
	} `json:"data"`
}

type loggedInfoJSON struct {
	ID            string               `json:"model_id"`
	Experiment    string               `json:"experiment_id"`
	Name          string               `json:"name"`
	Created       int64                `json:"creation_timestamp_ms"`
	Updated       int64                `json:"last_updated_timestamp_ms"`
	ArtifactURI   string               `json:"artifact_uri"`
	Status        string               `json:"status"`
	Type          string               `json:"model_type,omitempty"`
	SourceRun     string               `json:"source_run_id,omitempty"`
	Tags          []keyValue           `json:"tags,omitempty"`
	Registrations []track.Registration `json:"registrations,omitempty"`
}

func (h *handler) logged(m *cairn.LoggedModel) loggedJSON {
	out := loggedJSON{Info: loggedInfoJSON{ID: m.ID, Experiment: m.Experiment, Name: m.Name, Created: m.CreatedAt.UnixMilli(),
		Updated: m.UpdatedAt.UnixMilli(), ArtifactURI: h.track.URI(m.Root), Status: string(m.Status), Type: m.Type,
		SourceRun: m.SourceRun, Tags: tagList(m.Tags), Registrations: track.Registrations(m)}}
	out.Data.Params, out.Data.Metrics = paramList(m.Params), m.Metrics
	return out
}

type aliasJSON struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

type registeredJSON struct {
	Name        string        `json:"name"`
	Created     int64         `json:"creation_timestamp"`
	Updated     int64         `json:"last_updated_timestamp"`
	User        string        `json:"user_id,omitempty"`
	Description string        `json:"description,omitempty"`
	Latest      []versionJSON `json:"latest_versions,omitempty"`
	Tags        []keyValue    `json:"tags,omitempty"`
	Aliases     []aliasJSON   `json:"aliases,omitempty"`
}

func registered(m *track.RegisteredModel) registeredJSON {
	out := registeredJSON{Name: m.Name, Created: millis(m.CreatedAt), Updated: millis(m.UpdatedAt), Description: m.Description,
		Tags: tagList(m.Tags), Latest: versions(m.Latest)}
	for _, l := range m.Aliases {
		out.Aliases = append(out.Aliases, aliasJSON{l.Label, l.Version})
	}
	return out
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

type versionJSON struct {
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	Created     int64      `json:"creation_timestamp"`
	Updated     int64      `json:"last_updated_timestamp"`
	User        string     `json:"user_id,omitempty"`
	Stage       string     `json:"current_stage"`
	Description string     `json:"description"`
	Source      string     `json:"source"`
	RunID       string     `json:"run_id,omitempty"`
	Status      string     `json:"status"`
	Tags        []keyValue `json:"tags,omitempty"`
	RunLink     string     `json:"run_link"`
	Aliases     []string   `json:"aliases,omitempty"`
	ModelID     string     `json:"model_id,omitempty"`
}

func version(v *track.ModelVersion) versionJSON {
	st := v.Stage
	if st == "" {
		st = "None"
	}
	return versionJSON{Name: v.Name, Version: v.AssetVersion.Version, Created: millis(v.CreatedAt), Updated: millis(v.UpdatedAt), User: v.By,
		Stage: st, Description: v.Description, Source: v.SourceURI, RunID: v.SourceRun, Status: "READY", Tags: tagList(v.Tags),
		RunLink: v.Properties[track.PropRunLink], Aliases: v.Aliases, ModelID: v.Properties[track.PropLoggedModel]}
}

func versions(vs []track.ModelVersion) []versionJSON {
	out := make([]versionJSON, len(vs))
	for i := range vs {
		out[i] = version(&vs[i])
	}
	return out
}

type fileJSON struct {
	Path string `json:"path"`
	Dir  bool   `json:"is_dir"`
	Size *int64 `json:"file_size,omitempty"` // of files
}

// object is a reply made of parts; those that are nil are left out.
type object map[string]any
