-- +goose Up
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Every change, in the transaction that made it. id orders the home, seq a run.
CREATE TABLE events (
    id      BIGINT PRIMARY KEY,
    run     BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    by_name TEXT NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    data    TEXT,
    UNIQUE (run, seq)
);

-- The lineage graph: append-only.
CREATE TABLE links (
    from_ref TEXT NOT NULL,
    relation TEXT NOT NULL,
    to_ref   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    by_name  TEXT NOT NULL,
    note     TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (from_ref, relation, to_ref)
);
CREATE INDEX links_to ON links (to_ref, relation, from_ref);

-- What is to be done outside the database, idempotent by id.
CREATE TABLE outbox (
    id      TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,
    payload TEXT,
    tries   BIGINT NOT NULL DEFAULT 0,
    after   BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    reason  TEXT NOT NULL DEFAULT '',
    done    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX outbox_due ON outbox (done, after);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
