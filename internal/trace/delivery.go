package trace

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Delivery is what a trace reads of images and of what is served from them;
// *store.Store satisfies it.
type Delivery interface {
	Image(ctx context.Context, workspace string, d cairn.Digest) (cairn.Image, error)
	Images(ctx context.Context, workspace string, f cairn.ImageFilter) ([]cairn.Image, error)
	ImagesByHex(ctx context.Context, workspace, hex string, limit int) ([]cairn.Image, error)
	Release(ctx context.Context, workspace, id string) (cairn.Release, error)
	Releases(ctx context.Context, f cairn.ReleaseFilter) ([]cairn.Release, error)
	ReleaseByTag(ctx context.Context, workspace, service, tag string) (cairn.Release, error)
	Deployment(ctx context.Context, id cairn.DeploymentID) (cairn.Deployment, error)
	Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error)
	Stage(ctx context.Context, id int64) (cairn.Stage, error)
	Stages(ctx context.Context, repository string) ([]cairn.Stage, error)
	StageByPort(ctx context.Context, port int) (cairn.Stage, error)
}

// served describes a thing of delivery and says what follows.
func (w *walk) served(n *cairn.TraceNode, base bool) ([]cairn.Link, error) {
	if w.Delivery == nil {
		return w.plain(n)
	}
	switch n.Kind {
	case cairn.KindImage:
		return w.image(n, base)
	case cairn.KindRelease:
		return w.release(n)
	case cairn.KindDeployment:
		return w.deployment(n)
	case cairn.KindPrediction:
		return w.prediction(n)
	}
	return w.stage(n)
}

// prediction describes one answer. Upwards: what served it.
func (w *walk) prediction(n *cairn.TraceNode) ([]cairn.Link, error) {
	id := cairn.PredictionID(n.Ref.ID())
	release, stage, _, _, err := id.Parts()
	if err != nil {
		return nil, err
	}
	n.Title = "prediction " + string(id)
	if w.down {
		return w.plain(n) // the data that its report became
	}
	var p *cairn.Prediction
	if w.Prediction != nil {
		if p, err = w.Tracer.Prediction(w.ctx, id); err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
	}
	if p == nil {
		// Its id says of which release it was, whatever became of the log.
		where := fmt.Sprintf("stage %d", stage)
		if st, err := w.Delivery.Stage(w.ctx, stage); err == nil {
			where = "stage " + st.Name + " of " + st.Repository
		}
		fact(n, "stage", where)
		w.gap(n, "its record is not in the log of its stage (any more); its id names the release")
		return []cairn.Link{{From: n.Ref, Relation: cairn.RelServed, To: cairn.NewRef(cairn.KindRelease, release)}}, nil
	}
	predictionFacts(n, p)
	if p.Deployment == 0 {
		return []cairn.Link{{From: n.Ref, Relation: cairn.RelServed, To: cairn.NewRef(cairn.KindRelease, release)}}, nil
	}
	return []cairn.Link{{From: n.Ref, Relation: cairn.RelServed, To: p.Deployment.Ref()}}, nil
}

func predictionFacts(n *cairn.TraceNode, p *cairn.Prediction) {
	n.At = p.At
	if !p.At.IsZero() {
		fact(n, "asked", clip(p.Method+" "+p.Path, 120)+", "+stamp(p.At))
		answered := fmt.Sprintf("%d in %s", p.Status, (time.Duration(p.Took) * time.Microsecond).Round(10*time.Microsecond))
		if p.Open {
			answered = fmt.Sprintf("%d; the end of the answer is not recorded: the gateway was killed while it was on its way", p.Status)
		}
		fact(n, "answered", answered)
	}
	if p.Async {
		fact(n, "log", "async: the answer did not wait for the disk")
	}
	if p.Deleted {
		fact(n, "bodies", "erased: somebody asked for it")
	}
	if r := p.Report; r != nil {
		said := r.Expected
		if r.Answer != "" && len(r.Answer) <= 60 {
			said += ", where the answer was " + strings.TrimSpace(r.Answer)
		}
		fact(n, "expected", clip(said, 200))
		fact(n, "reported", "by "+r.By+", "+stamp(r.At)+because(r.Comment))
	}
}

// deployment describes a release on a stage. Upwards: the release, then the job
// that put it there.
func (w *walk) deployment(n *cairn.TraceNode) ([]cairn.Link, error) {
	id, err := strconv.ParseInt(n.Ref.ID(), 10, 64)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a deployment", n.Ref)
	}
	d, err := w.Delivery.Deployment(w.ctx, cairn.DeploymentID(id))
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		w.gap(n, "the deployment is not stored here")
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	n.Title = deploymentTitle(&d)
	n.By, n.At = d.By, d.CreatedAt
	if d.Status == cairn.DeployLive {
		fact(n, "live at", d.URL)
		fact(n, "since", stamp(d.LiveAt))
	} else {
		fact(n, "status", string(d.Status)+because(d.Reason))
		if !d.LiveAt.IsZero() {
			span := stamp(d.LiveAt)
			if !d.EndedAt.IsZero() {
				span += " to " + stamp(d.EndedAt)
			}
			fact(n, "was live", span)
		}
	}
	fact(n, "asked for", "by "+w.who(d.By)+", "+stamp(d.CreatedAt))
	if d.Rollback {
		fact(n, "rollback", "to a release that was live before")
	}
	if d.ApprovedBy != "" {
		fact(n, "approved by", d.ApprovedBy+because(d.Comment))
	}
	if d.RejectedBy != "" {
		fact(n, "rejected by", d.RejectedBy+because(d.Comment))
	}
	for _, c := range d.Checks {
		word := "passed"
		if !c.Passed {
			word = "failed"
		}
		grouped(n, "check", c.Name, word)
	}
	if w.down {
		return nil, nil
	}
	out := []cairn.Link{{From: n.Ref, Relation: cairn.RelDeployed, To: cairn.NewRef(cairn.KindRelease, d.Release)}}
	from, err := w.Reader.LinksFrom(w.ctx, n.Ref)
	return append(out, pick(from, cairn.RelPartOf)...), err
}

// who names a job that acted, by more than its number.
func (w *walk) who(by string) string {
	if ref := cairn.Ref(by); ref.Kind() == cairn.KindJob {
		return w.title(ref)
	}
	return by
}

func deploymentTitle(d *cairn.Deployment) string {
	return fmt.Sprintf("deployment %d on %s of %s", d.ID, d.Stage, d.Repository)
}

// release describes a release. Upwards: its image; downwards: where it was put.
func (w *walk) release(n *cairn.TraceNode) ([]cairn.Link, error) {
	r, err := w.Delivery.Release(w.ctx, w.Workspace, n.Ref.ID())
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		w.gap(n, "the release is not stored here")
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	n.Title = releaseTitle(&r)
	n.By, n.At, n.Dirty = r.By, r.CreatedAt, r.Dirty
	fact(n, "id", r.ID)
	fact(n, "image", string(r.Image))
	fact(n, "model", string(r.Model))
	fact(n, "released", "by "+w.who(r.By)+", "+stamp(r.CreatedAt))
	if w.down {
		to, err := w.Reader.LinksTo(w.ctx, n.Ref)
		return newestFirst(pick(to, cairn.RelDeployed)), err
	}
	return []cairn.Link{{From: n.Ref, Relation: cairn.RelReleased, To: cairn.ImageRef(r.Image)}}, nil
}

func newestFirst(ls []cairn.Link) []cairn.Link {
	slices.Reverse(ls) // links are read in the order of their time
	return ls
}

func releaseTitle(r *cairn.Release) string {
	s := fmt.Sprintf("release r%d of %s", r.Seq, r.Service)
	if len(r.Tags) > 0 {
		s += " (" + strings.Join(r.Tags, ", ") + ")"
	}
	return s
}

// historyShown is how many deployments of a stage are listed.
const historyShown = 10

// stage describes a stage and leads to what is live there.
func (w *walk) stage(n *cairn.TraceNode) ([]cairn.Link, error) {
	st, err := w.findStage(n.Ref.ID())
	if err != nil {
		return nil, err
	}
	if st == nil {
		w.gap(n, "nothing was put on this stage")
		return nil, nil
	}
	n.Title = stageTitle(st)
	fact(n, "address", st.URL)
	ds, err := w.Delivery.Deployments(w.ctx, cairn.DeploymentFilter{Workspace: w.Workspace, StageID: st.ID, Limit: historyShown})
	if err != nil {
		return nil, err
	}
	var out []cairn.Link
	for i := range ds {
		d := &ds[i]
		at := d.CreatedAt
		if !d.LiveAt.IsZero() {
			at = d.LiveAt
		}
		text := w.releaseName(d.Release) + " " + string(d.Status) + ", " + stamp(at)
		if d.ApprovedBy != "" {
			text += ", approved by " + d.ApprovedBy
		}
		fact(n, fmt.Sprintf("deployment %d", d.ID), text+because(d.Reason))
		if d.ID == st.Live {
			out = append(out, cairn.Link{From: d.Ref(), Relation: cairn.RelPartOf, To: n.Ref, Note: "live"})
		}
	}
	if st.Live == 0 {
		n.Missing = "nothing is live on it" // that is no gap: somebody stopped it, or it never came up
	} else if len(out) == 0 {
		out = append(out, cairn.Link{From: st.Live.Ref(), Relation: cairn.RelPartOf, To: n.Ref, Note: "live"})
	}
	return out, nil
}

func stageTitle(st *cairn.Stage) string { return "stage " + st.Name + " of " + st.Repository }

// releaseName is how people call a release: "api r3".
func (w *walk) releaseName(id string) string {
	r, err := w.Delivery.Release(w.ctx, w.Workspace, id)
	if err != nil {
		return "release " + id
	}
	return fmt.Sprintf("%s r%d", r.Service, r.Seq)
}

// findStage finds owner/name:stage.
func (w *walk) findStage(id string) (*cairn.Stage, error) {
	repository, name, _ := cutLast(id, ':')
	sts, err := w.Delivery.Stages(w.ctx, repository)
	for i := range sts {
		if strings.EqualFold(sts[i].Name, name) {
			return &sts[i], nil
		}
	}
	return nil, err
}

// servedTitle is the name of a thing of delivery that is shown in full elsewhere.
func (w *walk) servedTitle(ref cairn.Ref) string {
	if w.Delivery != nil {
		switch ref.Kind() {
		case cairn.KindImage:
			if img, err := w.Delivery.Image(w.ctx, w.Workspace, cairn.Digest(ref.ID())); err == nil {
				return imageTitle(&img)
			}
			return "image " + cairn.Digest(ref.ID()).Short()
		case cairn.KindRelease:
			if r, err := w.Delivery.Release(w.ctx, w.Workspace, ref.ID()); err == nil {
				return releaseTitle(&r)
			}
		case cairn.KindDeployment:
			if id, err := strconv.ParseInt(ref.ID(), 10, 64); err == nil {
				if d, err := w.Delivery.Deployment(w.ctx, cairn.DeploymentID(id)); err == nil {
					return deploymentTitle(&d)
				}
			}
		}
	}
	return ref.Kind() + " " + ref.ID()
}
