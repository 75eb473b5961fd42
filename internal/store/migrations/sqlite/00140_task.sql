-- +goose Up
-- What the newest job of each key left: another one of the same key may take it.
CREATE TABLE task_results (
    workspace TEXT NOT NULL,
    key       TEXT NOT NULL,
    job       BIGINT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, key)
);
