-- +goose Up
-- Names of workspaces of Azure that somebody said something of. name is in lower case.
CREATE TABLE azure_names (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
);
