package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// A job of untrusted code reads runs and logs of its own repository alone: what others
// do here is not for strangers.

// ofRun and ofJob are inputs that name a run or a job by the path.
type (
	ofRun interface{ run() cairn.RunID }
	ofJob interface{ job() cairn.JobID }
)

// within answers an error for a job of untrusted code that asks for a run or a job of
// another repository.
func (a *API) within(ctx context.Context, in any) error {
	if !auth.Actor(ctx).Untrusted {
		return nil
	}
	switch x := in.(type) {
	case ofRun:
		return a.ownRun(ctx, x.run())
	case ofJob:
		j, err := a.o.Rows.Job(ctx, x.job())
		if err != nil {
			return err
		}
		return a.ownRun(ctx, j.Run)
	}
	return nil
}

func (a *API) ownRun(ctx context.Context, id cairn.RunID) error {
	r, err := a.o.Rows.Run(ctx, id)
	if err != nil {
		return err
	}
	own, err := a.ownRepository(ctx)
	if err == nil && r.Repository != own {
		err = cairn.Errorf(cairn.CodeNotFound, "run %d is not of %s, and this job is of untrusted code", id, own)
	}
	return err
}

// ownRepository is the repository of the job that acts in ctx.
func (a *API) ownRepository(ctx context.Context) (string, error) {
	r, err := a.o.Rows.Run(ctx, auth.Actor(ctx).Run)
	return r.Repository, err
}

// named reads the run or job out of the path of a stream; nil where it names none.
func named(o *op, r *http.Request) any {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	switch {
	case err != nil: // the handler says what is wrong with it
	case strings.HasPrefix(o.path, "/runs/{id}"):
		return RunPath{id}
	case strings.HasPrefix(o.path, "/jobs/{id}"):
		return JobPath{id}
	}
	return nil
}
