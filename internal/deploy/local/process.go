package local

import (
	"encoding/json"
	"os"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
)

// identity reads the pid file of the stage's process; what is not there or damaged
// is nobody.
func (f folder) identity() proc.Identity {
	var id proc.Identity
	b, err := os.ReadFile(f.pid())
	if err != nil || json.Unmarshal(b, &id) != nil {
		return proc.Identity{}
	}
	return id
}

// ended waits until a process has ended, at most so long, and says whether it has.
func ended(id proc.Identity, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for id.Alive() {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		id.Wait(min(left, time.Second))
	}
	return true
}

// end ends a process by force.
func end(id proc.Identity, grace time.Duration) {
	if id.Signal(syscall.SIGTERM) == nil && ended(id, grace) {
		return
	}
	_ = id.Signal(syscall.SIGKILL)
	ended(id, 5*time.Second)
}
