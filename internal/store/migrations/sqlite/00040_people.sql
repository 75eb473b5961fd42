-- +goose Up
CREATE TABLE principals (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

-- Only hashes: the text of a token is shown once and kept nowhere.
CREATE TABLE tokens (
    id        TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    hash      TEXT NOT NULL,
    body      TEXT NOT NULL
);
CREATE INDEX tokens_principal ON tokens (principal);

-- sealed is age's ciphertext in base64.
CREATE TABLE secrets (
    scope   TEXT NOT NULL,
    name    TEXT NOT NULL,
    sealed  TEXT NOT NULL,
    by_name TEXT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

CREATE TABLE variables (
    scope   TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    by_name TEXT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

-- Requests for runs by the key that their client chose: the same key, the same run.
CREATE TABLE submissions (
    key     TEXT PRIMARY KEY,
    run     BIGINT NOT NULL,
    created BIGINT NOT NULL
);
