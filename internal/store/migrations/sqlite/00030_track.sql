-- +goose Up
CREATE TABLE ml_experiments (
    id      BIGINT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    deleted BIGINT NOT NULL DEFAULT 0,
    body    TEXT NOT NULL
);

-- Params, tags and latest metrics are rows of their own, because runs are
-- searched by them.
CREATE TABLE ml_runs (
    id         TEXT PRIMARY KEY,
    experiment BIGINT NOT NULL,
    name       TEXT NOT NULL,
    user_name  TEXT NOT NULL,
    status     TEXT NOT NULL,
    start_time BIGINT NOT NULL,
    end_time   BIGINT NOT NULL,
    root       TEXT NOT NULL,
    deleted    BIGINT NOT NULL DEFAULT 0,
    job        BIGINT NOT NULL DEFAULT 0,
    run        BIGINT NOT NULL DEFAULT 0,
    by_name    TEXT NOT NULL,
    created    BIGINT NOT NULL,
    updated    BIGINT NOT NULL
);
CREATE INDEX ml_runs_started ON ml_runs (experiment, deleted, start_time DESC, id);
CREATE INDEX ml_runs_job ON ml_runs (job) WHERE job <> 0;

CREATE TABLE ml_params (
    run   TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE TABLE ml_tags (
    run   TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

-- The latest point of each metric; the points themselves are in metrics.db.
CREATE TABLE ml_latest (
    run       TEXT NOT NULL,
    key       TEXT NOT NULL,
    step      BIGINT NOT NULL,
    timestamp BIGINT NOT NULL,
    value     DOUBLE PRECISION NOT NULL,
    is_nan    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

-- What a run used and made: datasets, logged models.
CREATE TABLE ml_inputs (
    run     TEXT NOT NULL,
    kind    TEXT NOT NULL, -- dataset, model, output
    name    TEXT NOT NULL, -- of the dataset; id of the logged model
    digest  TEXT NOT NULL, -- as the client says; '' for models
    context TEXT NOT NULL, -- tag mlflow.data.context
    ord     BIGINT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (run, kind, name, digest)
) WITHOUT ROWID;

CREATE TABLE ml_logged_models (
    id         TEXT PRIMARY KEY,
    experiment BIGINT NOT NULL,
    source_run TEXT NOT NULL,
    created    BIGINT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX ml_logged_models_experiment ON ml_logged_models (experiment, created);
CREATE INDEX ml_logged_models_run ON ml_logged_models (source_run);

-- The latest point of each metric of a logged model, by run and dataset.
CREATE TABLE ml_logged_metrics (
    model     TEXT NOT NULL,
    run       TEXT NOT NULL,
    key       TEXT NOT NULL,
    dataset   TEXT NOT NULL,
    digest    TEXT NOT NULL,
    step      BIGINT NOT NULL,
    timestamp BIGINT NOT NULL,
    value     DOUBLE PRECISION NOT NULL,
    is_nan    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (model, run, key, dataset, digest)
) WITHOUT ROWID;

-- Files of the artifact store, one row per file and per folder.
CREATE TABLE ml_files (
    dir     TEXT NOT NULL,
    name    TEXT NOT NULL,
    is_dir  BIGINT NOT NULL DEFAULT 0,
    digest  TEXT NOT NULL DEFAULT '',
    size    BIGINT NOT NULL DEFAULT 0,
    by_name TEXT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (dir, name)
) WITHOUT ROWID;
CREATE INDEX ml_files_digest ON ml_files (digest) WHERE digest <> '';
