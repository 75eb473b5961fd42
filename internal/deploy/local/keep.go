package local

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
)

const (
	lookEvery  = 2 * time.Second
	cleanEvery = time.Minute
	settled    = 10 * time.Second // after that a process is taken to run well
)

// Keep watches the processes of stages until ctx ends: one that is not there is
// started, one that ends is started again after a pause that grows.
func (t *Target) Keep(ctx context.Context, stages func(context.Context) ([]cairn.Stage, error)) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	cleaned := time.Now()
	t.cleanAll(ctx, true)
	for {
		list, err := stages(ctx)
		if err != nil && ctx.Err() == nil {
			t.o.Log.Warn("the stages cannot be listed", "error", err)
		}
		soon := lookEvery
		for _, s := range list {
			if ctx.Err() != nil {
				return
			}
			if wait := t.look(ctx, s); wait > 0 {
				soon = min(soon, wait)
			}
		}
		if time.Since(cleaned) > cleanEvery {
			t.cleanAll(ctx, false)
			cleaned = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-t.changed:
		case <-look.C:
		case <-time.After(soon):
		}
	}
}

// look makes sure that the process of a stage runs. It returns when it has to be
// looked at next; 0: as usual.
func (t *Target) look(ctx context.Context, s cairn.Stage) time.Duration {
	k := t.keeper(s.ID)
	if !k.mu.TryLock() {
		return 0 // it is being started or stopped
	}
	defer k.mu.Unlock()
	f := t.folder(s.ID)
	if id := f.identity(); id.Alive() {
		t.watch(ctx, k, id)
		return 0
	}
	now := time.Now()
	if now.Sub(k.next) > settled {
		k.wait = 0 // it ran well until now
	}
	if wait := k.next.Sub(now); wait > 0 {
		return wait
	}
	k.wait = min(max(2*k.wait, shortWait), longWait)
	if _, err := t.ensure(ctx, s, nil); err != nil {
		if ctx.Err() == nil {
			t.o.Log.Warn("the process of a stage does not start", "stage", s.Name, "error", err)
		}
		k.next = time.Now().Add(k.wait)
		return k.wait
	}
	k.next = time.Now().Add(k.wait)
	if id := f.identity(); id.Alive() {
		t.watch(ctx, k, id)
	}
	return 0
}

// watch wakes Keep when a process ends. k is held.
func (t *Target) watch(ctx context.Context, k *keeper, id proc.Identity) {
	if k.watched == id {
		return
	}
	k.watched = id
	go func() {
		for ctx.Err() == nil && id.Alive() {
			id.Wait(time.Second)
		}
		t.wake()
	}()
}

// cleanAll removes what no deployment needs any more.
func (t *Target) cleanAll(ctx context.Context, start bool) {
	es, err := os.ReadDir(filepath.Join(t.o.Home, "stages"))
	if err != nil && !os.IsNotExist(err) {
		return
	}
	used := map[string]bool{}
	for _, e := range es {
		id, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil {
			continue
		}
		f := t.folder(id)
		k := t.keeper(id)
		if k.mu.TryLock() {
			if keep, known := t.needed(ctx, f); known && k.busy.Load() == 0 {
				t.clean(f, keep)
			}
			k.mu.Unlock()
		}
		for _, r := range f.records() {
			for _, root := range r.Roots {
				used[filepath.Dir(root)] = true
			}
		}
	}
	t.cleanRoots(used, start)
}

// needed are the deployments that the process of a stage has; known is false where
// it cannot be asked.
func (t *Target) needed(ctx context.Context, f folder) (keep map[cairn.DeploymentID]bool, known bool) {
	st, err := newControl(f.socket()).status(ctx)
	if err != nil || st == nil {
		return nil, false // it may come back, and takes up what it had
	}
	keep = map[cairn.DeploymentID]bool{}
	for _, i := range []*cairn.InstanceStatus{st.Live, st.Warm, st.Coming} {
		if i != nil {
			keep[i.Deployment] = true
		}
	}
	return keep, true
}
