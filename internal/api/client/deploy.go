package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// DeployRequest asks for a deployment. Image or Release say what; without either
// it is the image of the stage, or the newest that the repository's runs made.
type DeployRequest struct {
	Repository string `json:"repository,omitempty" maxLength:"255"` // in a job: its own
	// Folder is the repository that it was typed in: used where neither Repository
	// nor the image says one.
	Folder  string `json:"folder,omitempty" maxLength:"255"`
	Stage   string `json:"stage" minLength:"1" maxLength:"255"`
	Image   string `json:"image,omitempty" maxLength:"1000"`   // any reference
	Release string `json:"release,omitempty" maxLength:"1000"` // r3, v1.2.3 or its id
	Comment string `json:"comment,omitempty" maxLength:"10000"`
	// Key makes the request idempotent: the same key gives the same deployment.
	Key string `json:"key,omitempty" maxLength:"100"`
}

// RollbackRequest asks to go back to an earlier release.
type RollbackRequest struct {
	Repository string `json:"repository,omitempty" maxLength:"255"`
	Stage      string `json:"stage" minLength:"1" maxLength:"255"`
	To         string `json:"to,omitempty" maxLength:"1000"` // a release; "": the last good one before the live one
	Comment    string `json:"comment,omitempty" maxLength:"10000"`
	Key        string `json:"key,omitempty" maxLength:"100"`
}

// DeploymentUpdate is one line of a deployment that is followed: what its stage
// says, or the row after a change.
type DeploymentUpdate struct {
	Event      *cairn.StageEvent `json:"event,omitempty"`
	Deployment *cairn.Deployment `json:"deployment,omitempty"`
}

// Deploy asks for a deployment; it answers when that is written, not when it is
// live: see FollowDeployment.
func (c *Client) Deploy(ctx context.Context, r DeployRequest) (*cairn.Deployment, error) {
	if r.Key == "" {
		r.Key = randomKey()
	}
	return call[cairn.Deployment](ctx, c, http.MethodPost, "/deployments", r, idempotent)
}

// Rollback goes back to an earlier release and answers when that is live.
func (c *Client) Rollback(ctx context.Context, r RollbackRequest) (*cairn.Deployment, error) {
	if r.Key == "" {
		r.Key = randomKey()
	}
	return call[cairn.Deployment](ctx, c, http.MethodPost, "/deployments/rollback", r, idempotent)
}

// StopStage takes down what is live on a stage and answers that deployment.
func (c *Client) StopStage(ctx context.Context, repository, stage string) (*cairn.Deployment, error) {
	return call[cairn.Deployment](ctx, c, http.MethodPost, "/stages/stop",
		map[string]string{"repository": repository, "stage": stage}, idempotent)
}

// Deployment returns one deployment.
func (c *Client) Deployment(ctx context.Context, id cairn.DeploymentID) (*cairn.Deployment, error) {
	return call[cairn.Deployment](ctx, c, http.MethodGet, deploymentPath(id, ""), nil)
}

// Deployments lists deployments, newest first.
func (c *Client) Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error) {
	q := query("repository", f.Repository, "stage", f.Stage, "release", f.Release, "status", string(f.Status))
	if f.Open {
		q.Set("open", "true")
	}
	if f.WasLive {
		q.Set("was_live", "true")
	}
	number(q, "run", int64(f.Run))
	number(q, "before", int64(f.Before))
	number(q, "limit", int64(f.Limit))
	return list[cairn.Deployment](ctx, c, "/deployments", q)
}

// DecideDeployment approves or rejects a deployment that waits for it.
func (c *Client) DecideDeployment(ctx context.Context, id cairn.DeploymentID, approve bool, comment string) (*cairn.Deployment, error) {
	return call[cairn.Deployment](ctx, c, http.MethodPost, deploymentPath(id, "/decision"),
		map[string]any{"approve": approve, "comment": comment})
}

// FollowDeployment gives each change of a deployment and each event of its stage,
// from the beginning, until it is live or has ended. It survives a restart of the
// owner. An error of fn ends it.
func (c *Client) FollowDeployment(ctx context.Context, id cairn.DeploymentID, fn func(DeploymentUpdate) error) error {
	var since time.Time
	for cut := 0; ; {
		q := url.Values{}
		if !since.IsZero() {
			q.Set("since", since.Format(time.RFC3339Nano))
		}
		resp, err := c.send(ctx, http.MethodGet, deploymentPath(id, "/follow")+"?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		sc := bufio.NewScanner(resp.Body)
		sc.Buffer(make([]byte, 64<<10), lineLimit)
		ended := false
		for !ended && sc.Scan() {
			var l struct {
				DeploymentUpdate
				End bool         `json:"end"`
				Err *cairn.Error `json:"error"`
			}
			if json.Unmarshal(sc.Bytes(), &l) != nil {
				break
			}
			switch {
			case l.Err != nil:
				resp.Body.Close()
				return l.Err
			case l.End:
				ended = true
			case l.Event != nil || l.Deployment != nil:
				cut = 0
				if l.Event != nil {
					since = l.Event.At
				}
				if err := fn(l.DeploymentUpdate); err != nil {
					resp.Body.Close()
					return err
				}
			}
		}
		resp.Body.Close()
		if ended {
			return nil
		}
		if ctx.Err() != nil {
			return c.wrap(ctx, ctx.Err())
		}
		cut++
		if err := pause(ctx, backoff(cut)); err != nil {
			return c.wrap(ctx, err)
		}
	}
}

// Stages says what is live on the stages of a repository ("": of all).
func (c *Client) Stages(ctx context.Context, repository string) ([]cairn.StageInfo, error) {
	return list[cairn.StageInfo](ctx, c, "/stages", query("repository", repository))
}

// PendingApprovals lists everything that waits for somebody's decision.
func (c *Client) PendingApprovals(ctx context.Context) ([]cairn.PendingApproval, error) {
	return list[cairn.PendingApproval](ctx, c, "/approvals", nil)
}

// Releases lists releases, newest first.
func (c *Client) Releases(ctx context.Context, f cairn.ReleaseFilter) ([]cairn.Release, error) {
	q := query("repository", f.Repository, "service", f.Service, "image", string(f.Image), "model", string(f.Model), "commit", f.Commit)
	number(q, "run", int64(f.Run))
	number(q, "before", f.Before)
	number(q, "limit", int64(f.Limit))
	return list[cairn.Release](ctx, c, "/releases", q)
}

// Release returns the release that ref means: r3, v1.2.3, its id or a beginning
// of it, with or without release/ before it. Numbers and tags are looked up in
// the service of repository ("": the only one that has it).
func (c *Client) Release(ctx context.Context, repository, ref string) (*cairn.Release, error) {
	return call[cairn.Release](ctx, c, http.MethodGet, "/releases/find?"+query("repository", repository, "ref", ref).Encode(), nil)
}

// TagRelease gives a release a further name, for good.
func (c *Client) TagRelease(ctx context.Context, repository, ref, tag string) (*cairn.Release, error) {
	return call[cairn.Release](ctx, c, http.MethodPost, "/releases/tag",
		map[string]string{"repository": repository, "release": ref, "tag": tag}, idempotent)
}

func number(q url.Values, name string, n int64) {
	if n > 0 {
		q.Set(name, strconv.FormatInt(n, 10))
	}
}

func deploymentPath(id cairn.DeploymentID, rest string) string {
	return "/deployments/" + strconv.FormatInt(int64(id), 10) + rest
}
