package server

import (
	"context"
	"crypto/rand"
	"math/big"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/endpoint"
	"github.com/cairn-ml/cairn/internal/stages"
)

// endpointRepository owns the stages of deployments that no repository made.
const endpointRepository = "local/endpoints"

// openEndpoints makes the room of endpoints, whose deployments run on stages.
func (s *Server) openEndpoints() {
	s.endpoints = endpoint.New(endpoint.Options{
		Store: s.store, Stages: &endpointStages{s}, Default: stages.Default, Workspace: Workspace, Secret: s.people.Key().Derive("endpoints"),
		Random: below, FirstPort: s.config.StagePort, Log: s.log,
		Taken: func(ctx context.Context) (map[int]bool, error) {
			all, err := s.store.Stages(ctx, "")
			out := map[int]bool{}
			for i := range all {
				out[all[i].Port] = true
			}
			return out, err
		},
	})
}

// below is a number from 0 to n-1.
func below(n int) int {
	x, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0 // crypto/rand does not fail on the systems there are
	}
	return int(x.Int64())
}

// endpointStages puts deployments of endpoints on stages.
type endpointStages struct{ s *Server }

// Repository is that of a job's run, else the one that is named.
func (e *endpointStages) Repository(ctx context.Context, asked string, actor cairn.Principal) (string, error) {
	if actor.Job == 0 {
		return cmpOr(asked, endpointRepository), nil
	}
	j, err := e.s.store.Job(ctx, actor.Job)
	if err != nil {
		return "", err
	}
	r, err := e.s.store.Run(ctx, j.Run)
	return r.Repository, err
}

// Put answers when the image is live.
func (e *endpointStages) Put(ctx context.Context, r endpoint.StageRequest, actor cairn.Principal) (*endpoint.Live, error) {
	d, err := e.s.deploys.Deploy(ctx, deploy.Request{Repository: r.Repository, Stage: r.Config.Name, Image: string(r.Image), Comment: r.Comment,
		Service: r.Service, Config: &r.Config}, actor)
	if err != nil {
		return nil, err
	}
	if d, err = e.s.deploys.Await(ctx, d.ID); err != nil {
		return nil, err
	}
	if d.Status != cairn.DeployLive {
		return nil, cairn.Errorf(cairn.CodeFailed, "deployment %d is not live but %s: %s", d.ID, d.Status, d.Reason).
			WithHint("cairn logs %s --repo %s shows what it printed", d.Stage, d.Repository)
	}
	st, err := e.s.store.Stage(ctx, d.StageID)
	if err != nil {
		return nil, err
	}
	return &endpoint.Live{Repository: d.Repository, Deployment: d.ID, Port: st.Port}, nil
}

// Stop ends what runs on a stage, after what is coming up there.
func (e *endpointStages) Stop(ctx context.Context, repository, stage string, actor cairn.Principal) error {
	st, err := e.s.store.StageByName(ctx, Workspace, repository, stage)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil // nothing was ever put there
	} else if err != nil {
		return err
	}
	open, err := e.s.store.Deployments(ctx, cairn.DeploymentFilter{StageID: st.ID, Open: true})
	if err != nil {
		return err
	}
	for i := range open {
		if open[i].Status != cairn.DeployStarting {
			continue // it waits for somebody's approval: nobody gives it one any more
		}
		if _, err := e.s.deploys.Await(ctx, open[i].ID); err != nil {
			return err
		}
	}
	if st, err = e.s.store.Stage(ctx, st.ID); err != nil || st.Live == 0 {
		return err
	}
	_, err = e.s.deploys.Stop(ctx, repository, stage, actor)
	return err
}
