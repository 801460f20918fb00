-- Schema 27, as SQLite's migration of that number.

ALTER TABLE item ADD COLUMN settings text COLLATE "C";
ALTER TABLE item ADD COLUMN settings_of text COLLATE "C";
ALTER TABLE item ADD COLUMN rerun_settings text COLLATE "C";
DROP VIEW full_item;
CREATE VIEW full_item AS
SELECT item.*, encode(item.content, 'hex') AS content_hash, encode(item.reference, 'hex') AS client_ref,
    recipe.hash AS recipe_hash, recipe.input, snapshot.id AS snapshot, batch.id AS batch,
    answer.output
FROM item LEFT JOIN recipe ON recipe.number = item.recipe_number
    LEFT JOIN snapshot ON snapshot.number = item.snapshot_number LEFT JOIN batch ON batch.number = item.batch_number
    LEFT JOIN answer ON answer.item = item.id;
