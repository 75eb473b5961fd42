package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// owner answers like one, from a tape of events.
type owner struct {
	mu       sync.Mutex
	events   []cairn.Event
	cut      int // the stream is cut once after so many events
	after    []string
	canceled chan struct{}
	pre      client.Preflight
	run      cairn.Run
}

func (o *owner) add(kind string, row any) {
	b, err := json.Marshal(row)
	if err != nil {
		panic(err)
	}
	o.events = append(o.events, cairn.Event{Seq: int64(len(o.events) + 1), Kind: kind, Data: b, Run: o.run.ID})
}

func newOwner() *owner {
	o := &owner{canceled: make(chan struct{})}
	o.run = cairn.Run{ID: 7, Workflow: "Sample", Attempt: 1, Status: cairn.StatusRunning, Event: "push", Commit: cairn.Commit{SHA: strings.Repeat("ab", 20), Subject: "S", Author: "Ana"}}
	o.pre = client.Preflight{Path: ".github/workflows/a.yml"}
	o.add(cairn.EvRunCreated, o.run)
	o.add(cairn.EvJobCreated, cairn.Job{ID: 1, Run: 7, Attempt: 1, Name: "a", Status: cairn.StatusRunning})
	o.add(cairn.EvStepChanged, cairn.StepRow{Job: 1, Number: 1, Name: "Set up", Status: cairn.StatusCompleted, Conclusion: cairn.Success})
	return o
}

// finish ends the run: a step and with it everything fails, or succeeds.
func (o *owner) finish(c cairn.Conclusion) {
	exit := 0
	if c.Bad() {
		exit = 3
	}
	o.add(cairn.EvStepChanged, cairn.StepRow{Job: 1, Number: 2, Name: "Work", Status: cairn.StatusCompleted, Conclusion: c, ExitCode: &exit, LogSize: 100})
	o.add(cairn.EvJobChanged, cairn.Job{ID: 1, Run: 7, Attempt: 1, Name: "a", Status: cairn.StatusCompleted, Conclusion: c})
	o.run.Status, o.run.Conclusion = cairn.StatusCompleted, c
	o.add(cairn.EvRunChanged, o.run)
}

func (o *owner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1"); {
	case path == "/runs/preflight":
		answer(o.pre)
	case path == "/runs":
		answer(client.RunCreated{Run: o.run})
	case path == "/runs/7/cancel":
		o.mu.Lock()
		o.finish(cairn.Cancelled)
		o.mu.Unlock()
		close(o.canceled)
		answer(nil)
	case path == "/runs/7/events":
		o.stream(w, r)
	case path == "/jobs/1/steps/2/log":
		w.Header().Set("Trailer", client.LogEnd)
		for i := range 15 {
			fmt.Fprintf(w, "2026-05-01T12:00:00Z line %d\n", i)
		}
		w.Header().Set(client.LogEnd, "1")
	default:
		w.WriteHeader(http.StatusNotFound)
		answer(cairn.Errorf(cairn.CodeNotFound, "there is no %s", path))
	}
}

func (o *owner) stream(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	o.mu.Lock()
	o.after = append(o.after, r.URL.Query().Get("after"))
	cut := o.cut
	o.cut = 0
	o.mu.Unlock()
	for i := after; ; {
		o.mu.Lock()
		n, ended := len(o.events), o.run.Status == cairn.StatusCompleted
		o.mu.Unlock()
		for ; i < n; i++ {
			if cut > 0 && i == cut {
				panic(http.ErrAbortHandler)
			}
			o.mu.Lock()
			b, _ := json.Marshal(o.events[i])
			o.mu.Unlock()
			fmt.Fprintf(w, "%s\n", b)
			w.(http.Flusher).Flush()
		}
		if ended {
			fmt.Fprintln(w, `{"end":true}`)
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-o.canceled:
		}
	}
}

// start runs cairn run in a repository with one workflow.
func (o *owner) start(t *testing.T, ctx context.Context, args ...string) (error, *term.Buffers) {
	t.Helper()
	srv := httptest.NewServer(o)
	t.Cleanup(srv.Close)
	tm, b := term.Test()
	k := &kit.Kit{Term: tm, Env: func(string) string { return "" }, Environ: append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null"), Dir: t.TempDir(), Now: time.Now,
		Dial: func(context.Context) (*kit.Client, error) { return client.New(client.Options{URL: srv.URL}) }}
	dir := filepath.Join(k.Dir, ".github", "workflows")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	wf := "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo\n"
	if err := os.WriteFile(filepath.Join(dir, "a.yml"), []byte(wf), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("git", "init", "-q", k.Dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := New(k)
	k.Install(cmd)
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(ctx)
	k.ShowError(err)
	return err, b
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	o := newOwner()
	o.finish(cairn.Failure)
	err, b := o.start(t, context.Background())
	if kit.ExitCode(err) != kit.ExitFailed || b.Out.Len() > 0 {
		t.Errorf("%v %q", err, b.Out)
	}
	for _, want := range []string{"✗ failure    Work  exit 3", "a / Work, last lines:\n  line 5\n", "  line 14\n\nnext: cairn run logs 7 --failed\n"} {
		if !strings.Contains(b.Err.String(), want) {
			t.Errorf("no %q in\n%s", want, b.Err)
		}
	}
	if strings.Contains(b.Err.String(), "line 4") {
		t.Error("more than the last ten lines")
	}
}

// The stream breaks in the middle of a run: it is taken up after the last event
// that was seen, and every line is printed once.
func TestRunSurvivesTheOwner(t *testing.T) {
	t.Parallel()
	for cut := 1; cut < 6; cut++ {
		o := newOwner()
		o.finish(cairn.Success)
		o.cut = cut
		err, b := o.start(t, context.Background())
		if err != nil {
			t.Fatalf("cut after %d: %v\n%s", cut, err, b.Err)
		}
		if len(o.after) != 2 || o.after[1] != strconv.Itoa(cut) {
			t.Errorf("cut after %d: asked from %v", cut, o.after)
		}
		if n := strings.Count(b.Err.String(), "Set up"); n != 1 {
			t.Errorf("cut after %d: a line %d times\n%s", cut, n, b.Err)
		}
	}
}

func TestInterruptCancels(t *testing.T) {
	t.Parallel()
	o := newOwner()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			o.mu.Lock()
			n := len(o.after)
			o.mu.Unlock()
			if n > 0 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err, b := o.start(t, ctx)
	if kit.ExitCode(err) != kit.ExitInterrupted {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"interrupted: cancelling run 7", "■ cancelled  run 7"} {
		if !strings.Contains(b.Err.String(), want) {
			t.Errorf("no %q in\n%s", want, b.Err)
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	o := newOwner()
	o.pre.Problems = []cairn.Problem{
		{Position: cairn.Position{File: ".github/workflows/a.yml", Line: 4, Column: 14}, Severity: cairn.SeverityError, Message: "no runner has the label gpu", Hint: "labels served: ubuntu-latest", Snippet: "    runs-on: gpu"},
		{Severity: cairn.SeverityError, Message: "secret TOKEN is not set"},
		{Severity: cairn.SeverityWarning, Message: "no runner has the label tpu"},
	}
	err, b := o.start(t, context.Background())
	want := `error: .github/workflows/a.yml cannot run here: 2 needs cannot be met

error: no runner has the label gpu
  --> .github/workflows/a.yml:4:14
   |
 4 |     runs-on: gpu
   |              ^
hint: labels served: ubuntu-latest

error: secret TOKEN is not set

warning: no runner has the label tpu
`
	if kit.ExitCode(err) != kit.ExitFailed || b.Err.String() != want {
		t.Errorf("exit %d\n%s", kit.ExitCode(err), b.Err)
	}
	if len(o.after) > 0 {
		t.Error("it was started")
	}

	o = newOwner()
	o.pre = client.Preflight{Candidates: []client.WorkflowChoice{{Name: "A", Path: "a.yml", Events: []string{"push"}}, {Name: "B", Path: "b.yml"}}}
	err, b = o.start(t, context.Background(), "--repo", "ana/digits")
	if kit.ExitCode(err) != kit.ExitUsage || !strings.Contains(b.Err.String(), "A         a.yml  push") {
		t.Errorf("exit %d\n%s", kit.ExitCode(err), b.Err)
	}
}

func TestDetach(t *testing.T) {
	t.Parallel()
	err, b := newOwner().start(t, context.Background(), "--detach")
	if err != nil || b.Out.String() != "7\n" || !bytes.HasPrefix(b.Err.Bytes(), []byte("started run 7  Sample  abababa")) {
		t.Errorf("%v %q %q", err, b.Out, b.Err)
	}
}
