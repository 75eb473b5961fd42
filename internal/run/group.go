package run

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// maxQueue is how many members of a group may wait, as on GitHub.
const maxQueue = 100

// maxGroup is how long the name of a group may be, in bytes.
const maxGroup = 1000

// errQueueCancel is what cancel-in-progress may come to only while a run decides.
var errQueueCancel = cairn.Errorf(cairn.CodeInvalid, "it is true, but queue: max never cancels what is in progress").
	WithHint("leave one of the two away")

func checkGroup(name string) error {
	if len(name) > maxGroup {
		return cairn.Errorf(cairn.CodeInvalid, "the name of the group is longer than %d bytes", maxGroup)
	}
	return nil
}

// Member is a run (Job 0) or a job of another run in a concurrency group.
type Member struct {
	Run    cairn.RunID
	Job    cairn.JobID
	Active bool // admitted and not completed; else it waits
	// Since is when it asked for the group.
	Since time.Time
	// All says that it waits beside others (queue: max); else it takes the place of
	// those that came before it.
	All bool

	path      string // of the job
	cancelled bool   // it was told to end already
}

// String names a member for people.
func (m Member) String() string {
	if m.path != "" {
		return fmt.Sprintf("%s of run %d", m.path, m.Run)
	}
	return fmt.Sprintf("run %d", m.Run)
}

// before orders members: who asked first, and of two that asked at once the one
// of the older run.
func (m Member) before(o Member) int {
	if c := m.Since.Compare(o.Since); c != 0 {
		return c
	}
	if m.Run != o.Run {
		return int(m.Run - o.Run)
	}
	return strings.Compare(m.path, o.path)
}

// GroupKey names a concurrency group: groups belong to a repository and are
// compared without case.
func GroupKey(repository, group string) string {
	return strings.ToLower(repository + "\x00" + group)
}

// claims are the groups that a job asks for: a call has up to two.
func claims(j *cairn.Job) []cairn.Claim {
	var out []cairn.Claim
	if j.Group != "" {
		out = append(out, cairn.Claim{Group: j.Group, CancelInProgress: j.CancelInProgress, Queue: j.Queue})
	}
	if j.Called != nil && j.Called.Group != "" {
		out = append(out, *j.Called)
	}
	return out
}

// member says how a job stands in a group that it claims; ok is false while it
// has not asked for it.
func member(j *cairn.Job, c cairn.Claim) (m Member, ok bool) {
	m = Member{
		Run: j.Run, Job: j.ID, Active: j.Status == cairn.StatusRunning, Since: j.GroupAt, All: c.Queue == cairn.QueueMax,
		path: j.Path, cancelled: !j.CancelAt.IsZero(),
	}
	return m, j.Status != cairn.StatusCompleted && (m.Active || !j.GroupAt.IsZero())
}

// runMember is member for a run's own group.
func runMember(run *cairn.Run, attempt *cairn.Attempt) (m Member, ok bool) {
	return Member{
		Run: run.ID, Active: run.Status == cairn.StatusRunning, Since: attempt.StartedAt, All: run.Queue == cairn.QueueMax,
		cancelled: run.CancelBy != "",
	}, run.Group != "" && run.Status != cairn.StatusCompleted
}

// members are all that are in a group or wait for it, in their order.
func (d *decider) members(group string) []Member {
	key := GroupKey(d.f.Run.Repository, group)
	if ms, ok := d.grouped[key]; ok {
		return ms
	}
	ms := slices.Clone(d.f.Groups[key])
	if m, ok := runMember(&d.st.Run, &d.st.Attempt); ok && strings.EqualFold(d.st.Run.Group, group) {
		ms = append(ms, m)
	}
	for _, j := range d.st.Jobs {
		for _, c := range claims(j) {
			if m, ok := member(j, c); ok && strings.EqualFold(c.Group, group) {
				ms = append(ms, m)
			}
		}
	}
	slices.SortFunc(ms, Member.before)
	if d.grouped == nil {
		d.grouped = map[string][]Member{}
	}
	d.grouped[key] = ms
	return ms
}

// regroup forgets what was found out about the groups of a job, which changed.
func (d *decider) regroup(path string) {
	if len(d.grouped) == 0 {
		return
	}
	for _, c := range claims(d.st.Jobs[path]) {
		delete(d.grouped, GroupKey(d.f.Run.Repository, c.Group))
	}
}

// inGroups takes a job, or a call, through its concurrency groups: it reports
// whether all of them are free for it. All are taken at once, so that two jobs
// that share two groups never hold one each.
func (d *decider) inGroups(path string, sc *scope) bool {
	row := d.st.Jobs[path]
	cs := claims(row)
	if len(cs) == 0 {
		return true
	}
	if row.GroupAt.IsZero() {
		for i, c := range cs {
			holder := d.holder(sc, c.Group)
			if i > 0 && strings.EqualFold(cs[0].Group, c.Group) {
				holder = "the job that calls"
			}
			if holder != "" {
				d.do(Finish{Path: path, Conclusion: cairn.Cancelled, Reason: clip(fmt.Sprintf(
					"concurrency group %s: a deadlock: %s holds it and waits for %s, which asks for it too", c.Group, holder, path), maxReason)})
				return false
			}
		}
		d.do(AskGroup{Path: path})
	}
	free := true
	for _, c := range cs {
		me, _ := member(d.st.Jobs[path], c)
		v := d.inGroup(c, me)
		if v.replaced != "" {
			d.do(Finish{Path: path, Conclusion: cairn.Cancelled, Reason: clip(v.replaced, maxReason)})
			return false
		}
		if v.wait != "" && free {
			free = false
			d.wait(d.st.Jobs[path], v.wait)
		}
	}
	return free
}

// holder names what is around a job and holds a group already: the run, or a
// call. Whoever waits for that would wait for ever.
func (d *decider) holder(sc *scope, group string) string {
	if d.f.Run.Group != "" && strings.EqualFold(d.f.Run.Group, group) {
		return "the run itself"
	}
	for at := sc; at != nil && at.caller != nil; at = at.outer {
		row := d.st.Jobs[at.via.path]
		if row == nil || !row.Call {
			continue
		}
		for _, c := range claims(row) {
			if strings.EqualFold(c.Group, group) {
				return at.via.path
			}
		}
	}
	return ""
}

// groupView is how a member stands in its concurrency group.
type groupView struct {
	wait     string // somebody else is in, or comes first
	replaced string // it gives way to a newer one, or finds the queue full
}

// inGroup looks at a concurrency group. One member is in it. Of those that wait,
// one that came with queue: max waits in turn, and any other takes the place of
// all that waited before it.
func (d *decider) inGroup(c cairn.Claim, me Member) groupView {
	var v groupView
	taken, place := "", 1
	for _, m := range d.members(c.Group) {
		switch {
		case m.Run == me.Run && m.path == me.path:
		case m.Active:
			taken = fmt.Sprintf("%s is in progress", m)
			if c.CancelInProgress && !m.cancelled {
				d.oust(c, m, me)
			}
		case m.before(me) < 0:
			if place++; taken == "" {
				v.wait = fmt.Sprintf("concurrency group %s: %s is first", c.Group, m)
			}
		case !m.All && v.replaced == "":
			v.replaced = fmt.Sprintf("concurrency group %s: replaced by %s, which came later", c.Group, m)
		}
	}
	if taken == "" {
		v.replaced = "" // the group is free: who came first goes in
		return v
	}
	if place > maxQueue {
		v.replaced = fmt.Sprintf("concurrency group %s: %d wait in its queue already, which is the most that may", c.Group, maxQueue)
	}
	v.wait = fmt.Sprintf("concurrency group %s: %s", c.Group, taken)
	if me.All {
		v.wait += fmt.Sprintf("; place %d in the queue", place)
	}
	return v
}

// oust ends the member that is in a group for one with cancel-in-progress.
func (d *decider) oust(c cairn.Claim, m, me Member) {
	reason := clip(fmt.Sprintf("concurrency group %s: replaced by %s, which cancels what is in progress", c.Group, me), maxReason)
	if m.Run == me.Run && m.path != "" {
		d.do(Cancel{Path: m.path, Reason: reason})
	} else if a := (CancelOther{Run: m.Run, Job: m.Job, Reason: reason}); !d.ousted[a] {
		d.ousted[a] = true
		d.do(a)
	}
}
