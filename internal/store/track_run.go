package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"github.com/cairn-ml/cairn"
)

const runColumns = `id, experiment, name, user_name, status, start_time, end_time, root, deleted, job, run, by_name, created, updated`

func scanMLRun(row trackRow, id string) (*cairn.MLRun, error) {
	var r cairn.MLRun
	var created, updated int64
	if err := row.Scan(&r.ID, &r.Experiment, &r.Name, &r.User, &r.Status, &r.StartTime, &r.EndTime, &r.Root,
		&r.Deleted, &r.Job, &r.Run, &r.By, &created, &updated); err != nil {
		return nil, notFound(err, "Run with id=%s not found", id)
	}
	r.CreatedAt, r.UpdatedAt = FromMicros(created), FromMicros(updated)
	return &r, nil
}

// CreateMLRun adds a run with its tags.
func (s *Store) CreateMLRun(ctx context.Context, r cairn.MLRun, ch cairn.Change) error {
	exp, err := experimentKey(r.Experiment)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO ml_runs (`+runColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, exp, r.Name, r.User, string(r.Status), r.StartTime, r.EndTime, r.Root, trackFlag(r.Deleted),
			int64(r.Job), int64(r.Run), r.By, Micros(r.CreatedAt), Micros(r.UpdatedAt)); err != nil {
			return err
		}
		for k, v := range r.Tags {
			if err := setMLTag(tx, r.ID, k, v); err != nil {
				return err
			}
		}
		return tx.Change(trackChange(ch, r))
	})
}

// MLRunInfo reads a run's own row.
func (s *Store) MLRunInfo(ctx context.Context, id string) (*cairn.MLRun, error) {
	return scanMLRun(s.reads.QueryRowContext(ctx, `SELECT `+runColumns+` FROM ml_runs WHERE id = ?`, id), id)
}

// MLRun reads a run with all that belongs to it, at the cost of what it has of
// each, however long the history of its metrics.
func (s *Store) MLRun(ctx context.Context, id string) (*cairn.MLRun, error) {
	r, err := s.MLRunInfo(ctx, id)
	if err != nil {
		return nil, err
	}
	runs := []cairn.MLRun{*r}
	if err := s.fillMLRuns(ctx, runs); err != nil {
		return nil, err
	}
	return &runs[0], nil
}

// MLRunsOfJob lists the runs that a job made, oldest first, whole.
func (s *Store) MLRunsOfJob(ctx context.Context, job cairn.JobID) ([]cairn.MLRun, error) {
	return s.mlRuns(ctx, `SELECT `+runColumns+` FROM ml_runs WHERE job = ? AND job <> 0 ORDER BY created, id`, int64(job))
}

func (s *Store) mlRuns(ctx context.Context, query string, args ...any) ([]cairn.MLRun, error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.MLRun
	for rows.Next() {
		r, err := scanMLRun(rows, "")
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return out, s.fillMLRuns(ctx, out)
}

// fillGroup is how many runs one query fills.
const fillGroup = 200

func (s *Store) fillMLRuns(ctx context.Context, runs []cairn.MLRun) error {
	for len(runs) > 0 {
		n := min(len(runs), fillGroup)
		if err := s.fillGroup(ctx, runs[:n]); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

func (s *Store) fillGroup(ctx context.Context, runs []cairn.MLRun) error {
	at := make(map[string]*cairn.MLRun, len(runs))
	ids := make([]any, len(runs))
	for i := range runs {
		at[runs[i].ID], ids[i] = &runs[i], runs[i].ID
		runs[i].Tags = map[string]string{}
	}
	in := `run IN (?` + strings.Repeat(`, ?`, len(ids)-1) + `)`
	each := func(query string, row func(rows *sql.Rows) error) error {
		rows, err := s.reads.QueryContext(ctx, query, ids...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	var id, key, value string
	return errors.Join(
		each(`SELECT run, key, value FROM ml_tags WHERE `+in, func(rows *sql.Rows) error {
			err := rows.Scan(&id, &key, &value)
			if err == nil {
				at[id].Tags[key] = value
			}
			return err
		}),
		each(`SELECT run, key, value FROM ml_params WHERE `+in+` ORDER BY run, key`, func(rows *sql.Rows) error {
			err := rows.Scan(&id, &key, &value)
			if err == nil {
				at[id].Params = append(at[id].Params, cairn.Param{Key: key, Value: value})
			}
			return err
		}),
		each(`SELECT run, key, step, timestamp, value, is_nan FROM ml_latest WHERE `+in+` ORDER BY run, key`, func(rows *sql.Rows) error {
			var m cairn.Metric
			err := rows.Scan(&id, &m.Key, &m.Step, &m.Timestamp, &m.Value, &m.NaN)
			if err == nil {
				at[id].Metrics = append(at[id].Metrics, m)
			}
			return err
		}),
		each(`SELECT run, kind, body FROM ml_inputs WHERE `+in+` ORDER BY run, kind, ord`, func(rows *sql.Rows) error {
			if err := rows.Scan(&id, &key, &value); err != nil {
				return err
			}
			return addInput(at[id], key, value)
		}))
}

func addInput(r *cairn.MLRun, kind, text string) error {
	switch kind {
	case "dataset":
		var d cairn.DatasetInput
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return err
		}
		r.Inputs = append(r.Inputs, d)
	case "model":
		r.ModelInputs = append(r.ModelInputs, text)
	case "output":
		var o cairn.ModelOutput
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return err
		}
		r.ModelOutputs = append(r.ModelOutputs, o)
	}
	return nil
}

// SaveMLRun reads, changes and writes a run's own row in a transaction.
func (s *Store) SaveMLRun(ctx context.Context, id string, change func(*cairn.MLRun) error, ch cairn.Change) (*cairn.MLRun, error) {
	var r *cairn.MLRun
	err := s.write(ctx, func(tx *Tx) (err error) {
		if r, err = scanMLRun(tx.Row(`SELECT `+runColumns+` FROM ml_runs WHERE id = ?`, id), id); err != nil {
			return err
		}
		was := r.Name
		if err := change(r); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE ml_runs SET name = ?, status = ?, end_time = ?, deleted = ?, updated = ? WHERE id = ?`,
			r.Name, string(r.Status), r.EndTime, trackFlag(r.Deleted), Micros(r.UpdatedAt), id); err != nil {
			return err
		}
		if r.Name != was {
			if err := setMLTag(tx, id, tagRunName, r.Name); err != nil {
				return err
			}
		}
		return tx.Change(trackChange(ch, r))
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// tagRunName is the tag in which clients look for a run's name.
const tagRunName = "mlflow.runName"

func setMLTag(tx *Tx, run, key, value string) error {
	_, err := tx.Exec(`INSERT INTO ml_tags (run, key, value) VALUES (?, ?, ?)
		ON CONFLICT (run, key) DO UPDATE SET value = excluded.value`, run, key, value)
	return err
}

// activeMLRun refuses a run that is missing or deleted.
func activeMLRun(tx *Tx, id string) error {
	var deleted bool
	if err := tx.Row(`SELECT deleted FROM ml_runs WHERE id = ?`, id).Scan(&deleted); err != nil {
		return notFound(err, "Run with id=%s not found", id)
	}
	if deleted {
		return cairn.Errorf(cairn.CodeInvalid, "The run %s must be in the 'active' state. Current state is deleted.", id)
	}
	return nil
}

// LogParams adds params and sets tags of an active run, all or nothing.
func (s *Store) LogParams(ctx context.Context, run string, params, tags []cairn.Param) error {
	return s.write(ctx, func(tx *Tx) error {
		if err := activeMLRun(tx, run); err != nil {
			return err
		}
		for _, p := range params {
			n, err := tx.Exec(`INSERT INTO ml_params (run, key, value) VALUES (?, ?, ?) ON CONFLICT (run, key) DO NOTHING`,
				run, p.Key, p.Value)
			if err != nil {
				return err
			} else if n > 0 {
				continue
			}
			var old string
			if err := tx.Row(`SELECT value FROM ml_params WHERE run = ? AND key = ?`, run, p.Key).Scan(&old); err != nil {
				return err
			}
			if old != p.Value {
				return cairn.Errorf(cairn.CodeInvalid, "Changing param values is not allowed. Param with key='%s' was already "+
					"logged with value='%s' for run ID='%s'. Attempted logging new value '%s'.", p.Key, old, run, p.Value)
			}
		}
		for _, t := range tags {
			if err := setMLTag(tx, run, t.Key, t.Value); err != nil {
				return err
			}
			if t.Key == tagRunName && t.Value != "" {
				if _, err := tx.Exec(`UPDATE ml_runs SET name = ? WHERE id = ?`, t.Value, run); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// DeleteMLRunTag removes a tag of an active run.
func (s *Store) DeleteMLRunTag(ctx context.Context, run, key string) error {
	return s.write(ctx, func(tx *Tx) error {
		if err := activeMLRun(tx, run); err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM ml_tags WHERE run = ? AND key = ?`, run, key)
		if err == nil && n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "No tag with name: %s in run with id %s", key, run)
		}
		return err
	})
}

// LogInputs adds what an active run used and made; what is there stays.
func (s *Store) LogInputs(ctx context.Context, run string, datasets []cairn.DatasetInput, models []string, outputs []cairn.ModelOutput) error {
	return s.write(ctx, func(tx *Tx) error {
		if err := activeMLRun(tx, run); err != nil {
			return err
		}
		add := func(kind, name, digest, context, text string) error {
			_, err := tx.Exec(`INSERT INTO ml_inputs (run, kind, name, digest, context, ord, body)
				VALUES (?, ?, ?, ?, ?, (SELECT COUNT(*) FROM ml_inputs WHERE run = ?), ?)
				ON CONFLICT (run, kind, name, digest) DO NOTHING`, run, kind, name, digest, context, run, text)
			return err
		}
		for _, d := range datasets {
			if err := add("dataset", d.Dataset.Name, d.Dataset.Digest, d.Tags["mlflow.data.context"], trackBody(d)); err != nil {
				return err
			}
		}
		for _, m := range models {
			if err := add("model", m, "", "", m); err != nil {
				return err
			}
		}
		for _, o := range outputs {
			if err := add("output", o.Model, "", "", trackBody(o)); err != nil {
				return err
			}
		}
		return nil
	})
}
