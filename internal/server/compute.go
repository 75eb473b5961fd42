package server

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Computes lists the computes, by name.
func (s *Server) Computes(ctx context.Context) ([]cairn.Compute, error) {
	return s.store.Computes(ctx, Workspace)
}

// Compute is one of them.
func (s *Server) Compute(ctx context.Context, name string) (*cairn.Compute, error) {
	all, err := s.Computes(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range all {
		if strings.EqualFold(all[i].Name, name) {
			return &all[i], nil
		}
		names = append(names, all[i].Name)
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no compute %s", clipText(name, 60))
	if near := cairn.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	return nil, e.WithHint("jobs may name it nevertheless: they run on this machine")
}

// Names of the original (azure-ai-ml 1.35.2): 3 to 24 letters, digits and -, 2 to 16 of a
// cluster in the documentation; what both take is taken.
var computeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,22}[A-Za-z0-9]$`)

// maxNodes bounds a cluster, as the original's quota does.
const maxNodes = 10_000

// PutCompute makes a compute; one that is there becomes what is said.
func (s *Server) PutCompute(ctx context.Context, c cairn.Compute) (*cairn.Compute, error) {
	switch {
	case !computeName.MatchString(c.Name):
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no name of a compute: 2 to 24 letters, digits and -, a letter first and no - at the end", clipText(c.Name, 60))
	case strings.EqualFold(c.Name, "local") || strings.EqualFold(c.Name, "serverless"):
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is there already, and cannot be made", c.Name)
	case c.Type != cairn.ComputeCluster && c.Type != cairn.ComputeInstance:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "computes of type %s are not made here", clipText(c.Type, 60)).WithHint("amlcompute and computeinstance are")
	case c.Min < 0 || c.Max < 0 || c.Max > maxNodes || c.Idle < 0:
		return nil, cairn.Errorf(cairn.CodeInvalid, "instances are 0 to %d, and idle seconds not below 0", maxNodes)
	case c.Min > c.Max && c.Type == cairn.ComputeCluster:
		return nil, cairn.Errorf(cairn.CodeInvalid, "min_instances is %d, above max_instances, which is %d", c.Min, c.Max)
	}
	actor, now := auth.Actor(ctx).Name, s.now().UTC()
	c.By, c.CreatedAt = actor, now
	if c.Type == cairn.ComputeInstance {
		c.State, c.MovedBy, c.MovedAt = cairn.ComputeRunning, actor, now
	}
	old, err := s.Compute(ctx, c.Name)
	switch {
	case err == nil && old.Type != c.Type:
		return nil, cairn.Errorf(cairn.CodeConflict, "%s is a compute of type %s: it cannot become one of type %s", old.Name, old.Type, c.Type)
	case err == nil:
		c.Name, c.By, c.CreatedAt, c.State, c.MovedBy, c.MovedAt = old.Name, old.By, old.CreatedAt, old.State, old.MovedBy, old.MovedAt
	case cairn.CodeOf(err) != cairn.CodeNotFound:
		return nil, err
	}
	return &c, s.store.PutCompute(ctx, Workspace, c, computeChange(actor, &c))
}

// MoveCompute starts, stops or restarts an instance: its state is written down.
func (s *Server) MoveCompute(ctx context.Context, name, to string) (*cairn.Compute, error) {
	c, err := s.Compute(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Type != cairn.ComputeInstance {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is a compute of type %s: only a computeinstance is started and stopped", c.Name, c.Type)
	}
	c.State = map[string]string{"start": cairn.ComputeRunning, "restart": cairn.ComputeRunning, "stop": cairn.ComputeStopped}[to]
	if c.State == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is none of start, stop and restart", clipText(to, 20))
	}
	c.MovedBy, c.MovedAt = auth.Actor(ctx).Name, s.now().UTC()
	return c, s.store.PutCompute(ctx, Workspace, *c, computeChange(c.MovedBy, c))
}

// DeleteCompute forgets one.
func (s *Server) DeleteCompute(ctx context.Context, name string) error {
	c, err := s.Compute(ctx, name)
	if err != nil {
		return err
	}
	return s.store.DeleteCompute(ctx, Workspace, c.Name, computeChange(auth.Actor(ctx).Name, c))
}

func computeChange(by string, c *cairn.Compute) cairn.Change {
	b, err := json.Marshal(c)
	if err != nil {
		b = nil // what came in as JSON encodes
	}
	return cairn.Change{By: by, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef(cairn.KindCompute, c.Name), Data: b}}}
}

// places are the computes as the engine bounds jobs by them.
func (s *Server) places(ctx context.Context) (map[string]cairn.Place, error) {
	all, err := s.Computes(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]cairn.Place, len(all))
	for i := range all {
		out[strings.ToLower(all[i].Name)] = placeOf(&all[i])
	}
	return out, nil
}

// placeOf says how many jobs run on a compute at once: an instance runs one, and none while
// it is not started.
func placeOf(c *cairn.Compute) cairn.Place {
	p := cairn.Place{Label: "compute " + c.Name, Count: c.Max}
	if c.Type == cairn.ComputeInstance {
		p.Count = 1
		if c.State == cairn.ComputeStopped {
			p.Closed = "it is stopped; start it with cairn compute start " + c.Name
		}
	}
	return p
}
