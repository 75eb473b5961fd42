package store

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// Result is what the newest job of a key left; CodeNotFound where there is none.
func (s *Store) Result(ctx context.Context, workspace string, key cairn.Digest) (*cairn.TaskResult, error) {
	r, err := body[cairn.TaskResult](ctx, poolReader{s.reads}, `SELECT body FROM task_results WHERE workspace = ? AND key = ?`, workspace, string(key))
	if err != nil {
		return nil, notFound(err, "no job of the key %s left anything", key.Short())
	}
	return &r, nil
}

// putTaskResult keeps what a job left, in the transaction that completes it. One that took
// earlier outputs itself left nothing new.
func putTaskResult(tx *Tx, j *cairn.Job) error {
	t := j.Task
	if t == nil || !t.Source || t.Key == "" || t.From != 0 || j.Status != cairn.StatusCompleted || j.Conclusion != cairn.Success {
		return nil
	}
	text, err := toJSON(cairn.TaskResult{Key: t.Key, Job: j.ID, Run: j.Run, Outputs: j.Outputs, Tracking: t.Tracking})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO task_results (workspace, key, job, body) SELECT workspace, ?, ?, ? FROM runs WHERE id = ?
		ON CONFLICT (workspace, key) DO UPDATE SET job = excluded.job, body = excluded.body WHERE excluded.job > task_results.job`,
		string(t.Key), j.ID, text, j.Run)
	return err
}
