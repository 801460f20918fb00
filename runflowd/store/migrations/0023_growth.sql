-- Schema 23. A file takes less: indexes hold the beginning of a hash, and nothing is stored that can be told from the rest.

-- The whole hashes are compared with the rows: these are as selective, and a third of the size.
DROP INDEX item_content;
CREATE INDEX item_content ON item (rule, substr(content_hash, 1, 16), substr(recipe_hash, 1, 8), state)
    WHERE content_hash IS NOT NULL;

-- Movements of a purchase are found by their item.
DROP INDEX ledger_key;

-- In the order of the contents, so that old uploads are dropped by pages.
CREATE TABLE asset_of_content (
    content_hash TEXT NOT NULL,
    mime         TEXT NOT NULL,
    service      TEXT NOT NULL,
    asset_id     TEXT NOT NULL,
    url          TEXT NOT NULL,
    confirmed_at REAL NOT NULL,
    PRIMARY KEY (content_hash, mime, service)
) STRICT, WITHOUT ROWID;
INSERT INTO asset_of_content
SELECT content_hash, mime, service, asset_id, url, confirmed_at FROM asset ORDER BY content_hash, mime, service;
DROP TABLE asset;
ALTER TABLE asset_of_content RENAME TO asset;

-- A path is found by its key, and has one row: whoever writes it looks there first.
CREATE TABLE outputs (
    root         BLOB NOT NULL,             -- absolute
    relative     BLOB NOT NULL,
    path         BLOB NOT NULL GENERATED ALWAYS AS (CAST(root || '/' || relative AS BLOB)) VIRTUAL,
    key          TEXT NOT NULL,             -- equal for paths that some file system cannot tell apart
    item         INTEGER NOT NULL,
    position     INTEGER NOT NULL,          -- among the outputs of one item
    content_hash TEXT NOT NULL,
    size         INTEGER NOT NULL,
    earlier      TEXT NOT NULL DEFAULT '',  -- hashes of what we wrote there before, until written_at is set
    written_at   REAL,
    place        TEXT NOT NULL DEFAULT 'output'  -- 'output', 'held' or 'rejected'; no CHECK, see schema 22
) STRICT;
INSERT INTO outputs (root, relative, key, item, position, content_hash, size, earlier, written_at, place)
SELECT root, relative, key, item, position, content_hash, size, earlier, written_at, place FROM output;
DROP TABLE output;
ALTER TABLE outputs RENAME TO output;
CREATE INDEX output_item ON output (item);
CREATE INDEX output_key ON output (key);
CREATE INDEX output_content ON output (substr(content_hash, 1, 16));

-- The id of a row is at the end of every index as it is.
DROP INDEX history_item;
CREATE INDEX history_item ON history (item);
