-- +goose Up
-- Addresses whose requests are shared out over deployments of models.
CREATE TABLE endpoints (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    port      INTEGER NOT NULL UNIQUE,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
);
