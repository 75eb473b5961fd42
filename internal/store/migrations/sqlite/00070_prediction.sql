-- +goose Up
-- What people said of answers: one row per prediction, the newest word. The
-- prediction itself is in the log of its stage; input is the blob that is kept
-- for good, so that a wrong answer can become data.
CREATE TABLE prediction_reports (
    id         BIGINT PRIMARY KEY,
    prediction TEXT NOT NULL UNIQUE,
    repository TEXT NOT NULL,
    stage      TEXT NOT NULL,
    release_id TEXT NOT NULL,
    input      TEXT NOT NULL,
    at         BIGINT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX prediction_reports_stage ON prediction_reports (repository, stage, at);
