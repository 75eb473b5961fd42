package follow

import (
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

type still struct{}

func (still) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 128 // no jitter
	}
	return len(p), nil
}

func TestDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := New(Options{Now: func() time.Time { return now }, Random: still{}})
	f := &cairn.Follow{Repository: "o/r", Every: time.Minute}
	is := func(what string, want bool, in time.Duration) {
		t.Helper()
		due, wait := s.due(f)
		if due != want || !due && wait != in {
			t.Errorf("%s: %v in %s", what, due, wait)
		}
	}
	ok := &cairn.FollowSync{Refs: 3}
	trouble := cairn.Errorf(cairn.CodeUnavailable, "away")
	is("after a start", true, 0)
	is("while it is looked at", false, time.Hour)
	s.ended(f, ok, nil, false)
	is("after a look", false, time.Minute)
	now = now.Add(time.Minute)
	is("a minute later", true, 0)
	s.ended(f, &cairn.FollowSync{}, trouble, false)
	is("after a failure", false, time.Minute)
	s.ended(f, &cairn.FollowSync{}, trouble, false)
	is("after another", false, 2*time.Minute)
	s.ask("o/r")
	is("asked for", true, 0)
	s.ended(f, ok, nil, true)
	is("with deliveries left", true, 0)
	f.Paused = true
	s.ended(f, ok, nil, false)
	is("paused", false, time.Hour)
	f.Paused, f.Every = false, 0
	s.ended(f, ok, nil, false)
	is("by webhook alone", false, time.Hour)
	s.ended(f, &cairn.FollowSync{}, trouble, false)
	is("by webhook alone, after a failure", false, time.Minute)
	if info := s.info(*f); info.Failures != 1 || info.Error != "away" || info.Refs != 3 {
		t.Errorf("%+v", info)
	}
}
