package cairn

import "time"

// SubmittedFilter narrows a listing of runs that were started from a job's file.
type SubmittedFilter struct {
	Workspace  string
	Experiment string
	Schedule   string
	Archived   bool // include archived ones
	Before     RunID
	Limit      int // 0: 50
}

// DatastorePath is what lies at a path of a datastore. Datastores are names alone: the
// bytes are kept by digest, and the newest output with that location counts.
type DatastorePath struct {
	Workspace string    `json:"workspace"`
	Datastore string    `json:"datastore"`
	Path      string    `json:"path"`
	Data      DataValue `json:"data"`
	Job       JobID     `json:"job"` // that wrote it
	At        time.Time `json:"at"`
}

// FetchedURL is what a URL gave when it was last asked.
type FetchedURL struct {
	URL    string `json:"url"`
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
	Name   string `json:"name"`
	// ETag and Modified are what the place says of that state; with neither it is
	// not asked again.
	ETag     string    `json:"etag,omitempty"`
	Modified string    `json:"modified,omitempty"`
	At       time.Time `json:"at"`
}

// TaskEnd is the end of a job that carries out a task, or of a run of a job's file:
// one of the two is set.
type TaskEnd struct {
	Job *Job
	Run *Run
}

// EnvironmentMap says where jobs of an environment run, other than in what is built for it
// on this machine.
type EnvironmentMap struct {
	// Name is that of an environment ("training", "training:3", "AzureML-sklearn-1.5") or
	// of an image; AllEnvironments stands for those that have no line of their own.
	Name string `json:"name"`
	// Where is MapPython, MapDocker or MapHost; "" is MapPython.
	Where string `json:"where,omitempty"`
	// Python is the interpreter of MapPython: then nothing is built.
	Python    string    `json:"python,omitempty"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
}

// AllEnvironments is the name of the line that counts for environments without one.
const AllEnvironments = "*"

// Where jobs of an environment run.
const (
	MapPython = "python" // with a Python of this machine that is there
	MapDocker = "docker" // in a container of the environment's image
	MapHost   = "host"   // on this machine, in what is built for it
)
