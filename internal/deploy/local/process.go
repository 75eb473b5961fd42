package local

import (
	"encoding/json"
	"os"
	"syscall"
	"time"
)

// identity is the pid file of a stage's process: a pid alone may be that of
// another one by now.
type identity struct {
	PID   int   `json:"pid"`
	Start int64 `json:"start"`
	// Boot names the run of the machine in which PID and Start mean something; ""
	// where that cannot be known.
	Boot string `json:"boot,omitempty"`
}

func (id identity) alive() bool {
	return (id.Boot == "" || id.Boot == bootID()) && processAlive(id.PID, id.Start)
}

// identity reads the pid file; what is not there or damaged is nobody.
func (f folder) identity() identity {
	var id identity
	b, err := os.ReadFile(f.pid())
	if err != nil || json.Unmarshal(b, &id) != nil {
		return identity{}
	}
	return id
}

func processAlive(pid int, start int64) bool {
	return pid > 0 && start > 0 && processStart(pid) == start
}

// ended waits until a process has ended, at most so long, and says whether it has.
func ended(id identity, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for id.alive() {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		waitExit(id, min(left, time.Second))
	}
	return true
}

// end ends a process by force.
func end(id identity, grace time.Duration) {
	if signalProcess(id, syscall.SIGTERM) == nil && ended(id, grace) {
		return
	}
	_ = signalProcess(id, syscall.SIGKILL)
	ended(id, 5*time.Second)
}
