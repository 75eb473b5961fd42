package deploy

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// Stop takes down what is live on a stage, and answers that deployment.
func (s *Service) Stop(ctx context.Context, repository, name string, actor cairn.Principal) (*cairn.Deployment, error) {
	st, err := s.stage(ctx, repository, name)
	if err != nil {
		return nil, err
	}
	turn := s.turn(st.ID)
	turn.Lock()
	defer s.wake()
	defer turn.Unlock()
	if st, err = s.o.Store.Stage(ctx, st.ID); err != nil {
		return nil, err
	}
	coming, err := s.o.Store.Deployments(ctx, cairn.DeploymentFilter{StageID: st.ID, Status: cairn.DeployStarting, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(coming) > 0 {
		return nil, cairn.Errorf(cairn.CodeConflict, "deployment %d of %s is under way", coming[0].ID, st.Name).
			WithHint("stop the stage when it is live or has failed")
	}
	if st.Live == 0 {
		// Told twice, or told while nobody could see to it.
		last, err := s.o.Store.Deployments(ctx, cairn.DeploymentFilter{StageID: st.ID, Status: cairn.DeployStopped, Limit: 1})
		if err != nil {
			return nil, err
		}
		if now, err := s.o.Target.Status(ctx, st); err == nil && now != nil && len(last) > 0 {
			return &last[0], s.o.Target.Stop(ctx, st)
		}
		return nil, cairn.Errorf(cairn.CodeConflict, "nothing is live on %s of %s", st.Name, st.Repository)
	}
	d, err := s.o.Store.Deployment(ctx, st.Live)
	if err != nil {
		return nil, err
	}
	d.Status, d.EndedAt, d.Reason = cairn.DeployStopped, s.now(), "stopped by "+actor.Name
	st.Live = 0
	// The row first: a process that outlives it is ended when the owner starts again,
	// one that ended before its row would be started again.
	out, err := s.o.Store.PutDeployments(ctx, []cairn.Deployment{d}, &st, cairn.Change{By: actor.Name})
	if err != nil {
		return nil, err
	}
	if err := s.o.Target.Stop(context.WithoutCancel(ctx), st); err != nil {
		return nil, err
	}
	return &out[0], nil
}

// statusPatience is how long the process of a stage may take to say how it is.
const statusPatience = 2 * time.Second

// Stages says what is live on the stages of a repository ("": of all).
func (s *Service) Stages(ctx context.Context, repository string) ([]cairn.StageInfo, error) {
	rows, err := s.o.Store.Stages(ctx, repository)
	if err != nil {
		return nil, err
	}
	open, err := s.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]cairn.StageInfo, len(rows))
	errs := make([]error, len(rows))
	var wg sync.WaitGroup
	for i := range rows {
		wg.Go(func() { out[i], errs[i] = s.info(ctx, rows[i], open) })
	}
	wg.Wait()
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i >= 0 {
		return nil, errs[i]
	}
	return out, nil
}

func (s *Service) info(ctx context.Context, st cairn.Stage, open []cairn.Deployment) (cairn.StageInfo, error) {
	x := cairn.StageInfo{Stage: st}
	for _, d := range open {
		if d.StageID == st.ID {
			x.Waiting = append(x.Waiting, d)
		}
	}
	if st.Live == 0 {
		return x, nil
	}
	d, err := s.o.Store.Deployment(ctx, st.Live)
	if err != nil {
		return x, err
	}
	r, err := s.o.Store.Release(ctx, s.o.Workspace, d.Release)
	if err != nil {
		return x, err
	}
	x.Live, x.Release, x.Model = &d, &r, shownModel(&r)
	if img, err := s.o.Images.Resolve(ctx, string(r.Image)); err == nil {
		x.Images = img.Tags
	}
	if r.Commit != "" {
		if c, err := s.o.Code.Commit(ctx, r.Repository, r.Commit); err == nil {
			x.Commit = &c
		}
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	x.Status, err = s.o.Target.Status(ctx, st)
	x.Problem = problem(&st, x.Status, err)
	x.Healthy = x.Problem == ""
	return x, nil
}

// problem says what is wrong with a stage on which something is live.
func problem(st *cairn.Stage, now *cairn.StageStatus, err error) string {
	switch {
	case err != nil:
		return "the process of the stage does not answer: " + cairn.AsError(err).Message
	case now == nil:
		return "the process of the stage does not run"
	case now.Live == nil:
		return "the process of the stage serves nothing"
	case now.Live.Deployment != st.Live:
		return fmt.Sprintf("the process of the stage serves deployment %d", now.Live.Deployment)
	case !now.Live.Healthy && now.Live.Reason != "":
		return now.Live.Reason
	case !now.Live.Healthy:
		return "it does not answer"
	}
	return ""
}

// Logs writes lines of what is live on a stage.
func (s *Service) Logs(ctx context.Context, repository, name string, r LogRequest, w io.Writer) error {
	st, err := s.stage(ctx, repository, name)
	if err != nil {
		return err
	}
	return s.o.Target.Logs(ctx, st, r, w)
}

// ImageInUse says what keeps an image from being deleted: a stage on which it is
// live or coming up. "" says that nothing does.
func (s *Service) ImageInUse(ctx context.Context, d cairn.Digest) (string, error) {
	rs, err := s.o.Store.Releases(ctx, cairn.ReleaseFilter{Workspace: s.o.Workspace, Image: d, Limit: 1000})
	if err != nil {
		return "", err
	}
	for i := range rs {
		for _, status := range []cairn.DeploymentStatus{cairn.DeployLive, cairn.DeployStarting, cairn.DeployWaiting} {
			ds, err := s.o.Store.Deployments(ctx, cairn.DeploymentFilter{Release: rs[i].ID, Status: status, Limit: 1})
			if err != nil {
				return "", err
			}
			if len(ds) > 0 {
				return fmt.Sprintf("release %s is %s on %s of %s", Describe(&rs[i]), status, ds[0].Stage, ds[0].Repository), nil
			}
		}
	}
	return "", nil
}
