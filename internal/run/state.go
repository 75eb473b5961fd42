package run

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// State is the rows of one attempt in memory. Rows are replaced, never written
// through, so that a State can be copied cheaply and read while it changes.
type State struct {
	Run        cairn.Run
	Attempt    cairn.Attempt
	Expansions map[string]cairn.Expansion // by instance path of the node
	Jobs       map[string]*cairn.Job      // by instance path
	Approvals  map[string]cairn.Approval  // by environment in lower case
	Rules      map[string]cairn.Environment

	dirty dirty
}

// dirty is what changed since the rows were read or written.
type dirty struct {
	run, attempt bool
	expansions   []string
	jobs         []string // in the order of the first change
	inJobs       map[string]bool
	approvals    []string
	rules        []string
}

// NewState takes over what the store answered.
func NewState(snap *cairn.RunSnapshot) *State {
	s := &State{
		Run: snap.Run, Attempt: snap.Attempt,
		Expansions: make(map[string]cairn.Expansion, len(snap.Expansions)),
		Jobs:       make(map[string]*cairn.Job, len(snap.Jobs)),
		Approvals:  make(map[string]cairn.Approval, len(snap.Approvals)),
		Rules:      make(map[string]cairn.Environment, len(snap.Rules)),
	}
	for _, x := range snap.Expansions {
		s.Expansions[x.Node] = x
	}
	for i := range snap.Jobs {
		s.Jobs[snap.Jobs[i].Path] = &snap.Jobs[i]
	}
	for _, a := range snap.Approvals {
		s.Approvals[strings.ToLower(a.Environment)] = a
	}
	for _, r := range snap.Rules {
		s.Rules[strings.ToLower(r.Name)] = r
	}
	return s
}

// stateOf is a scratch copy for Decide.
func stateOf(xs []cairn.Expansion, f *Facts) *State {
	s := &State{
		Run: f.Run, Attempt: f.Attempt,
		Expansions: make(map[string]cairn.Expansion, len(xs)),
		Jobs:       maps.Clone(f.Jobs), Approvals: maps.Clone(f.Approvals), Rules: maps.Clone(f.Rules),
	}
	for _, x := range xs {
		s.Expansions[x.Node] = x
	}
	if s.Jobs == nil {
		s.Jobs = map[string]*cairn.Job{}
	}
	if s.Approvals == nil {
		s.Approvals = map[string]cairn.Approval{}
	}
	if s.Rules == nil {
		s.Rules = map[string]cairn.Environment{}
	}
	return s
}

// Edit replaces a job by a changed copy.
func (s *State) Edit(path string, change func(*cairn.Job)) {
	old := s.Jobs[path]
	if old == nil {
		return
	}
	j := *old
	change(&j)
	s.put(&j)
}

func (s *State) put(j *cairn.Job) {
	s.Jobs[j.Path] = j
	if !s.dirty.inJobs[j.Path] {
		if s.dirty.inJobs == nil {
			s.dirty.inJobs = map[string]bool{}
		}
		s.dirty.inJobs[j.Path] = true
		s.dirty.jobs = append(s.dirty.jobs, j.Path)
	}
}

// Fold applies one action. It is the only account of what actions mean for rows.
func (s *State) Fold(a Action, now time.Time) {
	switch a := a.(type) {
	case Admit:
		s.Run.Status, s.Run.Reason = cairn.StatusRunning, ""
		if s.Run.StartedAt.IsZero() {
			s.Run.StartedAt = now
		}
		s.Attempt.Status = cairn.StatusRunning
		s.dirty.run, s.dirty.attempt = true, true
	case Hold:
		s.Run.Status, s.Run.Reason = cairn.StatusWaiting, a.Reason
		s.dirty.run = true
	case Expand:
		s.Expansions[a.Expansion.Node] = a.Expansion
		if !slices.Contains(s.dirty.expansions, a.Expansion.Node) {
			s.dirty.expansions = append(s.dirty.expansions, a.Expansion.Node)
		}
	case CreateJob:
		j := &cairn.Job{
			Run: s.Run.ID, Attempt: s.Attempt.Number, Path: a.Path, Node: a.Node, Name: a.Name,
			Status: cairn.StatusBlocked, CreatedAt: now, Call: a.Call, If: a.If,
		}
		if r, ok := s.Attempt.Resumed[a.Path]; ok && !a.Call {
			j.Resume = &r
		}
		s.put(j)
	case Ready:
		s.Edit(a.Path, func(j *cairn.Job) {
			j.Status, j.QueuedAt, j.Reason = cairn.StatusQueued, now, ""
			j.Name, j.Labels, j.Environment = a.Name, a.Labels, a.Environment
			j.Place, j.Instances = a.Place, a.Instances
			j.Group, j.CancelInProgress, j.Queue, j.Called = a.Group, a.CancelInProgress, a.Queue, a.Called
			j.ContinueOnError, j.TimeoutMinutes, j.CancelTimeoutMinutes = a.ContinueOnError, a.TimeoutMinutes, a.CancelTimeout
			j.Permissions, j.Untrusted = a.Permissions, s.Run.Untrusted
			if a.If != nil {
				j.If = a.If
			}
			if a.Task != nil {
				j.Task = a.Task
			}
		})
	case MarkBest:
		s.Edit(a.Path, func(j *cairn.Job) {
			t := *j.Task
			t.Best = true
			j.Task = &t
		})
	case AskReuse:
		s.Edit(a.Path, func(j *cairn.Job) {
			t := *j.Task
			t.Asked = cairn.ReuseAsked
			j.Task, j.Status, j.Reason = &t, cairn.StatusQueued, "looking for earlier outputs"
		})
	case AskGroup:
		s.Edit(a.Path, func(j *cairn.Job) { j.GroupAt = now })
	case Enter:
		s.Edit(a.Path, func(j *cairn.Job) { j.Status, j.Reason, j.StartedAt = cairn.StatusRunning, "", now })
	case Wait:
		s.Edit(a.Path, func(j *cairn.Job) { j.Status, j.Reason = cairn.StatusWaiting, a.Reason })
	case Queue:
		s.Edit(a.Path, func(j *cairn.Job) { j.Status, j.Reason = cairn.StatusQueued, a.Reason })
	case Start:
		s.Edit(a.Path, func(j *cairn.Job) {
			j.Status, j.Reason, j.Runner = cairn.StatusRunning, "", a.Runner
			j.Epoch++
			j.PID, j.PIDStart, j.Offset = 0, 0, 0
			j.StartedAt = now // until the supervisor says when exactly
		})
	case Cancel:
		s.Edit(a.Path, func(j *cairn.Job) {
			j.Reason = a.Reason
			if j.CancelAt.IsZero() {
				j.CancelAt = now
			}
			if a.Force {
				j.ForcedAt = now
			}
		})
	case Finish:
		s.Edit(a.Path, func(j *cairn.Job) {
			finishJob(j, a.Conclusion, a.Reason, now)
			if a.If != nil {
				j.If = a.If
			}
			if a.Outputs != nil {
				j.Outputs = a.Outputs
			}
		})
	case AskApproval:
		row := s.approval(a.Environment)
		row.State, row.AskedAt = ApprovalPending, now
		s.putApproval(row)
	case AskGate:
		row := s.approval(a.Environment)
		row.Gate = &cairn.GateCheck{Expr: a.Expr, State: cairn.GateAsked, Done: a.Done}
		s.putApproval(row)
	case AddEnvironment:
		key := strings.ToLower(a.Environment.Name)
		s.Rules[key] = a.Environment
		s.dirty.rules = append(s.dirty.rules, key)
	case FinishRun:
		s.Run.Status, s.Run.Conclusion, s.Run.Reason, s.Run.FinishedAt = cairn.StatusCompleted, a.Conclusion, a.Reason, now
		s.Attempt.Status, s.Attempt.Conclusion, s.Attempt.FinishedAt = cairn.StatusCompleted, a.Conclusion, now
		if s.Run.Submitted != nil && a.Outputs != nil {
			sub := *s.Run.Submitted
			sub.Outputs = a.Outputs
			s.Run.Submitted = &sub
		}
		s.dirty.run, s.dirty.attempt = true, true
	case CancelOther, Wake:
		// They concern another run, and the clock.
	}
}

// approval is the row of an environment in this attempt; one that is not there yet
// asks nobody.
func (s *State) approval(environment string) cairn.Approval {
	if a, ok := s.Approvals[strings.ToLower(environment)]; ok {
		return a
	}
	return cairn.Approval{Run: s.Run.ID, Attempt: s.Attempt.Number, Environment: environment, State: ApprovalOpen}
}

func (s *State) putApproval(a cairn.Approval) {
	key := strings.ToLower(a.Environment)
	s.Approvals[key] = a
	if !slices.Contains(s.dirty.approvals, key) {
		s.dirty.approvals = append(s.dirty.approvals, key)
	}
}

// finishJob completes a job row.
func finishJob(j *cairn.Job, c cairn.Conclusion, reason string, at time.Time) {
	j.Status, j.Conclusion, j.FinishedAt = cairn.StatusCompleted, c, at
	if reason != "" {
		j.Reason = reason
	}
	j.Tolerated = j.ContinueOnError && c.Bad()
}

// The states of an approval.
const (
	ApprovalOpen     = "open" // only the gate was asked for
	ApprovalPending  = "pending"
	ApprovalApproved = "approved"
	ApprovalRejected = "rejected"
)
