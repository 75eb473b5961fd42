package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/deploy"
)

// Deploys puts releases on stages; *deploy.Service satisfies it.
type Deploys interface {
	Deploy(ctx context.Context, r deploy.Request, actor cairn.Principal) (*cairn.Deployment, error)
	Rollback(ctx context.Context, r deploy.RollbackRequest, actor cairn.Principal) (*cairn.Deployment, error)
	Decide(ctx context.Context, id cairn.DeploymentID, approve bool, comment string, actor cairn.Principal) (*cairn.Deployment, error)
	Stop(ctx context.Context, repository, stage string, actor cairn.Principal) (*cairn.Deployment, error)
	Await(ctx context.Context, id cairn.DeploymentID) (*cairn.Deployment, error)
	Follow(ctx context.Context, id cairn.DeploymentID, since time.Time, alive time.Duration, fn func(deploy.Update) error) error
	Stages(ctx context.Context, repository string) ([]cairn.StageInfo, error)
	FindRelease(ctx context.Context, repository, ref string) (*cairn.Release, error)
	TagRelease(ctx context.Context, repository, ref, tag string, actor cairn.Principal) (*cairn.Release, error)
}

// DeployRows are the rows of deployments; *store.Store satisfies it.
type DeployRows interface {
	Deployment(ctx context.Context, id cairn.DeploymentID) (cairn.Deployment, error)
	Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error)
	Releases(ctx context.Context, f cairn.ReleaseFilter) ([]cairn.Release, error)
}

// Pending lists what waits for somebody's decision, in runs and on stages.
type Pending interface {
	PendingApprovals(ctx context.Context, actor cairn.Principal) ([]cairn.PendingApproval, error)
}

// DeploymentPath is the deployment that a path names.
type DeploymentPath struct {
	ID int64 `path:"id" minimum:"1" doc:"number of the deployment"`
}

func (d DeploymentPath) deployment() cairn.DeploymentID { return cairn.DeploymentID(d.ID) }

func (a *API) deployRoutes() {
	d := a.o.Deploys
	route(a, op{method: "POST", path: "/deployments", id: "deploy", summary: "Put an image or a release on a stage", need: makers, permit: deploys},
		func(ctx context.Context, in *struct{ Body client.DeployRequest }) (*cairn.Deployment, error) {
			b := in.Body
			return d.Deploy(ctx, deploy.Request{
				Repository: b.Repository, Folder: b.Folder, Stage: b.Stage, Image: b.Image, Release: b.Release, Comment: b.Comment, Key: b.Key,
			}, auth.Actor(ctx))
		})
	route(a, op{method: "POST", path: "/deployments/rollback", id: "rollback", summary: "Go back to an earlier release; answers when it is live", need: writers},
		func(ctx context.Context, in *struct{ Body client.RollbackRequest }) (*cairn.Deployment, error) {
			b := in.Body
			row, err := d.Rollback(ctx, deploy.RollbackRequest{
				Repository: b.Repository, Stage: b.Stage, To: b.To, Comment: b.Comment, Key: b.Key,
			}, auth.Actor(ctx))
			if err != nil {
				return nil, err
			}
			return d.Await(ctx, row.ID)
		})
	route(a, op{method: "GET", path: "/deployments", id: "list-deployments", summary: "Deployments, newest first", need: readers}, a.listDeployments)
	route(a, op{method: "GET", path: "/deployments/{id}", id: "get-deployment", summary: "One deployment", need: readers},
		func(ctx context.Context, in *DeploymentPath) (cairn.Deployment, error) {
			return a.o.DeployRows.Deployment(ctx, in.deployment())
		})
	route(a, op{method: "POST", path: "/deployments/{id}/decision", id: "decide-deployment", summary: "Approve or reject a deployment", need: writers},
		func(ctx context.Context, in *struct {
			DeploymentPath
			Body struct {
				Approve bool   `json:"approve"`
				Comment string `json:"comment,omitempty" maxLength:"10000"`
			}
		}) (*cairn.Deployment, error) {
			return d.Decide(ctx, in.deployment(), in.Body.Approve, in.Body.Comment, auth.Actor(ctx))
		})
	a.raw(op{method: "GET", path: "/deployments/{id}/follow", id: "follow-deployment", summary: "What happens to a deployment, as lines of JSON, until it is live or has ended", need: readers}, a.followDeployment)
	route(a, op{method: "GET", path: "/stages", id: "list-stages", summary: "What is live where", need: readers},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
		}) ([]cairn.StageInfo, error) {
			return orEmpty(d.Stages(ctx, in.Repository))
		})
	route(a, op{method: "POST", path: "/stages/stop", id: "stop-stage", summary: "Take down what is live on a stage", need: writers},
		func(ctx context.Context, in *struct {
			Body struct {
				Repository string `json:"repository" maxLength:"255"`
				Stage      string `json:"stage" minLength:"1" maxLength:"255"`
			}
		}) (*cairn.Deployment, error) {
			return d.Stop(ctx, in.Body.Repository, in.Body.Stage, auth.Actor(ctx))
		})
	route(a, op{method: "GET", path: "/approvals", id: "pending-approvals", summary: "What waits for somebody's decision", need: readers},
		func(ctx context.Context, _ *none) ([]cairn.PendingApproval, error) {
			return orEmpty(a.o.Pending.PendingApprovals(ctx, auth.Actor(ctx)))
		})
	a.releaseRoutes()
}

func (a *API) releaseRoutes() {
	d := a.o.Deploys
	route(a, op{method: "GET", path: "/releases", id: "list-releases", summary: "Releases, newest first", need: readers},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
			Service    string `query:"service" maxLength:"255"`
			Image      string `query:"image" maxLength:"100"`
			Model      string `query:"model" maxLength:"100"`
			Commit     string `query:"commit" maxLength:"40"`
			Run        int64  `query:"run" minimum:"0"`
			Before     int64  `query:"before" minimum:"0" doc:"only releases with a smaller number: the next page"`
			Limit      int    `query:"limit" minimum:"0" maximum:"1000" doc:"0: 100"`
		}) ([]cairn.Release, error) {
			return orEmpty(a.o.DeployRows.Releases(ctx, cairn.ReleaseFilter{
				Workspace: a.o.Workspace, Repository: in.Repository, Service: in.Service, Image: cairn.Digest(in.Image),
				Model: cairn.Digest(in.Model), Commit: in.Commit, Run: cairn.RunID(in.Run), Before: in.Before, Limit: in.Limit,
			}))
		})
	route(a, op{method: "GET", path: "/releases/find", id: "find-release", summary: "The release that r3, v1.2.3 or an id means", need: readers},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
			Ref        string `query:"ref" required:"true" maxLength:"300"`
		}) (*cairn.Release, error) {
			return d.FindRelease(ctx, in.Repository, in.Ref)
		})
	route(a, op{method: "POST", path: "/releases/tag", id: "tag-release", summary: "Give a release a further name, for good", need: makers, permit: deploys},
		func(ctx context.Context, in *struct {
			Body struct {
				Repository string `json:"repository,omitempty" maxLength:"255"`
				Release    string `json:"release" minLength:"1" maxLength:"300"`
				Tag        string `json:"tag" minLength:"1" maxLength:"300"`
			}
		}) (*cairn.Release, error) {
			return d.TagRelease(ctx, in.Body.Repository, in.Body.Release, in.Body.Tag, auth.Actor(ctx))
		})
}

type deploymentQuery struct {
	Repository string `query:"repository" maxLength:"255"`
	Stage      string `query:"stage" maxLength:"255"`
	Release    string `query:"release" maxLength:"12" doc:"id"`
	Status     string `query:"status" maxLength:"20" enum:"waiting,starting,live,replaced,failed,rejected,stopped,"`
	Run        int64  `query:"run" minimum:"0"`
	Open       bool   `query:"open" doc:"only those that wait or come up"`
	WasLive    bool   `query:"was_live" doc:"only those that are or were live"`
	Before     int64  `query:"before" minimum:"0" doc:"only deployments with a smaller number: the next page"`
	Limit      int    `query:"limit" minimum:"0" maximum:"1000" doc:"0: 100"`
}

func (a *API) listDeployments(ctx context.Context, in *deploymentQuery) ([]cairn.Deployment, error) {
	return orEmpty(a.o.DeployRows.Deployments(ctx, cairn.DeploymentFilter{
		Workspace: a.o.Workspace, Repository: in.Repository, Stage: in.Stage, Release: in.Release,
		Status: cairn.DeploymentStatus(in.Status), Run: cairn.RunID(in.Run), Open: in.Open, WasLive: in.WasLive,
		Before: cairn.DeploymentID(in.Before), Limit: in.Limit,
	}))
}

func (a *API) followDeployment(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || n < 1 {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the number of a deployment", r.PathValue("id"))
	}
	id := cairn.DeploymentID(n)
	var since time.Time
	if s := r.URL.Query().Get("since"); s != "" {
		if since, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return cairn.Errorf(cairn.CodeInvalid, "since is %q, not a time", s)
		}
	}
	if _, err := a.o.DeployRows.Deployment(r.Context(), id); err != nil {
		return err
	}
	ctx, cancel := a.whileHere(r.Context())
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	enc := json.NewEncoder(&patientWriter{rc, w})
	enc.SetEscapeHTML(false)
	err = a.o.Deploys.Follow(ctx, id, since, aliveEvery, func(u deploy.Update) error {
		var out any = client.DeploymentUpdate{Event: u.Event, Deployment: u.Deployment}
		if u == (deploy.Update{}) {
			out = line{Alive: true}
		}
		if err := enc.Encode(out); err != nil {
			return err
		}
		return rc.Flush()
	})
	if err != nil {
		select {
		case <-a.o.Leaving:
			panic(http.ErrAbortHandler) // no end: the client takes it up with the next owner
		case <-r.Context().Done():
			return nil // the client went away
		default:
			return a.cut(r.Context(), err)
		}
	}
	_ = enc.Encode(line{End: true}) // a failure to write has nowhere to be told
	return nil
}
