package runner

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/cairn-ml/cairn"
)

// A job that fails leaves beside its workspace what its steps left to each other, so
// that another one can go on from the step that failed: outputs and results, what
// GITHUB_ENV and GITHUB_PATH held after each step, and what was masked. Processes,
// containers and the post stages of actions are no part of it: those ended with the
// job.

const (
	leftVersion = 1
	// maxLeft bounds what is left: a job that has more starts afresh.
	maxLeft = 32 << 20
)

// left is what a job leaves.
type left struct {
	Version int        `json:"version"`
	Steps   []leftStep `json:"steps"`
	Masks   []string   `json:"masks,omitempty"`
}

// leftStep is one step of the file that was done, with what held after it.
type leftStep struct {
	Index   int               `json:"index"` // in the file, from 0
	Row     cairn.StepRow     `json:"row"`
	Outputs map[string]string `json:"outputs,omitempty"` // as they are; those of Row are masked
	// Env and Paths are those of GITHUB_ENV and GITHUB_PATH; nil: as before the step.
	Env   map[string]string `json:"env,omitempty"`
	Paths []string          `json:"paths,omitempty"`
	Same  bool              `json:"same,omitempty"`
}

// ledger notes down what a job would leave.
type ledger struct {
	mu    sync.Mutex
	steps []leftStep
	masks []string
	// first is the step of the file that the job begins with, taken what it has of an
	// earlier job before that.
	first int
	taken []leftStep
}

// note keeps a step of the job that is done.
func (x *executor) note(st *step) {
	if x.Leave == nil || st.scope.outer != nil || st.scope.aside != nil || st.stage != stageMain {
		return
	}
	index := -1
	for i := range x.Spec.Steps {
		if &x.Spec.Steps[i] == st.spec {
			index = i
		}
	}
	if index < 0 {
		return // of the registry, not of the file
	}
	row := *st.row
	row.Summary, row.Annotations = "", nil // they stay where they were made
	n := leftStep{Index: index, Row: row, Outputs: st.outputs, Env: x.top.set.environ(), Paths: x.top.set.folders()}
	x.ledger.mu.Lock()
	defer x.ledger.mu.Unlock()
	x.ledger.add(n)
}

// add appends a step; what did not change since the one before is not kept again.
func (l *ledger) add(n leftStep) {
	for i := len(l.steps) - 1; i >= 0; i-- {
		before := &l.steps[i]
		if before.Same {
			continue
		}
		if mapsEqual(before.Env, n.Env) && slices.Equal(before.Paths, n.Paths) {
			n.Same, n.Env, n.Paths = true, nil, nil
		}
		break
	}
	l.steps = append(l.steps, n)
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if have, ok := b[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// noteMask keeps a value that a step masked.
func (x *executor) noteMask(v string) {
	if x.Leave == nil || v == "" {
		return
	}
	x.ledger.mu.Lock()
	defer x.ledger.mu.Unlock()
	if !slices.Contains(x.ledger.masks, v) {
		x.ledger.masks = append(x.ledger.masks, v)
	}
}

// leave hands over what a failed job leaves. One that used containers or steps in
// the background leaves nothing: what those did is gone.
func (x *executor) leave() {
	if x.Leave == nil || !x.jobStatus().Bad() || x.wanted.Container != nil || len(x.wanted.Services) > 0 {
		return
	}
	if slices.ContainsFunc(x.Spec.Steps, func(s cairn.Step) bool { return s.Background }) {
		return
	}
	x.ledger.mu.Lock()
	defer x.ledger.mu.Unlock()
	state, err := json.Marshal(left{Version: leftVersion, Steps: x.ledger.steps, Masks: x.ledger.masks})
	switch {
	case err != nil:
		x.Logger.Warn("what the job leaves cannot be kept", "job", x.Spec.Job, "err", err)
	case len(state) <= maxLeft:
		x.Leave(state)
	}
}

// takeOver reads what the earlier job of Spec.Resume left.
func (x *executor) takeOver(log *stepLog) error {
	r := x.Spec.Resume
	if r == nil {
		return nil
	}
	var have left
	if err := json.Unmarshal(x.Left, &have); err != nil || have.Version != leftVersion {
		return cairn.Errorf(cairn.CodeFailed, "what job %d left cannot be read", r.Job).WithHint("run the whole job again")
	}
	at := slices.IndexFunc(have.Steps, func(s leftStep) bool { return s.Row.Number == r.Step })
	if at < 0 || have.Steps[at].Index >= len(x.Spec.Steps) {
		return cairn.Errorf(cairn.CodeFailed, "job %d did not come to a step %d that can be run again", r.Job, r.Step).
			WithHint("run the whole job again")
	}
	x.ledger.first, x.ledger.taken, x.ledger.masks = have.Steps[at].Index, have.Steps[:at], have.Masks
	for _, m := range have.Masks {
		x.masks.Add(m)
	}
	log.line("Goes on in the workspace of job %d (attempt %d), from step %d: %s", r.Job, r.Attempt, r.Step, have.Steps[at].Row.Name)
	log.line("Steps before it are not run again; processes that they left running are gone")
	return nil
}

// takeSteps brings in what the steps before the first one came to.
func (x *executor) takeSteps() {
	for _, n := range x.ledger.taken {
		s := &x.Spec.Steps[n.Index]
		row := x.newRow(s.ID, "", s.Uses)
		number := row.Number
		*row = n.Row
		row.Job, row.Number, row.From, row.LogSize, row.LogDigest = x.Spec.Job, number, x.Spec.Resume.Job, 0, ""
		if row.Reason == "" {
			row.Reason = fmt.Sprintf("taken over from job %d", row.From)
		}
		if s.ID != "" {
			x.top.results = append(x.top.results, stepResult{id: s.ID, row: row, outputs: n.Outputs})
		}
		if !n.Same {
			for k, v := range n.Env {
				x.top.set.setEnv(k, v)
			}
			for _, p := range n.Paths {
				x.top.set.addPath(p)
			}
		}
		if row.Conclusion.Bad() {
			x.fail(fmt.Sprintf("step %q failed in job %d", row.Name, row.From))
		}
		x.noteDeployed(row.Outputs)
		n.Row = *row
		x.ledger.mu.Lock()
		x.ledger.steps = append(x.ledger.steps, n)
		x.ledger.mu.Unlock()
		x.pendStep(row)
	}
}
