package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/server"
)

// TestComputes: an instance stops and starts by its schedules and when it is idle, also for
// what passed while nobody was there; what a person does after that stays.
func TestComputes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	begin := time.Date(2026, 3, 2, 17, 0, 0, 0, time.UTC)
	var at atomic.Int64
	at.Store(begin.UnixNano())
	open := func() *server.Server {
		s, err := server.Start(ctx, server.Options{
			Home: home, Version: "test", Listen: "127.0.0.1:0", Env: env(t), Exe: exe(t), Now: func() time.Time { return time.Unix(0, at.Load()).UTC() },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	c := connect(t, home)
	trigger := func(action, cron string) map[string]any {
		return map[string]any{"action": action, "trigger": map[string]any{"type": "cron", "expression": cron}}
	}
	desk := cairn.Compute{Name: "desk", Type: cairn.ComputeInstance, Max: 1, Shutdown: 30,
		Schedules: map[string]any{"compute_start_stop": []any{trigger("stop", "0 18 * * *"), trigger("start", "0 8 * * *")}}}
	x, err := c.PutCompute(ctx, desk)
	if err != nil || x.State != cairn.ComputeRunning || x.Moved != "create" {
		t.Fatalf("%+v %v", x, err)
	}
	// look lets the clock see the time: a compute that is written wakes it.
	look := func() {
		if _, err := c.PutCompute(ctx, cairn.Compute{Name: "other", Type: cairn.ComputeCluster, Max: 4}); err != nil {
			t.Fatal(err)
		}
	}
	comes := func(state, why string) {
		t.Helper()
		for end := time.Now().Add(40 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			look()
			x, err := c.Compute(ctx, "desk")
			if err != nil {
				t.Fatal(err)
			}
			if x.State == state && x.MovedWhy == why {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s by %s did not come: %+v", state, why, x)
			}
		}
	}
	at.Store(begin.Add(31 * time.Minute).UnixNano())
	comes(cairn.ComputeStopped, cairn.ComputeByIdle)
	if _, err := c.MoveCompute(ctx, "desk", "start"); err != nil {
		t.Fatal(err)
	}
	comes(cairn.ComputeRunning, cairn.ComputeByUser)
	at.Store(begin.Add(60 * time.Minute).UnixNano())
	comes(cairn.ComputeStopped, cairn.ComputeBySchedule)
	if _, err := c.MoveCompute(ctx, "desk", "restart"); err != nil {
		t.Fatal(err)
	}
	comes(cairn.ComputeRunning, cairn.ComputeByUser)
	if _, err := c.MoveCompute(ctx, "desk", "stop"); err != nil {
		t.Fatal(err)
	}
	// Nobody is there at eight.
	s.Close()
	at.Store(begin.Add(15*time.Hour + 10*time.Minute).UnixNano())
	s = open()
	defer s.Close()
	c = connect(t, home)
	comes(cairn.ComputeRunning, cairn.ComputeBySchedule)

	// What cannot be.
	for name, bad := range map[string]cairn.Compute{
		"schedules of a cluster": {Name: "bad", Type: cairn.ComputeCluster, Max: 1, Schedules: desk.Schedules},
		"a cluster's shutdown":   {Name: "bad", Type: cairn.ComputeCluster, Max: 1, Shutdown: 5},
		"a broken time":          {Name: "bad", Type: cairn.ComputeInstance, Max: 1, Schedules: map[string]any{"compute_start_stop": []any{trigger("stop", "99 18 * * *")}}},
		"an unknown type's name": {Name: "-", Type: cairn.ComputeCluster, Max: 1},
	} {
		if _, err := c.PutCompute(ctx, bad); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.MoveCompute(ctx, "desc", "stop"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}
