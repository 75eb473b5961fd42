package store

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cairn-ml/cairn"
)

// CreateRun writes a run with its first attempt and its plan. run.ID must be
// reserved (counter "run"); Number is given here, counted per workflow file.
func (s *Store) CreateRun(ctx context.Context, run cairn.Run, attempt cairn.Attempt, plan []byte, ch cairn.Change) (cairn.Run, error) {
	if run.ID <= 0 {
		return run, cairn.Errorf(cairn.CodeInternal, "a run needs a reserved id")
	}
	if d := cairn.SumBytes(plan); d != run.Plan {
		return run, cairn.Errorf(cairn.CodeInternal, "the plan's bytes have digest %s, the run names %s", d, run.Plan)
	}
	err := s.write(ctx, func(tx *Tx) error {
		number, err := tx.Next("run_number:"+run.Workspace+"\x00"+run.Repository+"\x00"+run.Path, 1)
		if err != nil {
			return err
		}
		run.Number, run.Version = number, 1
		if _, err := tx.Exec(`INSERT INTO workspaces (name, created) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`,
			run.Workspace, Micros(run.CreatedAt)); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO plans (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING`,
			string(run.Plan), string(plan)); err != nil {
			return err
		}
		body, err := runBody(&run)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO runs (id, version, workspace, repository, workflow, path, number, attempt,
				event, ref, sha, actor, status, conclusion, payload, body)
			VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			run.ID, run.Workspace, run.Repository, run.Workflow, run.Path, run.Number, run.Attempt, run.Event, run.Ref,
			run.Commit.SHA, run.Actor, string(run.Status), string(run.Conclusion), nullJSON(run.Payload), string(body)); err != nil {
			return err
		}
		events := []cairn.Event{{Run: run.ID, Kind: cairn.EvRunCreated, Subject: cairn.RunRef(run.ID), Data: body}}
		if events, err = putAttempt(tx, run.ID, &attempt, events); err != nil {
			return err
		}
		ch.Events = append(events, ch.Events...)
		return tx.Change(ch)
	})
	return run, err
}

// ApplyRun writes a batch and its change in one transaction. A batch that was
// decided on another version of the run is refused with CodeConflict, and so is
// a job row with an older epoch than the one that is there.
func (s *Store) ApplyRun(ctx context.Context, b cairn.RunBatch, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		events, err := applyRow(tx, &b, nil)
		if err != nil {
			return err
		}
		for i := range b.Attempts {
			if events, err = putAttempt(tx, b.ID, &b.Attempts[i], events); err != nil {
				return err
			}
		}
		for i := range b.Expansions {
			if events, err = putExpansion(tx, &b.Expansions[i], events); err != nil {
				return err
			}
		}
		for i := range b.Jobs {
			if events, err = putJob(tx, &b.Jobs[i], events); err != nil {
				return err
			}
		}
		for i := range b.Steps {
			if events, err = putStep(tx, b.ID, &b.Steps[i], events); err != nil {
				return err
			}
		}
		for i := range b.Approvals {
			if events, err = putApproval(tx, &b.Approvals[i], events); err != nil {
				return err
			}
		}
		for i := range b.Environments {
			if events, err = addEnvironment(tx, &b.Environments[i], events); err != nil {
				return err
			}
		}
		for _, id := range b.Done {
			if _, err := tx.Exec(`UPDATE outbox SET done = 1, payload = NULL WHERE id = ?`, id); err != nil {
				return err
			}
		}
		ch.Events = append(events, ch.Events...)
		return tx.Change(ch)
	})
}

func applyRow(tx *Tx, b *cairn.RunBatch, events []cairn.Event) ([]cairn.Event, error) {
	var n int64
	var err error
	if b.Run == nil {
		n, err = tx.Exec(`UPDATE runs SET version = version + 1 WHERE id = ? AND version = ?`, b.ID, b.Version)
	} else {
		var body []byte
		run := *b.Run
		run.Version = b.Version + 1
		if body, err = runBody(&run); err != nil {
			return nil, err
		}
		n, err = tx.Exec(`UPDATE runs SET version = version + 1, attempt = ?, status = ?, conclusion = ?, body = ?
			WHERE id = ? AND version = ?`, run.Attempt, string(run.Status), string(run.Conclusion), string(body), b.ID, b.Version)
		events = append(events, cairn.Event{Run: b.ID, Kind: cairn.EvRunChanged, Subject: cairn.RunRef(b.ID), Data: body})
	}
	if err == nil && n == 0 {
		err = cairn.Errorf(cairn.CodeConflict, "run %d was changed by somebody else meanwhile", b.ID)
	}
	return events, err
}

// runBody leaves out the payload, which has a column of its own.
func runBody(run *cairn.Run) ([]byte, error) {
	r := *run
	r.Payload = nil
	return json.Marshal(&r)
}

func putAttempt(tx *Tx, run cairn.RunID, a *cairn.Attempt, events []cairn.Event) ([]cairn.Event, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(`INSERT INTO attempts (run, number, body) VALUES (?, ?, ?)
		ON CONFLICT (run, number) DO UPDATE SET body = excluded.body`, run, a.Number, string(body))
	return append(events, cairn.Event{Run: run, Kind: cairn.EvAttempt, Subject: cairn.RunRef(run), Data: body}), err
}

func putExpansion(tx *Tx, x *cairn.Expanded, events []cairn.Event) ([]cairn.Event, error) {
	body, digest, err := x.Expansion.Encode()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	// That of a loop or a sweep grows: the longer one takes the place of the shorter.
	_, err = tx.Exec(`INSERT INTO expansions (run, attempt, node, digest, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (run, attempt, node) DO UPDATE SET digest = excluded.digest, body = excluded.body`,
		x.Run, x.Attempt, x.Expansion.Node, string(digest), string(body))
	return append(events, cairn.Event{Run: x.Run, Kind: cairn.EvRunExpanded, Subject: cairn.RunRef(x.Run), Data: data}), err
}

func putJob(tx *Tx, j *cairn.Job, events []cairn.Event) ([]cairn.Event, error) {
	if err := putTaskResult(tx, j); err != nil {
		return nil, err
	}
	row := *j
	row.Steps = nil
	body, err := json.Marshal(&row)
	if err != nil {
		return nil, err
	}
	kind := cairn.EvJobChanged
	n, err := tx.Exec(`UPDATE jobs SET status = ?, conclusion = ?, epoch = ?, body = ? WHERE id = ? AND epoch <= ?`,
		string(j.Status), string(j.Conclusion), j.Epoch, string(body), j.ID, j.Epoch)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		// Not there, or there with a newer epoch: then the primary key refuses it.
		kind = cairn.EvJobCreated
		if _, err := tx.Exec(`INSERT INTO jobs (id, run, attempt, path, status, conclusion, epoch, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, j.ID, j.Run, j.Attempt, j.Path, string(j.Status), string(j.Conclusion),
			j.Epoch, string(body)); err != nil {
			return nil, err
		}
	}
	return append(events, cairn.Event{Run: j.Run, Kind: kind, Subject: cairn.JobRef(j.ID), Data: body}), nil
}

func putStep(tx *Tx, run cairn.RunID, st *cairn.StepRow, events []cairn.Event) ([]cairn.Event, error) {
	body, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(`INSERT INTO steps (job, number, body) VALUES (?, ?, ?)
		ON CONFLICT (job, number) DO UPDATE SET body = excluded.body`, st.Job, st.Number, string(body))
	return append(events, cairn.Event{Run: run, Kind: cairn.EvStepChanged, Subject: cairn.JobRef(st.Job), Data: body}), err
}

func putApproval(tx *Tx, a *cairn.Approval, events []cairn.Event) ([]cairn.Event, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(`INSERT INTO approvals (run, attempt, name_key, state, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (run, attempt, name_key) DO UPDATE SET state = excluded.state, body = excluded.body`,
		a.Run, a.Attempt, strings.ToLower(a.Environment), a.State, string(body))
	return append(events, cairn.Event{Run: a.Run, Kind: cairn.EvApproval, Subject: cairn.RunRef(a.Run), Data: body}), err
}

// addEnvironment records an environment that is not there; one that is stays as
// it is, with its rules.
func addEnvironment(tx *Tx, e *cairn.Environment, events []cairn.Event) ([]cairn.Event, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	n, err := tx.Exec(`INSERT INTO environments (repository, name_key, body) VALUES (?, ?, ?)
		ON CONFLICT (repository, name_key) DO NOTHING`, e.Repository, strings.ToLower(e.Name), string(body))
	if err != nil || n == 0 {
		return events, err
	}
	return append(events, cairn.Event{
		Kind: cairn.EvRecorded, Subject: cairn.StageRef(e.Repository, strings.ToLower(e.Name)), Data: body,
	}), nil
}
