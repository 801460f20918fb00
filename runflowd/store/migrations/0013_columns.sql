-- Schema 13. Columns that say what they hold: no size, number or empty text that means something else.

ALTER TABLE item RENAME COLUMN folder TO dir;
ALTER TABLE item RENAME COLUMN name TO basename;
ALTER TABLE item RENAME COLUMN content TO content_hash;
ALTER TABLE item RENAME COLUMN recipe TO recipe_hash;
ALTER TABLE item RENAME COLUMN source_item TO duplicate_of;
ALTER TABLE left_out RENAME COLUMN folder TO dir;
ALTER TABLE asset RENAME COLUMN content TO content_hash;
ALTER TABLE output RENAME COLUMN content TO content_hash;

-- What is asked of a file; its size was overwritten by that until now, and is read with it.
ALTER TABLE item ADD COLUMN rescan_requested INTEGER NOT NULL DEFAULT 0 CHECK (rescan_requested IN (0, 1));
ALTER TABLE item ADD COLUMN rerun_requested INTEGER NOT NULL DEFAULT 0 CHECK (rerun_requested IN (0, 1));
UPDATE item SET rescan_requested = size = -1, rerun_requested = size = -2, size = 0 WHERE size < 0;
DROP INDEX item_to_look_at;
CREATE INDEX item_requested ON item (rule, dir) WHERE rescan_requested = 1 OR rerun_requested = 1;

-- The note about a failure, in the output folder.
ALTER TABLE item ADD COLUMN note_state TEXT NOT NULL DEFAULT 'none'
    CHECK (note_state IN ('none', 'written', 'outdated'));
UPDATE item SET note_state = iif(noted = 1, 'written', 'outdated') WHERE noted <> 0;
DROP INDEX item_unnoted;
ALTER TABLE item DROP COLUMN noted;
CREATE INDEX item_unnoted ON item (due_at, id)
    WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND note_state <> 'written'
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1;

UPDATE item SET failure_code = 'ORIGINAL_UNKNOWN' WHERE failure_code = 'TWIN_UNKNOWN';
UPDATE history SET code = 'ORIGINAL_UNKNOWN' WHERE code = 'TWIN_UNKNOWN';

-- A notice without a channel is not to be sent: it is what is remembered of one.
CREATE TABLE notices (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    scope    TEXT NOT NULL,
    at       REAL NOT NULL,
    body     TEXT NOT NULL,             -- a JSON object
    channel  TEXT CHECK (channel <> ''),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at   REAL NOT NULL DEFAULT 0
) STRICT;
INSERT INTO notices SELECT id, kind, scope, at, body, nullif(channel, ''), attempts, due_at FROM notice;
DROP TABLE notice;
ALTER TABLE notices RENAME TO notice;
