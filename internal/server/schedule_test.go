package server_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn/internal/server"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// After a time without an owner a schedule that was due many times runs once, and
// says how late; each time after that starts one run.
func TestScheduleOfAServer(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	var at atomic.Int64
	at.Store(time.Date(2026, 3, 1, 10, 30, 30, 0, time.UTC).UnixNano())
	open := func() *server.Server {
		s, err := server.Start(context.Background(), server.Options{
			Home: home, Version: "test", Listen: "127.0.0.1:0", Env: env(t), Exe: exe(t), Now: func() time.Time { return time.Unix(0, at.Load()) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	dir := repository(t, map[string]string{
		".github/workflows/s.yml": flow("hourly", "  schedule:\n    - cron: '0 * * * *'\n      timezone: Europe/Berlin\n    - cron: '15 3 1 1 *'"),
		".github/workflows/o.yml": flow("other", "  schedule: [{cron: '0 0 1 1 *'}]"),
	})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:topic") // schedules of other branches count for nothing
	for !strings.Contains(readFile(t, filepath.Join(home, "server.log")), "schedules count from now on") {
		time.Sleep(20 * time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at.Store(time.Date(2026, 3, 1, 15, 10, 0, 0, time.UTC).UnixNano())
	s = open()
	c := connect(t, home)
	rs := runsOf(t, c, "o/r", 1)
	r := rs[0]
	if r.Event != "schedule" || r.Ref != "refs/heads/main" || !strings.Contains(r.Title, "hourly (10 min late, 4 missed)") {
		t.Errorf("%s", list(rs))
	}
	if payloadOf(t, c, r.ID, "schedule") != "0 * * * *" || payloadOf(t, c, r.ID, "timezone") != "Europe/Berlin" || payloadOf(t, c, r.ID, "missed") != 4.0 ||
		payloadOf(t, c, r.ID, "due_at") != "2026-03-01T15:00:00Z" {
		t.Errorf("%v", payloadOf(t, c, r.ID))
	}
	c.Close()
	// Killed after the run was made, it is made again with the same key: not twice.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	c = connect(t, home)
	runsOf(t, c, "o/r", 1)
	at.Store(time.Date(2026, 3, 1, 16, 0, 0, 0, time.UTC).UnixNano())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	c = connect(t, home)
	rs = runsOf(t, c, "o/r", 2)
	if strings.Contains(rs[0].Title, "late") {
		t.Errorf("on time: %s", list(rs))
	}
}
