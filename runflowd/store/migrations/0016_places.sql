-- Schema 16. Columns in the place of zeros that mean something, and of a path that has to be cut apart.

-- Nobody deleted these: another folder was accepted in the place of theirs. When that was is not known of earlier ones.
ALTER TABLE item ADD COLUMN left_behind INTEGER NOT NULL DEFAULT 0 CHECK (left_behind IN (0, 1));
UPDATE item SET left_behind = 1, absent_at = found_at WHERE absent_at = 0;

-- A row without a channel is what is remembered: it is not due, and an incident's says from when on that counts as over.
CREATE TABLE notices (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    scope    TEXT NOT NULL,
    at       REAL NOT NULL,
    body     TEXT NOT NULL,             -- a JSON object
    channel  TEXT CHECK (channel <> ''),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at   REAL CHECK ((due_at IS NULL) = (channel IS NULL)),
    over_at  REAL CHECK (over_at IS NULL OR channel IS NULL)
) STRICT;
INSERT INTO notices
SELECT id, kind, scope, at, body, channel, attempts,
       iif(channel IS NULL, NULL, due_at), iif(channel IS NULL, nullif(due_at, 0), NULL) FROM notice;
DROP TABLE notice;
ALTER TABLE notices RENAME TO notice;

-- An output by the folder that it was written below.
CREATE TABLE outputs (
    root         BLOB NOT NULL,             -- absolute
    relative     BLOB NOT NULL,
    path         BLOB NOT NULL GENERATED ALWAYS AS (CAST(root || '/' || relative AS BLOB)) STORED UNIQUE,
    key          TEXT NOT NULL,             -- equal for paths that some file system cannot tell apart
    item         INTEGER NOT NULL,
    position     INTEGER NOT NULL,          -- among the outputs of one item
    content_hash TEXT NOT NULL,
    size         INTEGER NOT NULL,
    earlier      TEXT NOT NULL DEFAULT '',  -- hashes of what we wrote there before, until written_at is set
    written_at   REAL
) STRICT;

CREATE TEMP TABLE made_under (snapshot TEXT PRIMARY KEY, rule TEXT NOT NULL, root BLOB NOT NULL);
INSERT INTO made_under SELECT id, rule, CAST(json_extract(text, '$.output') AS BLOB) FROM snapshot;
CREATE INDEX temp.made_under_rule ON made_under (rule);

-- The folder of the rule as the item has it, else one that the rule had before, else the one that the file lies in.
INSERT INTO outputs (root, relative, key, item, position, content_hash, size, earlier, written_at)
SELECT root, substr(path, length(root) + 2), key, item, position, content_hash, size, earlier, written_at FROM (
    SELECT output.*, coalesce(
        (SELECT root FROM made_under WHERE made_under.snapshot = item.snapshot
            AND substr(output.path, 1, length(root) + 1) = CAST(root || '/' AS BLOB)),
        (SELECT max(root) FROM made_under WHERE made_under.rule = item.rule
            AND substr(output.path, 1, length(root) + 1) = CAST(root || '/' AS BLOB)),
        (WITH RECURSIVE slash(at) AS (
            SELECT 1 UNION ALL
            SELECT at + instr(substr(output.path, at + 1), x'2f') FROM slash
            WHERE instr(substr(output.path, at + 1), x'2f') > 0)
         SELECT substr(output.path, 1, max(at) - 1) FROM slash)
    ) AS root FROM output LEFT JOIN item ON item.id = output.item);
DROP TABLE made_under;
DROP TABLE output;
ALTER TABLE outputs RENAME TO output;
CREATE INDEX output_item ON output (item);
CREATE INDEX output_key ON output (key);
CREATE INDEX output_content ON output (content_hash);
