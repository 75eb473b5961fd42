package server

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Computes lists the computes, by name.
func (s *Server) Computes(ctx context.Context) ([]cairn.Compute, error) {
	all, err := s.store.Computes(ctx, Workspace)
	now := s.now()
	for i := range all {
		c := &all[i]
		if c.Busy = s.computeTime.inUse(c.Name); c.Type == cairn.ComputeCluster {
			c.Nodes = nodesOf(c, c.Busy, now)
		}
	}
	return all, err
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
	if c.Type == cairn.ComputeCluster && c.Schedules != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "schedules start and stop a computeinstance; %s is of type %s", c.Name, c.Type)
	}
	if _, err := startStops(c.Schedules, now); err != nil {
		return nil, err
	}
	if c.Shutdown < 0 || c.Shutdown > 0 && c.Type == cairn.ComputeCluster {
		return nil, cairn.Errorf(cairn.CodeInvalid, "idle_time_before_shutdown_minutes is a number of minutes, of a computeinstance")
	}
	c.By, c.CreatedAt, c.Looked, c.Busy, c.Nodes = actor, now, now, 0, 0
	c.State, c.Moved, c.MovedWhy, c.MovedBy, c.MovedAt, c.Used, c.UsedAt = "", "", "", "", time.Time{}, 0, time.Time{}
	if c.Type == cairn.ComputeInstance {
		moveCompute(&c, "create", cairn.ComputeByUser, actor, now)
	}
	// What the clock writes meanwhile is kept: the row is read and replaced in one transaction.
	_, err := s.store.ChangeCompute(ctx, Workspace, c.Name, func(old *cairn.Compute) (cairn.Change, bool, error) {
		if old.Type != c.Type {
			return cairn.Change{}, false, cairn.Errorf(cairn.CodeConflict, "%s is a compute of type %s: it cannot become one of type %s", old.Name, old.Type, c.Type)
		}
		next := c
		next.Name, next.By, next.CreatedAt, next.State, next.MovedBy, next.MovedAt = old.Name, old.By, old.CreatedAt, old.State, old.MovedBy, old.MovedAt
		next.Moved, next.MovedWhy, next.Used, next.UsedAt = old.Moved, old.MovedWhy, old.Used, old.UsedAt
		*old = next
		return computeChange(actor, old), true, nil
	})
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		err = s.store.PutCompute(ctx, Workspace, c, computeChange(actor, &c))
	}
	if err != nil {
		return nil, err
	}
	s.computeTime.wake()
	return s.Compute(ctx, c.Name)
}

// moveCompute is what starting and stopping means for the row of an instance.
func moveCompute(c *cairn.Compute, to, why, by string, now time.Time) {
	c.State = cairn.ComputeRunning
	if to == "stop" {
		c.State = cairn.ComputeStopped
	}
	c.Moved, c.MovedWhy, c.MovedBy, c.MovedAt = to, why, by, now
}

// MoveCompute starts, stops or restarts an instance: its state is written down.
func (s *Server) MoveCompute(ctx context.Context, name, to string) (*cairn.Compute, error) {
	if _, err := s.Compute(ctx, name); err != nil { // its error names the nearest
		return nil, err
	}
	if to != "start" && to != "stop" && to != "restart" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is none of start, stop and restart", clipText(to, 20))
	}
	by := auth.Actor(ctx).Name
	c, err := s.store.ChangeCompute(ctx, Workspace, name, func(c *cairn.Compute) (cairn.Change, bool, error) {
		if c.Type != cairn.ComputeInstance {
			return cairn.Change{}, false, cairn.Errorf(cairn.CodeInvalid, "%s is a compute of type %s: only a computeinstance is started and stopped", c.Name, c.Type)
		}
		moveCompute(c, to, cairn.ComputeByUser, by, s.now().UTC())
		return computeChange(by, c), true, nil
	})
	if err != nil {
		return nil, err
	}
	s.computeTime.wake()
	return s.Compute(ctx, c.Name)
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
