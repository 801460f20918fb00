-- Schema 30. A movement of money takes less: who was paid for what stands once, under a number, and a reference is bytes.
-- `full_ledger` has a movement with all of that, as texts.

-- No two need differ: a rule may have got the name of another one.
CREATE TABLE account (
    number  INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    model   TEXT NOT NULL,
    rule    TEXT NOT NULL
) STRICT;
INSERT INTO account (service, model, rule) SELECT DISTINCT service, model, rule FROM ledger ORDER BY service, model, rule;
CREATE INDEX account_of ON account (service, model, rule);
CREATE INDEX account_rule ON account (rule);

-- Every movement of money; rows are added and never changed, but for the day that a purchase counts for.
CREATE TABLE movement (
    id        INTEGER PRIMARY KEY,
    account   INTEGER NOT NULL REFERENCES account (number),
    reference BLOB NOT NULL,            -- of the purchase: what the service knows as `client_ref` is its hex text
    item      INTEGER NOT NULL,
    kind      TEXT NOT NULL,            -- charge; then refund or correction; presumed: bought anew, its outcome unknown
    amount    TEXT NOT NULL,            -- decimal text; negative for a refund
    currency  TEXT NOT NULL,            -- ISO 4217
    at        REAL NOT NULL,            -- when it was learnt, epoch seconds
    period    TEXT NOT NULL,            -- the day of the purchase
    dir       BLOB NOT NULL,
    run       TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO movement (id, account, reference, item, kind, amount, currency, at, period, dir, run)
SELECT id, (SELECT number FROM account
            WHERE account.service = ledger.service AND account.model = ledger.model AND account.rule = ledger.rule),
    unhex(key), item, kind, amount, currency, at, period, dir, run
FROM ledger ORDER BY id;
DROP TABLE ledger;
ALTER TABLE movement RENAME TO ledger;

CREATE UNIQUE INDEX ledger_charge ON ledger (reference, item, currency) WHERE kind = 'charge';
CREATE INDEX ledger_item ON ledger (item);
CREATE INDEX ledger_at ON ledger (at);
CREATE INDEX ledger_account ON ledger (account, period, currency, amount);
CREATE INDEX ledger_charged ON ledger (account) WHERE kind = 'charge';

CREATE TRIGGER ledger_rows_stay BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'what is entered in the ledger stays'); END;
CREATE TRIGGER ledger_amounts_stay
BEFORE UPDATE OF id, account, reference, item, kind, amount, currency, at, dir, run ON ledger
BEGIN SELECT RAISE(ABORT, 'what is entered in the ledger stays'); END;
CREATE TRIGGER account_rows_stay BEFORE DELETE ON account
BEGIN SELECT RAISE(ABORT, 'what is entered in the ledger stays'); END;
-- The name of a rule is all that may be corrected.
CREATE TRIGGER account_sellers_stay BEFORE UPDATE OF number, service, model ON account
BEGIN SELECT RAISE(ABORT, 'what is entered in the ledger stays'); END;

CREATE VIEW full_ledger AS
SELECT ledger.*, lower(hex(ledger.reference)) AS key, account.service, account.model, account.rule
FROM ledger JOIN account ON account.number = ledger.account;
