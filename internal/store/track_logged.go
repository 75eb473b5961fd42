package store

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// CreateLoggedModel adds a logged model.
func (s *Store) CreateLoggedModel(ctx context.Context, m cairn.LoggedModel, ch cairn.Change) error {
	exp, err := experimentKey(m.Experiment)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO ml_logged_models (id, experiment, source_run, created, body) VALUES (?, ?, ?, ?, ?)`,
			m.ID, exp, m.SourceRun, Micros(m.CreatedAt), trackBody(m)); err != nil {
			return err
		}
		return tx.Change(trackChange(ch, m))
	})
}

// LoggedModel reads one with its latest metrics; deleted ones are not there.
func (s *Store) LoggedModel(ctx context.Context, id string) (*cairn.LoggedModel, error) {
	m, err := scanTrack[cairn.LoggedModel](s.reads.QueryRowContext(ctx, `SELECT body FROM ml_logged_models WHERE id = ?`, id),
		"Logged model with ID '%s' not found.", id)
	if err != nil {
		return nil, err
	}
	if m.Deleted {
		return nil, cairn.Errorf(cairn.CodeNotFound, "Logged model with ID '%s' not found.", id)
	}
	one := []cairn.LoggedModel{*m}
	if err := s.fillLogged(ctx, one); err != nil {
		return nil, err
	}
	return &one[0], nil
}

// LoggedModels lists those of experiments, or of one source run where it is not
// "", newest first, deleted ones left out.
func (s *Store) LoggedModels(ctx context.Context, experiments []string, sourceRun string) ([]cairn.LoggedModel, error) {
	query, args := `SELECT body FROM ml_logged_models WHERE `, []any{}
	if sourceRun != "" {
		query += `source_run = ?`
		args = append(args, sourceRun)
	} else {
		if len(experiments) == 0 {
			return nil, nil
		}
		query += `experiment IN (?` + strings.Repeat(`, ?`, len(experiments)-1) + `)`
		for _, e := range experiments {
			n, err := experimentKey(e)
			if err != nil {
				n = -1
			}
			args = append(args, n)
		}
	}
	all, err := queryTrack[cairn.LoggedModel](ctx, s, query+` ORDER BY created DESC, id`, args...)
	if err != nil {
		return nil, err
	}
	live := all[:0]
	for _, m := range all {
		if !m.Deleted {
			live = append(live, m)
		}
	}
	return live, s.fillLogged(ctx, live)
}

func (s *Store) fillLogged(ctx context.Context, models []cairn.LoggedModel) error {
	for len(models) > 0 {
		n := min(len(models), fillGroup)
		if err := s.fillLoggedGroup(ctx, models[:n]); err != nil {
			return err
		}
		models = models[n:]
	}
	return nil
}

func (s *Store) fillLoggedGroup(ctx context.Context, models []cairn.LoggedModel) error {
	at, ids := map[string]*cairn.LoggedModel{}, make([]any, len(models))
	for i := range models {
		at[models[i].ID], ids[i] = &models[i], models[i].ID
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT model, run, key, dataset, digest, step, timestamp, value, is_nan
		FROM ml_logged_metrics WHERE model IN (?`+strings.Repeat(`, ?`, len(ids)-1)+`) ORDER BY model, key, run, dataset, digest`, ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var m cairn.Metric
		if err := rows.Scan(&m.Model, &m.Run, &m.Key, &m.Dataset, &m.DatasetDigest, &m.Step, &m.Timestamp, &m.Value, &m.NaN); err != nil {
			return err
		}
		at[m.Model].Metrics = append(at[m.Model].Metrics, m)
	}
	return rows.Err()
}

// SaveLoggedModel reads, changes and writes one in a transaction.
func (s *Store) SaveLoggedModel(ctx context.Context, id string, change func(*cairn.LoggedModel) error, ch cairn.Change) (*cairn.LoggedModel, error) {
	var m *cairn.LoggedModel
	err := s.write(ctx, func(tx *Tx) (err error) {
		if m, err = scanTrack[cairn.LoggedModel](tx.Row(`SELECT body FROM ml_logged_models WHERE id = ?`, id),
			"Logged model with ID '%s' not found.", id); err != nil {
			return err
		}
		if m.Deleted {
			return cairn.Errorf(cairn.CodeNotFound, "Logged model with ID '%s' not found.", id)
		}
		if err := change(m); err != nil {
			return err
		}
		m.Metrics = nil // they have their own table
		if _, err := tx.Exec(`UPDATE ml_logged_models SET body = ? WHERE id = ?`, trackBody(m), id); err != nil {
			return err
		}
		return tx.Change(trackChange(ch, m))
	})
	if err != nil {
		return nil, err
	}
	one := []cairn.LoggedModel{*m}
	return &one[0], s.fillLogged(ctx, one)
}
