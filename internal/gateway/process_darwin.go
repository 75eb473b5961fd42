package gateway

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
)

// members is the program itself: without /proc what came from it is not found.
func members(p *process) []proc.Proc {
	if !proc.Alive(p.PID, p.Start) {
		return nil
	}
	return []proc.Proc{{PID: p.PID, Start: p.Start}}
}

func strays(string, []string) []proc.Proc { return nil }

// killAll ends processes and the groups that they lead.
func killAll(find func() []proc.Proc) {
	for range 200 {
		ps := find()
		if len(ps) == 0 {
			return
		}
		for _, p := range ps {
			_ = syscall.Kill(-p.PID, syscall.SIGKILL)
			_ = proc.Signal(p.PID, p.Start, syscall.SIGKILL)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Memory and listening ports of other processes are not looked at here.
func residentSize(*process) int64 { return 0 }
func sharedSize(*process) int64   { return 0 }

func listeners(*process) ([]netip.AddrPort, bool) { return nil, false }
