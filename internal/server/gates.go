package server

import (
	"context"
	"math"
	"sync"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/stages"
)

// gates gathers what the conditions of environments look at, and evaluates them.
type gates struct {
	s    *Server
	gate func() (*stages.Gate, error) // made when it is first needed
}

func newGates(s *Server) *gates { return &gates{s, sync.OnceValues(stages.NewGate)} }

// maxGateModels bounds the models of a run that are looked at, the newest ones.
const maxGateModels = 200

// CheckGate is what the engine asks for a job that names an environment.
func (g *gates) CheckGate(ctx context.Context, run *cairn.Run, environment, expr string) (cairn.GateCheck, error) {
	f, err := g.ofRun(ctx, run)
	if err != nil {
		return cairn.GateCheck{}, err
	}
	rs, err := g.s.store.Releases(ctx, cairn.ReleaseFilter{Workspace: run.Workspace, Run: run.ID, Limit: 1})
	if err != nil {
		return cairn.GateCheck{}, err
	}
	if len(rs) > 0 {
		f.Release = &rs[0]
	}
	return g.check(ctx, environment, expr, f)
}

// CheckRelease is what is asked before a release goes to a stage by hand: the run is
// the one that made its image, the model the one in it.
func (g *gates) CheckRelease(ctx context.Context, r *cairn.Release, model cairn.Ref, stage, expr string) (cairn.GateCheck, error) {
	f := stages.GateFacts{}
	if r.Run != 0 {
		run, err := g.s.store.Run(ctx, r.Run)
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return cairn.GateCheck{}, err
		}
		if err == nil {
			if f, err = g.ofRun(ctx, &run); err != nil {
				return cairn.GateCheck{}, err
			}
		}
	}
	f.Release, f.Model = r, nil
	if model != "" {
		m, err := g.model(ctx, r.Workspace, model)
		if err != nil {
			return cairn.GateCheck{}, err
		}
		if f.Model = m; m != nil {
			if f.Models == nil {
				f.Models = map[string]map[string]float64{}
			}
			f.Models[m.Name] = m.Metrics
		}
	}
	return g.check(ctx, stage, expr, f)
}

func (g *gates) check(ctx context.Context, environment, expr string, f stages.GateFacts) (cairn.GateCheck, error) {
	gate, err := g.gate()
	if err != nil {
		return cairn.GateCheck{}, err
	}
	f.Environment = environment
	c := gate.Check(ctx, expr, f)
	return c, ctx.Err()
}

// ofRun are the facts of a run: its jobs, and the models that they made or used.
func (g *gates) ofRun(ctx context.Context, run *cairn.Run) (stages.GateFacts, error) {
	f := stages.GateFacts{Run: run, Tests: map[string]string{}, Models: map[string]map[string]float64{}}
	jobs, err := g.s.store.Jobs(ctx, run.ID, run.Attempt, false)
	if err != nil {
		return f, err
	}
	refs := make([]cairn.Ref, len(jobs))
	for i, j := range jobs {
		result := string(j.Conclusion)
		if result == "" {
			result = string(j.Status)
		}
		f.Tests[j.Name], f.Tests[j.Path] = result, result
		refs[i] = cairn.JobRef(j.ID)
	}
	links, err := g.s.store.LinksFrom(ctx, refs...)
	if err != nil {
		return f, err
	}
	// Links come by time within a part; what was made counts before what was used.
	var made, used []cairn.Link
	for _, l := range links {
		switch kind := l.To.Kind(); {
		case kind != cairn.KindModel:
		case l.Relation == cairn.RelMade:
			made = append(made, l)
		case l.Relation == cairn.RelUsed:
			used = append(used, l)
		}
	}
	seen := map[cairn.Ref]bool{}
	newest := func(from []cairn.Link) error {
		for i := len(from) - 1; i >= 0 && len(seen) < maxGateModels; i-- {
			if seen[from[i].To] {
				continue
			}
			seen[from[i].To] = true
			m, err := g.model(ctx, run.Workspace, from[i].To)
			if err != nil {
				return err
			}
			if m == nil {
				continue
			}
			if _, there := f.Models[m.Name]; !there {
				f.Models[m.Name] = m.Metrics
			}
			if f.Model == nil {
				f.Model = m
			}
		}
		return nil
	}
	if err := newest(made); err != nil {
		return f, err
	}
	return f, newest(used)
}

// model reads a version with the metrics of the run that it was registered from;
// nil where it is gone.
func (g *gates) model(ctx context.Context, workspace string, ref cairn.Ref) (*stages.ModelFacts, error) {
	name, version := ref.NameVersion()
	v, err := g.s.store.AssetVersion(ctx, workspace, cairn.AssetModel, name, version)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	m := &stages.ModelFacts{Name: v.Name, Version: v.Version, Metrics: map[string]float64{}}
	if v.SourceRun == "" {
		return m, nil
	}
	run, err := g.s.store.MLRun(ctx, v.SourceRun)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return m, nil
	} else if err != nil {
		return nil, err
	}
	for _, k := range run.Metrics {
		if m.Metrics[k.Key] = k.Value; k.NaN {
			m.Metrics[k.Key] = math.NaN()
		}
	}
	return m, nil
}
