-- +goose Up
-- A series is one metric of one run.
CREATE TABLE series (
    id  BIGINT PRIMARY KEY,
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    UNIQUE (run, key)
);

-- The identity of a point is all of it, so that a retried request adds nothing.
CREATE TABLE points (
    series    BIGINT NOT NULL,
    timestamp BIGINT NOT NULL, -- ms since 1970 UTC
    step      BIGINT NOT NULL,
    value     DOUBLE PRECISION NOT NULL,
    is_nan    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (series, timestamp, step, value, is_nan)
) WITHOUT ROWID;

-- Writes whose latest points may not be in the other database yet.
CREATE TABLE pending (
    id   BIGINT PRIMARY KEY,
    run  TEXT NOT NULL,
    body TEXT NOT NULL -- points that measure a logged model, as JSON; '' for none
);
