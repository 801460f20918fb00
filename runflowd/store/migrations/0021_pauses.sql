-- Schema 21. Who paused a rule, in a column of its own; and the rules that have items, found by steps along an index.

CREATE TABLE pause_of_kind (
    rule   TEXT PRIMARY KEY,
    since  REAL NOT NULL,
    reason TEXT NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('operator', 'undeliverable', 'in_doubt')),
    recipe TEXT CHECK ((recipe IS NULL) = (kind = 'operator'))   -- of what was bought; an edit of it ends the pause
) STRICT;
INSERT INTO pause_of_kind
SELECT rule, since, reason, iif(recipe = '', 'operator', iif(passing = 1, 'in_doubt', 'undeliverable')), nullif(recipe, '')
FROM pause;
DROP TABLE pause;
ALTER TABLE pause_of_kind RENAME TO pause;

CREATE VIEW item_rule (rule) AS
WITH RECURSIVE names(rule) AS (
    SELECT min(rule) FROM item
    UNION ALL SELECT (SELECT min(rule) FROM item WHERE item.rule > names.rule) FROM names WHERE names.rule IS NOT NULL)
SELECT rule FROM names WHERE rule IS NOT NULL;
