-- +goose Up
-- Names of runs that were started from a job's file. A name whose run was never
-- written is free again.
CREATE TABLE run_names (
    workspace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    run        BIGINT NOT NULL,
    experiment TEXT NOT NULL,
    schedule   TEXT NOT NULL,
    archived   BIGINT NOT NULL,
    PRIMARY KEY (workspace, name)
);
CREATE INDEX run_names_run ON run_names (workspace, run);

-- What lies at a path of a datastore: the newest output that was asked to be there.
CREATE TABLE datastore_paths (
    workspace TEXT NOT NULL,
    datastore TEXT NOT NULL,
    path      TEXT NOT NULL,
    at        BIGINT NOT NULL,
    job       BIGINT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, datastore, path)
);

-- What a URL gave when it was last fetched.
CREATE TABLE fetched_urls (
    url  TEXT PRIMARY KEY,
    at   BIGINT NOT NULL,
    body TEXT NOT NULL
);
