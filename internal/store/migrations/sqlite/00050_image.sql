-- +goose Up
-- An image is its manifest. One that was deleted keeps its row, so that what stands
-- on it can still be told.
CREATE TABLE images (
    workspace TEXT NOT NULL,
    digest    TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    config    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    run       BIGINT NOT NULL,
    sha       TEXT NOT NULL,
    deleted   BIGINT NOT NULL DEFAULT 0,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, digest)
);
CREATE INDEX images_seq ON images (workspace, seq);
CREATE INDEX images_config ON images (workspace, config);
CREATE INDEX images_subject ON images (workspace, subject) WHERE subject <> '';
CREATE INDEX images_run ON images (run);
CREATE INDEX images_sha ON images (sha);

-- Which manifests an index names.
CREATE TABLE image_parts (
    workspace TEXT NOT NULL,
    parent    TEXT NOT NULL,
    child     TEXT NOT NULL,
    PRIMARY KEY (workspace, child, parent)
) WITHOUT ROWID;

CREATE TABLE image_tags (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    tag       TEXT NOT NULL,
    digest    TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (workspace, name, tag)
) WITHOUT ROWID;
CREATE INDEX image_tags_digest ON image_tags (workspace, digest);

-- What a repository of the registry holds: manifests, and blobs whether or not a
-- manifest names them yet.
CREATE TABLE image_contents (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    digest    TEXT NOT NULL,
    manifest  BIGINT NOT NULL,
    added     BIGINT NOT NULL,
    PRIMARY KEY (workspace, name, manifest, digest)
) WITHOUT ROWID;
CREATE INDEX image_contents_digest ON image_contents (workspace, digest);

-- The files of a layer that was looked through once: a blob with their digests.
CREATE TABLE image_layers (
    layer   TEXT PRIMARY KEY,
    listing TEXT NOT NULL
) WITHOUT ROWID;
