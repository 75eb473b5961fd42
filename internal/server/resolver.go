package server

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// resolver answers what a job needs beyond its plan.
type resolver struct{ s *Server }

func (r *resolver) Vars(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error) {
	return r.s.people.RunVariables(ctx, run, environment)
}

func (r *resolver) Secrets(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error) {
	return r.s.people.RunSecrets(ctx, run, environment)
}

func (r *resolver) EnvFile(ctx context.Context, run *cairn.Run) (map[string]string, error) {
	return r.s.people.EnvFile(ctx, run.ID)
}

func (r *resolver) JobToken(_ context.Context, _ *cairn.Run, job *cairn.Job) (string, error) {
	return r.s.people.Key().JobToken(job.ID, job.Epoch), nil
}

// JobEnv says where the owner is. Programs that are behind a proxy must not ask
// it for this machine.
func (r *resolver) JobEnv(context.Context, *cairn.Run, *cairn.Job) (map[string]string, error) {
	env := map[string]string{"CAIRN_URL": r.s.url, "CAIRN_REGISTRY": r.s.registry(), "MLFLOW_TRACKING_URI": r.s.url}
	direct := lookup(r.s.o.Env, "NO_PROXY")
	if direct == "" {
		direct = lookup(r.s.o.Env, "no_proxy")
	}
	for _, here := range []string{"127.0.0.1", "localhost", "::1"} {
		if !strings.Contains(","+direct+",", ","+here+",") && direct != "*" {
			direct = strings.TrimPrefix(direct+","+here, ",")
		}
	}
	env["NO_PROXY"], env["no_proxy"] = direct, direct
	return env, nil
}

func (r *resolver) Code(_ context.Context, run *cairn.Run) (cairn.CodeRef, error) {
	dir, err := r.s.host.Dir(run.Repository)
	return cairn.CodeRef{
		Repository: run.Repository, GitDir: dir, Commit: run.Commit.SHA, Ref: run.Ref, TreeGit: run.TreeGit,
		Dirty: run.Dirty, WorkDir: run.WorkDir,
	}, err
}

func (r *resolver) Addresses() (server, api string) { return r.s.url, r.s.url + "/api/v1" }

// lookup reads a variable of an environment; the last one counts.
func lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}
