package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
	"github.com/cairn-ml/cairn/internal/proc"
)

// mainAs lets the test binary be the process of a stage, what enters a root, and
// the program of an image.
func mainAs(args []string) (code int, is bool) {
	switch {
	case len(args) > 2 && args[1] == "_stage":
		return fakeStage(args[2]), true
	case len(args) > 2 && args[1] == "_enter":
		return enter.Main(context.Background(), args[2:], os.Environ(), os.Stderr), true
	case filepath.Base(args[0]) == "api":
		return fakeAPI(args[1:]), true
	}
	return 0, false
}

// fakeAPI answers on PORT with what it finds.
func fakeAPI(args []string) int {
	fmt.Println("the API starts")
	if len(args) > 0 && args[0] == "exit" {
		fmt.Println("no model")
		return 3
	}
	if len(args) > 0 && args[0] == "hang" {
		time.Sleep(time.Hour)
	}
	_ = os.WriteFile("written", []byte("x"), 0o600)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		env := map[string]string{}
		for _, kv := range os.Environ() {
			n, v, _ := strings.Cut(kv, "=")
			env[n] = v
		}
		dir, _ := os.Getwd()
		data, _ := os.ReadFile("/app/data.txt")
		_ = json.NewEncoder(w).Encode(map[string]any{"pid": os.Getpid(), "env": env, "args": os.Args, "dir": dir, "data": string(data), "uid": os.Getuid()})
	})
	host := "127.0.0.1"
	if len(args) > 0 && args[0] == "all" {
		host = "" // in a container
	}
	err := http.ListenAndServe(host+":"+os.Getenv("PORT"), nil)
	fmt.Println(err)
	return 1
}

// stageServer is a process of a stage that does the least: it starts programs,
// waits until their ports answer, and starts them again after its own death. The
// port of the stage is only held.
type stageServer struct {
	dir  folder
	file cairn.StageFile

	mu   sync.Mutex
	live *cairn.StageInstance
	cmd  *exec.Cmd
	port int
}

func fakeStage(dir string) int {
	s := &stageServer{dir: folder(dir)}
	b, err := os.ReadFile(s.dir.stage())
	if err == nil {
		err = json.Unmarshal(b, &s.file)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := net.Listen("tcp", s.file.Listen)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer l.Close()
	text, _ := json.Marshal(proc.Self())
	if err := writeFile(s.dir.pid(), text); err != nil {
		fmt.Println(err)
		return 1
	}
	if b, err := os.ReadFile(s.dir.file("state.json")); err == nil {
		var in cairn.StageInstance
		if json.Unmarshal(b, &in) == nil {
			_ = s.start(in)
		}
	}
	_ = os.Remove(s.file.Socket)
	c, err := net.Listen("unix", s.file.Socket)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("POST /v1/deploy", s.deploy)
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		if s.cmd != nil {
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		}
		time.AfterFunc(20*time.Millisecond, func() { os.Exit(0) })
		w.WriteHeader(http.StatusAccepted)
	})
	_ = http.Serve(c, mux)
	return 1
}

func (s *stageServer) status(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := cairn.StageStatus{Protocol: 1, PID: os.Getpid(), Listen: s.file.Listen}
	if s.live != nil {
		st.Live = &cairn.InstanceStatus{Deployment: s.live.Deployment, Release: s.live.Release, PID: s.cmd.Process.Pid, Port: s.port, Healthy: true}
	}
	_ = json.NewEncoder(w).Encode(st)
}

func (s *stageServer) deploy(w http.ResponseWriter, r *http.Request) {
	var in cairn.StageInstance
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(cairn.Errorf(cairn.CodeInvalid, "%v", err))
		return
	}
	say := func(ev cairn.StageEvent) {
		_ = json.NewEncoder(w).Encode(ev)
		w.(http.Flusher).Flush()
	}
	say(cairn.StageEvent{Kind: cairn.StageEvStarted, Text: "the program runs"})
	if err := s.start(in); err != nil {
		b, _ := os.ReadFile(s.log(in.Deployment))
		say(cairn.StageEvent{Kind: cairn.StageEvFailed, Text: err.Error(), Error: cairn.Errorf(cairn.CodeFailed, "%v", err), Log: strings.Split(strings.TrimSpace(string(b)), "\n")})
		return
	}
	text, _ := json.Marshal(in)
	_ = writeFile(s.dir.file("state.json"), text)
	say(cairn.StageEvent{Kind: cairn.StageEvHealthy, Text: "healthy", Port: s.port})
	say(cairn.StageEvent{Kind: cairn.StageEvLive, Text: "live", Port: s.port})
}

func (s *stageServer) log(d cairn.DeploymentID) string {
	return s.dir.file("logs/" + strconv.FormatInt(int64(d), 10) + ".log")
}

func (s *stageServer) start(in cairn.StageInstance) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	fill := func(list []string) []string {
		var out []string
		for _, a := range list {
			out = append(out, strings.ReplaceAll(a, "{PORT}", strconv.Itoa(port)))
		}
		return out
	}
	_ = os.MkdirAll(s.dir.file("logs"), 0o700)
	log, err := os.OpenFile(s.log(in.Deployment), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args, env := fill(in.Exec.Args), fill(in.Exec.Env)
	path := args[0]
	if !strings.Contains(path, "/") {
		for dir := range strings.SplitSeq(lookup(env, "PATH"), ":") {
			if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
				path = filepath.Join(dir, path)
				break
			}
		}
	}
	cmd := &exec.Cmd{Path: path, Args: args, Env: env, Dir: in.Exec.Dir, Stdout: log, Stderr: log, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	for {
		select {
		case err := <-gone:
			return fmt.Errorf("the program ended: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			c.Close()
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	}
	s.live, s.cmd, s.port = &in, cmd, port
	return nil
}
