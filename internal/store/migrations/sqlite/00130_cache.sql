-- +goose Up
-- Artifacts are numbered, expire, and keep their row when their bytes go. Those of
-- before are numbered in the order of their runs.
ALTER TABLE artifacts ADD COLUMN id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE artifacts ADD COLUMN expires BIGINT NOT NULL DEFAULT 0;
ALTER TABLE artifacts ADD COLUMN gone TEXT NOT NULL DEFAULT '';
UPDATE artifacts SET id = n.id FROM (
    SELECT run, attempt, name, ROW_NUMBER() OVER (ORDER BY run, attempt, name) AS id FROM artifacts
) AS n WHERE n.run = artifacts.run AND n.attempt = artifacts.attempt AND n.name = artifacts.name;
UPDATE artifacts SET body = json_set(body, '$.id', id),
    expires = COALESCE(CAST(strftime('%s', json_extract(body, '$.expires_at')) AS BIGINT) * 1000000, 0);
INSERT INTO counters (name, value) SELECT 'artifact', MAX(id) FROM artifacts HAVING COUNT(*) > 0;
CREATE UNIQUE INDEX artifacts_id ON artifacts (id);
CREATE INDEX artifacts_expires ON artifacts (expires) WHERE gone = '' AND expires <> 0;

CREATE TABLE caches (
    id         BIGINT PRIMARY KEY,
    repository TEXT NOT NULL,
    scope      TEXT NOT NULL,
    version    TEXT NOT NULL,
    key        TEXT NOT NULL,
    size       BIGINT NOT NULL,
    used       BIGINT NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (repository, scope, version, key)
);
CREATE INDEX caches_used ON caches (repository, used, id);

-- Bytes whose row went: removed when nothing else needs them.
CREATE TABLE freed (
    digest TEXT PRIMARY KEY,
    tree   BIGINT NOT NULL,
    at     BIGINT NOT NULL
) WITHOUT ROWID;
