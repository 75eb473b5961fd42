package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// PutFileEnvironment writes the rules that a file says of an environment: where
// it is not there yet, and with replace also over those of an earlier file and
// over defaults. Rules that somebody set by hand stay. It reports whether
// anything changed.
func (s *Store) PutFileEnvironment(ctx context.Context, e cairn.Environment, replace bool, ch cairn.Change) (bool, error) {
	changed := false
	e.From = cairn.EnvironmentFromFile
	err := s.write(ctx, func(tx *Tx) error {
		changed = false // a transaction may be tried again
		key := strings.ToLower(e.Name)
		old, err := scanEnvironment(tx, e.Repository, key)
		switch {
		case err == nil:
			if old.From == cairn.EnvironmentFromHand || !replace {
				return nil
			}
			e.CreatedAt, e.Name = old.CreatedAt, old.Name // the name stays as it was first written
			if old.SameRules(&e) && old.From == e.From && old.File == e.File {
				return nil
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		body, err := json.Marshal(&e)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO environments (repository, name_key, body) VALUES (?, ?, ?)
			ON CONFLICT (repository, name_key) DO UPDATE SET body = excluded.body`, e.Repository, key, string(body)); err != nil {
			return err
		}
		changed = true
		ch := ch
		ch.Events = append(slices.Clone(ch.Events), cairn.Event{Kind: cairn.EvRecorded, Subject: cairn.StageRef(e.Repository, key), Data: body})
		return tx.Change(ch)
	})
	return changed, err
}
