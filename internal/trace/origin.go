package trace

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// originsLimit bounds the stages that one answer tells of.
const originsLimit = 20

// Origins answers the three questions for each stage of a repository that
// something is live on, production first; where nothing is, for the newest image
// or model.
func (t *Tracer) Origins(ctx context.Context, repository string) ([]cairn.Origin, error) {
	var out []cairn.Origin
	live, err := t.liveStages(ctx, repository)
	for _, st := range live[:min(len(live), originsLimit)] {
		o, err := t.origin(ctx, st.Live.Ref(), st.Repository)
		if err != nil {
			return nil, err
		}
		o.Stage, o.URL = st.Name, st.URL
		d, err := t.Delivery.Deployment(ctx, st.Live)
		if err != nil {
			return nil, err
		}
		o.Since = d.LiveAt
		out = append(out, *o)
	}
	if err != nil || len(out) > 0 {
		return out, err
	}
	return t.unlived(ctx, repository)
}

func (t *Tracer) liveStages(ctx context.Context, repository string) ([]cairn.Stage, error) {
	if t.Delivery == nil {
		return nil, nil
	}
	sts, err := t.Delivery.Stages(ctx, repository)
	sts = slices.DeleteFunc(sts, func(st cairn.Stage) bool { return st.Live == 0 })
	slices.SortStableFunc(sts, func(a, b cairn.Stage) int { return rank(a.Name) - rank(b.Name) })
	return sts, err
}

// rank puts what matters most first.
func rank(stage string) int {
	switch strings.ToLower(stage) {
	case "production", "prod", "live":
		return 0
	case "staging", "stage", "preprod", "pre-production":
		return 1
	}
	return 2
}

// unlived answers for what would be served next.
func (t *Tracer) unlived(ctx context.Context, repository string) ([]cairn.Origin, error) {
	if t.Delivery != nil {
		imgs, err := t.Delivery.Images(ctx, t.Workspace, cairn.ImageFilter{Limit: 1000})
		if err != nil {
			return nil, err
		}
		for i := range imgs { // newest first
			if imgs[i].Repository == repository || repository == "" && imgs[i].Repository != "" {
				o, err := t.origin(ctx, imgs[i].Ref(), imgs[i].Repository)
				if err != nil {
					return nil, err
				}
				o.Note = "nothing is live: this is the newest image"
				return []cairn.Origin{*o}, nil
			}
		}
	}
	if t.NewestModel != nil {
		ref, err := t.NewestModel(ctx, repository)
		if err != nil {
			return nil, err
		}
		if ref != "" {
			o, err := t.origin(ctx, ref, repository)
			if err != nil {
				return nil, err
			}
			o.Note = "nothing is live and no image is built: this is the newest model"
			return []cairn.Origin{*o}, nil
		}
	}
	where := "here"
	if repository != "" {
		where = "of " + repository
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "nothing %s is live, and there is no image and no model", where).
		WithHint("cairn run makes them; cairn trace REF asks for anything else")
}

func (t *Tracer) origin(ctx context.Context, of cairn.Ref, repository string) (*cairn.Origin, error) {
	tr, err := t.Trace(ctx, repository, string(of), false)
	if err != nil {
		return nil, err
	}
	o := OriginOf(tr)
	o.Repository = repository
	return o, t.changed(ctx, o)
}

// changed adds the last change of the API's own code.
func (t *Tracer) changed(ctx context.Context, o *cairn.Origin) error {
	if o.Commit == nil || o.Repository == "" || t.CodeChange == nil {
		return nil
	}
	c, err := t.CodeChange(ctx, o.Repository, o.Commit.SHA)
	if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	if err == nil && c != nil {
		o.Changed = &cairn.OriginCommit{SHA: c.SHA, Author: c.Author + " <" + c.Email + ">", Date: c.Date, Subject: c.Subject}
	}
	return nil
}

// answer is the short form of a trace that leads to one image.
func (t *Tracer) answer(ctx context.Context, tr *cairn.Trace) (*cairn.Origin, error) {
	if tr.Down || len(tr.Roots) != 1 {
		return nil, nil
	}
	switch tr.Roots[0].Kind {
	case cairn.KindPrediction, cairn.KindDeployment, cairn.KindRelease, cairn.KindImage, cairn.KindStage:
	default:
		return nil, nil
	}
	o := OriginOf(tr)
	if o.Image == nil || len(o.Models) == 0 && o.Commit == nil {
		return nil, nil // a base, or nothing that is known
	}
	o.Gaps = nil
	return o, t.changed(ctx, o)
}
