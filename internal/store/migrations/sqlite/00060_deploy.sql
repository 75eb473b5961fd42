-- +goose Up
CREATE TABLE releases (
    workspace  TEXT NOT NULL,
    id         TEXT NOT NULL,
    service    TEXT NOT NULL,
    repository TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    image      TEXT NOT NULL,
    model      TEXT NOT NULL,
    sha        TEXT NOT NULL,
    run        BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, service, seq)
);
CREATE INDEX releases_image ON releases (image);
CREATE INDEX releases_created ON releases (workspace, created);

-- A version tag names one release of a service for good.
CREATE TABLE release_tags (
    workspace TEXT NOT NULL,
    service   TEXT NOT NULL,
    tag       TEXT NOT NULL,
    release   TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, service, tag)
);
CREATE INDEX release_tags_release ON release_tags (workspace, release);

-- name_key is the name in lower case: a stage is the environment of that name.
CREATE TABLE stages (
    id         BIGINT PRIMARY KEY,
    version    BIGINT NOT NULL,
    workspace  TEXT NOT NULL,
    repository TEXT NOT NULL,
    name_key   TEXT NOT NULL,
    port       BIGINT NOT NULL UNIQUE,
    live       BIGINT NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (workspace, repository, name_key)
);

-- The configurations that deployments were made with: immutable, by digest.
CREATE TABLE stage_configs (
    digest TEXT PRIMARY KEY,
    body   TEXT NOT NULL
);

CREATE TABLE deployments (
    id         BIGINT PRIMARY KEY,
    version    BIGINT NOT NULL,
    workspace  TEXT NOT NULL,
    repository TEXT NOT NULL,
    stage      BIGINT NOT NULL,
    stage_key  TEXT NOT NULL,
    release    TEXT NOT NULL,
    run        BIGINT NOT NULL,
    status     TEXT NOT NULL,
    live_at    BIGINT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX deployments_stage ON deployments (stage, id);
CREATE INDEX deployments_release ON deployments (release);
CREATE INDEX deployments_open ON deployments (status) WHERE status IN ('waiting', 'starting');
-- Whatever the code above does, a stage has one live deployment, and one comes up.
CREATE UNIQUE INDEX deployments_live ON deployments (stage) WHERE status = 'live';
CREATE UNIQUE INDEX deployments_starting ON deployments (stage) WHERE status = 'starting';

-- What a request that is sent again stands for.
CREATE TABLE deployment_keys (
    key        TEXT PRIMARY KEY,
    deployment BIGINT NOT NULL,
    created    BIGINT NOT NULL
);
