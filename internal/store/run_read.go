package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readTx runs fn on one moment of the database.
func (s *Store) readTx(ctx context.Context, fn func(q querier) error) error {
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return fn(tx)
}

// rowBodies reads the one JSON column of a query.
func rowBodies[T any](ctx context.Context, q querier, query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	var raw sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("a stored row is damaged: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// rowBody reads the JSON column of a single row.
func rowBody[T any](ctx context.Context, q querier, query string, args ...any) (T, error) {
	var v T
	var raw string
	if err := q.QueryRowContext(ctx, query, args...).Scan(&raw); err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		return v, fmt.Errorf("a stored row is damaged: %w", err)
	}
	return v, nil
}

// ActiveRuns gives the row version of every run that is not completed.
func (s *Store) ActiveRuns(ctx context.Context) (map[cairn.RunID]int64, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT id, version FROM runs WHERE status <> 'completed'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[cairn.RunID]int64{}
	for rows.Next() {
		var id cairn.RunID
		var version int64
		if err := rows.Scan(&id, &version); err != nil {
			return nil, err
		}
		out[id] = version
	}
	return out, rows.Err()
}

// Run reads one run.
func (s *Store) Run(ctx context.Context, id cairn.RunID) (cairn.Run, error) {
	return readRun(ctx, s.reads, id)
}

func readRun(ctx context.Context, q querier, id cairn.RunID) (cairn.Run, error) {
	var run cairn.Run
	var raw string
	var payload *string
	var version int64
	err := q.QueryRowContext(ctx, `SELECT body, payload, version FROM runs WHERE id = ?`, id).Scan(&raw, &payload, &version)
	if err != nil {
		return run, notFound(err, "run %d is not there", id)
	}
	if err := json.Unmarshal([]byte(raw), &run); err != nil {
		return run, fmt.Errorf("run %d is damaged: %w", id, err)
	}
	run.Version = version
	if payload != nil {
		run.Payload = json.RawMessage(*payload)
	}
	return run, nil
}

// Runs lists runs without their payloads, the newest first.
func (s *Store) Runs(ctx context.Context, f cairn.RunFilter) ([]cairn.Run, error) {
	var where []string
	var args []any
	add := func(cond string, vals ...any) {
		where = append(where, cond)
		args = append(args, vals...)
	}
	for _, c := range []struct{ column, value string }{
		{"workspace", f.Workspace}, {"repository", f.Repository}, {"status", string(f.Status)},
		{"conclusion", string(f.Conclusion)}, {"event", f.Event}, {"actor", f.Actor},
	} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	if f.Workflow != "" {
		add("(workflow = ? OR path = ? OR path = ?)", f.Workflow, f.Workflow, ".github/workflows/"+f.Workflow)
	}
	if f.Branch != "" {
		add("(ref = ? OR ref = ?)", f.Branch, "refs/heads/"+f.Branch)
	}
	if f.SHA != "" {
		sha := strings.ToLower(f.SHA)
		add("sha >= ? AND sha < ?", sha, sha+"g") // 'g' sorts behind every hex digit
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	query := `SELECT body, version FROM runs`
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	rows, err := s.reads.QueryContext(ctx, query+" ORDER BY id DESC LIMIT ?", append(args, min(limit, 1000))...)
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

// Plan reads a plan by its digest.
func (s *Store) Plan(ctx context.Context, digest cairn.Digest) (*cairn.Plan, error) {
	var raw string
	err := s.reads.QueryRowContext(ctx, `SELECT body FROM plans WHERE digest = ?`, string(digest)).Scan(&raw)
	if err != nil {
		return nil, notFound(err, "plan %s is not there", digest)
	}
	return cairn.DecodePlan([]byte(raw))
}

// RunSnapshot reads one attempt of a run at one moment; attempt 0 is the current
// one. Jobs that the attempt took over from earlier ones are among its jobs.
func (s *Store) RunSnapshot(ctx context.Context, id cairn.RunID, attempt int) (*cairn.RunSnapshot, error) {
	var snap cairn.RunSnapshot
	err := s.readTx(ctx, func(q querier) (err error) {
		if snap.Run, err = readRun(ctx, q, id); err != nil {
			return err
		}
		if attempt == 0 {
			attempt = snap.Run.Attempt
		}
		if snap.Attempt, err = rowBody[cairn.Attempt](ctx, q, `SELECT body FROM attempts WHERE run = ? AND number = ?`, id, attempt); err != nil {
			return notFound(err, "run %d has no attempt %d", id, attempt)
		}
		if snap.Expansions, err = rowBodies[cairn.Expansion](ctx, q,
			`SELECT body FROM expansions WHERE run = ? AND attempt = ? ORDER BY node`, id, attempt); err != nil {
			return err
		}
		if snap.Jobs, err = readJobs(ctx, q, id, attempt, snap.Attempt.Kept); err != nil {
			return err
		}
		if snap.Approvals, err = rowBodies[cairn.Approval](ctx, q,
			`SELECT body FROM approvals WHERE run = ? AND attempt = ? ORDER BY name_key`, id, attempt); err != nil {
			return err
		}
		snap.Rules, err = rowBodies[cairn.Environment](ctx, q,
			`SELECT body FROM environments WHERE repository = ? ORDER BY name_key`, snap.Run.Repository)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &snap, nil
}

func readJobs(ctx context.Context, q querier, run cairn.RunID, attempt int, kept map[string]cairn.JobID) ([]cairn.Job, error) {
	jobs, err := rowBodies[cairn.Job](ctx, q, `SELECT body FROM jobs WHERE run = ? AND attempt = ? ORDER BY id`, run, attempt)
	if err != nil || len(kept) == 0 {
		return jobs, err
	}
	earlier, err := rowBodies[cairn.Job](ctx, q, `SELECT body FROM jobs WHERE run = ? AND attempt < ? ORDER BY id`, run, attempt)
	if err != nil {
		return nil, err
	}
	out := make([]cairn.Job, 0, len(jobs)+len(kept))
	for _, j := range earlier {
		if kept[j.Path] == j.ID {
			out = append(out, j)
		}
	}
	return append(out, jobs...), nil
}

// Jobs lists the jobs of an attempt (0: the current one), kept ones included,
// in the order of their ids; with their steps where asked for.
func (s *Store) Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error) {
	var jobs []cairn.Job
	err := s.readTx(ctx, func(q querier) (err error) {
		if attempt == 0 {
			if err := q.QueryRowContext(ctx, `SELECT attempt FROM runs WHERE id = ?`, run).Scan(&attempt); err != nil {
				return notFound(err, "run %d is not there", run)
			}
		}
		a, err := rowBody[cairn.Attempt](ctx, q, `SELECT body FROM attempts WHERE run = ? AND number = ?`, run, attempt)
		if err != nil {
			return notFound(err, "run %d has no attempt %d", run, attempt)
		}
		if jobs, err = readJobs(ctx, q, run, attempt, a.Kept); err != nil || !steps {
			return err
		}
		rows, err := rowBodies[cairn.StepRow](ctx, q,
			`SELECT s.body FROM steps s JOIN jobs j ON j.id = s.job WHERE j.run = ? ORDER BY s.job, s.number`, run)
		if err != nil {
			return err
		}
		byJob := map[cairn.JobID][]cairn.StepRow{}
		for _, st := range rows {
			byJob[st.Job] = append(byJob[st.Job], st)
		}
		for i := range jobs {
			jobs[i].Steps = byJob[jobs[i].ID]
		}
		return nil
	})
	return jobs, err
}

// Job reads one job with its steps.
func (s *Store) Job(ctx context.Context, id cairn.JobID) (cairn.Job, error) {
	j, err := rowBody[cairn.Job](ctx, s.reads, `SELECT body FROM jobs WHERE id = ?`, id)
	if err != nil {
		return j, notFound(err, "job %d is not there", id)
	}
	j.Steps, err = s.Steps(ctx, id)
	return j, err
}

// Steps lists a job's steps.
func (s *Store) Steps(ctx context.Context, job cairn.JobID) ([]cairn.StepRow, error) {
	return rowBodies[cairn.StepRow](ctx, s.reads, `SELECT body FROM steps WHERE job = ? ORDER BY number`, job)
}

// Attempts lists a run's attempts.
func (s *Store) Attempts(ctx context.Context, run cairn.RunID) ([]cairn.Attempt, error) {
	return rowBodies[cairn.Attempt](ctx, s.reads, `SELECT body FROM attempts WHERE run = ? ORDER BY number`, run)
}

// Expansions lists what an attempt added to its plan.
func (s *Store) Expansions(ctx context.Context, run cairn.RunID, attempt int) ([]cairn.Expansion, error) {
	return rowBodies[cairn.Expansion](ctx, s.reads,
		`SELECT body FROM expansions WHERE run = ? AND attempt = ? ORDER BY node`, run, attempt)
}

// Approvals lists the decisions on environments of all attempts of a run.
func (s *Store) Approvals(ctx context.Context, run cairn.RunID) ([]cairn.Approval, error) {
	return rowBodies[cairn.Approval](ctx, s.reads, `SELECT body FROM approvals WHERE run = ? ORDER BY attempt, name_key`, run)
}

const leaseQuery = `SELECT epoch, status FROM jobs WHERE id = ?`

// CheckLease refuses whoever holds an older lease of a job than the current one,
// or the lease of a job that is no longer running. It is for what is written
// outside of cairn.db; all other writes look in their own transaction.
func (s *Store) CheckLease(ctx context.Context, l cairn.Lease) error {
	return leaseHolds(s.reads.QueryRowContext(ctx, leaseQuery, l.Job), l)
}

func leaseHolds(row *sql.Row, l cairn.Lease) error {
	var now int64
	var status string
	err := row.Scan(&now, &status)
	switch {
	case err != nil:
		return notFound(err, "job %d is not there", l.Job)
	case now != l.Epoch:
		return cairn.Errorf(cairn.CodeForbidden, "job %d was handed out again since (lease %d, now %d)", l.Job, l.Epoch, now)
	case status != string(cairn.StatusRunning):
		return cairn.Errorf(cairn.CodeForbidden, "job %d is %s: its token has ended", l.Job, status)
	}
	return nil
}
