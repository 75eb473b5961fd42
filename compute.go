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
	// Shutdown is after how many minutes without a job an instance stops; 0: never.
	Shutdown  int       `json:"shutdown_minutes,omitempty"`
	State     string    `json:"state,omitempty"` // of an instance
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	MovedBy   string    `json:"moved_by,omitempty"` // who started or stopped it last
	MovedAt   time.Time `json:"moved_at,omitzero"`
	// Moved is what was done to an instance last (create, start, stop, restart), MovedWhy
	// what asked for it: see the ComputeBy constants.
	Moved    string `json:"moved,omitempty"`
	MovedWhy string `json:"moved_why,omitempty"`
	// Used is how many instances jobs had until UsedAt, when that last changed.
	Used   int       `json:"used,omitempty"`
	UsedAt time.Time `json:"used_at,omitzero"`
	// Looked is up to when its schedules have been looked at.
	Looked time.Time `json:"looked,omitzero"`
	// Busy is how many instances jobs use now, Nodes how many a cluster would have; both
	// are filled by reads.
	Busy  int `json:"busy,omitempty"`
	Nodes int `json:"nodes,omitempty"`
}

// What starts or stops a compute instance.
const (
	ComputeByUser     = "User"
	ComputeBySchedule = "Schedule"
	ComputeByIdle     = "IdleShutdown"
)
