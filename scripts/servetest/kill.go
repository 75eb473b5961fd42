package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
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

// outage is from a kill until all is well again.
type outage struct {
	of       victim
	from, to time.Time
}

// underKills kills one process after the other, at random, while requests go on.
func underKills(ctx context.Context, w *world, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 1))
	began := time.Now()
	c := startClients(ctx, w.url, 8, 20*time.Millisecond, o.seed)
	defer c.stop()
	var outages []outage
	for range o.kills {
		v, pause := victim(r.IntN(int(victims))), 200*time.Millisecond+time.Duration(r.IntN(400))*time.Millisecond
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		out, err := w.kill(ctx, v)
		if err != nil {
			return fmt.Errorf("kill %d, of %s: %w", len(outages)+1, v, err)
		}
		outages = append(outages, *out)
	}
	time.Sleep(time.Second)
	c.stop()
	fmt.Printf("kills: seed %d: %d in %s, while %d requests were sent\n", o.seed, len(outages), time.Since(began).Round(time.Second), len(c.answers)+len(c.failures))
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

// kill ends a process and waits until another one does its work.
func (w *world) kill(ctx context.Context, v victim) (*outage, error) {
	before, err := w.look()
	if err != nil {
		return nil, err
	}
	pid := map[victim]int{ofCairn: w.pid(), ofStage: before.stage, ofAPI: before.api}[v]
	out := &outage{of: v, from: time.Now()}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("kill -9 %d: %w", pid, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	err = w.await(ctx, "it is back", func() error {
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
		if v == ofStage && now.stage == pid || v == ofAPI && now.api == pid || !now.healthy {
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
