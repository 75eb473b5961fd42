package docker

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
)

// agent is the supervisor's end of the line to the container of a job.
type agent struct {
	conn  *net.UnixConn
	hello inside.Reply
	gone  chan struct{} // closed when the container has ended

	send    sync.Mutex
	mu      sync.Mutex
	last    int
	waiting map[int]chan inside.Reply
}

// await takes the one connection that the container makes when it begins.
func await(ctx context.Context, l *net.UnixListener) (*agent, error) {
	stop := context.AfterFunc(ctx, func() { l.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c, err := l.AcceptUnix()
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	a := &agent{conn: c, gone: make(chan struct{}), waiting: map[int]chan inside.Reply{}}
	_ = c.SetReadDeadline(time.Now().Add(pingTime))
	if _, err := inside.Receive(c, &a.hello); err != nil {
		c.Close()
		return nil, err
	}
	_ = c.SetReadDeadline(time.Time{})
	go a.read()
	return a, nil
}

func (a *agent) read() {
	defer close(a.gone)
	for {
		var r inside.Reply
		files, err := inside.Receive(a.conn, &r)
		if err != nil {
			return
		}
		for _, f := range files {
			f.Close() // nothing is expected
		}
		a.mu.Lock()
		c := a.waiting[r.ID]
		delete(a.waiting, r.ID)
		a.mu.Unlock()
		if c != nil {
			c <- r
		}
	}
}

// start sends a request; its answer comes out of the channel.
func (a *agent) start(r inside.Request, files ...*os.File) (int, <-chan inside.Reply, error) {
	c := make(chan inside.Reply, 1)
	a.mu.Lock()
	a.last++
	r.ID = a.last
	a.waiting[r.ID] = c
	a.mu.Unlock()
	a.send.Lock()
	defer a.send.Unlock()
	return r.ID, c, inside.Send(a.conn, r, files...)
}

// call sends a request and waits for its answer.
func (a *agent) call(ctx context.Context, r inside.Request) (inside.Reply, error) {
	_, c, err := a.start(r)
	if err != nil {
		return inside.Reply{}, errGone
	}
	select {
	case out := <-c:
		if out.Fail != "" {
			return out, cairn.Errorf(cairn.CodeFailed, "%s", out.Err)
		}
		return out, nil
	case <-a.gone:
		return inside.Reply{}, errGone
	case <-ctx.Done():
		return inside.Reply{}, context.Cause(ctx)
	}
}

// errGone says that the container of the job is not there any more.
var errGone = cairn.Errorf(cairn.CodeFailed, "the container of the job has ended").
	WithHint("it was stopped from outside, or had no memory left: see docker events, and --memory in options")

// target is a process of a container that is asked to end.
type target struct {
	a  *agent
	of int
}

func (t target) stage(s string) {
	_, _, _ = t.a.start(inside.Request{Op: inside.OpEnd, Of: t.of, Stage: s})
}

func (t target) Interrupt() { t.stage(inside.StageInterrupt) }
func (t target) Terminate() { t.stage(inside.StageTerminate) }
func (t target) Kill()      { t.stage(inside.StageKill) }
func (t target) Look()      { t.stage(inside.StageLook) }
