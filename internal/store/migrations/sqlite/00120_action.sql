-- +goose Up
-- Repositories of actions at a commit, kept as trees. Names of repositories are
-- compared without case.
CREATE TABLE action_versions (
    repository TEXT NOT NULL,
    sha        TEXT NOT NULL,
    tree       TEXT NOT NULL,
    fetched    BIGINT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (repository, sha)
);

-- What a branch or tag of an action's repository meant when it was asked for last.
CREATE TABLE action_refs (
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    sha        TEXT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (repository, ref)
);

-- What it meant to a run: later attempts get the same commit.
CREATE TABLE action_pins (
    run        BIGINT NOT NULL,
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    attempt    BIGINT NOT NULL,
    sha        TEXT NOT NULL,
    PRIMARY KEY (run, repository, ref)
);
