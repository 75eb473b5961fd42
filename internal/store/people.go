package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/cairn-ml/cairn"
)

// Principal returns one principal by name.
func (s *Store) Principal(ctx context.Context, name string) (cairn.Principal, error) {
	p, err := rowBody[cairn.Principal](ctx, s.reads, `SELECT body FROM principals WHERE name = ?`, name)
	return p, notFound(err, "there is no user %q", name)
}

// Principals lists everybody by name.
func (s *Store) Principals(ctx context.Context) ([]cairn.Principal, error) {
	return rowBodies[cairn.Principal](ctx, s.reads, `SELECT body FROM principals ORDER BY name`)
}

// PutPrincipal writes a principal: a new one where create is set, else one that
// is there.
func (s *Store) PutPrincipal(ctx context.Context, p cairn.Principal, create bool, ch cairn.Change) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		q := `UPDATE principals SET body = ?2 WHERE name = ?1`
		if create {
			q = `INSERT INTO principals (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING`
		}
		n, err := tx.Exec(q, p.Name, string(b))
		if err != nil {
			return err
		}
		if n == 0 && create {
			return cairn.Errorf(cairn.CodeConflict, "there is a user %q already", p.Name)
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "there is no user %q", p.Name)
		}
		return tx.Change(ch)
	})
}

// Token returns a token by the public part of its text.
func (s *Store) Token(ctx context.Context, id string) (cairn.Token, error) {
	var t cairn.Token
	var body, hash string
	err := s.reads.QueryRowContext(ctx, `SELECT body, hash FROM tokens WHERE id = ?`, id).Scan(&body, &hash)
	if err != nil {
		return t, notFound(err, "there is no token %q", id)
	}
	if err := json.Unmarshal([]byte(body), &t); err != nil {
		return t, err
	}
	t.Hash, err = hex.DecodeString(hash)
	return t, err
}

// Tokens lists the tokens of a principal, or all, without hashes.
func (s *Store) Tokens(ctx context.Context, principal string) ([]cairn.Token, error) {
	return rowBodies[cairn.Token](ctx, s.reads, `SELECT body FROM tokens WHERE ? IN ('', principal) ORDER BY id`, principal)
}

// PutToken writes a token; an existing one keeps its hash.
func (s *Store) PutToken(ctx context.Context, t cairn.Token, ch cairn.Change) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO tokens (id, principal, hash, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body`, t.ID, t.Principal, hex.EncodeToString(t.Hash), string(b))
		if err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// Secrets lists the secrets of the given scopes (none: of all scopes but those
// of runs), sealed as they are.
func (s *Store) Secrets(ctx context.Context, scopes ...cairn.Scope) ([]cairn.Secret, error) {
	where, args := scopeClause(scopes)
	rows, err := s.reads.QueryContext(ctx, `SELECT scope, name, sealed, by_name, updated FROM secrets WHERE `+where+` ORDER BY scope, name`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []cairn.Secret{}
	for rows.Next() {
		var x cairn.Secret
		var sealed string
		var at int64
		if err := rows.Scan(&x.Scope, &x.Name, &sealed, &x.By, &at); err != nil {
			return nil, err
		}
		if x.Sealed, err = base64.StdEncoding.DecodeString(sealed); err != nil {
			return nil, err
		}
		x.UpdatedAt = FromMicros(at)
		out = append(out, x)
	}
	return out, rows.Err()
}

// PutSecrets writes sealed secrets, replacing those of the same scope and name.
func (s *Store) PutSecrets(ctx context.Context, xs []cairn.Secret, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		for _, x := range xs {
			if _, err := tx.Exec(`INSERT INTO secrets (scope, name, sealed, by_name, updated) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (scope, name) DO UPDATE SET sealed = excluded.sealed, by_name = excluded.by_name, updated = excluded.updated`,
				string(x.Scope), x.Name, base64.StdEncoding.EncodeToString(x.Sealed), x.By, Micros(x.UpdatedAt)); err != nil {
				return err
			}
		}
		return tx.Change(ch)
	})
}

// DeleteSecret removes a secret.
func (s *Store) DeleteSecret(ctx context.Context, scope cairn.Scope, name string, ch cairn.Change) error {
	return s.deleteNamed(ctx, "secrets", "secret", scope, name, ch)
}

// Variables lists the variables of the given scopes (none: of all).
func (s *Store) Variables(ctx context.Context, scopes ...cairn.Scope) ([]cairn.Variable, error) {
	where, args := scopeClause(scopes)
	rows, err := s.reads.QueryContext(ctx, `SELECT scope, name, value, by_name, updated FROM variables WHERE `+where+` ORDER BY scope, name`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []cairn.Variable{}
	for rows.Next() {
		var x cairn.Variable
		var at int64
		if err := rows.Scan(&x.Scope, &x.Name, &x.Value, &x.By, &at); err != nil {
			return nil, err
		}
		x.UpdatedAt = FromMicros(at)
		out = append(out, x)
	}
	return out, rows.Err()
}

// PutVariable writes a variable, replacing the one of the same scope and name.
func (s *Store) PutVariable(ctx context.Context, x cairn.Variable, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO variables (scope, name, value, by_name, updated) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (scope, name) DO UPDATE SET value = excluded.value, by_name = excluded.by_name, updated = excluded.updated`,
			string(x.Scope), x.Name, x.Value, x.By, Micros(x.UpdatedAt)); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteVariable removes a variable.
func (s *Store) DeleteVariable(ctx context.Context, scope cairn.Scope, name string, ch cairn.Change) error {
	return s.deleteNamed(ctx, "variables", "variable", scope, name, ch)
}

func (s *Store) deleteNamed(ctx context.Context, table, noun string, scope cairn.Scope, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM `+table+` WHERE scope = ? AND name = ?`, string(scope), name)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "there is no %s %s in %s", noun, name, scope)
		}
		return tx.Change(ch)
	})
}

// DropScope removes all secrets and variables of a scope.
func (s *Store) DropScope(ctx context.Context, scope cairn.Scope, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		for _, table := range []string{"secrets", "variables"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE scope = ?`, string(scope)); err != nil {
				return err
			}
		}
		return tx.Change(ch)
	})
}

func scopeClause(scopes []cairn.Scope) (string, []any) {
	if len(scopes) == 0 {
		return `scope NOT LIKE 'run:%'`, nil
	}
	where, args := `scope IN (`, []any{}
	for i, x := range scopes {
		if i > 0 {
			where += ", "
		}
		where += "?"
		args = append(args, string(x))
	}
	return where + ")", args
}

// Submission returns the run that a key stands for, 0 for a key that is new.
func (s *Store) Submission(ctx context.Context, key string) (cairn.RunID, error) {
	var id cairn.RunID
	err := s.reads.QueryRowContext(ctx, `SELECT run FROM submissions WHERE key = ?`, key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// PutSubmission notes the run that a key stands for. Keys older than 30 days
// are dropped: no client tries for so long, and no push stays half handled while
// its owner is away.
func (s *Store) PutSubmission(ctx context.Context, key string, id cairn.RunID) error {
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`DELETE FROM submissions WHERE created < ?`, Micros(tx.now().Add(-30*24*time.Hour))); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO submissions (key, run, created) VALUES (?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET run = excluded.run`, key, id, Micros(tx.now()))
		return err
	})
}
