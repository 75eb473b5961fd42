-- +goose Up
-- The names that versions belong to. seq and number only grow: neither an order
-- nor an automatic version is ever given twice, also after a deletion.
CREATE TABLE assets (
    workspace TEXT NOT NULL,
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    seq       BIGINT NOT NULL DEFAULT 0,
    number    BIGINT NOT NULL DEFAULT 0,
    archived  BIGINT NOT NULL DEFAULT 0,
    deleted   BIGINT NOT NULL DEFAULT 0,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, kind, name)
);

CREATE TABLE asset_versions (
    id         BIGINT PRIMARY KEY,
    workspace  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    digest     TEXT NOT NULL,
    run        BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    job        BIGINT NOT NULL,
    source_run TEXT NOT NULL,
    archived   BIGINT NOT NULL DEFAULT 0,
    deleted    BIGINT NOT NULL DEFAULT 0,
    body       TEXT NOT NULL,
    UNIQUE (workspace, kind, name, version)
);
CREATE INDEX asset_versions_seq ON asset_versions (workspace, kind, name, seq);
CREATE INDEX asset_versions_digest ON asset_versions (digest);
CREATE INDEX asset_versions_run ON asset_versions (run, job);

CREATE TABLE asset_labels (
    workspace TEXT NOT NULL,
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    label     TEXT NOT NULL,
    version   TEXT NOT NULL,
    run       BIGINT NOT NULL,
    attempt   BIGINT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, kind, name, label)
);

-- What a label or version meant to a job when it asked.
CREATE TABLE asset_pins (
    id        BIGINT PRIMARY KEY,
    run       BIGINT NOT NULL,
    attempt   BIGINT NOT NULL,
    job       BIGINT NOT NULL,
    asked     TEXT NOT NULL,
    path      TEXT NOT NULL,
    workspace TEXT NOT NULL,
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    digest    TEXT NOT NULL,
    UNIQUE (run, attempt, job, asked)
);

CREATE TABLE artifacts (
    run     BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    name    TEXT NOT NULL,
    job     BIGINT NOT NULL,
    digest  TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (run, attempt, name)
);
CREATE INDEX artifacts_digest ON artifacts (digest);

-- Which directory holds a digest under which name: each directory once, however
-- many versions share it. One is in tree_dirs when it is there with all below.
CREATE TABLE tree_dirs (
    tree TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE tree_entries (
    child  TEXT NOT NULL,
    parent TEXT NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (child, parent, name)
) WITHOUT ROWID;

-- Where the refs of hosted repositories were when their pushes were last seen.
CREATE TABLE git_refs (
    repo    TEXT NOT NULL,
    ref     TEXT NOT NULL,
    sha     TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (repo, ref)
);
