-- +goose Up
CREATE TABLE workspaces (
    name    TEXT PRIMARY KEY,
    created BIGINT NOT NULL
);

CREATE TABLE repositories (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
);

-- Immutable, named by the digest of the body.
CREATE TABLE plans (
    digest TEXT PRIMARY KEY,
    body   TEXT NOT NULL
);

-- version grows with every change of the run or of anything below it: whoever
-- decided on an older one is refused.
CREATE TABLE runs (
    id         BIGINT PRIMARY KEY,
    version    BIGINT NOT NULL,
    workspace  TEXT NOT NULL,
    repository TEXT NOT NULL,
    workflow   TEXT NOT NULL,
    path       TEXT NOT NULL,
    number     BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    event      TEXT NOT NULL,
    ref        TEXT NOT NULL,
    sha        TEXT NOT NULL,
    actor      TEXT NOT NULL,
    status     TEXT NOT NULL,
    conclusion TEXT NOT NULL,
    payload    TEXT, -- never changes and may be large: not part of body
    body       TEXT NOT NULL
);
CREATE INDEX runs_active ON runs (id) WHERE status <> 'completed';
CREATE INDEX runs_repository ON runs (repository, id);
CREATE INDEX runs_sha ON runs (sha);

CREATE TABLE attempts (
    run    BIGINT NOT NULL,
    number BIGINT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (run, number)
);

CREATE TABLE expansions (
    run     BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    node    TEXT NOT NULL,
    digest  TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (run, attempt, node)
);

CREATE TABLE jobs (
    id         BIGINT PRIMARY KEY,
    run        BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    path       TEXT NOT NULL,
    status     TEXT NOT NULL,
    conclusion TEXT NOT NULL,
    epoch      BIGINT NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (run, attempt, path)
);

CREATE TABLE steps (
    job    BIGINT NOT NULL,
    number BIGINT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (job, number)
);

-- name_key is the name in lower case: environments are compared without case.
CREATE TABLE environments (
    repository TEXT NOT NULL,
    name_key   TEXT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (repository, name_key)
);

CREATE TABLE approvals (
    run      BIGINT NOT NULL,
    attempt  BIGINT NOT NULL,
    name_key TEXT NOT NULL,
    state    TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (run, attempt, name_key)
);
