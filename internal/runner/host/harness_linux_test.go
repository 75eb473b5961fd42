package host

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// memory keeps reports and logs of a job that runs inside of the test.
type memory struct {
	mu      sync.Mutex
	reports []cairn.Report
	logs    map[int]*memoryLog
	logErr  error
}

type memoryLog struct {
	bytes.Buffer
	err error
}

func (l *memoryLog) Write(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	return l.Buffer.Write(p)
}

func (*memoryLog) Close() error { return nil }

func (m *memory) Report(rs ...cairn.Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	// What cannot be written as JSON cannot be reported.
	for _, r := range rs {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		var back cairn.Report
		if err := json.Unmarshal(text, &back); err != nil {
			return err
		}
		m.reports = append(m.reports, back)
	}
	return nil
}

func (m *memory) Log(step int) (io.WriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs[step] = &memoryLog{err: m.logErr}
	return m.logs[step], nil
}

// inside runs a job in this process, with real processes for its steps.
type inside struct {
	*memory
	t    testing.TB
	end  cairn.Report
	rows map[int]cairn.StepRow
	work string
}

func run(t testing.TB, spec cairn.JobSpec, change ...func(*runner.Job)) *inside {
	t.Helper()
	l := layout(newHome(t))
	h := handover{Home: l.file("shared"), Grace: Grace{Interrupt: 300 * time.Millisecond, Terminate: 300 * time.Millisecond}}
	m, err := makeMachine(l, &spec, h, os.Environ(), "mark")
	if err != nil {
		t.Fatal(err)
	}
	m.force = make(chan struct{})
	in := &inside{memory: &memory{logs: map[int]*memoryLog{}}, t: t, work: m.dirs.Workspace}
	j := runner.Job{
		Spec: &spec, Machine: m, Reporter: in.memory, Registry: testActions{}, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), CancelGrace: 10 * time.Second,
		Secrets: cairn.JobSecrets{Token: "the-job-token"},
	}
	for _, c := range change {
		c(&j)
	}
	last := runner.Execute(t.Context(), j)
	if err := in.Report(last...); err != nil {
		t.Fatal(err)
	}
	in.end = runnertest.Last(t, in.reports)
	in.rows = runnertest.Steps(in.reports)
	return in
}

// log is a step's log without times.
func (in *inside) log(step int) string {
	in.t.Helper()
	if in.logs[step] == nil {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(in.logs[step].String()) {
		at, rest, _ := strings.Cut(line, " ")
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			in.t.Errorf("a line without its time: %q", line)
		}
		b.WriteString(rest)
	}
	return b.String()
}

// printed is what comes after the step's header.
func (in *inside) printed(step int) string {
	_, rest, _ := strings.Cut(in.log(step), "##[endgroup]\n")
	return rest
}
