-- Schema 18. The currency of every movement of money, and books to which rows are added and from which none are taken.

ALTER TABLE ledger ADD COLUMN currency TEXT NOT NULL DEFAULT 'USD';  -- ISO 4217; until now all was taken for dollars

ALTER TABLE item ADD COLUMN currency TEXT NOT NULL DEFAULT 'USD';    -- of its estimates, and of its cost once that is stated

DROP INDEX item_reserved;
DROP INDEX item_reserved_of_rule;
CREATE INDEX item_reserved ON item (period, currency, estimate_high)
    WHERE period IS NOT NULL AND cost IS NULL
      AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done');
CREATE INDEX item_reserved_of_rule ON item (rule, period, currency, estimate_high)
    WHERE period IS NOT NULL AND cost IS NULL
      AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done');

DROP INDEX ledger_charge;
DROP INDEX ledger_period;
DROP INDEX ledger_rule;
CREATE UNIQUE INDEX ledger_charge ON ledger (key, item, currency) WHERE kind = 'charge';
CREATE INDEX ledger_period ON ledger (period, currency, amount);
CREATE INDEX ledger_rule ON ledger (rule, period, currency, amount);
CREATE INDEX ledger_at ON ledger (at);

CREATE TRIGGER ledger_rows_stay BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'what is entered in the ledger stays'); END;
-- The name of a rule, and the day that a purchase counts for, are all that may be corrected.
CREATE TRIGGER ledger_amounts_stay
BEFORE UPDATE OF id, key, item, kind, amount, currency, at, service, dir, model, run ON ledger
BEGIN SELECT RAISE(ABORT, 'what is entered in the ledger stays'); END;
