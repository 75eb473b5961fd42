package process_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cairn-ml/cairn/internal/runner/process"
)

// target notes which signals it gets, and when.
type target struct {
	from time.Time
	got  []string
	on   func(what string)
}

func (t *target) note(what string) {
	t.got = append(t.got, fmt.Sprintf("%s at %s", what, time.Since(t.from)))
	if t.on != nil {
		t.on(what)
	}
}

func (t *target) Interrupt() { t.note("INT") }
func (t *target) Terminate() { t.note("TERM") }
func (t *target) Kill()      { t.note("KILL") }
func (t *target) Look()      {}

// TestCancelSignals: SIGINT, 7.5 s, SIGTERM, 2.5 s, then the tree is killed, as the
// original does it; who ends sooner, or is forced, is not waited for.
func TestCancelSignals(t *testing.T) {
	grace := process.Grace{Interrupt: 7500 * time.Millisecond, Terminate: 2500 * time.Millisecond}
	for _, c := range []struct {
		name  string
		ends  string        // on this signal
		force time.Duration // after which a second cancel comes; 0: none
		want  []string
	}{
		{"deaf", "", 0, []string{"INT at 0s", "TERM at 7.5s", "KILL at 10s"}},
		{"ends on SIGINT", "INT", 0, []string{"INT at 0s", "KILL at 0s"}},
		{"ends on SIGTERM", "TERM", 0, []string{"INT at 0s", "TERM at 7.5s", "KILL at 7.5s"}},
		{"forced while it waits", "", 3 * time.Second, []string{"INT at 0s", "TERM at 3s", "KILL at 3s"}},
		{"forced from the start", "", -1, []string{"KILL at 0s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exited, force := make(chan struct{}), make(chan struct{})
				p := &target{from: time.Now(), on: func(what string) {
					if what == c.ends {
						close(exited)
					}
				}}
				switch {
				case c.force < 0:
					close(force)
				case c.force > 0:
					time.AfterFunc(c.force, func() { close(force) })
				}
				process.End(p, grace, exited, force)
				if !slices.Equal(p.got, c.want) {
					t.Errorf("%q, want %q", p.got, c.want)
				}
			})
		})
	}
}
