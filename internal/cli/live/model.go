// Package live shows a run as it goes: one model that folds the run's events,
// and printers that show it: redrawn on a terminal, append-only lines
// elsewhere, JSON lines for programs, nothing when quiet.
package live

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/cairn-ml/cairn"
)

// Model is what is known of a run. It is folded from events alone, so that it
// can be rebuilt from any of them on.
type Model struct {
	Run cairn.Run
	// Attempt limits the view: jobs of earlier attempts only show where their
	// results are taken over.
	Attempt int
	Seq     int64 // of the last event taken in

	jobs map[cairn.JobID]*Job
	kept map[cairn.JobID]bool
}

// Job is a job with its steps by number.
type Job struct {
	cairn.Job
	Kept  bool // done in an earlier attempt; its result is taken over
	steps map[int]cairn.StepRow
}

// Steps returns the steps in order.
func (j *Job) Steps() []cairn.StepRow {
	out := make([]cairn.StepRow, 0, len(j.steps))
	for _, s := range j.steps {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b cairn.StepRow) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// New starts a model with what is known of the run.
func New(r cairn.Run) *Model {
	return &Model{Run: r, Attempt: max(r.Attempt, 1), jobs: map[cairn.JobID]*Job{}, kept: map[cairn.JobID]bool{}}
}

// Change is what an event did to the model: exactly one field is set.
type Change struct {
	Run  *cairn.Run
	Job  *Job
	Step *cairn.StepRow
	Of   *Job // the step's job
}

// Apply folds one event in. It returns what a person would call news: nil for
// an event that was seen already, that belongs to another attempt, or that
// changed nothing that is shown.
func (m *Model) Apply(ev cairn.Event) (*Change, error) {
	if ev.Seq <= m.Seq {
		return nil, nil
	}
	m.Seq = ev.Seq
	switch ev.Kind {
	case cairn.EvRunCreated, cairn.EvRunChanged:
		var r cairn.Run
		if err := decode(ev, &r); err != nil {
			return nil, err
		}
		news := r.Status != m.Run.Status || r.Conclusion != m.Run.Conclusion || r.CancelBy != m.Run.CancelBy
		m.Run = r
		m.Attempt = max(m.Attempt, r.Attempt)
		if news && r.Attempt >= m.Attempt {
			return &Change{Run: &m.Run}, nil
		}
	case cairn.EvAttempt:
		var a cairn.Attempt
		if err := decode(ev, &a); err != nil {
			return nil, err
		}
		if a.Number >= m.Attempt {
			m.Attempt = a.Number
			for _, id := range a.Kept {
				m.kept[id] = true
			}
		}
	case cairn.EvJobCreated, cairn.EvJobChanged:
		var j cairn.Job
		if err := decode(ev, &j); err != nil {
			return nil, err
		}
		old := m.jobs[j.ID]
		if old == nil {
			old = &Job{steps: map[int]cairn.StepRow{}}
			m.jobs[j.ID] = old
		}
		news := old.Status != j.Status || old.Conclusion != j.Conclusion || old.Reason != j.Reason
		for _, s := range j.Steps {
			old.steps[s.Number] = s
		}
		old.Job = j
		if news && j.Attempt >= m.Attempt {
			return &Change{Job: old}, nil
		}
	case cairn.EvStepChanged:
		var s cairn.StepRow
		if err := decode(ev, &s); err != nil {
			return nil, err
		}
		j := m.jobs[s.Job]
		if j == nil {
			return nil, nil
		}
		old := j.steps[s.Number]
		j.steps[s.Number] = s
		if (old.Status != s.Status || old.Conclusion != s.Conclusion) && j.Attempt >= m.Attempt {
			return &Change{Step: &s, Of: j}, nil
		}
	}
	return nil, nil
}

func decode(ev cairn.Event, v any) error {
	if err := json.Unmarshal(ev.Data, v); err != nil {
		return cairn.Errorf(cairn.CodeInternal, "event %d of run %d cannot be read: %w", ev.Seq, ev.Run, err)
	}
	return nil
}

// Load fills the model from rows instead of events: for cairn run view.
func (m *Model) Load(jobs []cairn.Job) {
	for _, j := range jobs {
		lj := &Job{Job: j, steps: map[int]cairn.StepRow{}}
		for _, s := range j.Steps {
			lj.steps[s.Number] = s
		}
		m.jobs[j.ID] = lj
		if j.Attempt < m.Attempt {
			m.kept[j.ID] = true
		}
	}
}

// Jobs returns the jobs of the attempt and those whose results it took over, in
// the order in which they were made.
func (m *Model) Jobs() []*Job {
	var out []*Job
	for id, j := range m.jobs {
		if j.Attempt >= m.Attempt || m.kept[id] {
			j.Kept = j.Attempt < m.Attempt
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Failure is a step that made its job fail.
type Failure struct {
	Job  *Job
	Step *cairn.StepRow // nil when the job failed outside of its steps
}

// Failures lists what made the run fail, in order.
func (m *Model) Failures() []Failure {
	var out []Failure
	for _, j := range m.Jobs() {
		if !j.Conclusion.Bad() || j.Tolerated {
			continue
		}
		f := Failure{Job: j}
		for _, s := range j.Steps() {
			if s.Conclusion.Bad() {
				f.Step = &s
				break
			}
		}
		out = append(out, f)
	}
	return out
}

// elapsed is how long something took or has been going; zero before it starts.
func elapsed(start, end, now time.Time) time.Duration {
	switch {
	case start.IsZero():
		return 0
	case end.IsZero():
		return now.Sub(start)
	}
	return end.Sub(start)
}
