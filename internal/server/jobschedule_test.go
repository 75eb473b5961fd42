package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/server"
)

// waitFor asks a schedule until it is as wanted.
func waitFor(t *testing.T, c *client.Client, name, what string, ok func(x *cairn.JobSchedule) bool) *cairn.JobSchedule {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		x, err := c.Schedule(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		if ok(x) {
			return x
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %s did not come: %+v", name, what, x)
		}
	}
}

// TestJobSchedules: by the clock, by what happens, by hand; a time that passed while
// nobody looked is made up for once.
func TestJobSchedules(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	var at atomic.Int64
	at.Store(time.Date(2026, 3, 1, 10, 30, 30, 0, time.UTC).UnixNano())
	open := func() *server.Server {
		s, err := server.Start(ctx, server.Options{
			Home: home, Version: "test", Listen: "127.0.0.1:0", Env: env(t), Exe: exe(t), Now: func() time.Time { return time.Unix(0, at.Load()) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	c := connect(t, home)
	job := "type: command\ncommand: echo hello\nenvironment: azureml://registries/azureml/environments/cairn-host/labels/latest\n"
	put := func(file string) (*cairn.JobSchedule, error) {
		return c.PutSchedule(ctx, client.ScheduleRequest{Job: client.JobRequest{File: "s.yml", Experiment: "tests",
			Files: []client.JobFile{{Path: "s.yml", Text: file}, {Path: "job.yml", Text: job}}}})
	}
	x, err := put("name: hourly\ntrigger: {type: cron, expression: '0 * * * *', time_zone: W. Europe Standard Time}\ncreate_job: ./job.yml\n")
	if err != nil {
		t.Fatal(cairn.AsError(err), cairn.AsError(err).Problems)
	}
	if want := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC); !x.Next.Equal(want) {
		t.Errorf("next is %v", x.Next)
	}
	if _, err := put("name: ondata\ntrigger: {type: event, event: data-registered, name: digits}\ncreate_job: ./job.yml\n"); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"name: x\ntrigger: {type: cron, expression: '0 * * * *', time_zone: Mars}\ncreate_job: ./job.yml\n":                                            "there is no time zone",
		"name: x\ntrigger: {type: recurrence, frequency: day, interval: 1, start_time: '2026-01-02', end_time: '2026-01-01'}\ncreate_job: ./job.yml\n": "ends at",
	} {
		if _, err := put(file); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s: %v", want, err)
		}
	}
	made, err := c.TriggerSchedule(ctx, "hourly")
	if err != nil {
		t.Fatal(err)
	}
	if got := waitFor(t, c, "hourly", "the job by hand", func(x *cairn.JobSchedule) bool { return x.Count == 1 }); got.Last != made.Name {
		t.Errorf("last is %s, want %s", got.Last, made.Name)
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.txt": "a"})
	root, _, _, err := c.UploadTree(ctx, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"other", "digits"} {
		if _, err := c.CreateAsset(ctx, client.NewAsset{Kind: cairn.AssetData, Name: name, Digest: root}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, c, "ondata", "the job after the data", func(x *cairn.JobSchedule) bool { return x.Count == 1 })
	c.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at.Store(time.Date(2026, 3, 1, 15, 10, 0, 0, time.UTC).UnixNano())
	s = open()
	defer s.Close()
	c = connect(t, home)
	got := waitFor(t, c, "hourly", "the job that was missed", func(x *cairn.JobSchedule) bool { return x.Count >= 2 })
	if got.Count != 2 || !got.Looked.Equal(time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC)) {
		t.Errorf("%d jobs, looked until %v", got.Count, got.Looked)
	}
	off := true
	if x, err := c.UpdateSchedule(ctx, "hourly", client.ScheduleUpdate{Disabled: &off, SetTags: map[string]string{"a": "b"}}); err != nil || !x.Next.IsZero() || x.Tags["a"] != "b" {
		t.Errorf("disabled: %+v, %v", x, err)
	}
	if err := c.DeleteSchedule(ctx, "hourly"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Schedule(ctx, "hourli"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("%v", err)
	}
}
