package status

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func TestStatus(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	tm, b := term.Test()
	k := &kit.Kit{Term: tm, Now: func() time.Time { return at.Add(3 * time.Hour) }}
	r := &Report{Status: client.Status{PID: 7, Version: "0.2.0", URL: "http://127.0.0.1:7077", Home: "/h", Log: "/h/server.log", Slots: 2, Labels: []string{"self-hosted"}}}
	r.Stages = []cairn.StageInfo{
		{Stage: cairn.Stage{Repository: "ana/digits", Name: "production", URL: "http://127.0.0.1:7081"}, Live: &cairn.Deployment{ID: 4, LiveAt: at, ApprovedBy: "ben"},
			Release: &cairn.Release{Service: "digits-api", Seq: 3, Tags: []string{"v1.2.3"}, Dirty: true}, Commit: &cairn.Commit{SHA: strings.Repeat("a", 40), Author: "Ana", Subject: "Resize \x1b[2Jfaster"},
			Model: "model/digits:1", Healthy: true, Status: &cairn.StageStatus{Requests: 1200, Failed: 2, Live: &cairn.InstanceStatus{Health: "/health", Healthy: true, Memory: 120_300_000, Restarts: 1}},
			Waiting: []cairn.Deployment{{ID: 9, Status: cairn.DeployWaiting}, {ID: 10, Status: cairn.DeployWaiting, Reason: "deployment 9 is before it"}}},
		{Stage: cairn.Stage{Repository: "ana/digits", Name: "staging", URL: "http://127.0.0.1:7080"}, Live: &cairn.Deployment{ID: 3, LiveAt: at}, Problem: "the process of the stage does not run"},
		{Stage: cairn.Stage{Repository: "ben/other", Name: "production", URL: "http://127.0.0.1:7082"}},
	}
	r.Approvals = []cairn.PendingApproval{
		{What: "deployment/9", Repository: "ana/digits", Environment: "production", Title: "r4 of digits-api", Reviewers: []string{"ana", "ben"}, Since: at, By: "ana"},
		{What: "run/42", Repository: "ana/digits", Environment: "prod eu", Since: at, By: "ana"},
	}
	if err := write(k, r); err != nil {
		t.Fatal(err)
	}
	b.Out.WriteString("---\n")
	if err := writeAway(k, []Away{{File: cairn.StageFile{Name: "production", Repository: "ana/digits", Listen: "127.0.0.1:7081"}, Status: &cairn.StageStatus{Live: &cairn.InstanceStatus{Deployment: 4, Release: "4f2a91c03d17", Healthy: true}}}, {}}); err != nil {
		t.Fatal(err)
	}
	if err := writeAway(k, nil); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, *update, "status.txt", b.Out.String())
}
