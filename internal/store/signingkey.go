package store

import (
	"context"
	"encoding/base64"

	"github.com/cairn-ml/cairn"
)

// SigningKeys lists the keys of identity tokens, the newest first.
func (s *Store) SigningKeys(ctx context.Context) ([]cairn.SigningKey, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT id, sealed, created, retired FROM signing_keys ORDER BY created DESC, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.SigningKey
	for rows.Next() {
		var k cairn.SigningKey
		var sealed string
		var created, retired int64
		if err := rows.Scan(&k.ID, &sealed, &created, &retired); err != nil {
			return nil, err
		}
		if k.Sealed, err = base64.StdEncoding.DecodeString(sealed); err != nil {
			return nil, err
		}
		k.CreatedAt = FromMicros(created)
		if retired != 0 {
			k.RetiredAt = FromMicros(retired)
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

// PutSigningKey adds a key, which signs from now on, and retires the others.
func (s *Store) PutSigningKey(ctx context.Context, k cairn.SigningKey, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		at := Micros(k.CreatedAt)
		if _, err := tx.Exec(`UPDATE signing_keys SET retired = ? WHERE retired = 0`, at); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO signing_keys (id, sealed, created, retired) VALUES (?, ?, ?, 0)`,
			k.ID, base64.StdEncoding.EncodeToString(k.Sealed), at); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}
