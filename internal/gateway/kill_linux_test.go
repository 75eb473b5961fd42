package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/gateway/predlog"
	"github.com/cairn-ml/cairn/internal/proc"
)

// looped is a stage's process that a loop starts again whenever it ends, as systemd
// would.
type looped struct {
	*running
	mu   sync.Mutex
	cmd  *exec.Cmd
	over bool
	done chan struct{}
}

func startLoop(t testing.TB) *looped {
	t.Helper()
	l, f := stageDir(t)
	o := &looped{running: l.of(t, f), done: make(chan struct{})}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(o.done)
		for {
			o.mu.Lock()
			if o.over {
				o.mu.Unlock()
				return
			}
			cmd := exec.Command(exe, string(l))
			cmd.Env = append(os.Environ(), "GATEWAY_TEST=stage")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if testing.Verbose() {
				cmd.Stderr = os.Stderr
			}
			if err := cmd.Start(); err != nil {
				t.Error(err)
				o.mu.Unlock()
				return
			}
			o.cmd = cmd
			o.mu.Unlock()
			_ = cmd.Wait() // it was killed
		}
	}()
	t.Cleanup(func() {
		o.mu.Lock()
		o.over = true
		if o.cmd != nil {
			_ = o.cmd.Process.Signal(syscall.SIGTERM)
		}
		o.mu.Unlock()
		<-o.done
		killAll(func() []proc.Proc { return strays(l.markBase(), nil) })
	})
	eventually(t, "the stage answers", func() bool {
		resp, err := o.client.Get("http://stage/v1/status")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return o
}

// kill ends the stage's process with SIGKILL and returns when another one answers.
func (o *looped) kill() {
	o.t.Helper()
	o.mu.Lock()
	pid := o.cmd.Process.Pid
	_ = o.cmd.Process.Kill()
	o.mu.Unlock()
	eventually(o.t, "another process of the stage answers", func() bool {
		st, err := o.tryStatus()
		return err == nil && st.PID != pid
	})
}

func (o *looped) tryStatus() (*cairn.StageStatus, error) {
	resp, err := o.client.Get("http://stage/v1/status")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var st cairn.StageStatus
	return &st, json.NewDecoder(resp.Body).Decode(&st)
}

// answered is what a client was told.
type answered struct{ sent, body string }

// load posts from several clients until stop, and returns all answers with their
// ids. How many requests failed is counted.
func (o *looped) load(clients int) (stop func() (map[cairn.PredictionID]answered, int)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	all, failed := map[cairn.PredictionID]answered{}, 0
	for c := range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for i := 0; ctx.Err() == nil; i++ {
				a := answered{sent: fmt.Sprintf("%d-%d %s", c, i, strings.Repeat("x", i%500))}
				path := "/predict"
				if i%7 == 3 {
					path = "/stream?n=3&gap=2ms"
				}
				resp, err := client.Post(o.url+path, "text/plain", strings.NewReader(a.sent))
				if err == nil {
					var b []byte
					b, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					a.body = string(b)
					if err == nil && resp.StatusCode != 200 {
						err = fmt.Errorf("status %d: %s", resp.StatusCode, b)
					}
				}
				mu.Lock()
				if err != nil {
					failed++
					if testing.Verbose() && !errors.Is(err, syscall.ECONNREFUSED) {
						o.t.Log(err)
					}
				} else {
					id := cairn.PredictionID(resp.Header.Get(headerPrediction))
					if _, twice := all[id]; twice || id == "" {
						o.t.Errorf("id %q was given twice", id)
					}
					all[id] = a
				}
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	return func() (map[cairn.PredictionID]answered, int) {
		cancel()
		wg.Wait()
		return all, failed
	}
}

// check finds every answer in the log.
func (o *looped) check(all map[cairn.PredictionID]answered) {
	o.t.Helper()
	for id, a := range all {
		p, err := predlog.Read(context.Background(), o.l.predictions(), id)
		if err != nil {
			o.t.Errorf("%s: %v", id, err)
			continue
		}
		if string(p.Request.Body) != a.sent && !strings.HasPrefix(p.Path, "/stream") || string(p.Response.Body) != a.body || p.Open {
			o.t.Errorf("%s: the log has %q, %q; sent %q, answered %q", id, p.Request.Body, p.Response.Body, a.sent, a.body)
		}
	}
}

// TestKillStage kills the process of the stage at random: programs go on and are
// taken over, no answered prediction is missing.
func TestKillStage(t *testing.T) {
	t.Parallel()
	o := startLoop(t)
	o.live(spec(t, 1, releaseA, "ok"))
	o.live(spec(t, 2, releaseB, "ok"))
	before := o.status()
	stop := o.load(5)
	for range 12 {
		time.Sleep(rand.N(80 * time.Millisecond))
		o.kill()
	}
	eventually(t, "it answers", func() bool {
		g, err := o.try("POST", "/predict", "x")
		return err == nil && g.StatusCode == 200
	})
	all, failed := stop()
	st := o.status()
	if st.Live.PID != before.Live.PID || st.Warm == nil || st.Warm.PID != before.Warm.PID || st.Live.Restarts != 0 || !st.Live.Healthy {
		t.Errorf("the programs were not taken over: %+v %+v", st.Live, st.Warm)
	}
	if len(all) < 50 {
		t.Errorf("only %d answers", len(all))
	}
	t.Logf("%d answers, %d requests failed", len(all), failed)
	o.check(all)
	if es := o.live(spec(t, 3, releaseA, "ok")); len(es) != 2 {
		t.Errorf("no fast rollback after all that: %s", texts(es))
	}
}

// TestKillProgram kills the program at random: it is back by itself, and no
// answered prediction is missing.
func TestKillProgram(t *testing.T) {
	t.Parallel()
	o := startLoop(t)
	o.live(spec(t, 1, releaseA, "ok"))
	stop := o.load(5)
	for i := range 8 {
		time.Sleep(300*time.Millisecond + rand.N(150*time.Millisecond))
		pid := o.status().Live.PID
		_ = syscall.Kill(pid, syscall.SIGKILL)
		eventually(t, "it is back", func() bool { st := o.status().Live; return st.Healthy && st.PID != pid && st.Restarts > i })
	}
	all, failed := stop()
	t.Logf("%d answers, %d requests failed", len(all), failed)
	o.check(all)
}

// TestKillBoth kills the process of the stage and the program at once, and the
// process of the stage while it deploys: nothing is left that nobody names.
func TestKillBoth(t *testing.T) {
	t.Parallel()
	o := startLoop(t)
	o.live(spec(t, 1, releaseA, "ok"))
	for range 3 {
		_ = syscall.Kill(o.status().Live.PID, syscall.SIGKILL)
		o.kill()
		eventually(t, "it is back", func() bool { return o.status().Live.Healthy })
	}
	for i := range 6 {
		d := cairn.DeploymentID(10 + i)
		go func() { _, _ = o.deploy(spec(t, d, releaseB, "slow=30ms")) }() // cut off
		time.Sleep(rand.N(150 * time.Millisecond))
		o.kill()
		st := o.status()
		if st.Live == nil || !st.Live.Healthy {
			eventually(t, "something is live", func() bool { st := o.status(); return st.Live != nil && st.Live.Healthy })
			st = o.status()
		}
		want := 1
		if st.Warm != nil {
			want++
		}
		if left := strays(o.l.markBase(), nil); len(left) != want {
			t.Errorf("point %d: %d programs run: %+v %+v", i, len(left), st.Live, st.Warm)
		}
		// Asked again, as the server does when it is back, it becomes live.
		if es, err := o.deploy(spec(t, d, releaseB, "slow=30ms")); err != nil || es[len(es)-1].Kind != cairn.StageEvLive {
			t.Errorf("point %d: %v %s", i, err, texts(es))
		}
	}
}

// TestRestart puts another program in the place of the stage's process under load:
// process, port, programs and log stay.
func TestRestart(t *testing.T) {
	t.Parallel()
	o := startLoop(t)
	o.live(spec(t, 1, releaseA, "ok"))
	o.live(spec(t, 2, releaseB, "ok"))
	before := o.status()
	stop := o.load(5)
	for range 3 {
		segment := o.status().Segment
		resp, err := o.client.Post("http://stage/v1/restart", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		eventually(t, "the next one answers", func() bool {
			st, err := o.tryStatus()
			return err == nil && st.Segment != segment
		})
	}
	all, failed := stop()
	after := o.status()
	if after.PID != before.PID || after.Live.PID != before.Live.PID || after.Warm == nil || after.Warm.PID != before.Warm.PID {
		t.Errorf("%+v %+v", after, after.Live)
	}
	t.Logf("%d answers, %d requests failed", len(all), failed)
	o.check(all)
	// Its program is a child of a process whose program knows nothing of it.
	_ = syscall.Kill(after.Live.PID, syscall.SIGKILL)
	eventually(t, "it is back", func() bool { st := o.status().Live; return st.Healthy && st.Restarts == 1 })
	if g := o.do("POST", "/predict", "x"); g.StatusCode != 200 {
		t.Errorf("%d", g.StatusCode)
	}
}
