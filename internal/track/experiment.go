package track

import (
	"context"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// CreateExperiment makes an experiment. location is where its artifacts are to
// lie; "" lets the server choose, and only its own store is possible.
func (s *Service) CreateExperiment(ctx context.Context, name, location string, tags []cairn.Param) (*cairn.Experiment, error) {
	if err := checkExperimentName(name); err != nil {
		return nil, err
	}
	root := ""
	if location != "" {
		var err error
		if root, err = s.PathOf(location); err != nil || root == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "Invalid artifact_location '%s': files are kept by this server, so that a model can be traced to its bytes", location).
				WithHint("leave artifact_location out")
		}
	}
	now := s.now().UTC()
	e := cairn.Experiment{Name: name, Root: root, By: s.actor(ctx).Name, CreatedAt: now, UpdatedAt: now, Tags: map[string]string{}}
	for _, t := range tags {
		if err := checkExperimentTag(t); err != nil {
			return nil, err
		}
		e.Tags[t.Key] = t.Value
	}
	return s.store.CreateExperiment(ctx, e, s.change(ctx, cairn.EvExperiment, ""))
}

func checkExperimentTag(t cairn.Param) error {
	if err := checkKey(t.Key, "key"); err != nil {
		return err
	}
	if utf8.RuneCountInString(t.Value) > MaxExperimentTag {
		return tooLong("value", MaxExperimentTag)
	}
	return nil
}

// Experiment reads one by id.
func (s *Service) Experiment(ctx context.Context, id string) (*cairn.Experiment, error) {
	return s.store.Experiment(ctx, id)
}

// ExperimentByName reads one by name, deleted or not.
func (s *Service) ExperimentByName(ctx context.Context, name string) (*cairn.Experiment, error) {
	return s.store.ExperimentByName(ctx, name)
}

// DeleteExperiment hides an experiment with its runs.
func (s *Service) DeleteExperiment(ctx context.Context, id string) error {
	return s.saveExperiment(ctx, id, func(e *cairn.Experiment) error {
		if e.Deleted {
			return cairn.Errorf(cairn.CodeNotFound, "No Experiment with id=%s exists", id)
		}
		if id == DefaultExperiment {
			return invalid("The default experiment cannot be deleted: runs without an experiment go there")
		}
		e.Deleted = true
		return nil
	})
}

// RestoreExperiment brings a deleted experiment back with its runs.
func (s *Service) RestoreExperiment(ctx context.Context, id string) error {
	return s.saveExperiment(ctx, id, func(e *cairn.Experiment) error {
		if !e.Deleted {
			return cairn.Errorf(cairn.CodeNotFound, "No deleted Experiment with id=%s exists", id)
		}
		e.Deleted = false
		return nil
	})
}

// RenameExperiment changes the name of an active experiment.
func (s *Service) RenameExperiment(ctx context.Context, id, name string) error {
	if err := checkExperimentName(name); err != nil {
		return err
	}
	return s.saveExperiment(ctx, id, func(e *cairn.Experiment) error {
		if e.Deleted {
			return invalid("Cannot rename a non-active experiment.")
		}
		e.Name = name
		return nil
	})
}

// SetExperimentTag sets a tag of an active experiment; DeleteExperimentTag
// removes one.
func (s *Service) SetExperimentTag(ctx context.Context, id string, t cairn.Param) error {
	if err := checkExperimentTag(t); err != nil {
		return err
	}
	return s.saveExperiment(ctx, id, func(e *cairn.Experiment) error {
		if err := activeExperiment(e); err != nil {
			return err
		}
		if e.Tags == nil {
			e.Tags = map[string]string{}
		}
		e.Tags[t.Key] = t.Value
		return nil
	})
}

// DeleteExperimentTag removes a tag of an active experiment.
func (s *Service) DeleteExperimentTag(ctx context.Context, id, key string) error {
	return s.saveExperiment(ctx, id, func(e *cairn.Experiment) error {
		if err := activeExperiment(e); err != nil {
			return err
		}
		if _, ok := e.Tags[key]; !ok {
			return cairn.Errorf(cairn.CodeNotFound, "No tag with name: %s in experiment with id %s", key, id)
		}
		delete(e.Tags, key)
		return nil
	})
}

func activeExperiment(e *cairn.Experiment) error {
	if e.Deleted {
		return invalid("The experiment %s must be in the 'active' state. Current state is deleted.", e.ID)
	}
	return nil
}

func (s *Service) saveExperiment(ctx context.Context, id string, change func(*cairn.Experiment) error) error {
	_, err := s.store.SaveExperiment(ctx, id, func(e *cairn.Experiment) error {
		if err := change(e); err != nil {
			return err
		}
		e.UpdatedAt = s.now().UTC()
		return nil
	}, s.change(ctx, cairn.EvExperiment, cairn.Ref("experiment/"+id)))
	return err
}

// Search is a question in the words of clients.
type Search struct {
	Experiments []string
	Filter      string
	Order       []string
	View        cairn.TrackView
	Max         int // 0: the usual page
	Token       string
}

// SearchExperiments returns a page of experiments and the token of the next.
func (s *Service) SearchExperiments(ctx context.Context, q Search) ([]cairn.Experiment, string, error) {
	g := experimentGrammar
	n, err := pageSize(q.Max, 1000, MaxSearch)
	if err != nil {
		return nil, "", err
	}
	where, err := g.parseFilter(q.Filter)
	if err != nil {
		return nil, "", err
	}
	order, err := g.parseOrders(q.Order)
	if err != nil {
		return nil, "", err
	}
	pg, err := parseToken(q.Token, questionOf("experiments", q.Filter, q.Order, q.View))
	if err != nil {
		return nil, "", err
	}
	all, err := s.store.Experiments(ctx)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(e cairn.Experiment) bool {
		hidden := q.View == cairn.ViewDeleted && !e.Deleted || (q.View == cairn.ViewActive || q.View == "") && e.Deleted
		return hidden || !matches(where, experimentRow(&e))
	})
	slices.SortStableFunc(all, func(a, b cairn.Experiment) int {
		if d := compareBy(order, g, experimentRow(&a), experimentRow(&b)); d != 0 {
			return d
		}
		if d := b.CreatedAt.Compare(a.CreatedAt); d != 0 {
			return d
		}
		return int(math.Copysign(1, experimentNumber(b.ID)-experimentNumber(a.ID)))
	})
	out, next := take(all, pg, n)
	return out, next, nil
}

func experimentNumber(id string) float64 {
	n, err := strconv.ParseFloat(id, 64)
	if err != nil {
		return 0
	}
	return n
}

func experimentRow(e *cairn.Experiment) row {
	return func(sub cairn.TrackSubject, key string) (string, float64, bool) {
		if sub == cairn.OfTag {
			v, ok := e.Tags[key]
			return v, 0, ok
		}
		switch key {
		case "name":
			return e.Name, 0, true
		case "experiment_id":
			return e.ID, 0, true
		case "creation_time":
			return "", float64(e.CreatedAt.UnixMilli()), true
		case "last_update_time":
			return "", float64(e.UpdatedAt.UnixMilli()), true
		}
		return "", 0, false
	}
}
