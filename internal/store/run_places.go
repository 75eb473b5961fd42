package store

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cairn-ml/cairn"
)

// PutRepository adds or changes a repository.
func (s *Store) PutRepository(ctx context.Context, r cairn.Repository, ch cairn.Change) error {
	body, err := json.Marshal(&r)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO workspaces (name, created) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`,
			r.Workspace, Micros(r.CreatedAt)); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO repositories (workspace, name, body) VALUES (?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body`, r.Workspace, r.Name, string(body)); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// Repository reads one repository.
func (s *Store) Repository(ctx context.Context, workspace, name string) (cairn.Repository, error) {
	r, err := rowBody[cairn.Repository](ctx, s.reads,
		`SELECT body FROM repositories WHERE workspace = ? AND name = ?`, workspace, name)
	return r, notFound(err, "repository %s is not there", name)
}

// Repositories lists the repositories of a workspace.
func (s *Store) Repositories(ctx context.Context, workspace string) ([]cairn.Repository, error) {
	return rowBodies[cairn.Repository](ctx, s.reads,
		`SELECT body FROM repositories WHERE workspace = ? ORDER BY name`, workspace)
}

// PutEnvironment adds an environment or replaces its rules.
func (s *Store) PutEnvironment(ctx context.Context, e cairn.Environment, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		key := strings.ToLower(e.Name)
		old, err := scanEnvironment(tx, e.Repository, key)
		if err == nil { // the name stays as it was first written
			e.Name, e.CreatedAt = old.Name, old.CreatedAt
		}
		body, err := json.Marshal(&e)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO environments (repository, name_key, body) VALUES (?, ?, ?)
			ON CONFLICT (repository, name_key) DO UPDATE SET body = excluded.body`, e.Repository, key, string(body)); err != nil {
			return err
		}
		ch.Events = append(ch.Events, cairn.Event{
			Kind: cairn.EvRecorded, Subject: cairn.StageRef(e.Repository, key), Data: body,
		})
		return tx.Change(ch)
	})
}

func scanEnvironment(tx *Tx, repository, key string) (cairn.Environment, error) {
	var e cairn.Environment
	var raw string
	if err := tx.Row(`SELECT body FROM environments WHERE repository = ? AND name_key = ?`, repository, key).Scan(&raw); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(raw), &e)
}

// DeleteEnvironment removes an environment and its rules.
func (s *Store) DeleteEnvironment(ctx context.Context, repository, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		key := strings.ToLower(name)
		n, err := tx.Exec(`DELETE FROM environments WHERE repository = ? AND name_key = ?`, repository, key)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "%s has no environment %q", repository, name)
		}
		ch.Events = append(ch.Events, cairn.Event{Kind: cairn.EvRecorded, Subject: cairn.StageRef(repository, key)})
		return tx.Change(ch)
	})
}

// Environment reads one environment; names are compared without case.
func (s *Store) Environment(ctx context.Context, repository, name string) (cairn.Environment, error) {
	e, err := rowBody[cairn.Environment](ctx, s.reads,
		`SELECT body FROM environments WHERE repository = ? AND name_key = ?`, repository, strings.ToLower(name))
	return e, notFound(err, "%s has no environment %q", repository, name)
}

// Environments lists the environments of a repository.
func (s *Store) Environments(ctx context.Context, repository string) ([]cairn.Environment, error) {
	return rowBodies[cairn.Environment](ctx, s.reads,
		`SELECT body FROM environments WHERE repository = ? ORDER BY name_key`, repository)
}
