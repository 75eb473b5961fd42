package cairn

import "time"

// Experiment groups tracking runs. The one with ID "0" is always there.
type Experiment struct {
	ID   string `json:"id"` // a small number in decimal
	Name string `json:"name"`
	// Root is the path of its files below the artifact store: "3".
	Root      string            `json:"root"`
	Deleted   bool              `json:"deleted,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	By        string            `json:"by"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// MLRun is a run of the tracking API: what one script logged.
type MLRun struct {
	ID         string      `json:"id"` // 32 lower-case hex digits
	Experiment string      `json:"experiment"`
	Name       string      `json:"name"`
	User       string      `json:"user"` // what the client says
	Status     MLRunStatus `json:"status"`
	StartTime  int64       `json:"start_time"`         // ms since 1970 UTC, the client's clock
	EndTime    int64       `json:"end_time,omitempty"` // 0: not ended
	// Root is the path of its files below the artifact store: "0/<id>/artifacts".
	Root    string `json:"root"`
	Deleted bool   `json:"deleted,omitempty"`
	// Job and Run are those whose token created it; 0: somebody by hand.
	Job       JobID     `json:"job,omitempty"`
	Run       RunID     `json:"run,omitempty"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	Tags         map[string]string `json:"tags,omitempty"`
	Params       []Param           `json:"params,omitempty"`  // by key
	Metrics      []Metric          `json:"metrics,omitempty"` // the latest point of each key, by key
	Inputs       []DatasetInput    `json:"inputs,omitempty"`
	ModelInputs  []string          `json:"model_inputs,omitempty"` // ids of logged models
	ModelOutputs []ModelOutput     `json:"model_outputs,omitempty"`
}

// Ref is the run's name in the lineage graph.
func (r *MLRun) Ref() Ref { return NewRef(KindMLRun, r.ID) }

// MLRunStatus is where a tracking run stands, as its client says.
type MLRunStatus string

// The statuses of tracking runs.
const (
	MLRunning   MLRunStatus = "RUNNING"
	MLScheduled MLRunStatus = "SCHEDULED"
	MLFinished  MLRunStatus = "FINISHED"
	MLFailed    MLRunStatus = "FAILED"
	MLKilled    MLRunStatus = "KILLED"
)

// Param is a fact of a run that is written once.
type Param struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Metric is one point. All of it but Model, Dataset and DatasetDigest is its
// identity: the same point sent again adds nothing.
type Metric struct {
	Key       string  `json:"key"`
	Value     float64 `json:"value"` // never NaN or infinite, see NaN
	NaN       bool    `json:"nan,omitempty"`
	Timestamp int64   `json:"timestamp"` // ms since 1970 UTC
	Step      int64   `json:"step"`
	// Model is the logged model that was measured, Dataset what it was measured on.
	Model         string `json:"model,omitempty"`
	Dataset       string `json:"dataset,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
	// Run is filled where metrics of several runs stand together.
	Run string `json:"run,omitempty"`
}

// Newer reports whether m is later than o: by step, then timestamp, then value.
func (m Metric) Newer(o Metric) bool {
	if m.Step != o.Step {
		return m.Step > o.Step
	}
	if m.Timestamp != o.Timestamp {
		return m.Timestamp > o.Timestamp
	}
	return m.Value > o.Value
}

// Dataset is what a client says of data it used; its digest is the client's own
// and identifies nothing in Cairn.
type Dataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

// DatasetInput is a dataset that a run used.
type DatasetInput struct {
	Dataset Dataset           `json:"dataset"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// ModelOutput is a logged model that a run made at a step.
type ModelOutput struct {
	Model string `json:"model"`
	Step  int64  `json:"step"`
}

// LoggedModel is a model that a script wrote down, not (yet) a version of a
// registered one.
type LoggedModel struct {
	ID         string            `json:"id"` // "m-" and 32 hex digits
	Experiment string            `json:"experiment"`
	Name       string            `json:"name"`
	Type       string            `json:"type,omitempty"`
	SourceRun  string            `json:"source_run,omitempty"`
	Status     LoggedModelStatus `json:"status"`
	Root       string            `json:"root"` // path of its files below the artifact store
	Deleted    bool              `json:"deleted,omitempty"`
	By         string            `json:"by"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	Tags       map[string]string `json:"tags,omitempty"`
	Params     []Param           `json:"params,omitempty"`
	Metrics    []Metric          `json:"metrics,omitempty"`
}

// LoggedModelStatus says whether all files of a logged model are there.
type LoggedModelStatus string

// The statuses of logged models.
const (
	LoggedPending LoggedModelStatus = "LOGGED_MODEL_PENDING"
	LoggedReady   LoggedModelStatus = "LOGGED_MODEL_READY"
	LoggedFailed  LoggedModelStatus = "LOGGED_MODEL_UPLOAD_FAILED"
)

// MLFile is a file that a client put below the artifact store, or a folder that
// such files made.
type MLFile struct {
	Path      string    `json:"path"` // "0/<run>/artifacts/plots/roc.png"
	Dir       bool      `json:"dir,omitempty"`
	Digest    Digest    `json:"digest,omitempty"`
	Size      int64     `json:"size,omitempty"`
	By        string    `json:"by"`
	UpdatedAt time.Time `json:"updated_at"`
}

// TrackQuery asks for tracking rows: all conditions hold.
type TrackQuery struct {
	Experiments []string
	View        TrackView
	Where       []TrackCondition
	Order       []TrackOrder
	Limit       int
	Offset      int
}

// TrackView says whether deleted rows are seen.
type TrackView string

// The views.
const (
	ViewActive  TrackView = "ACTIVE_ONLY"
	ViewDeleted TrackView = "DELETED_ONLY"
	ViewAll     TrackView = "ALL"
)

// TrackSubject is the left side of a condition or the key of an order.
type TrackSubject string

// The subjects. Attributes have a closed set of keys, the others any.
const (
	OfAttribute TrackSubject = "attribute"
	OfMetric    TrackSubject = "metric"
	OfParam     TrackSubject = "param"
	OfTag       TrackSubject = "tag"
	OfDataset   TrackSubject = "dataset"
)

// TrackCondition compares one thing. Op is one of = != < <= > >= LIKE ILIKE IN
// "NOT IN" "IS NULL" "IS NOT NULL".
type TrackCondition struct {
	Subject TrackSubject
	Key     string
	Op      string
	Text    string   // right side of a comparison of strings
	Number  float64  // right side of a comparison of numbers
	Numeric bool     // which of the two
	List    []string // right side of IN
}

// TrackOrder is one key to order by.
type TrackOrder struct {
	Subject TrackSubject
	Key     string
	Desc    bool
}

// The kinds of events of tracking. Data is the row after the change, without
// params, metrics and tags of a run.
const (
	EvExperiment  = "experiment.changed"
	EvMLRun       = "mlrun.changed"
	EvLoggedModel = "loggedmodel.changed"
)
