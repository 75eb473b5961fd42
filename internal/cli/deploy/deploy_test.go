package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write golden files")

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// owner answers as a server would: a fixed text for each method and path.
type owner map[string]any

func (o owner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1")
	v, ok := o[key]
	if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
		o["sent "+key] = string(body)
	}
	switch v := v.(type) {
	case *cairn.Error:
		w.WriteHeader(map[cairn.Code]int{cairn.CodeForbidden: 403, cairn.CodeNotFound: 404}[v.Code])
		_ = json.NewEncoder(w).Encode(v)
	case []any: // a stream
		for _, l := range v {
			_ = json.NewEncoder(w).Encode(l)
		}
	default:
		if !ok {
			w.WriteHeader(404)
			v = cairn.Errorf(cairn.CodeNotFound, "there is no %s", key)
		}
		_ = json.NewEncoder(w).Encode(v)
	}
}

// run runs a command line against an owner and gives all it said.
func run(t *testing.T, o owner, args ...string) string {
	t.Helper()
	srv := httptest.NewServer(o)
	defer srv.Close()
	tm, b := term.Test()
	k := &kit.Kit{Term: tm, Env: func(n string) string {
		return map[string]string{"GITHUB_REPOSITORY": "acme/api", "CAIRN_TOKEN": "x"}[n]
	}, Environ: []string{"PATH=/nonexistent"}, Dir: t.TempDir(), Now: func() time.Time { return noon },
		Dial: func(context.Context) (*client.Client, error) { return client.New(client.Options{URL: srv.URL}) }}
	root := &cobra.Command{Use: "cairn"}
	k.Install(root)
	root.AddCommand(New(k), NewApprove(k), NewReject(k), NewRollback(k), NewStop(k))
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	k.ShowError(err)
	var out bytes.Buffer
	fmt.Fprintf(&out, "$ cairn %s\n%s", strings.Join(args, " "), b.Err.String())
	if s := b.Out.String(); s != "" {
		fmt.Fprintf(&out, "stdout: %s", s)
	}
	fmt.Fprintf(&out, "exit %d\n\n", kit.ExitCode(err))
	return out.String()
}

func deployment(status cairn.DeploymentStatus, change ...func(*cairn.Deployment)) cairn.Deployment {
	d := cairn.Deployment{ID: 7, Repository: "acme/api", Stage: "production", Release: "4f2a91c03d17", Status: status,
		URL: "http://127.0.0.1:7081", By: "ana", CreatedAt: noon, Version: 1}
	for _, f := range change {
		f(&d)
	}
	return d
}

func line(d cairn.Deployment) any { return client.DeploymentUpdate{Deployment: &d} }

func said(kind, text string) any {
	return client.DeploymentUpdate{Event: &cairn.StageEvent{At: noon, Kind: kind, Text: text}}
}

var end = map[string]bool{"end": true}

func TestCommands(t *testing.T) {
	t.Parallel()
	release := cairn.Release{ID: "4f2a91c03d17", Seq: 2, Service: "api", Tags: []string{"v1.0.2"}}
	waiting := deployment(cairn.DeployWaiting, func(d *cairn.Deployment) {
		d.Reviewers, d.Reason = []string{"ben"}, "stage production waits for the approval of ben"
	})
	live := deployment(cairn.DeployLive, func(d *cairn.Deployment) {
		d.Replaces, d.ApprovedBy = 5, "ben"
		d.Checks = []cairn.CheckResult{{Name: "metrics.accuracy >= 0.9", Passed: true, Detail: "metrics.accuracy = 0.95"}}
	})
	failed := deployment(cairn.DeployFailed, func(d *cairn.Deployment) {
		d.Reason, d.Log = "the program ended with exit code 1", []string{"Traceback (most recent call last):", "\x1b[31mKeyError: 'x'"}
	})
	base := func(more owner) owner {
		o := owner{"GET /releases/find": release, "POST /deployments": deployment(cairn.DeployWaiting)}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	var b strings.Builder
	b.WriteString(run(t, base(owner{"GET /deployments/7/follow": []any{
		line(deployment(cairn.DeployStarting)), said("started", "started pid 4711"), said("note", "the port of uvicorn is 40001 here"),
		said("healthy", "healthy at /health"), said("smoked", "POST /predict answered as expected"), said("live", "live"), line(live), end}}),
		"deploy", "api:main", "--to", "production"))
	b.WriteString(run(t, base(owner{"GET /deployments/7/follow": []any{line(waiting), line(live), end}}), "deploy", "--to", "production"))
	b.WriteString(run(t, base(owner{"GET /deployments/7/follow": []any{line(failed), end}}), "deploy", "--to", "production"))
	b.WriteString(run(t, base(owner{"GET /deployments/7/follow": []any{line(deployment(cairn.DeployRejected,
		func(d *cairn.Deployment) { d.Reason = "rejected by ben: not today" })), end}}), "deploy", "--to", "production"))
	b.WriteString(run(t, base(owner{"POST /deployments": waiting}), "deploy", "--to", "production", "--detach"))
	b.WriteString(run(t, base(nil), "deploy", "api:main"))
	b.WriteString(run(t, base(nil), "deploy", "api:main", "--to", "production", "--release", "r3"))
	b.WriteString(run(t, base(owner{"POST /deployments": cairn.Errorf(cairn.CodeNotFound, "acme/api has no stage %q", "prodution").WithHint("did you mean production?")}),
		"deploy", "--to", "prodution"))
	clitest.Golden(t, *update, "deploy.txt", b.String())

	b.Reset()
	pending := func(mine ...bool) owner {
		var all []cairn.PendingApproval
		for i, m := range mine {
			p := cairn.PendingApproval{What: "deployment/7", Repository: "acme/api", Environment: "production", Title: "r2 (v1.0.2)",
				Reviewers: []string{"ben"}, Since: noon.Add(-time.Hour), By: "ana", Mine: m}
			if i > 0 {
				p.What, p.Environment, p.Title = "run/42", "staging", "A change"
			}
			all = append(all, p)
		}
		return owner{"GET /releases/find": release, "GET /approvals": all, "POST /deployments/7/decision": live, "POST /runs/42/approvals": struct{}{},
			"GET /runs/42/approvals": []cairn.Approval{{Run: 42, Environment: "production", State: "pending"}}}
	}
	forbidden := pending(true)
	forbidden["POST /deployments/7/decision"] = cairn.Errorf(cairn.CodeForbidden, "cyd may not decide on stage production").WithHint("its reviewers: ben")
	for _, c := range []struct {
		o    owner
		args []string
	}{
		{pending(true, false), []string{"approve", "--comment", "checked"}},
		{pending(true, true), []string{"approve"}},
		{pending(true, true), []string{"reject", "-e", "staging"}},
		{pending(false), []string{"approve"}},
		{pending(), []string{"approve"}},
		{pending(), []string{"approve", "42"}},
		{pending(), []string{"reject", "deployment/7"}},
		{pending(), []string{"approve", "production"}},
		{forbidden, []string{"approve", "deployment/7"}},
	} {
		b.WriteString(run(t, c.o, c.args...))
		for _, path := range []string{"/deployments/7/decision", "/runs/42/approvals"} {
			if sent, ok := c.o["sent POST "+path]; ok {
				fmt.Fprintf(&b, "sent to %s: %s\n\n", path, sent)
			}
		}
	}
	clitest.Golden(t, *update, "approve.txt", b.String())

	b.Reset()
	back := owner{"GET /releases/find": release, "POST /deployments/rollback": live, "POST /stages/stop": deployment(cairn.DeployStopped)}
	b.WriteString(run(t, back, "rollback", "production", "--comment", "worse"))
	b.WriteString(run(t, back, "rollback"))
	b.WriteString(run(t, owner{"GET /releases/find": release, "POST /deployments/rollback": failed}, "rollback", "production"))
	b.WriteString(run(t, back, "stop", "production"))
	b.WriteString(run(t, back, "rollback", "production", "--json=id,status"))
	clitest.Golden(t, *update, "rollback.txt", b.String())
}
