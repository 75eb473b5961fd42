-- +goose Up
-- Keys of identity tokens; sealed is age's ciphertext in base64. retired is 0 for
-- the one that signs.
CREATE TABLE signing_keys (
    id      TEXT PRIMARY KEY,
    sealed  TEXT NOT NULL,
    created BIGINT NOT NULL,
    retired BIGINT NOT NULL DEFAULT 0
);
