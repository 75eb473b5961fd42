-- +goose Up
-- Schedules of jobs. looked is up to when their times have been looked at; body has
-- all of it but the request, which may be large and is only read when one is due.
CREATE TABLE job_schedules (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    disabled  BIGINT NOT NULL,
    request   TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
);

-- What a version was before: its tags are compared.
CREATE INDEX events_assets ON events (subject, id) WHERE kind IN ('asset.created', 'asset.changed');
