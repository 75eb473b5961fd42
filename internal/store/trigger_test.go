package store

import (
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// The rows of triggers: an event is noted once and taken in once, a put-off one
// waits, pull requests and releases are compared before they are set.
func TestTriggerRows(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e := cairn.TriggerEvent{Key: "k", Repository: "o/r", Event: "push", Changed: []string{}}
	for range 2 {
		if err := s.PutTriggers(ctx, []cairn.TriggerEvent{e}, cairn.Change{}); err != nil {
			t.Fatal(err)
		}
	}
	if es, err := s.PendingTriggers(ctx, 10); err != nil || len(es) != 1 || es[0].Changed == nil {
		t.Fatalf("%+v %v", es, err)
	}
	if n, err := s.TriggerRetry(ctx, "k", time.Hour, time.Hour); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if es, err := s.PendingTriggers(ctx, 10); err != nil || len(es) != 0 {
		t.Fatalf("put off, and there: %+v %v", es, err)
	}
	if done, err := s.Trigger(ctx, "k"); done != nil || err != nil {
		t.Fatal(done, err)
	}
	if err := s.TriggerDone(ctx, "k", cairn.Trigger{Runs: []cairn.RunID{7}}); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Trigger(ctx, "k"); err != nil || len(done.Runs) != 1 {
		t.Fatal(done, err)
	}
	p := cairn.PullRequest{Repository: "o/r", Number: 1, State: cairn.PullOpen, Head: "a", Base: "main"}
	p, err = s.PutPull(ctx, p, []cairn.TriggerEvent{{Key: "p", Repository: "o/r", Event: "pull_request"}}, cairn.Change{})
	if err != nil || p.Version != 1 {
		t.Fatal(p, err)
	}
	old := p
	if p, err = s.PutPull(ctx, p, nil, cairn.Change{}); err != nil || p.Version != 2 {
		t.Fatal(p, err)
	}
	if _, err := s.PutPull(ctx, old, []cairn.TriggerEvent{{Key: "lost", Repository: "o/r", Event: "pull_request"}}, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Fatalf("an older version: %v", err)
	}
	if _, err := s.Trigger(ctx, "lost"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("its event is there: %v", err)
	}
	if ps, err := s.Pulls(ctx, cairn.PullFilter{Repository: "o/r", State: cairn.PullOpen, HeadRepository: "o/r", Head: "a"}); err != nil || len(ps) != 1 {
		t.Errorf("%v %v", ps, err)
	}
	r, err := s.PutTagRelease(ctx, cairn.TagRelease{Repository: "o/r", Tag: "v1"}, nil, cairn.Change{})
	if err != nil || r.ID == 0 {
		t.Fatal(r, err)
	}
	if _, err := s.PutTagRelease(ctx, cairn.TagRelease{Repository: "o/r", Tag: "v1"}, nil, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("a second release of a tag: %v", err)
	}
	x := cairn.Schedule{Repository: "o/r", Path: "w.yml", Cron: "* * * * *"}
	at := time.Unix(1_800_000_000, 0).UTC()
	if err := s.PutSchedules(ctx, map[cairn.Schedule]time.Time{x: at}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Schedules(ctx, "o/r"); err != nil || !got[x].Equal(at) {
		t.Errorf("%v %v", got, err)
	}
	if err := s.PutSchedules(ctx, nil, []cairn.Schedule{x}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Schedules(ctx, "o/r"); err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
}
