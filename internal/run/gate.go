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
	if row.Environment != "" && !d.environment(l, row) {
		return
	}
	if row.Group != "" {
		v := d.inGroup(row.Group, row.CancelInProgress, Member{Run: row.Run, Job: row.ID, Since: row.QueuedAt}, row.Path)
		if v.replaced != "" {
			d.do(Finish{Path: l.path, Conclusion: cairn.Cancelled, Reason: v.replaced})
			return
		}
		if v.wait != "" {
			d.wait(row, v.wait)
			return
		}
	}
	if l.full != "" {
		d.queue(row, l.full)
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

// groupView is how a member stands in its concurrency group.
type groupView struct {
	wait     string // somebody else is in
	replaced string // a newer member waits: this one gives way
}

// inGroup looks at a concurrency group: one member is in it, one waits, and a
// newer one takes the place of the one that waits.
func (d *decider) inGroup(group string, cancelInProgress bool, me Member, path string) groupView {
	members := d.f.Groups[GroupKey(d.f.Run.Repository, group)]
	var v groupView
	if path != "" { // jobs of this run
		for _, j := range d.st.Jobs {
			if j.Path == path || j.Group == "" || !strings.EqualFold(j.Group, group) ||
				j.Status == cairn.StatusCompleted || j.QueuedAt.IsZero() {
				continue
			}
			members = append(members[:len(members):len(members)], Member{
				Run: j.Run, Job: j.ID, Active: j.Status == cairn.StatusRunning, Since: j.QueuedAt,
				path: j.Path, cancelled: !j.CancelAt.IsZero(),
			})
		}
		slices.SortFunc(members, func(a, b Member) int {
			if c := a.Since.Compare(b.Since); c != 0 {
				return c
			}
			return strings.Compare(a.path, b.path)
		})
	}
	taken := false
	for _, m := range members {
		if !m.Active {
			continue
		}
		taken = true
		v.wait = fmt.Sprintf("concurrency group %s: %s is in progress", group, m)
		if cancelInProgress && !m.cancelled {
			reason := fmt.Sprintf("concurrency group %s: %s takes its place", group, Member{Run: me.Run, path: path})
			if m.Run == me.Run && m.path != "" {
				d.do(Cancel{Path: m.path, Reason: reason})
			} else if a := (CancelOther{Run: m.Run, Job: m.Job, Reason: reason}); !d.ousted[a] {
				d.ousted[a] = true
				d.do(a)
			}
		}
	}
	for _, m := range members {
		if m.Active {
			continue
		}
		newer := m.Since.After(me.Since)
		if m.Since.Equal(me.Since) {
			newer = m.Run > me.Run || m.Run == me.Run && m.path > path
		}
		switch {
		case taken && newer:
			v.replaced = fmt.Sprintf("concurrency group %s: %s came later and waits in its place", group, m)
		case !taken && !newer && v.wait == "":
			v.wait = fmt.Sprintf("concurrency group %s: %s is first", group, m)
		}
	}
	return v
}

// String names a member for people.
func (m Member) String() string {
	if m.path != "" {
		return fmt.Sprintf("%s of run %d", m.path, m.Run)
	}
	return fmt.Sprintf("run %d", m.Run)
}
