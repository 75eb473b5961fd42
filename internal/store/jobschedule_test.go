package store

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func TestJobSchedules(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	x := cairn.JobSchedule{
		Workspace: "default", Name: "nightly", Trigger: cairn.JobTrigger{Type: "cron", Expression: "0 3 * * *"},
		Request: json.RawMessage(`{"file":"s.yml"}`), By: "ann", CreatedAt: time.Unix(1000, 0).UTC(),
	}
	if _, err := s.CreateJobSchedule(ctx, x, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ChangeJobSchedule(ctx, "default", "nightly", "ann", func(x *cairn.JobSchedule) error {
		x.Last, x.Count = "green_ant", 1
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	x.Trigger.Expression, x.CreatedAt = "0 4 * * *", time.Unix(2000, 0).UTC()
	if _, err := s.CreateJobSchedule(ctx, x, "ann"); err != nil {
		t.Fatal(err)
	}
	got, err := s.JobSchedule(ctx, "default", "nightly")
	if err != nil || got.Trigger.Expression != "0 4 * * *" || got.Last != "green_ant" || got.Count != 1 || got.CreatedAt.Unix() != 1000 || string(got.Request) != `{"file":"s.yml"}` {
		t.Fatalf("replaced: %+v, %v", got, err)
	}
	all, err := s.JobSchedules(ctx, "default")
	if err != nil || len(all) != 1 || len(all[0].Request) != 0 {
		t.Fatalf("listed: %+v, %v", all, err)
	}
	if err := s.DeleteJobSchedule(ctx, "default", "nightly", "ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteJobSchedule(ctx, "default", "nightly", "ann"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Fatalf("deleted twice: %v", err)
	}
}

func TestJobMoves(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	event := func(kind string, subject cairn.Ref, data any) cairn.Event {
		b, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		return cairn.Event{Kind: kind, Subject: subject, Data: b}
	}
	model := cairn.AssetVersion{Kind: cairn.AssetModel, Name: "net", Version: "1"}
	tagged, described := model, model
	tagged.Tags = map[string]string{"stage": "good"}
	described.Tags, described.Description = tagged.Tags, "better"
	failed := cairn.Run{Workflow: "train", Status: cairn.StatusCompleted, Conclusion: cairn.Failure}
	done := failed
	done.Conclusion = cairn.Success
	for _, e := range []cairn.Event{
		event(cairn.EvAssetCreated, "data/digits:1", cairn.AssetVersion{}),
		event(cairn.EvAssetCreated, model.Ref(), model),
		event(cairn.EvAssetChanged, "model/net", cairn.Asset{}), // the name, no version
		event(cairn.EvAssetChanged, model.Ref(), tagged),
		event(cairn.EvAssetChanged, model.Ref(), described),
		event(cairn.EvRunChanged, cairn.RunRef(7), failed),
		event(cairn.EvRunChanged, cairn.RunRef(8), done),
	} {
		if err := s.PutTriggers(ctx, nil, cairn.Change{By: "ann", Events: []cairn.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	var got []JobMove
	at := int64(0)
	for range 10 { // two at a time
		moves, next, err := s.JobMoves(ctx, at, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, moves...)
		if next == at {
			break
		}
		at = next
	}
	want := [][2]string{{cairn.JobEventData, "digits"}, {cairn.JobEventModel, "net"}, {cairn.JobEventTagged, "net"}, {cairn.JobEventRun, "train"}}
	if len(got) != len(want) {
		t.Fatalf("%d moves: %+v; want %v", len(got), got, want)
	}
	for i, w := range want {
		if got[i].Event != w[0] || got[i].Of != w[1] {
			t.Errorf("move %d is %s of %s, want %v", i, got[i].Event, got[i].Of, w)
		}
	}
}
