package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	repository = "local/digits"
	stage      = "production"
	base       = "python:3-host"
	releases   = 6 // one more than there are deployments under load
	// restartAfter is how long a loop waits before it starts Cairn again, as the unit
	// that `cairn serve --install` writes.
	restartAfter = time.Second
	// patience bounds every wait for something that comes by itself.
	patience = 30 * time.Second
)

// program is the API: it answers a POST with its version and a sum of what it was
// sent, so that a client knows whether an answer is its own, and whole.
const program = `import http.server, json, os, signal, threading, zlib

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"version": %d})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer({"version": %d, "sum": zlib.crc32(body), "size": len(body)})

    def log_message(self, *words):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

# What is published of a container does not reach its loopback interface.
host = "0.0.0.0" if os.path.exists("/.dockerenv") else "127.0.0.1"
server = Server((host, int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
`

const dockerfile = `FROM ` + base + `
WORKDIR /app
COPY . .
ENV PYTHONUNBUFFERED=1
CMD ["python3", "main.py"]
`

// world is a home of Cairn in a scratch folder, with a loop that starts Cairn again
// whenever it ends, as systemd would.
type world struct {
	o     options
	dir   string
	env   []string
	url   string // of the served API
	cairn string // of Cairn itself
	// outcomes counts how deployments ended that were under way when something was killed.
	outcomes map[string]int

	mu   sync.Mutex
	own  *exec.Cmd // Cairn, as it runs now
	over bool
	done chan struct{}
}

func newWorld(o options) (*world, error) {
	dir, err := os.MkdirTemp("", "cairn-servetest-")
	if err != nil {
		return nil, err
	}
	w := &world{o: o, dir: dir, outcomes: map[string]int{}}
	for _, kv := range os.Environ() {
		// Nothing of the caller's own Cairn, and nobody's proxy for what is on this machine.
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "CAIRN_") && !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			w.env = append(w.env, kv)
		}
	}
	w.env = append(w.env, "CAIRN_HOME="+w.home(), "CI=1")
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	w.cairn = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	if err := os.Mkdir(w.home(), 0o700); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("listen: 127.0.0.1:%d\nstage_port: %d\nserving: %s\n", ports[0], ports[1], o.serving)
	return w, os.WriteFile(filepath.Join(w.home(), "config.yaml"), []byte(config), 0o600)
}

func (w *world) home() string { return filepath.Join(w.dir, "home") }

// freePorts finds ports of the loopback interface below those that the system gives
// to programs that ask for any: nobody takes them by chance.
func freePorts(n int) ([]int, error) {
	var out []int
	for p := 17000 + os.Getpid()%8000; p < 32000 && len(out) < n; p++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p))
		if err != nil {
			continue
		}
		l.Close()
		out = append(out, p)
	}
	if len(out) < n {
		return nil, errors.New("no free ports")
	}
	return out, nil
}

// run executes cairn and returns what it wrote to standard output.
func (w *world) run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.o.cairn, args...)
	cmd.Env, cmd.Dir = w.env, w.dir
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cairn %s: %w\n%s", strings.Join(args, " "), err, talk.String())
	}
	return out.String(), nil
}

// prepare starts Cairn, builds the images and deploys the first.
func (w *world) prepare(ctx context.Context) error {
	w.done = make(chan struct{})
	go w.loop()
	if err := w.await(ctx, "Cairn answers", w.answers); err != nil {
		return err
	}
	if _, err := w.run(ctx, "image", "base", "create", "--from-host-python", "--as", base); err != nil {
		return err
	}
	for v := 1; v <= releases; v++ {
		code := filepath.Join(w.dir, "api"+strconv.Itoa(v))
		if err := os.Mkdir(code, 0o755); err != nil {
			return err
		}
		for name, text := range map[string]string{"main.py": fmt.Sprintf(program, v, v), "Dockerfile": dockerfile} {
			if err := os.WriteFile(filepath.Join(code, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		if _, err := w.run(ctx, "image", "build", "--quiet", "-t", image(v), code); err != nil {
			return err
		}
	}
	if err := w.deploy(ctx, 1); err != nil {
		return err
	}
	st, err := w.status()
	if err != nil {
		return err
	}
	w.url = st.Stage.URL
	fmt.Printf("served: %d releases of a small API, %s, at %s\n", releases, st.Live.Mode, w.url)
	return nil
}

func image(version int) string { return "servetest/api:" + strconv.Itoa(version) }

func (w *world) deploy(ctx context.Context, version int) error {
	_, err := w.run(ctx, "deploy", image(version), "--to", stage, "--repo", repository)
	return err
}

func (w *world) rollback(ctx context.Context) error {
	_, err := w.run(ctx, "rollback", stage, "--repo", repository)
	return err
}

// loop keeps Cairn running.
func (w *world) loop() {
	defer close(w.done)
	for {
		w.mu.Lock()
		if w.over {
			w.mu.Unlock()
			return
		}
		cmd := exec.Command(w.o.cairn, "serve")
		cmd.Env, cmd.Dir = w.env, w.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, "servetest:", err)
			w.mu.Unlock()
			return
		}
		w.own = cmd
		w.mu.Unlock()
		_ = cmd.Wait() // it was killed, or told to end
		time.Sleep(restartAfter)
	}
}

// stageInfo is what `cairn status --json` says of a stage.
type stageInfo struct {
	Stage struct {
		URL string `json:"url"`
	} `json:"stage"`
	Live struct {
		Mode string `json:"mode"`
	} `json:"live"`
	Status struct {
		PID  int `json:"pid"`
		Live struct {
			PID      int  `json:"pid"`
			Healthy  bool `json:"healthy"`
			Restarts int  `json:"restarts"`
		} `json:"live"`
	} `json:"status"`
}

func (w *world) status() (*stageInfo, error) {
	text, err := w.run(context.Background(), "status", "--json=stages")
	if err != nil {
		return nil, err
	}
	var st struct {
		Stages []stageInfo `json:"stages"`
	}
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return nil, err
	}
	if len(st.Stages) != 1 {
		return nil, fmt.Errorf("there are %d stages, not one", len(st.Stages))
	}
	return &st.Stages[0], nil
}

// answers says whether the Cairn that the loop started last answers.
func (w *world) answers() error {
	var server struct {
		PID int `json:"pid"`
	}
	b, err := os.ReadFile(filepath.Join(w.home(), "server.json"))
	if err == nil {
		err = json.Unmarshal(b, &server)
	}
	if err != nil {
		return err
	}
	if pid := w.pid(); server.PID != pid {
		return fmt.Errorf("server.json names %d, the loop started %d", server.PID, pid)
	}
	_, err = get(w.cairn + "/api/v1/predictions?limit=1")
	return err
}

// pid is that of Cairn.
func (w *world) pid() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil {
		return 0
	}
	return w.own.Process.Pid
}

// await asks until there is no error, within patience.
func (w *world) await(ctx context.Context, what string, ask func() error) error {
	began := time.Now()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%s: not within %s: %w", what, patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// close ends everything that was started, and says what was left.
func (w *world) close() error {
	var err error
	if w.done != nil {
		if w.url != "" {
			_, err = w.run(context.Background(), "stop", stage, "--repo", repository)
		}
		w.mu.Lock()
		w.over = true
		if w.own != nil {
			_ = w.own.Process.Signal(syscall.SIGTERM)
		}
		w.mu.Unlock()
		<-w.done
	}
	left := leftOver(w.home())
	for _, p := range left {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	if len(left) > 0 && err == nil {
		err = fmt.Errorf("processes were left behind: %v", left)
	}
	if w.o.keep {
		fmt.Println("kept:", w.dir)
		return err
	}
	if e := os.RemoveAll(w.dir); err == nil {
		err = e
	}
	return err
}

// process is one that was left behind.
type process struct {
	pid     int
	command string
}

func (p process) String() string { return fmt.Sprintf("%d (%s)", p.pid, p.command) }

// leftOver lists the processes whose environment or command names the home, where
// the system can tell. Those that are about to end get a moment.
func leftOver(home string) []process {
	var out []process
	for range 50 {
		out = nil
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range all {
			environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
			command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil || pid == os.Getpid() || !bytes.Contains(environ, []byte(home)) && !bytes.Contains(command, []byte(home)) {
				continue
			}
			out = append(out, process{pid, strings.TrimSpace(string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))})
		}
		if len(out) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return out
}
