package deploy

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// How long the loop waits after an error, and how often it looks when nothing
// calls it: a clock that is set forward moves no timer.
const (
	retryAfter = time.Second
	lookEvery  = time.Minute
)

// Run carries deployments out until ctx ends. What the owner before had begun is
// taken up.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { s.o.Target.Keep(ctx, s.liveStages) })
	working.Go(func() { s.settle(ctx) })
	for {
		wait := lookEvery
		at, err := s.round(ctx, &working)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case cairn.CodeOf(err) == cairn.CodeConflict:
			continue // somebody decided meanwhile: what follows is looked up anew
		case err != nil:
			s.o.Log.ErrorContext(ctx, "deployments cannot go on", "error", err)
			wait = retryAfter
		case !at.IsZero():
			wait = min(wait, max(0, at.Sub(s.now())))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.kick:
		case <-t.C:
		}
		t.Stop()
	}
}

// round takes every open deployment as far as it can go, and says when the next
// one may go on by itself.
func (s *Service) round(ctx context.Context, working *sync.WaitGroup) (next time.Time, err error) {
	open, err := s.open(ctx)
	if err != nil {
		return next, err
	}
	byStage := map[int64][]cairn.Deployment{}
	for _, d := range open {
		byStage[d.StageID] = append(byStage[d.StageID], d)
	}
	for _, ds := range byStage {
		slices.SortFunc(ds, func(a, b cairn.Deployment) int {
			if before(&a, &b) {
				return -1
			}
			return 1
		})
		for i := range ds {
			at, serr := s.step(ctx, &ds[i], ds, working)
			if serr != nil {
				err = serr // what is wrong with one stage does not keep up the others
				break
			}
			if !at.IsZero() && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next, err
}

// open lists the deployments that are neither live nor have ended.
func (s *Service) open(ctx context.Context) ([]cairn.Deployment, error) {
	f := cairn.DeploymentFilter{Workspace: s.o.Workspace, Open: true, Limit: 1000}
	var out []cairn.Deployment
	for {
		page, err := s.o.Store.Deployments(ctx, f)
		out = append(out, page...)
		if err != nil || len(page) < f.Limit {
			return out, err
		}
		f.Before = page[len(page)-1].ID
	}
}

// step does what follows for one deployment. It keeps *d as the row is then.
func (s *Service) step(ctx context.Context, d *cairn.Deployment, open []cairn.Deployment, working *sync.WaitGroup) (time.Time, error) {
	f := factsOf(d, open, s.now())
	a := Next(d, f)
	if a.Kind == Evaluate {
		var err error
		if d.Checks, f.Failed, err = s.evaluate(ctx, d); err != nil {
			return time.Time{}, err
		}
		f.Checked = true
		a = Next(d, f)
	}
	switch a.Kind {
	case Wait:
		if d.Reason == a.Reason {
			return a.At, nil
		}
		d.Reason = a.Reason
		return a.At, s.put(ctx, d)
	case Fail:
		d.Status, d.Reason, d.EndedAt = cairn.DeployFailed, a.Reason, s.now()
		return time.Time{}, s.put(ctx, d)
	case Start:
		turn := s.turn(d.StageID)
		if !turn.TryLock() { // whoever has it calls the loop
			d.Reason = fmt.Sprintf("stage %s is being stopped", d.Stage)
			return time.Time{}, s.put(ctx, d)
		}
		d.Status, d.Reason = cairn.DeployStarting, ""
		err := s.put(ctx, d)
		turn.Unlock()
		if err != nil {
			return time.Time{}, err
		}
		s.carry(ctx, *d, working)
	case Carry:
		s.carry(ctx, *d, working)
	}
	return time.Time{}, nil
}

func (s *Service) put(ctx context.Context, d *cairn.Deployment) error {
	out, err := s.o.Store.PutDeployments(ctx, []cairn.Deployment{*d}, nil, cairn.Change{By: d.By})
	if err == nil {
		*d = out[0]
	}
	return err
}

// evaluate asks the fixed checks of a deployment again, before it starts.
func (s *Service) evaluate(ctx context.Context, d *cairn.Deployment) ([]cairn.CheckResult, string, error) {
	c, err := s.o.Store.StageConfig(ctx, d.Config)
	if err != nil || len(c.Rules.Checks) == 0 {
		return nil, "", err
	}
	r, err := s.o.Store.Release(ctx, s.o.Workspace, d.Release)
	if err != nil {
		return nil, "", err
	}
	st, err := s.o.Store.Stage(ctx, d.StageID)
	if err != nil {
		return nil, "", err
	}
	return s.check(ctx, &r, &st, &c)
}

// carry lets the target work on a deployment, once at a time.
func (s *Service) carry(ctx context.Context, d cairn.Deployment, working *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.carried[d.ID] {
		return
	}
	s.carried[d.ID] = true
	p := s.begin(d.ID)
	working.Go(func() {
		s.bring(ctx, d, p)
		s.mu.Lock()
		delete(s.carried, d.ID)
		s.mu.Unlock()
		s.wake()
	})
}

// bring takes a deployment to its end, and writes that down however long it
// takes: what is live and what the rows say must not differ.
func (s *Service) bring(ctx context.Context, d cairn.Deployment, p *progress) {
	err := s.deploy(ctx, &d, p)
	for ctx.Err() == nil {
		werr := s.end(ctx, d.ID, p, err)
		if werr == nil {
			if err != nil {
				s.settleStage(ctx, d.StageID) // the first one of a stage that failed leaves nothing
			}
			return
		}
		if cairn.CodeOf(werr) == cairn.CodeConflict {
			continue
		}
		s.o.Log.ErrorContext(ctx, "the end of a deployment cannot be written", "deployment", d.ID, "error", werr)
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// deploy gives the target all it needs, and returns when it is done.
func (s *Service) deploy(ctx context.Context, d *cairn.Deployment, p *progress) error {
	r := TargetRequest{Deployment: *d}
	var err error
	if r.Stage, err = s.o.Store.Stage(ctx, d.StageID); err != nil {
		return err
	}
	if r.Release, err = s.o.Store.Release(ctx, s.o.Workspace, d.Release); err != nil {
		return err
	}
	if r.Config, err = s.o.Store.StageConfig(ctx, d.Config); err != nil {
		return err
	}
	img, err := s.o.Images.Resolve(ctx, string(r.Release.Image))
	if err != nil {
		return err
	}
	r.Image, r.Facts = *img, facts(&r.Release)
	err = s.o.Target.Deploy(ctx, r, p.add)
	if err == nil || ctx.Err() != nil || cairn.CodeOf(err) == cairn.CodeFailed {
		return err
	}
	// The way to the process of the stage may have broken after it switched.
	if st, serr := s.o.Target.Status(ctx, r.Stage); serr == nil && st != nil && st.Live != nil && st.Live.Deployment == d.ID {
		return nil
	}
	return err
}

// facts are what a service is told of itself.
func facts(r *cairn.Release) ServiceFacts {
	f := ServiceFacts{APIVersion: versionOf(r), Commit: r.Commit}
	if f.APIVersion == "" {
		f.APIVersion = fmt.Sprintf("r%d", r.Seq)
	}
	if m := modelOf(r); m != "" {
		f.ModelName, f.ModelVersion = m.NameVersion()
	}
	return f
}

// end writes how a deployment ended.
func (s *Service) end(ctx context.Context, id cairn.DeploymentID, p *progress, failure error) error {
	d, err := s.o.Store.Deployment(ctx, id)
	if err != nil || d.Status != cairn.DeployStarting {
		return err
	}
	d.Mode, d.Notes = p.mode(), p.notes()
	now := s.now()
	if failure != nil {
		e := cairn.AsError(failure)
		d.Status, d.Reason, d.EndedAt, d.Log = cairn.DeployFailed, reason(e), now, p.lastLines()
		_, err := s.o.Store.PutDeployments(ctx, []cairn.Deployment{d}, nil, cairn.Change{By: d.By})
		return err
	}
	st, err := s.o.Store.Stage(ctx, d.StageID)
	if err != nil {
		return err
	}
	var rows []cairn.Deployment
	if st.Live != 0 {
		old, err := s.o.Store.Deployment(ctx, st.Live)
		if err != nil {
			return err
		}
		old.Status, old.EndedAt = cairn.DeployReplaced, now
		rows = append(rows, old)
	}
	d.Status, d.Reason, d.LiveAt, d.Replaces = cairn.DeployLive, "", now, st.Live
	st.Live = d.ID
	_, err = s.o.Store.PutDeployments(ctx, append(rows, d), &st, cairn.Change{By: d.By})
	return err
}

func reason(e *cairn.Error) string {
	if e.Hint == "" {
		return clip(e.Message, maxComment)
	}
	return clip(e.Message+" ("+e.Hint+")", maxComment)
}

// liveStages are the stages on which something is live.
func (s *Service) liveStages(ctx context.Context) ([]cairn.Stage, error) {
	all, err := s.o.Store.Stages(ctx, "")
	return slices.DeleteFunc(all, func(st cairn.Stage) bool { return st.Live == 0 }), err
}

// settle ends what runs on stages that were stopped, or whose first deployment
// failed, while nobody could see to it.
func (s *Service) settle(ctx context.Context) {
	all, err := s.o.Store.Stages(ctx, "")
	if err != nil {
		s.o.Log.ErrorContext(ctx, "the stages cannot be read", "error", err)
		return
	}
	for _, st := range all {
		if st.Live == 0 && ctx.Err() == nil {
			s.settleStage(ctx, st.ID)
		}
	}
}

// settleStage ends what runs on a stage where nothing is live or comes up.
func (s *Service) settleStage(ctx context.Context, id int64) {
	turn := s.turn(id)
	turn.Lock()
	defer s.wake()
	defer turn.Unlock()
	st, err := s.o.Store.Stage(ctx, id)
	if err != nil || st.Live != 0 {
		return
	}
	open, err := s.o.Store.Deployments(ctx, cairn.DeploymentFilter{StageID: id, Status: cairn.DeployStarting, Limit: 1})
	if err != nil || len(open) > 0 {
		return
	}
	// One that does not say how it is is there all the same.
	if now, err := s.o.Target.Status(ctx, st); err == nil && now == nil {
		return
	}
	if err := s.o.Target.Stop(ctx, st); err != nil {
		s.o.Log.ErrorContext(ctx, "a stage on which nothing is live still runs", "stage", st.Name, "repository", st.Repository, "error", err)
	}
}

// Active counts what the owner must stay for: stages that are live, and
// deployments that go on by themselves. One that waits for a person does not.
func (s *Service) Active(ctx context.Context) (int, error) {
	live, err := s.liveStages(ctx)
	if err != nil {
		return 0, err
	}
	open, err := s.open(ctx)
	n := len(live)
	for i := range open {
		if len(open[i].Reviewers) == 0 || open[i].ApprovedBy != "" {
			n++
		}
	}
	return n, err
}
