package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"github.com/cairn-ml/cairn"
)

// JobSchedules lists the schedules of a workspace by name, without their requests.
func (s *Store) JobSchedules(ctx context.Context, workspace string) ([]cairn.JobSchedule, error) {
	return rowBodies[cairn.JobSchedule](ctx, s.reads, `SELECT body FROM job_schedules WHERE workspace = ? ORDER BY name`, workspace)
}

// JobSchedule reads one schedule with its request.
func (s *Store) JobSchedule(ctx context.Context, workspace, name string) (cairn.JobSchedule, error) {
	return jobSchedule(s.reads.QueryRowContext(ctx, `SELECT body, request FROM job_schedules WHERE workspace = ? AND name = ?`, workspace, name), name)
}

func jobSchedule(row interface{ Scan(...any) error }, name string) (x cairn.JobSchedule, err error) {
	var body, request string
	if err := row.Scan(&body, &request); err != nil {
		return x, notFound(err, "there is no schedule %q", name)
	}
	if err := json.Unmarshal([]byte(body), &x); err != nil {
		return x, err
	}
	x.Request = json.RawMessage(request)
	return x, nil
}

// CreateJobSchedule adds a schedule, or replaces what it says: what it has done stays.
func (s *Store) CreateJobSchedule(ctx context.Context, x cairn.JobSchedule, by string) (cairn.JobSchedule, error) {
	err := s.write(ctx, func(tx *Tx) error {
		old, err := jobSchedule(tx.Row(`SELECT body, request FROM job_schedules WHERE workspace = ? AND name = ?`, x.Workspace, x.Name), x.Name)
		switch {
		case err == nil:
			x.CreatedAt, x.Last, x.LastAt, x.Count = old.CreatedAt, old.Last, old.LastAt, old.Count
		case cairn.CodeOf(err) != cairn.CodeNotFound:
			return err
		}
		return tx.putJobSchedule(&x, by)
	})
	return x, err
}

// ChangeJobSchedule reads a schedule, lets change alter it, and writes it.
func (s *Store) ChangeJobSchedule(ctx context.Context, workspace, name, by string, change func(x *cairn.JobSchedule) error) (x cairn.JobSchedule, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		if x, err = jobSchedule(tx.Row(`SELECT body, request FROM job_schedules WHERE workspace = ? AND name = ?`, workspace, name), name); err != nil {
			return err
		}
		if err := change(&x); err != nil {
			return err
		}
		return tx.putJobSchedule(&x, by)
	})
	return x, err
}

func (tx *Tx) putJobSchedule(x *cairn.JobSchedule, by string) error {
	row := *x
	row.Request = nil
	text, err := toJSON(row)
	if err != nil {
		return err
	}
	disabled := 0
	if x.Disabled {
		disabled = 1
	}
	if _, err := tx.Exec(`INSERT INTO job_schedules (workspace, name, disabled, request, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (workspace, name) DO UPDATE SET disabled = excluded.disabled, request = excluded.request, body = excluded.body`,
		x.Workspace, x.Name, disabled, string(x.Request), text); err != nil {
		return err
	}
	return tx.Change(cairn.Change{By: by, Events: []cairn.Event{{
		Kind: cairn.EvJobSchedule, Subject: cairn.NewRef(cairn.KindSchedule, x.Name), Data: json.RawMessage(text),
	}}})
}

// DeleteJobSchedule removes a schedule; the jobs that it started stay.
func (s *Store) DeleteJobSchedule(ctx context.Context, workspace, name, by string) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM job_schedules WHERE workspace = ? AND name = ?`, workspace, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound(sql.ErrNoRows, "there is no schedule %q", name)
		}
		return tx.Change(cairn.Change{By: by, Events: []cairn.Event{{Kind: cairn.EvJobSchedule, Subject: cairn.NewRef(cairn.KindSchedule, name)}}})
	})
}

// JobMove is something that schedules may wait for.
type JobMove struct {
	Position int64
	Event    string // see the JobEvent constants
	Of       string // the name of the asset, or of what ran
	Subject  cairn.Ref
	// Run is set where a run has ended.
	Run *cairn.Run
}

// JobMoves reads what schedules may wait for behind a position, at most limit events,
// and answers the position that they are read up to.
func (s *Store) JobMoves(ctx context.Context, after int64, limit int) (moves []JobMove, next int64, err error) {
	err = s.readTx(ctx, func(q querier) error {
		if err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM events`).Scan(&next); err != nil || next <= after {
			next = max(next, after)
			return err
		}
		rows, err := q.QueryContext(ctx, `SELECT id, kind, subject, data FROM events WHERE id > ? AND id <= ? AND kind IN (?, ?, ?) ORDER BY id LIMIT ?`,
			after, next, cairn.EvAssetCreated, cairn.EvAssetChanged, cairn.EvRunChanged, limit)
		if err != nil {
			return err
		}
		type event struct {
			id            int64
			kind, subject string
			data          []byte
		}
		var all []event
		for rows.Next() {
			var e event
			if err := rows.Scan(&e.id, &e.kind, &e.subject, &e.data); err != nil {
				return errors.Join(err, rows.Close())
			}
			all = append(all, e)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if len(all) == limit {
			next = all[limit-1].id
		}
		for _, e := range all {
			m, err := jobMove(ctx, q, e.id, e.kind, e.subject, e.data)
			if err != nil {
				return err
			}
			if m != nil {
				moves = append(moves, *m)
			}
		}
		return nil
	})
	return moves, next, err
}

func jobMove(ctx context.Context, q querier, id int64, kind, subject string, data []byte) (*JobMove, error) {
	m := &JobMove{Position: id, Subject: cairn.Ref(subject)}
	if kind == cairn.EvRunChanged {
		m.Run = new(cairn.Run)
		if err := json.Unmarshal(data, m.Run); err != nil {
			return nil, err
		}
		m.Event, m.Of = cairn.JobEventRun, m.Run.Workflow
		if m.Run.Status != cairn.StatusCompleted || m.Run.Conclusion != cairn.Success {
			return nil, nil
		}
		// What is said of a run later on, its tags or that it is archived, is no end.
		var before int
		if err := q.QueryRowContext(ctx, `SELECT COUNT(*) FROM events WHERE run = ? AND id < ? AND kind = ? AND subject = ?
			AND json_extract(data, '$.status') = ? AND json_extract(data, '$.attempt') = ?`,
			m.Run.ID, id, cairn.EvRunChanged, subject, string(cairn.StatusCompleted), m.Run.Attempt).Scan(&before); err != nil || before > 0 {
			return nil, err
		}
		return m, nil
	}
	// Names and labels have events of the same kinds: only versions count.
	asset := m.Subject.Kind()
	if asset != cairn.KindData && asset != cairn.KindModel || !strings.Contains(m.Subject.ID(), ":") {
		return nil, nil
	}
	var now, before cairn.AssetVersion
	if err := json.Unmarshal(data, &now); err != nil {
		return nil, err
	}
	m.Of, _ = m.Subject.NameVersion()
	switch {
	case kind == cairn.EvAssetCreated && asset == cairn.KindData:
		m.Event = cairn.JobEventData
		return m, nil
	case kind == cairn.EvAssetCreated:
		m.Event = cairn.JobEventModel
		return m, nil
	case asset == cairn.KindData:
		return nil, nil
	}
	var old []byte
	// The kinds stand in the text so that the index of just these rows serves it.
	err := q.QueryRowContext(ctx, `SELECT data FROM events WHERE subject = ? AND id < ? AND kind IN ('asset.created', 'asset.changed')
		ORDER BY id DESC LIMIT 1`, subject, id).Scan(&old)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(old, &before); err != nil {
			return nil, err
		}
	}
	m.Event = cairn.JobEventTagged
	for k, v := range now.Tags {
		if was, had := before.Tags[k]; !had || was != v {
			return m, nil
		}
	}
	return nil, nil
}
