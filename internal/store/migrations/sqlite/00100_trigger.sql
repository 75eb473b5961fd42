-- +goose Up
-- Events that may start runs, written with what caused them. done is 0 until all
-- of their workflows were looked at; then outcome says what became of them.
CREATE TABLE trigger_events (
    key        TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    event      TEXT NOT NULL,
    at         BIGINT NOT NULL,
    tries      BIGINT NOT NULL,
    after      BIGINT NOT NULL,
    done       BIGINT NOT NULL,
    body       TEXT NOT NULL,
    outcome    TEXT
);
CREATE INDEX trigger_events_pending ON trigger_events (done, after);

-- How far a reader of the events is.
CREATE TABLE cursors (
    name     TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);

-- Until when each schedule has been looked at.
CREATE TABLE schedules (
    repository TEXT NOT NULL,
    path       TEXT NOT NULL,
    cron       TEXT NOT NULL,
    zone       TEXT NOT NULL,
    last       BIGINT NOT NULL,
    PRIMARY KEY (repository, path, cron, zone)
);

CREATE TABLE pulls (
    repository      TEXT NOT NULL,
    number          BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    state           TEXT NOT NULL,
    head_repository TEXT NOT NULL,
    head            TEXT NOT NULL,
    base            TEXT NOT NULL,
    body            TEXT NOT NULL,
    PRIMARY KEY (repository, number)
);
CREATE INDEX pulls_open ON pulls (state, head_repository, head);

-- Releases as GitHub has them: a tag with notes.
CREATE TABLE tag_releases (
    id         BIGINT PRIMARY KEY,
    repository TEXT NOT NULL,
    tag        TEXT NOT NULL,
    version    BIGINT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX tag_releases_tag ON tag_releases (repository, tag);

CREATE TABLE commit_statuses (
    id         BIGINT PRIMARY KEY,
    repository TEXT NOT NULL,
    sha        TEXT NOT NULL,
    context    TEXT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX commit_statuses_sha ON commit_statuses (repository, sha, id);
