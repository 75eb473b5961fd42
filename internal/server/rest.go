package server

import (
	"context"
	"runtime/debug"
	"time"
)

// restAfter is how long nothing is asked before memory is given back.
const restAfter = 5 * time.Second

// rest gives what is not needed back to the machine once nothing was asked for a
// while: the owner stays, and would keep the most that a run or an upload took.
func (s *Server) rest(ctx context.Context) {
	t := time.NewTicker(restAfter)
	defer t.Stop()
	var done int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		last := s.last.Load()
		if last == done || s.requests.Load() > 0 || time.Since(time.Unix(0, last)) < restAfter {
			continue
		}
		debug.FreeOSMemory()
		done = last
	}
}
