package gateway

import (
	"context"
	"runtime/debug"
	"time"
)

// restAfter is how long nobody asks anything before memory is given back.
const restAfter = 10 * time.Second

// rest gives what is not needed back to the machine once nobody asked anything for
// a while: the process stays for months, beside a program that may need it.
func (s *Stage) rest(ctx context.Context) {
	t := time.NewTicker(restAfter)
	defer t.Stop()
	var seen int64
	rested := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := s.requests.Load()
		if now != seen || s.inflight.Load() > 0 {
			seen, rested = now, false
			continue
		}
		if !rested {
			debug.FreeOSMemory()
			rested = true
		}
	}
}
