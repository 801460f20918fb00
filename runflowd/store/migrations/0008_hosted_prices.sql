-- Schema 8. What this machine did was not paid for: what the hosted service would have taken is kept apart from costs.

ALTER TABLE item ADD COLUMN hosted TEXT;

UPDATE item SET hosted = cost, cost = NULL, bought_at = NULL
WHERE batch IN (SELECT id FROM batch WHERE service = 'local');

CREATE INDEX item_hosted ON item (hosted, ended_at) WHERE hosted IS NOT NULL;
CREATE INDEX item_hosted_ended ON item (ended_at) WHERE hosted IS NOT NULL;
