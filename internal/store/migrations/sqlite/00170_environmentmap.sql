-- +goose Up
-- Environments that somebody mapped to a Python of this machine. name is in lower case.
CREATE TABLE environment_maps (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
);
