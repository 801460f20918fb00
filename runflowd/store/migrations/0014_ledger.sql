-- Schema 14. What a purchase may cost, known from its sealing on, and what was charged for it.

ALTER TABLE item ADD COLUMN estimate_low TEXT;    -- dollars, decimal text; NULL for a price that nobody knew
ALTER TABLE item ADD COLUMN estimate_high TEXT;
ALTER TABLE item ADD COLUMN period TEXT;          -- the day it was sealed on, as 2026-11-29; NULL where nothing is paid

UPDATE item SET period = date(bought_at, 'unixepoch', 'localtime') WHERE bought_at IS NOT NULL AND cost IS NULL;

-- What is bought, or about to be, and not settled. What failed without a cost, or was put back, is in it no more.
CREATE INDEX item_reserved ON item (period, estimate_high)
    WHERE period IS NOT NULL AND cost IS NULL
      AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done');
CREATE INDEX item_reserved_of_rule ON item (rule, period, estimate_high)
    WHERE period IS NOT NULL AND cost IS NULL
      AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done');

-- Every movement of money; rows are added and never changed, but for the name of a rule that got another.
CREATE TABLE ledger (
    id      INTEGER PRIMARY KEY,
    key     TEXT NOT NULL,              -- the client_ref of the purchase
    item    INTEGER NOT NULL,
    kind    TEXT NOT NULL,              -- charge; then refund or correction; presumed: bought anew, its outcome unknown
    amount  TEXT NOT NULL,              -- dollars, decimal text; negative for a refund
    at      REAL NOT NULL,              -- when it was learnt, epoch seconds
    period  TEXT NOT NULL,              -- the day of the purchase
    service TEXT NOT NULL,
    rule    TEXT NOT NULL,
    dir     BLOB NOT NULL,
    model   TEXT NOT NULL,
    run     TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX ledger_charge ON ledger (key, item) WHERE kind = 'charge';
CREATE INDEX ledger_key ON ledger (key, item);
CREATE INDEX ledger_period ON ledger (period, amount);
CREATE INDEX ledger_rule ON ledger (rule, period, amount);
CREATE INDEX ledger_model ON ledger (service, model, id) WHERE kind = 'charge';

INSERT INTO ledger (key, item, kind, amount, at, period, service, rule, dir, model, run)
SELECT item.client_ref, item.id, 'charge', item.cost, coalesce(item.ended_at, item.bought_at, item.found_at),
       date(coalesce(item.bought_at, item.ended_at, item.found_at), 'unixepoch', 'localtime'),
       coalesce(batch.service, ''), item.rule, item.dir, coalesce(batch.model, ''), coalesce(item.run_id, '')
FROM item LEFT JOIN batch ON batch.id = item.batch
WHERE item.cost IS NOT NULL AND CAST(item.cost AS REAL) > 0 ORDER BY item.id;
