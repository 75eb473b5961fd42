-- +goose Up
-- Repositories that stay where they are. The seals are age's ciphertext in base64.
CREATE TABLE follows (
    repository  TEXT PRIMARY KEY,
    hook        TEXT NOT NULL DEFAULT '',
    token_seal  TEXT NOT NULL DEFAULT '',
    hook_seal   TEXT NOT NULL DEFAULT '',
    version     BIGINT NOT NULL,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX follows_hook ON follows (hook) WHERE hook <> '';

-- Commits that were seen on a ref. Those that are ahead were told by the webhook
-- before the ref was seen there.
CREATE TABLE follow_seen (
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    sha        TEXT NOT NULL,
    ahead      BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (repository, ref, sha)
);

-- What webhooks brought. The payload goes when it is done; the id stays, so that
-- the same delivery is not taken in twice.
CREATE TABLE follow_deliveries (
    seq        BIGINT PRIMARY KEY,
    repository TEXT NOT NULL,
    delivery   TEXT NOT NULL,
    event      TEXT NOT NULL,
    digest     TEXT NOT NULL,
    payload    TEXT,
    at         BIGINT NOT NULL,
    done       BIGINT NOT NULL DEFAULT 0,
    note       TEXT NOT NULL DEFAULT '',
    UNIQUE (repository, delivery)
);
CREATE INDEX follow_deliveries_open ON follow_deliveries (repository, seq) WHERE done = 0;
CREATE INDEX follow_deliveries_digest ON follow_deliveries (repository, digest);

-- What is to be written to commits at the other end: an outbox in which a newer
-- state takes the place of one that was not written yet.
CREATE TABLE follow_statuses (
    repository TEXT NOT NULL,
    sha        TEXT NOT NULL,
    context    TEXT NOT NULL,
    run        BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    due        BIGINT NOT NULL, -- 1: to be written
    after      BIGINT NOT NULL DEFAULT 0,
    body       TEXT NOT NULL,
    PRIMARY KEY (repository, sha, context)
);
CREATE INDEX follow_statuses_due ON follow_statuses (after) WHERE due = 1;
