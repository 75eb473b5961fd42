package cairn

import (
	"encoding/json"
	"time"
)

// StageConfig is what a repository says of one stage in .cairn/stages.yml, with
// defaults filled in. Its canonical JSON (struct order) names it by digest.
type StageConfig struct {
	Schema  int    `json:"schema"` // 1
	Service string `json:"service,omitempty"`
	Name    string `json:"name"`
	// Image is what `cairn deploy --to NAME` takes when none is named: a reference
	// without tag, or "" for the newest image that the repository's runs made.
	Image     string        `json:"image,omitempty"`
	Variables []NamedText   `json:"variables,omitempty"` // sorted by name
	Command   []string      `json:"command,omitempty"`   // instead of the image's CMD
	Port      int           `json:"port,omitempty"`      // inside; 0: what the image says, else found out
	Health    string        `json:"health,omitempty"`    // path; "": the usual ones are tried
	Smoke     *Smoke        `json:"smoke,omitempty"`
	Memory    int64         `json:"memory,omitempty"` // bytes; 0: no limit
	CPU       float64       `json:"cpu,omitempty"`    // cores; 0: no limit
	Start     Milliseconds  `json:"start,omitempty"`  // how long it may take to become healthy
	Drain     Milliseconds  `json:"drain,omitempty"`  // how long the old one may finish what it has begun
	Warm      Milliseconds  `json:"warm,omitempty"`   // how long the one before stays ready for a rollback
	Log       PredictionLog `json:"log"`
	Rules     StageRules    `json:"rules"`
}

// Encode gives the canonical JSON of a configuration, and its digest.
func (c *StageConfig) Encode() ([]byte, Digest, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, "", err
	}
	return b, SumBytes(b), nil
}

// Milliseconds is a duration in canonical JSON.
type Milliseconds int64

// Duration converts m.
func (m Milliseconds) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// NamedText is one entry of an ordered map of text.
type NamedText struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// StageRules are what must hold before something is put on a stage. They are the
// rules of the workflow environment of that name.
type StageRules struct {
	Reviewers    []string     `json:"reviewers,omitempty"`
	Required     int          `json:"required,omitempty"`       // how many of them must approve; 0: one
	NoSelfReview bool         `json:"no_self_review,omitempty"` // who started it may not approve it
	Wait         Milliseconds `json:"wait,omitempty"`
	Branches     []string     `json:"branches,omitempty"`
	Tags         []string     `json:"tags,omitempty"`
	AllowDirty   bool         `json:"allow_dirty,omitempty"`
	After        string       `json:"after,omitempty"` // the release was live on this stage before
	// Gate is a condition in CEL that a job of the environment of that name must
	// fulfil before it begins, and a deployment by hand as well.
	Gate   string       `json:"gate,omitempty"`
	Checks []StageCheck `json:"checks,omitempty"`
}

// StageCheck is a condition in CEL.
type StageCheck struct {
	Name string   `json:"name"`
	Expr string   `json:"expr"`
	Pos  Position `json:"pos,omitzero"`
}

// Smoke is a request that a new deployment must answer as expected before it
// gets any other.
type Smoke struct {
	Method string      `json:"method"` // GET, POST, …
	Path   string      `json:"path"`
	Header []NamedText `json:"header,omitempty"`
	// Body is the request's body as it is sent (a multipart form is built when the
	// file is read), BodyType its media type.
	Body     []byte `json:"body,omitempty"`
	BodyType string `json:"body_type,omitempty"`
	// What must come back: Status (0: 200 to 299), Contains as part of the text,
	// JSON as a subset of the answer (objects by their given fields, arrays and
	// scalars equal, numbers within Tolerance).
	Status    int          `json:"status,omitempty"`
	Contains  string       `json:"contains,omitempty"`
	JSON      string       `json:"json,omitempty"`
	Tolerance float64      `json:"tolerance,omitempty"`
	Timeout   Milliseconds `json:"timeout,omitempty"` // 0: 10 s
}

// PredictionLog says how requests and answers of a stage are kept.
type PredictionLog struct {
	// Mode is sync (default: on disk before the answer goes out), async (the
	// answer does not wait for the disk) or off.
	Mode     string       `json:"mode,omitempty"`
	MaxBody  int64        `json:"max_body,omitempty"`  // bytes kept of each body; 0: 1 MiB
	Exclude  []string     `json:"exclude,omitempty"`   // paths that are not logged; "/static/*"
	KeepFor  Milliseconds `json:"keep_for,omitempty"`  // 0: 30 days
	KeepSize int64        `json:"keep_size,omitempty"` // bytes; 0: 1 GiB
}

// Stage is a stage that something was put on: its number and port never change.
type Stage struct {
	ID         int64  `json:"id"` // counted per home, from 1
	Workspace  string `json:"workspace"`
	Repository string `json:"repository"`
	Name       string `json:"name"`
	Port       int    `json:"port"`
	URL        string `json:"url"`
	// Live is the deployment that answers; 0: none.
	Live      DeploymentID `json:"live,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
	Version   int64        `json:"version"`
}

// Ref is the stage's name in the lineage graph.
func (s *Stage) Ref() Ref { return StageRef(s.Repository, s.Name) }

// StageFile is stage.json in the folder of a stage ($CAIRN_HOME/stages/ID): all
// that its process needs to know before the first deployment.
type StageFile struct {
	Schema     int           `json:"schema"` // 1
	ID         int64         `json:"id"`
	Repository string        `json:"repository"`
	Name       string        `json:"name"`
	Listen     string        `json:"listen"` // 127.0.0.1:7080
	Socket     string        `json:"socket"` // path of its control socket
	Log        PredictionLog `json:"log"`
}

// StageInstance is one deployment as the process of its stage starts it.
type StageInstance struct {
	Deployment DeploymentID  `json:"deployment"`
	Release    string        `json:"release"`
	Commit     string        `json:"commit,omitempty"`
	Image      Digest        `json:"image"`
	Model      Digest        `json:"model,omitempty"` // goes into X-Cairn-Model
	Exec       ExecSpec      `json:"exec"`
	Health     string        `json:"health,omitempty"`
	Smoke      *Smoke        `json:"smoke,omitempty"`
	Memory     int64         `json:"memory,omitempty"`
	CPU        float64       `json:"cpu,omitempty"`
	Start      Milliseconds  `json:"start"`
	Drain      Milliseconds  `json:"drain"`
	Warm       Milliseconds  `json:"warm"`
	Log        PredictionLog `json:"log"`
}

// ExecSpec says how the program of an instance is started. Wherever a string of
// Args or Env holds {PORT}, the stage's process puts the port that it chose.
type ExecSpec struct {
	Mode string   `json:"mode"` // container, root, host
	Args []string `json:"args"` // Args[0] is a path, or looked up on PATH of Env
	Env  []string `json:"env"`  // NAME=VALUE, the whole environment
	Dir  string   `json:"dir"`
	// Stop is a command that ends it where a signal to Args does not (containers).
	Stop   []string `json:"stop,omitempty"`
	Signal string   `json:"signal,omitempty"` // STOPSIGNAL; "": SIGTERM
}

// StageStatus is what the process of a stage says of itself.
type StageStatus struct {
	Protocol int             `json:"protocol"` // 1
	PID      int             `json:"pid"`
	PIDStart int64           `json:"pid_start"`
	Version  string          `json:"version"`
	Listen   string          `json:"listen"`
	Live     *InstanceStatus `json:"live,omitempty"`
	Warm     *InstanceStatus `json:"warm,omitempty"`
	Coming   *InstanceStatus `json:"coming,omitempty"`
	// Log says where the prediction log stands.
	Segment  int64 `json:"segment"`
	LogBytes int64 `json:"log_bytes"`
	// LogLost are the records that were lost in mode async.
	LogLost  int64 `json:"log_lost,omitempty"`
	Requests int64 `json:"requests"` // since it started
	Failed   int64 `json:"failed"`   // of these, answered by the gateway itself with 5xx
}

// InstanceStatus is how one instance is doing.
type InstanceStatus struct {
	Deployment DeploymentID `json:"deployment"`
	Release    string       `json:"release"`
	PID        int          `json:"pid,omitempty"`
	Port       int          `json:"port,omitempty"`
	Health     string       `json:"health,omitempty"` // path that answers; "port" when only the port does
	Healthy    bool         `json:"healthy"`
	Restarts   int          `json:"restarts"`
	Reason     string       `json:"reason,omitempty"`
	Memory     int64        `json:"memory,omitempty"` // resident bytes
	Since      time.Time    `json:"since,omitzero"`
}

// StageEvent is one line of what the process of a stage answers to a deployment,
// as it goes along.
type StageEvent struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // see the StageEv constants
	Text string    `json:"text"` // for people
	// Port and Health are known from StageEvHealthy on.
	Port   int    `json:"port,omitempty"`
	Health string `json:"health,omitempty"`
	// Mode is how the program is served (see ExecSpec.Mode), once that is known.
	Mode string `json:"mode,omitempty"`
	// Error ends a deployment that failed; Log are the last lines of the program.
	Error *Error   `json:"error,omitempty"`
	Log   []string `json:"log,omitempty"`
}

// The kinds of stage events.
const (
	StageEvMode    = "mode"    // how it will be executed; nothing runs yet
	StageEvStarted = "started" // the program runs
	StageEvHealthy = "healthy"
	StageEvSmoked  = "smoked" // the smoke request was answered as expected
	StageEvLive    = "live"   // switched: the end of a good deployment
	StageEvFailed  = "failed" // the end of a bad one: what was live stays
	StageEvNote    = "note"
)
