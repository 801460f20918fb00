-- Schema 23. Indexes hold the beginning of a hash; what each is for stands in SQLite's migration of this number.

DROP INDEX item_content;
CREATE INDEX item_content ON item (rule, substr(content_hash, 1, 16), substr(recipe_hash, 1, 8), state)
    WHERE content_hash IS NOT NULL;

DROP INDEX ledger_key;

ALTER TABLE asset DROP CONSTRAINT asset_pkey;
ALTER TABLE asset ADD PRIMARY KEY (content_hash, mime, service);

-- A path has one row: whoever writes it looks there first.
ALTER TABLE output DROP CONSTRAINT output_path_key;
DROP INDEX output_content;
CREATE INDEX output_content ON output (substr(content_hash, 1, 16));

DROP INDEX history_item;
CREATE INDEX history_item ON history (item);
