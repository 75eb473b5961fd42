package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Served is what is live, what people say of its answers, and where it comes from.
type Served interface {
	Stages(ctx context.Context, repository string) ([]cairn.StageInfo, error)
	PendingApprovals(ctx context.Context) ([]cairn.PendingApproval, error)
	Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error)
	Predictions(ctx context.Context, f cairn.PredictionFilter) ([]cairn.Prediction, error)
	Trace(ctx context.Context, repository, asked string, down bool) (*cairn.Trace, error)
}

// refreshStages is how often a page with stages loads itself anew while something
// is on its way.
const refreshStages = 3

// waiting reports whether something comes up or waits for somebody.
func waiting(all []cairn.StageInfo) bool {
	for _, s := range all {
		if len(s.Waiting) > 0 {
			return true
		}
	}
	return false
}

type stagePage struct {
	frame
	Info        cairn.StageInfo
	Deployments []cairn.Deployment
	Predictions []cairn.Prediction
	Approvals   []cairn.PendingApproval
	// Unread says why there are no predictions.
	Unread string
}

const (
	deploymentsShown = 20
	predictionsShown = 20
)

func (p *Pages) stage(r *http.Request) (string, any, error) {
	ctx := r.Context()
	repository, name := r.PathValue("owner")+"/"+r.PathValue("name"), r.PathValue("stage")
	if p.o.Served == nil {
		return "", nil, cairn.Errorf(cairn.CodeNotFound, "nothing is served from here")
	}
	all, err := p.o.Served.Stages(ctx, repository)
	if err != nil {
		return "", nil, err
	}
	d := stagePage{}
	for _, s := range all {
		if strings.EqualFold(s.Stage.Name, name) {
			d.Info = s
		}
	}
	if d.Info.Stage.ID == 0 {
		return "", nil, cairn.Errorf(cairn.CodeNotFound, "nothing was put on stage %s of %s", name, repository)
	}
	d.Title = d.Info.Stage.Name + " of " + repository
	if waiting([]cairn.StageInfo{d.Info}) {
		d.Refresh = refreshStages
	}
	if d.Deployments, err = p.o.Served.Deployments(ctx, cairn.DeploymentFilter{StageID: d.Info.Stage.ID, Limit: deploymentsShown}); err != nil {
		return "", nil, err
	}
	pending, err := p.o.Served.PendingApprovals(ctx)
	if err != nil {
		return "", nil, err
	}
	for _, a := range pending {
		if a.Repository == repository && strings.EqualFold(a.Environment, name) {
			d.Approvals = append(d.Approvals, a)
		}
	}
	d.Predictions, err = p.o.Served.Predictions(ctx, cairn.PredictionFilter{Repository: repository, Stage: d.Info.Stage.Name, Limit: predictionsShown})
	if err != nil {
		if ctx.Err() != nil {
			return "", nil, err
		}
		d.Unread = cairn.AsError(err).Message // the rest of the page is worth showing
	}
	return "stage", d, nil
}

type tracePage struct {
	frame
	Asked, Repository string
	Down              bool
	Trace             *cairn.Trace
}

// askedLimit bounds what a page asks for.
const askedLimit = 1000

func (p *Pages) trace(r *http.Request) (string, any, error) {
	q := r.URL.Query()
	d := tracePage{Asked: strings.TrimSpace(q.Get("ref")), Repository: q.Get("repository"), Down: q.Get("down") != ""}
	d.Title = "Trace"
	if p.o.Served == nil || d.Asked == "" {
		return "trace", d, nil
	}
	if len(d.Asked) > askedLimit || len(d.Repository) > askedLimit {
		return "", nil, cairn.Errorf(cairn.CodeTooLarge, "the question is too long")
	}
	d.Title = "Trace of " + d.Asked
	var err error
	d.Trace, err = p.o.Served.Trace(r.Context(), d.Repository, d.Asked, d.Down)
	return "trace", d, err
}

// stageLink is the page of a stage.
func stageLink(s cairn.Stage) string {
	owner, name, _ := strings.Cut(s.Repository, "/")
	return "/stages/" + url.PathEscape(owner) + "/" + url.PathEscape(name) + "/" + url.PathEscape(s.Name)
}

// traceLink asks where something comes from.
func traceLink(ref any) string {
	s := ""
	switch r := ref.(type) {
	case cairn.Ref:
		s = string(r)
	case string:
		s = r
	}
	return "/trace?ref=" + url.QueryEscape(s)
}

// approveCommand is what somebody types to decide.
func approveCommand(a cairn.PendingApproval) string {
	if a.What.Kind() == cairn.KindRun {
		return "cairn approve " + a.What.ID() + " --environment " + quote(a.Environment)
	}
	return "cairn approve " + string(a.What)
}

// quote writes a word of a command for a shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// deployClass colours where a deployment stands; the word stands beside it.
func deployClass(s cairn.DeploymentStatus) string {
	switch s {
	case cairn.DeployLive:
		return "good"
	case cairn.DeployFailed, cairn.DeployRejected:
		return "bad"
	case cairn.DeployWaiting, cairn.DeployStarting:
		return "active"
	}
	return "quiet"
}

// answerClass colours an HTTP status.
func answerClass(status int) string {
	if status >= 400 {
		return "bad"
	}
	return ""
}
