-- Schema 15. What costs more than its rule lets one file cost stays ready, apart from what may be bought.

DROP INDEX item_ready;
CREATE INDEX item_ready ON item (snapshot, id, rule, size, state)
    WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE';
CREATE INDEX item_parked ON item (rule, failure) WHERE state = 'ready' AND failure_code = 'FILE_TOO_EXPENSIVE';

-- What was spent is read from the ledger.
DROP INDEX item_spent;
DROP INDEX item_unsettled;
