package local

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

const (
	deployTries = 3               // with a process that ends meanwhile
	stopTime    = 2 * time.Minute // to drain and to end
	endTime     = 5 * time.Second // after SIGTERM
	silence     = 30 * time.Second
)

// Deploy puts a release on a stage; see deploy.Target.
func (t *Target) Deploy(ctx context.Context, r deploy.TargetRequest, progress func(cairn.StageEvent)) error {
	k := t.keeper(r.Stage.ID)
	f := t.folder(r.Stage.ID)
	if st, err := newControl(f.socket()).status(ctx); err == nil && st != nil && st.Live != nil && st.Live.Deployment == r.Deployment.ID {
		t.tell(f.readRecord(r.Deployment.ID), progress)
		progress(cairn.StageEvent{At: time.Now().UTC(), Kind: cairn.StageEvLive, Text: "it is live already", Port: st.Live.Port, Health: st.Live.Health})
		return nil
	}
	k.mu.Lock()
	k.busy.Add(1) // nothing of it is cleaned up before the stage's process knows it
	k.mu.Unlock()
	defer k.busy.Add(-1)
	p, err := t.prepare(ctx, r)
	if err != nil {
		return err
	}
	t.tell(p.made, progress)
	in := cairn.StageInstance{
		Deployment: r.Deployment.ID, Release: r.Release.ID, Commit: r.Release.Commit, Image: r.Image.Digest, Model: r.Release.Model,
		Exec: p.exec, Health: r.Config.Health, Smoke: r.Config.Smoke, Memory: r.Config.Memory, CPU: r.Config.CPU,
		Start: r.Config.Start, Drain: r.Config.Drain, Warm: r.Config.Warm, Log: r.Config.Log,
	}
	for try := 1; ; try++ {
		k.mu.Lock()
		c, err := t.ensure(ctx, r.Stage, &r.Config.Log)
		k.mu.Unlock()
		if err != nil {
			return err
		}
		last, err := t.bring(ctx, c, r.Stage, in, progress)
		switch {
		case err == nil && last.Kind == cairn.StageEvLive:
			t.wake()
			return nil
		case err == nil:
			return failed(last)
		case !errors.Is(err, errCut) || try == deployTries:
			if errors.Is(err, errCut) {
				err = cairn.Errorf(cairn.CodeUnavailable, "the process of the stage %s ended while the deployment was under way, %d times", r.Stage.Name, try).
					WithHint("its output: %s", f.output())
			}
			return err
		}
		t.o.Log.Warn("the process of a stage ended during a deployment", "stage", r.Stage.Name, "deployment", r.Deployment.ID)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(shortWait):
		}
	}
}

// bring gives an instance to the process of a stage and waits for the end. A
// deployment takes as long as it takes; a process that does not say how it is for a
// while is not waited for.
func (t *Target) bring(ctx context.Context, c *control, s cairn.Stage, in cairn.StageInstance, progress func(cairn.StageEvent)) (cairn.StageEvent, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel(nil)
	asking.Go(func() {
		heard := time.Now()
		look := time.NewTicker(t.silence / 6)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
			if _, err := c.status(ctx); err == nil {
				heard = time.Now()
			} else if time.Since(heard) > t.silence {
				cancel(hung(s, err))
				return
			}
		}
	})
	last, err := c.deploy(ctx, in, progress)
	if e := new(cairn.Error); err != nil && errors.As(context.Cause(ctx), &e) {
		err = e
	}
	return last, err
}

// hung is the error of a process that is there and does not answer.
func hung(s cairn.Stage, err error) error {
	e := cairn.AsError(err)
	return cairn.Errorf(e.Code, "stage %s: %s", s.Name, e.Message).WithHint("cairn stop %s ends it by force; then deploy again", s.Name)
}

// tell says how a deployment is executed.
func (t *Target) tell(r record, progress func(cairn.StageEvent)) {
	ways := map[string]string{
		modeContainer: "runs in a container", modeRoot: "runs in the image's own root file system", modeHost: "runs on this machine's Python",
	}
	if r.Mode == "" {
		return
	}
	progress(cairn.StageEvent{At: time.Now().UTC(), Kind: cairn.StageEvMode, Text: ways[r.Mode], Mode: r.Mode})
	for _, n := range r.Notes {
		progress(cairn.StageEvent{At: time.Now().UTC(), Kind: cairn.StageEvNote, Text: n})
	}
}

// failed is the error of a deployment that did not become live. Its last event
// has been given to progress, with the program's last lines.
func failed(ev cairn.StageEvent) error {
	if ev.Error != nil {
		return ev.Error
	}
	return cairn.Errorf(cairn.CodeFailed, "%s", ev.Text)
}

// Status asks the process of a stage; nil where none runs.
func (t *Target) Status(ctx context.Context, s cairn.Stage) (*cairn.StageStatus, error) {
	return newControl(t.folder(s.ID).socket()).status(ctx)
}

// Stop ends what runs on a stage: in order where its process still answers.
func (t *Target) Stop(ctx context.Context, s cairn.Stage) error {
	k := t.keeper(s.ID)
	k.mu.Lock()
	defer k.mu.Unlock()
	f := t.folder(s.ID)
	if id := f.identity(); id.Alive() {
		c := newControl(f.socket())
		limit := stopTime
		if d, ok := ctx.Deadline(); ok {
			limit = min(limit, time.Until(d))
		}
		// One that does not even say how it is would not end in order either.
		_, err := c.status(ctx)
		grace := time.Duration(0)
		if err == nil {
			grace = endTime
			asked, cancel := context.WithTimeout(ctx, limit)
			err = c.stop(asked)
			cancel()
		}
		if err != nil || !ended(id, limit) {
			t.o.Log.Warn("the process of a stage is ended by force", "stage", s.Name, "pid", id.PID, "error", err)
			end(id, grace)
		}
		if id.Alive() {
			return cairn.Errorf(cairn.CodeUnavailable, "the process of the stage %s does not end (pid %d)", s.Name, id.PID)
		}
	}
	// A process that was killed leaves its programs: they carry its mark, or are
	// containers.
	tools := map[string]bool{}
	for _, rec := range f.records() {
		if rec.Tool != "" && !tools[rec.Tool] {
			tools[rec.Tool] = true
			t.removeContainers(ctx, rec.Tool, s.ID)
		}
	}
	if n := killMarked(t.markOf(s.ID)); n > 0 {
		t.o.Log.Info("killed what a stage had left", "stage", s.Name, "processes", n)
	}
	t.clean(f, nil)
	return nil
}

// records lists what is kept of a stage's images and not cleaned up yet.
func (f folder) records() []record {
	es, _ := os.ReadDir(f.made())
	var out []record
	for _, e := range es {
		if key, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			out = append(out, f.readKey(key))
		}
	}
	return out
}

// readKey reads a record; one that cannot be read is empty.
func (f folder) readKey(key string) record {
	var r record
	if b, err := os.ReadFile(f.record(key)); err != nil || json.Unmarshal(b, &r) != nil {
		return record{}
	}
	return r
}

// readRecord reads the record that a deployment uses.
func (f folder) readRecord(d cairn.DeploymentID) record {
	key, err := os.ReadFile(f.ref(d))
	if err != nil || strings.ContainsAny(string(key), "/\x00") {
		return record{}
	}
	return f.readKey(string(key))
}

// clean removes what was made for deployments that are not among those to keep.
func (t *Target) clean(f folder, keep map[cairn.DeploymentID]bool) {
	stay := map[string]bool{}
	for d := range keep {
		if key, err := os.ReadFile(f.ref(d)); err == nil {
			stay[filepath.Base(f.ref(d))] = true
			stay[string(key)] = true
			stay[string(key)+".json"] = true
		}
	}
	es, _ := os.ReadDir(f.made())
	for _, e := range es {
		image, isEnv := strings.CutSuffix(e.Name(), envFile)
		if isEnv {
			image = strings.TrimSuffix(image, filepath.Ext(image)) // whose key it is
		}
		if !stay[image] {
			t.remove(filepath.Join(f.made(), e.Name()))
		}
	}
}
