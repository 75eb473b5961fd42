package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
	"github.com/cairn-ml/cairn/internal/runner/process"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
	"github.com/moby/moby/client"
)

// TestMain lets this program be what runs in containers.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "_contained" {
		os.Exit(inside.Main(os.Args[2:], os.Stderr))
	}
	os.Exit(m.Run())
}

// real gives the engine that tests with a real one use.
func real(t testing.TB) *Engine {
	t.Helper()
	if os.Getenv("CAIRN_TEST_DOCKER") != "1" {
		t.Skip("set CAIRN_TEST_DOCKER=1 to use a real engine")
	}
	e, err := Connect(t.Context(), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// rootfs writes the tar of a root with busybox and further files.
func rootfs(t testing.TB, more map[string]string) []byte {
	t.Helper()
	box, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is needed: apt-get install busybox-static")
	}
	program, err := os.ReadFile(box)
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command(box, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h *tar.Header, body []byte) {
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"bin/", "etc/", "tmp/", "root/", "dev/", "proc/", "sys/"} {
		mode := int64(0o755)
		if d == "tmp/" {
			mode = 0o1777
		}
		put(&tar.Header{Name: d, Typeflag: tar.TypeDir, Mode: mode}, nil)
	}
	put(&tar.Header{Name: "bin/busybox", Mode: 0o755}, program)
	for name := range strings.FieldsSeq(string(list)) {
		if name != "busybox" {
			put(&tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
		}
	}
	files := map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\nmaker:x:1234:1234::/tmp:/bin/sh\n", "etc/group": "root:x:0:\nmaker:x:1234:\n"}
	for k, v := range more {
		files[k] = v
	}
	for name, body := range files {
		mode := int64(0o644)
		if strings.HasPrefix(body, "#!") || strings.HasPrefix(body, "\x7fELF") {
			mode = 0o755
		}
		put(&tar.Header{Name: name, Mode: mode}, []byte(body))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// importImage makes an image out of a root; changes are lines of a Dockerfile.
func importImage(t testing.TB, e *Engine, name string, root []byte, changes ...string) string {
	t.Helper()
	r, err := e.ImageImport(context.Background(), client.ImageImportSource{Source: bytes.NewReader(root), SourceName: "-"}, name, client.ImageImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	said, err := io.ReadAll(r)
	if err != nil || bytes.Contains(said, []byte(`"error"`)) {
		t.Fatalf("import: %s %v", said, err)
	}
	return name
}

const boxImage = "cairn-test/box:1"

// box is a small image with a shell.
func box(t testing.TB, e *Engine) string {
	t.Helper()
	return importImage(t, e, boxImage, rootfs(t, nil), "ENV PATH=/bin", "ENV FROM_IMAGE=yes", `CMD ["sh"]`)
}

// hostMachine is a machine of this host for tests.
type hostMachine struct {
	dirs runner.Dirs
	env  map[string]string
}

func newHostMachine(t testing.TB) *hostMachine {
	t.Helper()
	root, err := os.MkdirTemp("", "cairn-docker-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Errorf("files are left that cannot be removed: %v", err)
		}
	})
	m := &hostMachine{
		dirs: runner.Dirs{
			Workspace: filepath.Join(root, "work", "repo", "repo"), Home: filepath.Join(root, "home"), Temp: filepath.Join(root, "temp"),
			ToolCache: filepath.Join(root, "tools"), Cache: filepath.Join(root, "cache"), Files: filepath.Join(root, "files"),
		},
		env: map[string]string{"PATH": os.Getenv("PATH"), "LD_LIBRARY_PATH": "/nowhere", "CAIRN_JOB_MARK": "mark-" + filepath.Base(root)},
	}
	for _, d := range []string{m.dirs.Workspace, m.dirs.Home, m.dirs.Temp, m.dirs.ToolCache, m.dirs.Cache, m.dirs.Files, filepath.Join(root, "lines")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *hostMachine) Dirs() runner.Dirs          { return m.dirs }
func (m *hostMachine) Environ() map[string]string { return m.env }
func (m *hostMachine) Info() runner.MachineInfo {
	return runner.MachineInfo{Name: "test", OS: "Linux", Arch: "X64", Environment: "self-hosted"}
}
func (m *hostMachine) LookPath(file, _ string) (string, error) { return exec.LookPath(file) }

func (m *hostMachine) Exec(ctx context.Context, p runner.Process) (int, error) {
	cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.Dir, process.EnvList(p.Env), p.Stdout, p.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// memory keeps reports and logs.
type memory struct {
	mu      sync.Mutex
	reports []cairn.Report
	logs    map[int]*memoryLog
}

// memoryLog may be read while its step writes.
type memoryLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *memoryLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *memoryLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (*memoryLog) Close() error { return nil }

func (m *memory) Report(rs ...cairn.Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, rs...)
	return nil
}

func (m *memory) Log(step int) (io.WriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs[step] = &memoryLog{}
	return m.logs[step], nil
}

// job is one job that ran in this process.
type job struct {
	*memory
	t       testing.TB
	host    *hostMachine
	session *Session
	owner   Owner
	end     cairn.Report
	rows    map[int]cairn.StepRow
}

// newJob makes a job; change may alter what the session is told.
func newJob(t testing.TB, change ...func(*Options)) *job {
	t.Helper()
	h := newHostMachine(t)
	root := filepath.Dir(h.dirs.Files)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Getenv: os.Getenv, Host: h, Dir: filepath.Join(root, "lines"), Owner: Owner{Home: root, Job: "7.1"}, Exe: exe,
		Grace: process.Grace{Interrupt: 2 * time.Second, Terminate: 2 * time.Second},
		Force: make(chan struct{}), Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	j := &job{memory: &memory{logs: map[int]*memoryLog{}}, t: t, host: h, owner: o.Owner}
	j.session = New(o)
	return j
}

// run executes a job to its end.
func (j *job) run(ctx context.Context, spec cairn.JobSpec, change ...func(*runner.Job)) {
	j.t.Helper()
	rj := runner.Job{
		Spec: &spec, Machine: j.host, Reporter: j.memory, Containers: j.session, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), CancelGrace: 20 * time.Second, Secrets: cairn.JobSecrets{Token: "the-job-token"},
	}
	for _, c := range change {
		c(&rj)
	}
	last := runner.Execute(ctx, rj)
	_ = j.Report(last...)
	j.end = runnertest.Last(j.t, j.reports)
	j.rows = runnertest.Steps(j.reports)
}

// log is a step's log without times.
func (j *job) log(step int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.logs[step] == nil {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(j.logs[step].String()) {
		_, rest, _ := strings.Cut(line, " ")
		b.WriteString(rest)
	}
	return b.String()
}

// all is the whole log.
func (j *job) all() string {
	var b strings.Builder
	for i := 1; i <= len(j.rows); i++ {
		b.WriteString("== " + j.rows[i].Name + ": " + string(j.rows[i].Conclusion) + " " + j.rows[i].Reason + "\n" + j.log(i))
	}
	return b.String()
}

// left counts what is left at the engine.
func (j *job) left(e *Engine) int {
	j.t.Helper()
	ctx := context.Background()
	cs, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: j.owner.filter()})
	if err != nil {
		j.t.Fatal(err)
	}
	ns, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: j.owner.filter()})
	if err != nil {
		j.t.Fatal(err)
	}
	vs, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: j.owner.filter()})
	if err != nil {
		j.t.Fatal(err)
	}
	return len(cs.Items) + len(ns.Items) + len(vs.Items)
}

func spec(container, services string, scripts ...string) cairn.JobSpec {
	s := runnertest.Spec(7, scripts...)
	if container != "" {
		s.Container = cairn.Str(container)
	}
	if services != "" {
		s.Services = cairn.Expr("${{ fromJSON('" + services + "') }}")
	}
	return s
}
