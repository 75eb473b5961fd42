package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// TestComputes: names are compared without case, each change has its event in its own
// transaction, and a change that fails, or is none, leaves nothing.
func TestComputes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	moved := func(name string) cairn.Change {
		return cairn.Change{By: "ann", Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef(cairn.KindCompute, name)}}}
	}
	for _, name := range []string{"Desk", "cpu"} {
		if err := s.PutCompute(ctx, "default", cairn.Compute{Name: name, Type: cairn.ComputeInstance, CreatedAt: time.Unix(1000, 0).UTC()}, moved(name)); err != nil {
			t.Fatal(err)
		}
	}
	last := func() int64 {
		n, err := s.LastEvent(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := last()
	c, err := s.ChangeCompute(ctx, "default", "DESK", func(c *cairn.Compute) (cairn.Change, bool, error) {
		c.State = cairn.ComputeStopped
		return moved(c.Name), true, nil
	})
	if err != nil || c.Name != "Desk" || c.State != cairn.ComputeStopped || last() != before+1 {
		t.Fatalf("%+v %v, %d events", c, err, last()-before)
	}
	boom := errors.New("boom")
	for _, fail := range []error{nil, boom} {
		if _, err := s.ChangeCompute(ctx, "default", "desk", func(c *cairn.Compute) (cairn.Change, bool, error) {
			c.State = "nonsense"
			return moved(c.Name), false, fail
		}); !errors.Is(err, fail) {
			t.Errorf("%v: %v", fail, err)
		}
	}
	all, err := s.Computes(ctx, "default")
	if err != nil || len(all) != 2 || all[0].Name != "cpu" || all[1].State != cairn.ComputeStopped || last() != before+1 {
		t.Fatalf("%+v %v", all, err)
	}
	if other, err := s.Computes(ctx, "other"); err != nil || len(other) != 0 {
		t.Error(other, err)
	}
	if err := s.DeleteCompute(ctx, "default", "dEsk", moved("Desk")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteCompute(ctx, "default", "desk", moved("Desk")); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := s.ChangeCompute(ctx, "default", "desk", func(*cairn.Compute) (cairn.Change, bool, error) { return cairn.Change{}, true, nil }); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("changed what is gone: %v", err)
	}
}
