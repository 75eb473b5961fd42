package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// gates takes a ready job as far as it can go: through its environment and its
// concurrency group to a slot.
func (d *decider) gates(l leg, row *cairn.Job) {
	if !d.reuse(l, row) {
		return
	}
	if row.Environment != "" && !d.environment(l, row) {
		return
	}
	if !d.inGroups(l.path, d.where[l.path].scope) {
		return
	}
	if l.full != "" {
		d.queue(row, l.full)
		return
	}
	if why := d.full(row); why != "" {
		d.queue(row, why)
		return
	}
	serves := false
	for i := range d.f.Pools {
		pool := &d.f.Pools[i]
		if !pool.Serves(row.Labels) {
			continue
		}
		serves = true
		if d.free[i] > 0 {
			d.free[i]--
			d.taken[row.Place] += row.Instances
			d.do(Start{Path: l.path, Runner: pool.Name})
			return
		}
	}
	if !serves {
		d.wait(row, d.unserved(row.Labels))
		return
	}
	d.queue(row, "no free slot")
}

func (d *decider) wait(row *cairn.Job, reason string) {
	if reason = clip(reason, maxReason); row.Status != cairn.StatusWaiting || row.Reason != reason {
		d.do(Wait{Path: row.Path, Reason: reason})
	}
}

func (d *decider) queue(row *cairn.Job, reason string) {
	if row.Status != cairn.StatusQueued || row.Reason != reason {
		d.do(Queue{Path: row.Path, Reason: reason})
	}
}

// unserved names the label that no runner has, and those that there are.
func (d *decider) unserved(labels []string) string {
	var served []string
	for i := range d.f.Pools {
		for _, l := range d.f.Pools[i].Labels {
			if !slices.Contains(served, l) {
				served = append(served, l)
			}
		}
	}
	var lacking []string
	for _, l := range labels {
		if !slices.ContainsFunc(served, func(s string) bool { return strings.EqualFold(s, l) }) {
			lacking = append(lacking, l)
		}
	}
	have := "no runner is there"
	if len(served) > 0 {
		have = "served: " + strings.Join(served, ", ")
	}
	switch len(lacking) {
	case 0:
		return fmt.Sprintf("no single runner serves %s together; %s", strings.Join(labels, ", "), have)
	case 1:
		return fmt.Sprintf("no runner serves label %s; %s", lacking[0], have)
	default:
		return fmt.Sprintf("no runner serves labels %s; %s", strings.Join(lacking, ", "), have)
	}
}
