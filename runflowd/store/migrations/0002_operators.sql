-- Schema 2. What a person stopped, the story of every item, and what is still to be told to people.

-- A rule that a person paused; '' stands for all rules. Nothing new is bought while the row is there.
CREATE TABLE pause (
    rule   TEXT PRIMARY KEY,
    since  REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT ''
) STRICT;

-- One row for each step in an item's life, written in the transaction of the step itself.
CREATE TABLE history (
    id     INTEGER PRIMARY KEY,
    item   INTEGER NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    at     REAL NOT NULL,
    state  TEXT NOT NULL,
    code   TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX history_item ON history (item, id);

-- Messages to people: written with the fact they tell of, sent later, so that a crash loses none.
CREATE TABLE notice (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    scope    TEXT NOT NULL,
    at       REAL NOT NULL,
    body     TEXT NOT NULL,             -- a JSON object
    channel  TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at   REAL NOT NULL DEFAULT 0
) STRICT;

-- What was spent since a moment, read without a look at the items themselves.
CREATE INDEX item_spent ON item (cost, ended_at) WHERE cost IS NOT NULL;
