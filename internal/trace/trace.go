// Package trace walks the links: up, to where something comes from, and down,
// to what came of it. It names the first link that is missing.
package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Reader is what a trace is read from; *store.Store satisfies it.
type Reader interface {
	LinksFrom(ctx context.Context, refs ...cairn.Ref) ([]cairn.Link, error)
	LinksTo(ctx context.Context, refs ...cairn.Ref) ([]cairn.Link, error)
	RefsWithPrefix(ctx context.Context, prefix string, limit int) ([]cairn.Ref, error)
	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Runs(ctx context.Context, f cairn.RunFilter) ([]cairn.Run, error)
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
	Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error)
	AssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string) (cairn.AssetVersion, error)
	LatestAssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name string) (cairn.AssetVersion, error)
	AssetLabels(ctx context.Context, workspace string, kind cairn.AssetKind, name string) ([]cairn.Label, error)
	Holding(ctx context.Context, workspace string, d cairn.Digest, limit int) ([]cairn.Holder, error)
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
	MLRun(ctx context.Context, id string) (*cairn.MLRun, error)
}

// Tracer answers traces of one workspace.
type Tracer struct {
	Reader    Reader
	Workspace string
	// Commit finds a commit that nothing ran from, in the hosted repositories;
	// nil when there are none.
	Commit func(ctx context.Context, prefix string) ([]cairn.Commit, error)
	// Source is where a repository lies that is followed, "" of another; nil: none is
	// followed.
	Source func(ctx context.Context, repository string) (string, error)
	// Delivery reads images and what is served from them; nil: there is neither.
	Delivery Delivery
	// Prediction reads the record of an answer, with its report; nil: none is kept.
	Prediction func(ctx context.Context, id cairn.PredictionID) (*cairn.Prediction, error)
	// NewestModel is the newest model that the runs of a repository made, "" without
	// one; CodeChange the last commit up to one that changed the files that an API
	// is built from, CodeNotFound where these cannot be told. nil: neither is known.
	NewestModel func(ctx context.Context, repository string) (cairn.Ref, error)
	CodeChange  func(ctx context.Context, repository, commit string) (*cairn.Commit, error)
	// BuiltIn reports whether a version is a part of this program and has no row; nil:
	// none is.
	BuiltIn func(ref cairn.Ref) bool
	// Named finds a run or a job by the name that it was given, "" without one; nil:
	// they are found by number alone.
	Named func(ctx context.Context, name string) (cairn.Ref, error)
	// FindImage finds an image by any name that people give it; nil: by digest alone.
	FindImage func(ctx context.Context, ref string) (*cairn.Image, error)
}

// nodeLimit bounds the things of one answer.
const nodeLimit = 5000

// depthLimit bounds its depth: no real chain is so long.
const depthLimit = 200

// Trace resolves what was asked and walks from there. The repository is the one
// that was asked from ("": none), where names of stages and releases are looked
// for first.
func (t *Tracer) Trace(ctx context.Context, repository, asked string, down bool) (*cairn.Trace, error) {
	found, err := t.Resolve(ctx, repository, asked)
	if err != nil {
		return nil, err
	}
	w := &walk{Tracer: t, ctx: ctx, down: down, seen: map[cairn.Ref]bool{}, runs: map[cairn.RunID]*cairn.Run{}, tasks: map[cairn.Digest]map[string]*cairn.Task{}}
	out := &cairn.Trace{Asked: asked, Down: down}
	for _, f := range found {
		n, err := w.node(f.Ref, nil, "", 0)
		if err != nil {
			return nil, err
		}
		if f.Note != "" {
			n.Note = f.Note
		}
		if down && len(n.Children) == 0 && n.Missing == "" && n.Kind != cairn.KindDeployment {
			n.Missing = "nothing came of it yet"
		}
		out.Roots = append(out.Roots, *n)
	}
	out.Gaps = w.gaps
	out.Answer, err = t.answer(ctx, out)
	return out, err
}

// walk is one traversal, depth first, each thing shown in full once.
type walk struct {
	*Tracer
	ctx   context.Context
	down  bool
	seen  map[cairn.Ref]bool
	runs  map[cairn.RunID]*cairn.Run
	tasks map[cairn.Digest]map[string]*cairn.Task // of a plan, by node
	count int
	gaps  []cairn.TraceGap
}

// node describes one thing and everything beyond it. via is the link that led
// here, from where.
func (w *walk) node(ref cairn.Ref, via *cairn.Link, from cairn.Ref, depth int) (*cairn.TraceNode, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	n := &cairn.TraceNode{Ref: ref, Kind: ref.Kind(), Title: string(ref)}
	if via != nil {
		n.Relation, n.Inverse, n.Note = via.Relation, via.To == from && via.From != from, via.Note
	}
	// Upwards a commit is where a path ends: each path has its own in full.
	n.Again = w.seen[ref] && !w.down && ref.Kind() == cairn.KindCommit
	if w.seen[ref] && (w.down || ref.Kind() != cairn.KindCommit && ref.Kind() != cairn.KindUser) {
		n.Seen = true
		n.Title = w.title(ref)
		return n, nil
	}
	w.seen[ref] = true
	if w.count++; w.count > nodeLimit || depth > depthLimit {
		n.Missing = fmt.Sprintf("not shown: an answer has at most %d things; ask for this one", nodeLimit)
		return n, nil
	}
	var next []cairn.Link
	var err error
	switch ref.Kind() {
	case cairn.KindData, cairn.KindModel, cairn.KindEnvironment, cairn.KindComponent, cairn.KindCode:
		next, err = w.asset(n)
	case cairn.KindArtifact:
		next, err = w.artifact(n)
	case cairn.KindMLRun:
		next, err = w.mlrun(n)
	case cairn.KindJob:
		next, err = w.job(n)
	case cairn.KindRun:
		next, err = w.run(n)
	case cairn.KindCommit:
		next, err = w.commit(n)
	case cairn.KindUser:
		n.Title = w.title(ref)
		if w.down {
			next, err = w.made(ref)
		}
	case cairn.KindImage, cairn.KindRelease, cairn.KindDeployment, cairn.KindPrediction, cairn.KindStage:
		next, err = w.served(n, via != nil && !n.Inverse && (via.Relation == cairn.RelPacked || via.Relation == cairn.RelUsed))
	case cairn.KindAction:
		next, err = w.action(n)
	case cairn.KindTree, cairn.KindFile:
		w.tree(n)
		next, err = w.plain(n)
	default:
		next, err = w.plain(n)
	}
	if err != nil {
		return nil, err
	}
	next = w.lockOfAnother(n, next, from)
	for i := range next {
		to := next[i].To
		if to == ref {
			to = next[i].From
		}
		if to == from {
			continue // the job that an environment was made by, asked from that job
		}
		child, err := w.node(to, &next[i], ref, depth+1)
		if err != nil {
			return nil, err
		}
		n.Children = append(n.Children, *child)
	}
	return n, nil
}

// gap notes that something should be known and is not.
func (w *walk) gap(n *cairn.TraceNode, format string, args ...any) {
	n.Missing = fmt.Sprintf(format, args...)
	if slices.ContainsFunc(w.gaps, func(g cairn.TraceGap) bool { return g.At == n.Ref }) {
		return
	}
	w.gaps = append(w.gaps, cairn.TraceGap{At: n.Ref, Reason: n.Missing})
}

// pick keeps the links of some relations, in the order of the relations.
func pick(ls []cairn.Link, relations ...cairn.Relation) []cairn.Link {
	var out []cairn.Link
	for _, r := range relations {
		for _, l := range ls {
			if l.Relation == r {
				out = append(out, l)
			}
		}
	}
	return out
}

// onward is what follows downwards from things that jobs make.
var onward = []cairn.Relation{
	cairn.RelDerived, cairn.RelUsed, cairn.RelPacked, cairn.RelReleased, cairn.RelDeployed, cairn.RelServed,
}

// plain follows the links of a kind that has no row of its own here.
func (w *walk) plain(n *cairn.TraceNode) ([]cairn.Link, error) {
	if w.down {
		return w.Reader.LinksTo(w.ctx, n.Ref)
	}
	return w.Reader.LinksFrom(w.ctx, n.Ref)
}

// made lists what somebody registered by hand.
func (w *walk) made(ref cairn.Ref) ([]cairn.Link, error) {
	ls, err := w.Reader.LinksFrom(w.ctx, ref)
	return pick(ls, cairn.RelMade), err
}

func fact(n *cairn.TraceNode, name, value string) {
	if value != "" {
		n.Facts = append(n.Facts, cairn.TraceFact{Name: name, Value: value})
	}
}

func grouped(n *cairn.TraceNode, group, name, value string) {
	n.Facts = append(n.Facts, cairn.TraceFact{Name: name, Value: value, Group: group})
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
