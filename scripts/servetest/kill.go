package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// victim is one of the three kinds of process.
type victim int

const (
	ofCairn victim = iota
	ofStage
	ofAPI
	victims
)

func (v victim) String() string { return [...]string{"Cairn", "the stage's process", "the API"}[v] }

// stillPending is the exit code of a command that does not wait for the end.
const stillPending = 8

// outage is from a kill until all is well again.
type outage struct {
	of       victim
	from, to time.Time
}

// underKills kills one process after the other, at random, while requests go on.
// Half of the times that it is not the API, a deployment is under way.
func underKills(ctx context.Context, w *world, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 1))
	began := time.Now()
	c := startClients(ctx, w.url, 8, 20*time.Millisecond, o.seed)
	defer c.stop()
	var outages []outage
	deployed := 0
	for range o.kills {
		v, deploys := victim(r.IntN(int(victims))), r.IntN(2) == 0
		if err := rest(ctx, 200*time.Millisecond+time.Duration(r.IntN(400))*time.Millisecond); err != nil {
			return err
		}
		before, next := 0, 0
		if deploys && v != ofAPI {
			var err error
			if before, err = version(w.url); err != nil {
				return err
			}
			next = 1 + before%2
			deployed++
			if err := w.begin(ctx, next); err != nil {
				return err
			}
			if err := rest(ctx, time.Duration(r.IntN(600))*time.Millisecond); err != nil {
				return err
			}
		}
		out, err := w.kill(ctx, v)
		if err == nil && next > 0 {
			err = w.settles(ctx, before, next, v == ofStage)
		}
		if err != nil {
			return fmt.Errorf("kill %d, of %s: %w", len(outages)+1, v, err)
		}
		outages = append(outages, *out)
	}
	if err := rest(ctx, time.Second); err != nil {
		return err
	}
	c.stop()
	fmt.Printf("kills: seed %d: %d in %s; %d requests were sent; %d deployments were under way: %d live after it, %d failed, and what was live stayed\n", o.seed,
		len(outages), time.Since(began).Round(time.Second), len(c.answers)+len(c.failures), deployed, w.outcomes["live"], w.outcomes["failed"])
	if err := judge(outages, c.failures); err != nil {
		return err
	}
	if err := w.check(ctx, c.answers); err != nil {
		return err
	}
	fmt.Printf("kills: %d answers, all of them in the log\n", len(c.answers))
	// After all that Cairn works as before.
	for _, v := range []int{1, 2} {
		if err := w.deploy(ctx, v); err != nil {
			return err
		}
	}
	if err := w.rollback(ctx); err != nil {
		return err
	}
	if v, err := version(w.url); err != nil || v != 1 {
		return fmt.Errorf("after a rollback version %d answers (error %v), not 1", v, err)
	}
	return nil
}

// begin asks for a deployment and does not wait for its end.
func (w *world) begin(ctx context.Context, version int) error {
	_, err := w.run(ctx, "deploy", image(version), "--to", stage, "--repo", repository, "--detach")
	if code := new(exec.ExitError); errors.As(err, &code) && code.ExitCode() == stillPending {
		return nil
	}
	return err
}

// settles waits until the newest deployment has ended: it is live, or, where that is
// allowed, it failed and what was live before still is.
func (w *world) settles(ctx context.Context, before, next int, mayFail bool) error {
	return w.await(ctx, "the deployment that was under way ends", func() error {
		b, err := get(w.cairn + "/api/v1/deployments?limit=1")
		if err != nil {
			return err
		}
		var ds []struct {
			Status string `json:"status"`
			Reason string `json:"reason"`
		}
		if err := json.Unmarshal(b, &ds); err != nil || len(ds) != 1 {
			return fmt.Errorf("deployments: %.300s", b)
		}
		want := map[string]int{"live": next}
		if mayFail {
			want["failed"] = before
		}
		v, err := version(w.url)
		if err != nil || v == 0 || v != want[ds[0].Status] {
			return fmt.Errorf("it is %s (%s), and version %d answers (error %v); it was to replace %d by %d", ds[0].Status, ds[0].Reason, v, err, before, next)
		}
		w.outcomes[ds[0].Status]++
		return nil
	})
}

// rest waits, unless everything is to end.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// kill ends a process and waits until another one does its work.
func (w *world) kill(ctx context.Context, v victim) (*outage, error) {
	var before *running
	if err := w.await(ctx, "all is well before it", func() (err error) {
		// Never a number below 2: that would mean a whole group of processes.
		if before, err = w.look(); err == nil && (!before.healthy || before.api < 2 || before.stage < 2 || w.pid() < 2) {
			err = fmt.Errorf("%+v, Cairn %d", *before, w.pid())
		}
		return err
	}); err != nil {
		return nil, err
	}
	pid := map[victim]int{ofCairn: w.pid(), ofStage: before.stage, ofAPI: before.api}[v]
	out := &outage{of: v, from: time.Now()}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("kill -9 %d: %w", pid, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	err := w.await(ctx, "it is back", func() error {
		if v == ofCairn {
			if now := w.pid(); now == pid {
				return errors.New("the loop has not started it again")
			}
			return w.answers()
		}
		now, err := w.look()
		if err != nil {
			return err
		}
		if v == ofStage && now.stage == pid || v == ofAPI && now.api == pid || now.api < 2 || !now.healthy {
			return fmt.Errorf("still %+v", *now)
		}
		_, err = post(client, w.url, []byte("are you back?"))
		return err
	})
	out.to = time.Now()
	return out, err
}

// running are the processes of the stage.
type running struct {
	stage, api int
	healthy    bool
}

// look asks the process of the stage itself: it answers without Cairn, too.
func (w *world) look() (*running, error) {
	dir := filepath.Join(w.home(), "stages", "1")
	var id struct {
		PID int `json:"pid"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err == nil {
		err = json.Unmarshal(b, &id)
	}
	if err != nil {
		return nil, err
	}
	st, err := stageStatus(filepath.Join(dir, "s"))
	if err != nil {
		return nil, err
	}
	if st.PID != id.PID {
		return nil, fmt.Errorf("the file names %d, but %d answers", id.PID, st.PID)
	}
	return &running{stage: st.PID, api: st.Live.PID, healthy: st.Live.Healthy}, nil
}

// judge says which failures are excused: those of requests that were under way
// while the stage's process or the API was down. Killing Cairn excuses none.
func judge(outages []outage, failures []failure) error {
	var excused [victims]int
	for _, f := range failures {
		i := slices.IndexFunc(outages, func(o outage) bool {
			return o.of != ofCairn && f.from.Before(o.to) && f.to.After(o.from)
		})
		if i < 0 {
			return fmt.Errorf("a request failed while the stage and the API ran: from %s to %s: %w", f.from.Format(time.TimeOnly+".000"), f.to.Format(time.TimeOnly+".000"), f.err)
		}
		excused[outages[i].of]++
	}
	for v := range victims {
		var back []time.Duration
		for _, o := range outages {
			if o.of == v {
				back = append(back, o.to.Sub(o.from))
			}
		}
		slices.Sort(back)
		fmt.Printf("kills: %d of %s: back after p50 %s, longest %s; %d requests failed\n", len(back), v, at(back, 50), at(back, 100), excused[v])
	}
	return nil
}
