package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// TakeRunName gives a name to a run that is about to be written. A name that another
// run has is CodeConflict.
func (s *Store) TakeRunName(ctx context.Context, workspace string, id cairn.RunID, x *cairn.Submitted) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO run_names (workspace, name, run, experiment, schedule, archived) VALUES (?, ?, ?, ?, ?, 0)
			ON CONFLICT (workspace, name) DO UPDATE SET run = excluded.run, experiment = excluded.experiment,
				schedule = excluded.schedule, archived = 0
			WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_names.run)`,
			workspace, x.Name, id, x.Experiment, x.Schedule)
		if err == nil && n == 0 {
			err = cairn.Errorf(cairn.CodeConflict, "there is a job %q already", x.Name)
		}
		return err
	})
}

// RunNamed finds the run of a job's name; CodeNotFound where there is none.
func (s *Store) RunNamed(ctx context.Context, workspace, name string) (cairn.RunID, error) {
	var id cairn.RunID
	err := s.reads.QueryRowContext(ctx, `SELECT n.run FROM run_names n JOIN runs r ON r.id = n.run
		WHERE n.workspace = ? AND n.name = ?`, workspace, name).Scan(&id)
	if err != nil {
		return 0, notFound(err, "there is no job %q", name)
	}
	return id, nil
}

// RunNames lists the names of the newest jobs.
func (s *Store) RunNames(ctx context.Context, workspace string, limit int) ([]string, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT name FROM run_names WHERE workspace = ? ORDER BY run DESC LIMIT ?`, workspace, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

// SubmittedRuns lists runs that were started from a job's file, without their
// payloads, the newest first.
func (s *Store) SubmittedRuns(ctx context.Context, f cairn.SubmittedFilter) ([]cairn.Run, error) {
	where, args := []string{"n.workspace = ?"}, []any{f.Workspace}
	add := func(cond string, v any) { where, args = append(where, cond), append(args, v) }
	if f.Experiment != "" {
		add("n.experiment = ?", f.Experiment)
	}
	if f.Schedule != "" {
		add("n.schedule = ?", f.Schedule)
	}
	if !f.Archived {
		where = append(where, "n.archived = 0")
	}
	if f.Before > 0 {
		add("n.run < ?", f.Before)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT r.body, r.version FROM run_names n JOIN runs r ON r.id = n.run
		WHERE `+strings.Join(where, " AND ")+` ORDER BY n.run DESC LIMIT ?`, append(args, min(limit, 1000))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Run
	for rows.Next() {
		var raw string
		var version int64
		if err := rows.Scan(&raw, &version); err != nil {
			return nil, err
		}
		var run cairn.Run
		if err := json.Unmarshal([]byte(raw), &run); err != nil {
			return nil, fmt.Errorf("a stored run is damaged: %w", err)
		}
		run.Version = version
		out = append(out, run)
	}
	return out, rows.Err()
}

// ChangeSubmitted lets change alter what is said of a run of a job's file. Who decided
// on the row before is refused, and reads it again.
func (s *Store) ChangeSubmitted(ctx context.Context, id cairn.RunID, by string, change func(x *cairn.Submitted) error) (run cairn.Run, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		var raw string
		b := cairn.RunBatch{ID: id}
		if err := tx.Row(`SELECT body, version FROM runs WHERE id = ?`, id).Scan(&raw, &b.Version); err != nil {
			return notFound(err, "run %d is not there", id)
		}
		run = cairn.Run{}
		if err := json.Unmarshal([]byte(raw), &run); err != nil {
			return fmt.Errorf("run %d is damaged: %w", id, err)
		}
		if run.Submitted == nil {
			return cairn.Errorf(cairn.CodeInvalid, "run %d is of a workflow, not of a job's file", id)
		}
		if err := change(run.Submitted); err != nil {
			return err
		}
		b.Run = &run
		events, err := applyRow(tx, &b, nil)
		if err != nil {
			return err
		}
		archived := 0
		if run.Submitted.Archived {
			archived = 1
		}
		if _, err := tx.Exec(`UPDATE run_names SET archived = ? WHERE workspace = ? AND name = ?`, archived, run.Workspace, run.Submitted.Name); err != nil {
			return err
		}
		run.Version = b.Version + 1
		return tx.Change(cairn.Change{By: by, Events: events})
	})
	return run, err
}

// PutDatastorePath notes what lies at a path; what an older job wrote there later on
// does not take its place.
func (s *Store) PutDatastorePath(ctx context.Context, p cairn.DatastorePath) error {
	body, err := toJSON(p)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO datastore_paths (workspace, datastore, path, at, job, body) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (workspace, datastore, path) DO UPDATE SET at = excluded.at, job = excluded.job, body = excluded.body
			WHERE excluded.at >= datastore_paths.at`, p.Workspace, p.Datastore, p.Path, Micros(p.At), p.Job, body)
		return err
	})
}

// DatastorePath reads what lies at exactly a path.
func (s *Store) DatastorePath(ctx context.Context, workspace, datastore, path string) (cairn.DatastorePath, error) {
	p, err := rowBody[cairn.DatastorePath](ctx, s.reads, `SELECT body FROM datastore_paths WHERE workspace = ? AND datastore = ? AND path = ?`,
		workspace, datastore, path)
	if err != nil {
		return p, notFound(err, "nothing lies at %s of datastore %s", path, datastore)
	}
	return p, nil
}

// DatastorePaths lists what lies below a prefix of a datastore, the newest first.
func (s *Store) DatastorePaths(ctx context.Context, workspace, datastore, prefix string, limit int) ([]cairn.DatastorePath, error) {
	return rowBodies[cairn.DatastorePath](ctx, s.reads, `SELECT body FROM datastore_paths
		WHERE workspace = ? AND datastore = ? AND path >= ? AND path < ? ORDER BY at DESC, path LIMIT ?`,
		workspace, datastore, prefix, prefix+"\U0010ffff", limit)
}

// Datastores lists the names that something lies in.
func (s *Store) Datastores(ctx context.Context, workspace string) ([]string, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT DISTINCT datastore FROM datastore_paths WHERE workspace = ? ORDER BY datastore`, workspace)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

// FetchedURL reads what a URL gave.
func (s *Store) FetchedURL(ctx context.Context, url string) (cairn.FetchedURL, error) {
	f, err := rowBody[cairn.FetchedURL](ctx, s.reads, `SELECT body FROM fetched_urls WHERE url = ?`, url)
	if err != nil {
		return f, notFound(err, "%s was not fetched yet", url)
	}
	return f, nil
}

// PutFetchedURL notes what a URL gave.
func (s *Store) PutFetchedURL(ctx context.Context, f cairn.FetchedURL) error {
	body, err := toJSON(f)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO fetched_urls (url, at, body) VALUES (?, ?, ?)
			ON CONFLICT (url) DO UPDATE SET at = excluded.at, body = excluded.body`, f.URL, Micros(f.At), body)
		return err
	})
}

// KeptData visits what datastores and URLs hold: they keep bytes that no version names.
func (s *Store) KeptData(ctx context.Context, visit func(name string, d cairn.Digest, tree bool) bool) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT body, 1 FROM datastore_paths UNION ALL SELECT body, 0 FROM fetched_urls`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var body string
		var place bool
		if err := rows.Scan(&body, &place); err != nil {
			return err
		}
		name, digest, tree := "", cairn.Digest(""), false
		if place {
			var p cairn.DatastorePath
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				return err
			}
			name, digest, tree = "azureml://datastores/"+p.Datastore+"/paths/"+p.Path, p.Data.Digest, p.Data.Type == "folder"
		} else {
			var f cairn.FetchedURL
			if err := json.Unmarshal([]byte(body), &f); err != nil {
				return err
			}
			name, digest = f.URL, f.Digest
		}
		if !visit(name, digest, tree) {
			return nil
		}
	}
	return rows.Err()
}

// TaskEnds reads what has ended behind a position, at most limit events: jobs that carry
// out tasks, and runs of jobs' files. It answers the position that they are read up to.
func (s *Store) TaskEnds(ctx context.Context, after int64, limit int) (ends []cairn.TaskEnd, next int64, err error) {
	err = s.readTx(ctx, func(q querier) error {
		if err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM events`).Scan(&next); err != nil || next <= after {
			next = max(next, after)
			return err
		}
		rows, err := q.QueryContext(ctx, `SELECT id, kind, data FROM events WHERE id > ? AND id <= ? AND kind IN (?, ?, ?)
			AND json_extract(data, '$.status') = ? AND (json_extract(data, '$.task') IS NOT NULL OR json_extract(data, '$.submitted') IS NOT NULL)
			ORDER BY id LIMIT ?`,
			after, next, cairn.EvJobCreated, cairn.EvJobChanged, cairn.EvRunChanged, string(cairn.StatusCompleted), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		last := int64(0)
		for rows.Next() {
			var kind string
			var data []byte
			if err := rows.Scan(&last, &kind, &data); err != nil {
				return err
			}
			var e cairn.TaskEnd
			if kind == cairn.EvRunChanged {
				err = json.Unmarshal(data, &e.Run)
			} else {
				err = json.Unmarshal(data, &e.Job)
			}
			if err != nil {
				return err
			}
			ends = append(ends, e)
		}
		if len(ends) == limit {
			next = last
		}
		return rows.Err()
	})
	return ends, next, err
}
