-- What rules leave out by default, counted: a row for each folder and pattern, not for each file.

CREATE TABLE left_out (
    rule    TEXT NOT NULL,
    folder  BLOB NOT NULL,              -- below the watched root, as in item
    pattern TEXT NOT NULL,
    files   INTEGER NOT NULL,
    folders INTEGER NOT NULL,           -- each with all that is in it, which nobody looked at
    PRIMARY KEY (rule, folder, pattern)
) STRICT, WITHOUT ROWID;

-- What failed as no image may be what is left out now, without a note: it is looked at once more.
UPDATE item SET size = -1
WHERE state = 'failed' AND failure_code IN ('NOT_AN_IMAGE', 'EMPTY', 'TOO_LARGE') AND batch IS NULL AND current = 1
  AND absent_at IS NULL;
