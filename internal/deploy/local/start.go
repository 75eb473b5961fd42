package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
)

const (
	answerTime = 10 * time.Second // for the process of a stage to listen
	shortWait  = 100 * time.Millisecond
	longWait   = 5 * time.Second
)

// ensure makes sure that the process of a stage runs and answers. k is held.
// log is nil where it is started again.
func (t *Target) ensure(ctx context.Context, s cairn.Stage, log *cairn.PredictionLog) (*control, error) {
	f := t.folder(s.ID)
	c := newControl(f.socket())
	if id := f.identity(); id.Alive() {
		if err := t.answers(ctx, s, c, id, nil); err != nil {
			return nil, hung(s, err)
		}
		return c, nil
	}
	if err := t.writeStage(s, f, log); err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", s.Port)
	l, err := net.Listen("tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, portTaken(s)
	} else if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the stage %s cannot listen on %s: %w", s.Name, listen, err)
	}
	l.Close()
	out, err := os.OpenFile(f.output(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, diskError(t.o.Home, err)
	}
	defer out.Close()
	from, err := out.Seek(0, 2)
	if err != nil {
		return nil, err
	}
	args := append(t.o.Stage[1:len(t.o.Stage):len(t.o.Stage)], string(f))
	cmd := exec.Command(t.o.Stage[0], args...)
	cmd.Dir = string(f)
	cmd.Env = t.stageEnviron(s.ID)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the process of the stage %s cannot be started: %w", s.Name, err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
		t.wake()
	}()
	id := proc.Identity{PID: cmd.Process.Pid, Start: proc.Start(cmd.Process.Pid)}
	if err := t.answers(ctx, s, c, id, gone); err != nil {
		if strings.Contains(tail(f.output(), from), "address already in use") {
			return nil, portTaken(s)
		}
		e := cairn.AsError(err)
		if said := tail(f.output(), from); said != "" {
			e = cairn.Errorf(e.Code, "%s: %s", e.Message, said)
		}
		return nil, e.WithHint("its output: %s", f.output())
	}
	t.o.Log.Info("started the process of a stage", "stage", s.Name, "pid", id.PID, "port", s.Port)
	return c, nil
}

// answers waits until the process answers on its socket.
func (t *Target) answers(ctx context.Context, s cairn.Stage, c *control, id proc.Identity, gone <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	pause := time.Millisecond
	for {
		st, err := c.status(ctx)
		if st != nil {
			return nil
		}
		select {
		case <-gone:
			return cairn.Errorf(cairn.CodeUnavailable, "the process of the stage %s ended at once", s.Name)
		case <-ctx.Done():
			why := "nobody listens on its socket"
			if err != nil {
				why = err.Error()
			}
			return cairn.Errorf(cairn.CodeUnavailable, "the process of the stage %s (pid %d) does not answer: %s", s.Name, id.PID, why)
		case <-time.After(pause):
			pause = min(pause*2, 50*time.Millisecond)
		}
	}
}

func portTaken(s cairn.Stage) error {
	by := "another program"
	if h := holder(s.Port); h != "" {
		by = h
	}
	return cairn.Errorf(cairn.CodeConflict, "port %d of the stage %s is taken by %s", s.Port, s.Name, by).
		WithHint("end that program and deploy again: the port of a stage never changes")
}

// writeStage writes stage.json where it says something else. What the log keeps is
// only known with a deployment: else it stays as it was.
func (t *Target) writeStage(s cairn.Stage, f folder, log *cairn.PredictionLog) error {
	old, err := os.ReadFile(f.stage())
	if log == nil {
		log = &cairn.PredictionLog{}
		var was cairn.StageFile
		if err == nil && json.Unmarshal(old, &was) == nil {
			log = &was.Log
		}
	}
	want := cairn.StageFile{
		Schema: 1, ID: s.ID, Repository: s.Repository, Name: s.Name,
		Listen: fmt.Sprintf("127.0.0.1:%d", s.Port), Socket: f.socket(), Log: *log,
	}
	if len(want.Socket) > maxSocketPath {
		want.Socket = "s" // it is started in its folder
	}
	if err := os.MkdirAll(f.made(), 0o700); err != nil {
		return diskError(t.o.Home, err)
	}
	text, jerr := json.MarshalIndent(want, "", "  ")
	if jerr != nil {
		return jerr
	}
	text = append(text, '\n')
	if err == nil && string(old) == string(text) {
		return nil
	}
	return diskError(t.o.Home, writeFile(f.stage(), text))
}

// stageEnviron is what the process of a stage needs: nothing of the owner's
// tokens goes there.
func (t *Target) stageEnviron(stage int64) []string {
	var e environment
	for _, kv := range t.o.Environ {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "CAIRN_") && name != "CAIRN_HOME", strings.HasPrefix(name, "MLFLOW_"), strings.HasPrefix(name, "GITHUB_"):
		default:
			e.add([]string{kv})
		}
	}
	e.set("CAIRN_HOME", t.o.Home)
	e.set(markVariable, t.markOf(stage))
	return e.list()
}

// tail is the last line of a file from an offset on.
func tail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size()-from > 64<<10 {
		from = fi.Size() - 64<<10
	}
	if _, err := f.Seek(from, 0); err != nil {
		return ""
	}
	last := ""
	s := bufio.NewScanner(f)
	for s.Scan() {
		if l := strings.TrimSpace(s.Text()); l != "" {
			last = l
		}
	}
	return fmt.Sprintf("%.300s", last)
}
