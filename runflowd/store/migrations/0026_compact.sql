-- Schema 26. A file takes less: what many files have in common is stored once, under a number, and hashes are bytes.
-- `full_item` has an item with all of that, as texts.

ALTER TABLE snapshot ADD COLUMN number INTEGER;
UPDATE snapshot SET number = rowid;
CREATE UNIQUE INDEX snapshot_number ON snapshot (number);

ALTER TABLE batch ADD COLUMN number INTEGER;
UPDATE batch SET number = rowid;
CREATE UNIQUE INDEX batch_number ON batch (number);

CREATE TABLE recipe (
    number INTEGER PRIMARY KEY,
    hash   TEXT NOT NULL UNIQUE,        -- of model, resolved input and output settings
    input  TEXT                         -- resolved input, upload URLs still symbolic
) STRICT;
INSERT INTO recipe (hash, input) SELECT recipe_hash, max(input) FROM item WHERE recipe_hash IS NOT NULL GROUP BY recipe_hash;

-- What a service answered, until the result is delivered. Apart, so that a row of an item stays as long as it was made.
CREATE TABLE answer (
    item   INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    output TEXT NOT NULL                -- JSON
) STRICT;
INSERT INTO answer (item, output) SELECT id, output FROM item WHERE output IS NOT NULL;

CREATE TABLE items (
    id               INTEGER PRIMARY KEY,
    rule             TEXT NOT NULL,
    dir              BLOB NOT NULL,         -- below the watched root, x'' for the root itself
    basename         BLOB NOT NULL,
    current          INTEGER NOT NULL DEFAULT 1,   -- 0: a newer content took this path
    absent_at        REAL,                  -- when the file was seen to be deleted
    left_behind      INTEGER NOT NULL DEFAULT 0 CHECK (left_behind IN (0, 1)),
    size             INTEGER NOT NULL,
    mtime_ns         INTEGER NOT NULL,
    inode            INTEGER NOT NULL,
    state            TEXT NOT NULL,
    content          BLOB,                  -- sha256 of the bytes
    mime             TEXT NOT NULL DEFAULT '',
    recipe_number    INTEGER REFERENCES recipe (number),
    snapshot_number  INTEGER REFERENCES snapshot (number),
    batch_number     INTEGER REFERENCES batch (number),
    position         INTEGER,
    reference        BLOB NOT NULL,         -- of the purchase: what the service knows as `client_ref` is its hex text
    run_id           TEXT,
    duplicate_of     INTEGER,               -- takes the result of that item
    cost             TEXT,
    hosted           TEXT,
    failure_code     TEXT NOT NULL DEFAULT '',
    failure          TEXT NOT NULL DEFAULT '',
    note_state       TEXT NOT NULL DEFAULT 'none' CHECK (note_state IN ('none', 'written', 'outdated')),
    receipt_state    TEXT NOT NULL DEFAULT 'none' CHECK (receipt_state IN ('none', 'written', 'outdated')),
    review           TEXT NOT NULL DEFAULT 'none' CHECK (review IN ('none', 'waiting', 'accepted', 'rejected')),
    verdict_due      INTEGER NOT NULL DEFAULT 0 CHECK (verdict_due IN (0, 1)),
    source_state     TEXT NOT NULL DEFAULT 'kept' CHECK (source_state IN ('kept', 'needed', 'released', 'disposed')),
    rescan_requested INTEGER NOT NULL DEFAULT 0 CHECK (rescan_requested IN (0, 1)),
    rerun_requested  INTEGER NOT NULL DEFAULT 0 CHECK (rerun_requested IN (0, 1)),
    approved         INTEGER NOT NULL DEFAULT 0 CHECK (approved IN (0, 1)),
    pixels           INTEGER CHECK (pixels > 0),
    estimate_low     TEXT,
    estimate_high    TEXT,
    currency         TEXT NOT NULL DEFAULT 'USD',
    period           TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    resent           INTEGER NOT NULL DEFAULT 0,
    due_at           REAL NOT NULL DEFAULT 0,
    found_at         REAL NOT NULL,
    ready_at         REAL,
    bought_at        REAL,
    ended_at         REAL,
    owner            TEXT,
    generation       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO items (id, rule, dir, basename, current, absent_at, left_behind, size, mtime_ns, inode, state, content, mime,
    recipe_number, snapshot_number, batch_number, position, reference, run_id, duplicate_of, cost, hosted,
    failure_code, failure, note_state, receipt_state, review, verdict_due, source_state, rescan_requested, rerun_requested, approved,
    pixels, estimate_low, estimate_high, currency, period, attempts, resent, due_at, found_at, ready_at, bought_at,
    ended_at, owner, generation)
SELECT id, rule, dir, basename, current, absent_at, left_behind, size, mtime_ns, inode, state, unhex(content_hash), mime,
    (SELECT number FROM recipe WHERE hash = recipe_hash), (SELECT number FROM snapshot WHERE snapshot.id = item.snapshot),
    (SELECT number FROM batch WHERE batch.id = item.batch), position, unhex(client_ref), run_id, duplicate_of,
    cost, hosted, failure_code, failure, note_state, receipt_state, review, verdict_due, source_state, rescan_requested,
    rerun_requested, approved, pixels, estimate_low, estimate_high, currency, period, attempts, resent, due_at, found_at,
    ready_at, bought_at, ended_at, owner, generation
FROM item ORDER BY id;
DROP VIEW item_rule;
DROP TABLE item;
ALTER TABLE items RENAME TO item;

CREATE UNIQUE INDEX item_path ON item (rule, dir, basename) WHERE current = 1;
CREATE UNIQUE INDEX item_client_ref ON item (reference);
CREATE INDEX item_batch ON item (batch_number) WHERE batch_number IS NOT NULL;
CREATE INDEX item_state ON item (rule, state);
CREATE INDEX item_source ON item (duplicate_of, state) WHERE duplicate_of IS NOT NULL;
CREATE INDEX item_owner ON item (owner) WHERE owner IS NOT NULL;
CREATE INDEX item_absent ON item (rule, state, id) WHERE absent_at IS NOT NULL AND current = 1;
CREATE INDEX item_ended ON item (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX item_hosted ON item (hosted, ended_at) WHERE hosted IS NOT NULL;
CREATE INDEX item_hosted_ended ON item (ended_at) WHERE hosted IS NOT NULL;
CREATE INDEX item_downloading ON item (rule, due_at, id) WHERE state = 'downloading';
CREATE INDEX item_file ON item (mtime_ns, inode) WHERE state = 'done';
CREATE INDEX item_requested ON item (rule, dir) WHERE rescan_requested = 1 OR rerun_requested = 1;
CREATE INDEX item_unnoted ON item (due_at, id)
    WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND note_state <> 'written'
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1;
CREATE INDEX item_parked ON item (rule, failure) WHERE state = 'ready' AND failure_code = 'FILE_TOO_EXPENSIVE';
CREATE INDEX item_receipt ON item (due_at, id)
    WHERE receipt_state = 'outdated' AND state IN ('done', 'failed', 'outcome_unknown');
CREATE INDEX item_reserved ON item (period, currency, estimate_high)
    WHERE period IS NOT NULL AND cost IS NULL
      AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done');
CREATE INDEX item_reserved_of_rule ON item (rule, period, currency, estimate_high)
    WHERE period IS NOT NULL AND cost IS NULL
      AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done');
CREATE INDEX item_ready ON item (snapshot_number, id, rule, size, state, approved)
    WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE';
CREATE INDEX item_to_review ON item (rule, id) WHERE review = 'waiting' AND state = 'done';
CREATE INDEX item_verdict_due ON item (due_at, id) WHERE verdict_due = 1 AND state = 'done';
CREATE INDEX item_judged ON item (rule, content, recipe_number) WHERE review IN ('accepted', 'rejected');
CREATE INDEX item_content ON item (rule, substr(content, 1, 8), recipe_number, state) WHERE content IS NOT NULL;

CREATE VIEW item_rule (rule) AS
WITH RECURSIVE names(rule) AS (
    SELECT min(rule) FROM item
    UNION ALL SELECT (SELECT min(rule) FROM item WHERE item.rule > names.rule) FROM names WHERE names.rule IS NOT NULL)
SELECT rule FROM names WHERE rule IS NOT NULL;

CREATE VIEW full_item AS
SELECT item.*, CASE WHEN item.content IS NOT NULL THEN lower(hex(item.content)) END AS content_hash,
    lower(hex(item.reference)) AS client_ref, recipe.hash AS recipe_hash, recipe.input, snapshot.id AS snapshot,
    batch.id AS batch, answer.output
FROM item LEFT JOIN recipe ON recipe.number = item.recipe_number
    LEFT JOIN snapshot ON snapshot.number = item.snapshot_number LEFT JOIN batch ON batch.number = item.batch_number
    LEFT JOIN answer ON answer.item = item.id;

-- Found by the beginning of a hash of its key, in the place of the whole of it.
CREATE TABLE outputs (
    root       BLOB NOT NULL,             -- absolute
    relative   BLOB NOT NULL,
    path       BLOB NOT NULL GENERATED ALWAYS AS (CAST(root || '/' || relative AS BLOB)) VIRTUAL,
    key        BLOB NOT NULL,             -- equal for paths that some file system cannot tell apart: 16 bytes of a sha256
    item       INTEGER NOT NULL,
    position   INTEGER NOT NULL,          -- among the outputs of one item
    content    BLOB NOT NULL,             -- sha256 of the bytes
    size       INTEGER NOT NULL,
    earlier    TEXT NOT NULL DEFAULT '',  -- hashes of what we wrote there before, until written_at is set
    written_at REAL,
    place      TEXT NOT NULL DEFAULT 'output',  -- 'output', 'held' or 'rejected'; no CHECK, see schema 22
    edited     INTEGER NOT NULL DEFAULT 0  -- no CHECK either; 1: somebody edited it, so it is theirs
) STRICT;
INSERT INTO outputs (root, relative, key, item, position, content, size, earlier, written_at, place, edited)
SELECT root, relative, substr(sha256(key), 1, 16), item, position, unhex(content_hash), size, earlier, written_at, place, edited
FROM output ORDER BY rowid;
DROP TABLE output;
ALTER TABLE outputs RENAME TO output;
CREATE INDEX output_item ON output (item);
CREATE INDEX output_key ON output (key);
CREATE INDEX output_content ON output (substr(content, 1, 8));

CREATE TABLE asset_kind (
    number  INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    mime    TEXT NOT NULL,
    UNIQUE (service, mime)
) STRICT;
INSERT INTO asset_kind (service, mime) SELECT DISTINCT service, mime FROM asset;
CREATE TABLE assets (
    content      BLOB NOT NULL,
    kind         INTEGER NOT NULL REFERENCES asset_kind (number),
    asset_id     TEXT NOT NULL,
    url          TEXT NOT NULL,
    confirmed_at REAL NOT NULL,
    PRIMARY KEY (content, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO assets
SELECT unhex(content_hash), asset_kind.number, asset_id, url, confirmed_at
FROM asset JOIN asset_kind ON asset_kind.service = asset.service AND asset_kind.mime = asset.mime ORDER BY content_hash;
DROP TABLE asset;
ALTER TABLE assets RENAME TO asset;

CREATE TABLE receipts (
    item         INTEGER PRIMARY KEY,
    root         BLOB,                      -- absolute; NULL with relative and key once a newer content took the name
    relative     BLOB,
    path         BLOB GENERATED ALWAYS AS (CAST(root || '/' || relative AS BLOB)) STORED UNIQUE,
    key          BLOB,                      -- as that of an output
    content_hash TEXT NOT NULL,
    earlier      TEXT NOT NULL DEFAULT '',  -- hashes of what we wrote there before, until the new one stands
    outputs      TEXT NOT NULL              -- what was delivered, a JSON list, whatever became of it since
) STRICT;
INSERT INTO receipts (item, root, relative, key, content_hash, earlier, outputs)
SELECT item, root, relative, CASE WHEN key IS NOT NULL THEN substr(sha256(key), 1, 16) END, content_hash, earlier, outputs
FROM receipt;
DROP TABLE receipt;
ALTER TABLE receipts RENAME TO receipt;
CREATE INDEX receipt_key ON receipt (key);
