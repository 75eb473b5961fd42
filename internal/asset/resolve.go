package asset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Resolve finds what is asked for. Asked by a job, the answer is pinned to its
// run and linked to it. kind is for references without one; it may be "".
func (s *Service) Resolve(ctx context.Context, kind cairn.AssetKind, asked string, actor cairn.Principal) (*cairn.AssetVersion, error) {
	r, err := ParseReference(kind, asked)
	if err != nil {
		return nil, err
	}
	v, err := s.resolve(ctx, r, actor)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, s.explain(ctx, r, err)
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func (s *Service) resolve(ctx context.Context, r Reference, actor cairn.Principal) (cairn.AssetVersion, error) {
	if actor.Job == 0 || actor.Run == 0 {
		return s.byHand(ctx, r)
	}
	ask := cairn.PinAsk{
		Workspace: s.o.Workspace, Run: actor.Run, Attempt: actor.Attempt, Job: actor.Job,
		Asked: r.String(), Kind: r.Kind, Name: r.Name, Version: r.Version, Label: r.Label,
	}
	if s.o.JobInfo != nil {
		info, err := s.o.JobInfo(ctx, actor)
		if err != nil {
			return cairn.AssetVersion{}, err
		}
		ask.Path, ask.Refresh = info.Path, info.Refresh
	}
	why := ""
	return s.o.Store.PinAsset(ctx, ask, func(f cairn.PinFacts) (v cairn.AssetVersion, err error) {
		v, why, err = choose(ask, f)
		return v, err
	}, func(v cairn.AssetVersion) cairn.Change {
		note := "as " + ask.Asked
		if why != "" {
			note += ", " + why
		}
		pin := cairn.Pin{Run: ask.Run, Attempt: ask.Attempt, Job: ask.Job, Asked: ask.Asked, Version: v.Ref(), Digest: v.Digest}
		return cairn.Change{
			By:     actor.Name,
			Events: []cairn.Event{event(cairn.EvRecorded, cairn.JobRef(ask.Job), actor, pin)},
			Links:  []cairn.Link{{From: cairn.JobRef(ask.Job), Relation: cairn.RelUsed, To: v.Ref(), Note: note}},
		}
	})
}

// byHand is what a reference means outside a run.
func (s *Service) byHand(ctx context.Context, r Reference) (cairn.AssetVersion, error) {
	version := r.Version
	if version == "" && r.Label == Latest {
		return s.o.Store.LatestAssetVersion(ctx, s.o.Workspace, r.Kind, r.Name)
	}
	if version == "" {
		ls, err := s.o.Store.AssetLabels(ctx, s.o.Workspace, r.Kind, r.Name)
		if err != nil {
			return cairn.AssetVersion{}, err
		}
		i := slices.IndexFunc(ls, func(l cairn.Label) bool { return l.Label == r.Label })
		if i < 0 {
			return cairn.AssetVersion{}, cairn.Errorf(cairn.CodeNotFound, "there is no %s", r)
		}
		version = ls[i].Version
	}
	v, err := s.o.Store.AssetVersion(ctx, s.o.Workspace, r.Kind, r.Name, version)
	if err == nil && v.Deleted {
		err = cairn.Errorf(cairn.CodeNotFound, "%s was deleted", v.Ref())
	}
	return v, err
}

// choose applies the rules of the package comment. It is pure. why says in words
// which rule it was, where that is not plain.
func choose(ask cairn.PinAsk, f cairn.PinFacts) (v cairn.AssetVersion, why string, err error) {
	if ask.Version != "" {
		return live(f.Now, ask)
	}
	latest := ask.Label == Latest
	// (1) what this attempt made, or where it moved the label.
	if made := newest(f.Made, func(a int) bool { return a == ask.Attempt }); latest && made != nil {
		return *made, "made in this attempt", nil
	}
	if !latest && f.LabelRun == ask.Run && f.LabelAttempt == ask.Attempt && f.Now != nil && !f.Now.Deleted {
		return *f.Now, "label moved in this attempt", nil
	}
	// (2) what it meant before.
	if p := earlier(ask, f.Pins); p != nil {
		if p.Asset.Deleted {
			return v, "", cairn.Errorf(cairn.CodeNotFound, "%s meant %s in attempt %d, which was deleted since", ask.Asked, p.Asset.Ref(), p.Pin.Attempt).
				WithHint("run again with labels resolved anew: cairn run rerun %d --refresh", ask.Run)
		}
		if p.Pin.Attempt != ask.Attempt {
			why = fmt.Sprintf("kept from attempt %d", p.Pin.Attempt)
		}
		return p.Asset, why, nil
	}
	// (3) what the run made in an earlier attempt.
	if made := newest(f.Made, func(a int) bool { return a < ask.Attempt }); latest && made != nil {
		return *made, fmt.Sprintf("made in attempt %d", made.Attempt), nil
	}
	// (4) what the workspace says.
	return live(f.Now, ask)
}

func live(v *cairn.AssetVersion, ask cairn.PinAsk) (cairn.AssetVersion, string, error) {
	if v == nil {
		return cairn.AssetVersion{}, "", cairn.Errorf(cairn.CodeNotFound, "there is no %s", ask.Asked)
	}
	if v.Deleted {
		return cairn.AssetVersion{}, "", cairn.Errorf(cairn.CodeNotFound, "%s was deleted", v.Ref())
	}
	return *v, "", nil
}

// newest is the one with the largest Seq among those of the right attempts.
func newest(made []cairn.AssetVersion, of func(attempt int) bool) *cairn.AssetVersion {
	var best *cairn.AssetVersion
	for i := range made {
		if v := &made[i]; of(v.Attempt) && !v.Deleted && !v.Archived && (best == nil || v.Seq > best.Seq) {
			best = v
		}
	}
	return best
}

// earlier picks the answer to keep: the job's own of this attempt; without
// refresh that of the same job in the newest earlier attempt that has one, else
// (the job asks for the first time) what the label meant first in the newest
// earlier attempt in which any job asked.
func earlier(ask cairn.PinAsk, pins []cairn.PinnedVersion) *cairn.PinnedVersion {
	var same, other *cairn.PinnedVersion
	for i := range pins {
		p := &pins[i]
		switch {
		case p.Pin.Attempt == ask.Attempt && p.Pin.Job == ask.Job:
			return p
		case ask.Refresh || p.Pin.Attempt >= ask.Attempt:
		case ask.Path != "" && p.Path == ask.Path:
			if same == nil || p.Pin.Attempt >= same.Pin.Attempt {
				same = p
			}
		default:
			if other == nil || p.Pin.Attempt > other.Pin.Attempt {
				other = p
			}
		}
	}
	if same != nil {
		return same
	}
	return other
}

// explain says what there is where nothing was found.
func (s *Service) explain(ctx context.Context, r Reference, err error) error {
	e := cairn.AsError(err)
	if e.Hint != "" {
		return e
	}
	a, aerr := s.o.Store.Asset(ctx, s.o.Workspace, r.Kind, r.Name)
	if aerr != nil {
		return s.noName(ctx, r.Kind, r.Name)
	}
	vs, _, verr := s.o.Store.AssetVersions(ctx, s.o.Workspace, cairn.AssetFilter{Kind: r.Kind, Name: r.Name, Limit: 20})
	if verr != nil {
		return verr
	}
	if len(vs) == 0 {
		return cairn.Errorf(cairn.CodeNotFound, "%s/%s has no version that is not archived (%d in all)", r.Kind, r.Name, a.Versions).
			WithHint("cairn %s list --archived shows them; cairn %s create makes one", r.Kind, r.Kind)
	}
	var names []string
	for _, v := range vs {
		names = append(names, v.Version)
	}
	if r.Version != "" {
		return e.WithHint("its versions are %s", list(names))
	}
	labels := []string{Latest}
	ls, lerr := s.o.Store.AssetLabels(ctx, s.o.Workspace, r.Kind, r.Name)
	if lerr != nil {
		return lerr
	}
	for _, l := range ls {
		labels = append(labels, l.Label)
	}
	if near := cairn.Nearest(r.Label, labels); near != "" {
		return e.WithHint("did you mean @%s?", near)
	}
	return e.WithHint("its labels are %s; its versions %s", list(labels), list(names))
}

// noName is the error for a name that is not there.
func (s *Service) noName(ctx context.Context, kind cairn.AssetKind, name string) error {
	e := cairn.Errorf(cairn.CodeNotFound, "there is no %s %q", kind, clip(name))
	as, _, err := s.o.Store.Assets(ctx, s.o.Workspace, cairn.AssetFilter{Kind: kind, Archived: true})
	if err != nil {
		return err
	}
	var names []string
	for _, a := range as {
		names = append(names, a.Name)
	}
	if near := cairn.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	if len(names) == 0 {
		if kind == cairn.AssetData || kind == cairn.AssetModel {
			return e.WithHint("there is none yet: cairn %s create %s PATH", kind, clip(name))
		}
		return e.WithHint("there is none yet: cairn %s create --file FILE", kind)
	}
	return e.WithHint("there are: %s", list(names))
}

func list(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}
