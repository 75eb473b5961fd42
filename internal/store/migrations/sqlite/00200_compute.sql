-- +goose Up
-- Computes that jobs may ask for by name. name is in lower case.
CREATE TABLE computes (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
);
