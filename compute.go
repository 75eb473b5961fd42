package cairn

import "time"

// Kinds of computes.
const (
	ComputeCluster  = "amlcompute"
	ComputeInstance = "computeinstance"
)

// States of a compute instance.
const (
	ComputeRunning = "Running"
	ComputeStopped = "Stopped"
)

// Compute is a name that jobs may ask for. On one machine it is a name with settings: no
// machine is started or stopped for it.
type Compute struct {
	Name string `json:"name"`
	Type string `json:"type"`           // amlcompute or computeinstance
	Size string `json:"size,omitempty"` // a name, no more
	// Min and Max are how many instances a cluster has.
	Min         int               `json:"min"`
	Max         int               `json:"max"`
	Idle        int               `json:"idle,omitempty"` // seconds before a cluster scales down
	Tier        string            `json:"tier,omitempty"`
	Location    string            `json:"location,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Schedules   any               `json:"schedules,omitempty"` // as the file has them
	State       string            `json:"state,omitempty"`     // of an instance
	By          string            `json:"by"`
	CreatedAt   time.Time         `json:"created_at"`
	MovedBy     string            `json:"moved_by,omitempty"` // who started or stopped it last
	MovedAt     time.Time         `json:"moved_at,omitzero"`
}
