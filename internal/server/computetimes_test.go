package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func parsed(t *testing.T, s string) any {
	t.Helper()
	if s == "" {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStartStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{`{"compute_start_stop":[{"action":"stop","trigger":{"type":"cron","expression":"0 18 * * *"}}]}`, ""},
		{`{"compute_start_stop":[{"action":"start","state":"disabled","trigger":{"type":"recurrence","frequency":"week","interval":1,"schedule":{"hours":8,"minutes":[0,30],"week_days":["monday"]}}}]}`, ""},
		{`{}`, ""}, {``, ""},
		{`{"compute_start_stop":[{"action":"restart","trigger":{"type":"cron","expression":"0 18 * * *"}}]}`, `compute_start_stop.0: action is "restart"`},
		{`{"compute_start_stop":[{"action":"stop"}]}`, "compute_start_stop.0: it has no trigger"},
		{`{"compute_start_stop":[{"action":"stop","trigger":{"type":"cron","expression":"61 * * * *"}}]}`, "compute_start_stop.0:"},
		{`{"compute_start_stop":[{"action":"stop","trigger":{"type":"event"}}]}`, `"event" is not a trigger`},
		{`{"compute_start_stop":[{"action":"stop","trigger":{"type":"cron","expression":"0 1 * * *","time_zone":"Nowhere"}}]}`, "compute_start_stop.0:"},
		{`{"compute_start_stop":[{"action":"stop","trigger":{"type":"cron","expression":"0 1 * * *","start_time":"soon"}}]}`, "is not a time"},
		{`{"compute_start_stop":"daily"}`, "schedules cannot be read"},
	} {
		_, err := startStops(parsed(t, c.in), time.Unix(0, 0))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.in, err)
		case c.want != "" && (cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.in, err)
		}
	}
}

func TestNextMove(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday
	evening := `{"compute_start_stop":[{"action":"stop","trigger":{"type":"cron","expression":"0 18 * * *"}},
		{"action":"start","trigger":{"type":"recurrence","frequency":"day","interval":1,"start_time":"2026-03-02T08:00:00","schedule":{"hours":8,"minutes":0}}}]}`
	for _, c := range []struct {
		name, schedules string
		state           string
		shutdown, busy  int
		used            time.Duration // after begin; 0: never
		after           time.Duration
		want, why       string
		next            time.Duration
	}{
		{"before", evening, cairn.ComputeRunning, 0, 0, 0, 5 * time.Hour, "", "", 6 * time.Hour},
		{"evening", evening, cairn.ComputeRunning, 0, 0, 0, 6 * time.Hour, "stop", cairn.ComputeBySchedule, 20 * time.Hour},
		{"while a job runs", evening, cairn.ComputeRunning, 0, 1, 0, 6 * time.Hour, "stop", cairn.ComputeBySchedule, 20 * time.Hour},
		{"the last of several counts", evening, cairn.ComputeStopped, 0, 0, 0, 21 * time.Hour, "start", cairn.ComputeBySchedule, 30 * time.Hour},
		{"idle", "", cairn.ComputeRunning, 30, 0, 0, 30 * time.Minute, "stop", cairn.ComputeByIdle, 0},
		{"not idle yet", "", cairn.ComputeRunning, 30, 0, 0, 29 * time.Minute, "", "", 30 * time.Minute},
		{"used since", "", cairn.ComputeRunning, 30, 0, 20 * time.Minute, 40 * time.Minute, "", "", 50 * time.Minute},
		{"in use", "", cairn.ComputeRunning, 30, 1, 0, 2 * time.Hour, "", "", 0},
		{"stopped", "", cairn.ComputeStopped, 30, 0, 0, 2 * time.Hour, "", "", 0},
		{"nothing said", "", cairn.ComputeRunning, 0, 0, 0, 1000 * time.Hour, "", "", 0},
	} {
		x := &cairn.Compute{Name: "desk", Type: cairn.ComputeInstance, State: c.state, CreatedAt: begin, MovedAt: begin, Looked: begin, Shutdown: c.shutdown, Schedules: parsed(t, c.schedules)}
		if c.used > 0 {
			x.UsedAt = begin.Add(c.used)
		}
		m, next, err := nextMove(x, c.busy, begin.Add(c.after))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var to, why string
		if m != nil {
			to, why = m.to, m.why
		}
		var in time.Duration
		if !next.IsZero() {
			in = next.Sub(begin)
		}
		if to != c.want || why != c.why || in != c.next {
			t.Errorf("%s: %q %q, next after %s", c.name, to, why, in)
		}
	}
}

func TestNodesOf(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	for _, c := range []struct {
		min, busy, used int
		after           time.Duration
		want            int
	}{
		{0, 0, 0, 0, 0}, {1, 0, 0, 0, 1}, {0, 3, 0, 0, 3}, {0, 0, 2, time.Minute, 2}, {0, 1, 2, time.Minute, 2}, {0, 0, 2, 2 * time.Minute, 0}, {0, 0, 9, time.Minute, 4}, {0, 5, 0, 0, 5},
	} {
		x := &cairn.Compute{Min: c.min, Max: 4, Idle: 120, Used: c.used}
		if c.used > 0 {
			x.UsedAt = at
		}
		if got := nodesOf(x, c.busy, at.Add(c.after)); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
