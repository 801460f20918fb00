-- Schema 7. When an item was bought, from then on it counts as spent; and for which recipe a rule was stopped.

ALTER TABLE item ADD COLUMN bought_at REAL;
UPDATE item SET bought_at = (SELECT submitted_at FROM batch WHERE batch.id = item.batch) WHERE batch IS NOT NULL;

DROP INDEX item_spent;
CREATE INDEX item_spent ON item (cost, bought_at) WHERE cost IS NOT NULL;
CREATE INDEX item_unsettled ON item (bought_at) WHERE cost IS NULL AND bought_at IS NOT NULL;

ALTER TABLE pause ADD COLUMN recipe TEXT NOT NULL DEFAULT '';   -- a pause that an edit of this recipe ends, too
