package server

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api"
	"github.com/cairn-ml/cairn/internal/auth"
)

// resolver answers what a job needs beyond its plan.
type resolver struct{ s *Server }

func (r *resolver) Vars(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error) {
	return r.s.people.RunVariables(ctx, run, environment)
}

// Secrets are none for untrusted code. Where its environment keeps some, the job
// fails: it was written to have them.
func (r *resolver) Secrets(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error) {
	if !run.Untrusted {
		return r.s.people.RunSecrets(ctx, run, environment)
	}
	if environment == "" {
		return nil, nil
	}
	kept, err := r.s.people.Secrets(ctx, auth.EnvironmentScope(run.Repository, environment))
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	return nil, cairn.Errorf(cairn.CodeForbidden, "environment %s keeps secrets, and the code of this run is not trusted", environment).
		WithHint("somebody who may write here can start the workflow on a branch of this repository")
}

func (r *resolver) EnvFile(ctx context.Context, run *cairn.Run) (map[string]string, error) {
	return r.s.people.EnvFile(ctx, run.ID)
}

func (r *resolver) JobToken(_ context.Context, _ *cairn.Run, job *cairn.Job) (string, error) {
	return r.s.people.Key().JobToken(job.ID, job.Epoch), nil
}

// JobEnv says where the owner is. Programs that are behind a proxy must not ask
// it for this machine.
func (r *resolver) JobEnv(ctx context.Context, run *cairn.Run, job *cairn.Job) (map[string]string, error) {
	env := map[string]string{"CAIRN_URL": r.s.url, "CAIRN_REGISTRY": r.s.registry(), "MLFLOW_TRACKING_URI": r.s.url}
	env["GITHUB_RETENTION_DAYS"] = r.s.config.retentionDays(run.Repository)
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
	if r.s.config.Azure.original(run.Repository) {
		env["CAIRN_AZURE"] = azureOriginal
	}
	names, err := r.s.store.AzureNames(ctx, Workspace)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		env["CAIRN_AZURE_NAMES"] = strconv.Itoa(len(names)) // scripts ask only where something is said
	}
	if job.Permissions.Allows("id-token", cairn.PermissionWrite) {
		// The runner adds the token, which is a secret: ACTIONS_ID_TOKEN_REQUEST_TOKEN.
		env["ACTIONS_ID_TOKEN_REQUEST_URL"] = r.s.url + api.Prefix + api.IDTokenPath
	}
	return env, nil
}

func (r *resolver) Code(_ context.Context, run *cairn.Run) (cairn.CodeRef, error) {
	dir, err := r.s.host.Dir(run.Repository)
	return cairn.CodeRef{
		Repository: run.Repository, GitDir: dir, Commit: run.Commit.SHA, Ref: run.Ref, TreeGit: run.TreeGit,
		Dirty: run.Dirty, WorkDir: run.WorkDir,
	}, err
}

// Addresses are those that clients of GitHub are told. The first one is a name that
// they take for GitHub's own service, not for one without its artifact service;
// nothing dials it. What is dialled is an IP, since that name does not resolve
// everywhere.
func (r *resolver) Addresses() (server, api string) {
	server = r.s.url
	if u, err := url.Parse(r.s.url); err == nil && u.Port() != "" {
		server = "http://cairn.localhost:" + u.Port()
	}
	return server, r.s.url + "/api/v3"
}

// lookup reads a variable of an environment; the last one counts.
func lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}
