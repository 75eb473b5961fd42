-- +goose Up
-- Metric points of tracking runs; the identity of a point is all of it, so that
-- a retried request adds nothing.
CREATE TABLE points (
    run       TEXT NOT NULL,
    key       TEXT NOT NULL,
    step      BIGINT NOT NULL,
    timestamp BIGINT NOT NULL, -- ms since 1970 UTC
    value     DOUBLE PRECISION NOT NULL,
    is_nan    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run, key, timestamp, step, value, is_nan)
) WITHOUT ROWID;
