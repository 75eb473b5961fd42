package inside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
)

// dialTime bounds an attempt to reach an address.
const dialTime = 5 * time.Second

// Main is `cairn _contained`: `serve SOCKET` in the container of a job, and
// `own JSON`, which gives files to a user.
func Main(args []string, stderr io.Writer) int {
	err := errors.New("it is called by Cairn alone")
	switch {
	case len(args) >= 2 && args[0] == "serve":
		err = serve(args[1])
	case len(args) == 2 && args[0] == "own":
		var o Own
		if err = json.Unmarshal([]byte(args[1]), &o); err == nil {
			err = o.Apply()
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "cairn:", err)
		return 1
	}
	return 0
}

// agent is the first process of a job's container.
type agent struct {
	conn *net.UnixConn
	send sync.Mutex

	// mu is held while a process is started and while ended ones are waited for, so
	// that none ends unseen.
	mu       sync.Mutex
	children map[int]*child // by pid
	running  map[int]*child // by request
}

type child struct {
	request int
	pid     int
	tree    *proc.Tree
}

func serve(socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	a := &agent{conn: c.(*net.UnixConn), children: map[int]*child{}, running: map[int]*child{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			a.reap()
		}
	}()
	// Whoever stops the container means it.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, syscall.SIGINT, syscall.SIGHUP)
	hello := Reply{UID: os.Getuid(), GID: os.Getgid()}
	if fi, err := os.Stat(filepath.Dir(socket)); err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			hello.Owner, hello.Group = int(st.Uid), int(st.Gid)
		}
	}
	a.reply(hello)
	for {
		var r Request
		files, err := Receive(a.conn, &r)
		if err != nil {
			// The supervisor is gone: the end of the first process ends all others.
			if closed(err) {
				return nil
			}
			return err
		}
		a.handle(r, files)
	}
}

func (a *agent) reply(r Reply) {
	a.send.Lock()
	defer a.send.Unlock()
	_ = Send(a.conn, r)
}

func (a *agent) handle(r Request, files []*os.File) {
	if r.Op == OpExec {
		a.exec(r, files)
	}
	for _, f := range files {
		f.Close()
	}
	switch r.Op {
	case OpExec:
	case OpEnd:
		a.end(r)
	case OpLook:
		out := Reply{ID: r.ID}
		p, err := look(r.Args[0], r.Path, "/")
		if err != nil {
			out.Fail, out.Err = FailNotFound, err.Error()
		}
		out.Path = p
		a.reply(out)
	default:
		// Slow ones must not hold up the others.
		go a.reply(slow(r))
	}
}

func slow(r Request) Reply {
	out := Reply{ID: r.ID}
	var err error
	switch r.Op {
	case OpOwn:
		err = r.Own.Apply()
	case OpDial:
		var c net.Conn
		if c, err = net.DialTimeout("tcp", r.Path, dialTime); err == nil {
			c.Close()
		}
	case OpListen:
		out.Code, err = carry(r.Path)
	case OpRest:
		out.Code = len(proc.All()) - 1
	default:
		err = fmt.Errorf("unknown operation %q", r.Op)
	}
	if err != nil {
		out.Fail, out.Err = FailStart, err.Error()
	}
	return out
}

// exec starts a process; its end is reported by reap.
func (a *agent) exec(r Request, files []*os.File) {
	fail := func(kind string, err error) { a.reply(Reply{ID: r.ID, Fail: kind, Err: err.Error()}) }
	if len(files) != 2 || len(r.Args) == 0 {
		fail(FailStart, errors.New("a request without its files"))
		return
	}
	if fi, err := os.Stat(r.Dir); err != nil {
		fail(FailDir, err)
		return
	} else if !fi.IsDir() {
		fail(FailDir, fmt.Errorf("%s is not a folder", r.Dir))
		return
	}
	path, err := look(r.Args[0], pathOf(r.Env), r.Dir)
	if err != nil {
		fail(FailNotFound, err)
		return
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		fail(FailStart, err)
		return
	}
	defer null.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := os.StartProcess(path, r.Args, &os.ProcAttr{
		Dir: r.Dir, Env: r.Env, Files: []*os.File{null, files[0], files[1]}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		fail(FailStart, err)
		return
	}
	c := &child{request: r.ID, pid: p.Pid}
	_ = p.Release()
	a.children[c.pid], a.running[r.ID] = c, c
}

// reap waits for all that has ended: processes of steps, and what was left to the
// first process.
func (a *agent) reap() {
	for {
		a.mu.Lock()
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		c := a.children[pid]
		if c != nil {
			delete(a.children, pid)
			delete(a.running, c.request)
			if c.tree != nil {
				// It was asked to end: what it left ends with it.
				c.tree.Kill()
			}
		}
		a.mu.Unlock()
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if c != nil {
			code := status.ExitStatus()
			if status.Signaled() {
				code = 128 + int(status.Signal()) // as shells count
			}
			a.reply(Reply{ID: c.request, Code: code})
		}
	}
}

// end signals a process and what came from it. One that has ended leaves nothing
// to do, but what is left in its group.
func (a *agent) end(r Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.running[r.Of]
	if c == nil {
		a.reply(Reply{ID: r.ID})
		return
	}
	if c.tree == nil {
		c.tree = proc.NewTree(c.pid)
	}
	switch r.Stage {
	case StageLook:
		c.tree.Look()
	case StageInterrupt:
		c.tree.Interrupt()
	case StageTerminate:
		c.tree.Terminate()
	case StageKill:
		c.tree.Kill()
	}
	a.reply(Reply{ID: r.ID})
}

func pathOf(env []string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			return v
		}
	}
	return ""
}

// look finds a program.
func look(file, path, dir string) (string, error) {
	runs := func(p string) bool {
		fi, err := os.Stat(p)
		return err == nil && !fi.IsDir() && fi.Mode()&0o111 != 0
	}
	if strings.Contains(file, "/") {
		p := file
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		if !runs(p) {
			return "", fs.ErrNotExist
		}
		return file, nil
	}
	for _, d := range filepath.SplitList(path) {
		if d == "" {
			continue
		}
		if p := filepath.Join(d, file); runs(p) {
			return p, nil
		}
	}
	return "", fs.ErrNotExist
}

// carry listens on the container's loopback and passes what comes on to a socket.
func carry(socket string) (port int, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				to, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer to.Close()
				Join(c, to)
			}()
		}
	}()
	_, p, _ := net.SplitHostPort(l.Addr().String())
	return strconv.Atoi(p)
}
