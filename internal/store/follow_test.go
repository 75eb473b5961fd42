package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFollows(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	f := cairn.Follow{Repository: "o/r", URL: "https://git.example/o/r", Hook: "h1", HasToken: true}
	seals := cairn.FollowSeals{Token: []byte{1, 0, 2}, Hook: []byte("hook")}
	check(t, s.SetRef(ctx, "o/r", "refs/heads/main", "aa", 0, cairn.Change{}))
	check(t, s.AddFollow(ctx, f, seals, cairn.Change{By: "x"}))
	if refs, err := s.RecordedRefs(ctx, "o/r"); err != nil || len(refs) != 0 {
		t.Errorf("another's refs are kept: %v %v", refs, err)
	}
	if err := s.AddFollow(ctx, f, seals, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("twice: %v", err)
	}
	got, err := s.FollowByHook(ctx, "h1")
	if err != nil || got.Repository != "o/r" || got.Version != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if x, err := s.FollowSeals(ctx, "o/r"); err != nil || string(x.Token) != "\x01\x00\x02" || string(x.Hook) != "hook" {
		t.Errorf("%+v %v", x, err)
	}
	got.Hook, got.Paused = "", true
	if got, err = s.PutFollow(ctx, got, cairn.FollowSeals{Hook: []byte{}}, cairn.Change{}); err != nil || got.Version != 2 {
		t.Errorf("%+v %v", got, err)
	}
	if x, err := s.FollowSeals(ctx, "o/r"); err != nil || len(x.Token) != 3 || len(x.Hook) != 0 {
		t.Errorf("%+v %v", x, err)
	}
	got.Version = 1
	if _, err := s.PutFollow(ctx, got, cairn.FollowSeals{}, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("an old version: %v", err)
	}
	for _, hook := range []string{"h1", ""} {
		if _, err := s.FollowByHook(ctx, hook); cairn.CodeOf(err) != cairn.CodeNotFound {
			t.Errorf("webhook %q: %v", hook, err)
		}
	}
	check(t, s.DropFollow(ctx, "o/r", cairn.Change{}))
	if err := s.DropFollow(ctx, "o/r", cairn.Change{}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

func TestFollowedRefs(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	seen := cairn.SeenRef{Repository: "o/r", Ref: "refs/heads/main", SHA: "aa"}
	check(t, s.SetFollowedRef(ctx, seen, 0, cairn.Change{}))
	if err := s.SetFollowedRef(ctx, seen, 0, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("at an old version: %v", err)
	}
	ahead := seen
	ahead.SHA, ahead.Ahead = "bb", true
	check(t, s.AddSeenRef(ctx, ahead, cairn.Change{}))
	for sha, want := range map[string][2]bool{"aa": {true, false}, "bb": {true, true}, "cc": {false, false}} {
		if is, before, err := s.SeenRef(ctx, "o/r", "refs/heads/main", sha); err != nil || is != want[0] || before != want[1] {
			t.Errorf("%s: %v %v %v", sha, is, before, err)
		}
	}
	seen.SHA = "bb"
	check(t, s.SetFollowedRef(ctx, seen, 1, cairn.Change{}))
	if _, before, _ := s.SeenRef(ctx, "o/r", "refs/heads/main", "bb"); before {
		t.Error("what the ref came to is ahead of it")
	}
	check(t, s.NoteRefs(ctx, "o/r", map[string]string{"refs/heads/main": "dd", "refs/heads/x": "ee"}, cairn.Change{}))
	refs, err := s.RecordedRefs(ctx, "o/r")
	if err != nil || refs["refs/heads/main"] != (cairn.RecordedRef{SHA: "dd", Version: 3}) || refs["refs/heads/x"].SHA != "ee" {
		t.Errorf("%v %v", refs, err)
	}
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	add := func(id, event, body string, again bool) bool {
		t.Helper()
		fresh, err := s.AddDelivery(ctx, cairn.Delivery{
			Repository: "o/r", ID: id, Event: event, Digest: cairn.SumBytes([]byte(body)), Payload: []byte(body), At: time.Now(),
		}, again, cairn.Change{})
		check(t, err)
		return fresh
	}
	for i, c := range []struct {
		id, event, body string
		again, want     bool
	}{
		{"1", "push", `{"a":1}`, false, true},
		{"1", "push", `{"a":2}`, false, false},               // the id
		{"2", "push", `{"a":1}`, false, false},               // the content
		{"3", "repository_dispatch", `{"a":1}`, true, false}, // as another event
		{"4", "repository_dispatch", `{"b":1}`, true, true},
		{"5", "repository_dispatch", `{"b":1}`, true, true}, // twice is two
		{"5", "repository_dispatch", `{"b":1}`, true, false},
	} {
		if got := add(c.id, c.event, c.body, c.again); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	waits, err := s.OpenDeliveries(ctx, "o/r", 10)
	if err != nil || len(waits) != 3 || waits[0].ID != "1" || string(waits[0].Payload) != `{"a":1}` {
		t.Fatalf("%+v %v", waits, err)
	}
	check(t, s.DeliveryDone(ctx, waits[0].Seq, "run 1", cairn.Change{}))
	if waits, err = s.OpenDeliveries(ctx, "o/r", 10); err != nil || len(waits) != 2 {
		t.Errorf("%+v %v", waits, err)
	}
	all, err := s.Deliveries(ctx, "o/r", 10)
	if err != nil || len(all) != 3 || all[2].Note != "run 1" || all[2].DoneAt.IsZero() || all[2].Payload != nil {
		t.Errorf("%+v %v", all, err)
	}
	for i := range 998 {
		add(fmt.Sprint("n", i), "push", fmt.Sprintf(`{"n":%d}`, i), false)
	}
	if _, err := s.AddDelivery(ctx, cairn.Delivery{Repository: "o/r", ID: "x", Event: "push", Digest: "x"}, false, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeUnavailable {
		t.Errorf("too many: %v", err)
	}
}
