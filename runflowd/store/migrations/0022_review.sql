-- Schema 22. Verdicts on results, which stay; on each item how it stands and whether that is carried out; where outputs are.

ALTER TABLE item ADD COLUMN review TEXT NOT NULL DEFAULT 'none'
    CHECK (review IN ('none', 'waiting', 'accepted', 'rejected'));
ALTER TABLE item ADD COLUMN verdict_due INTEGER NOT NULL DEFAULT 0 CHECK (verdict_due IN (0, 1));
-- No CHECK: with one beside a generated column, SQLite 3.40 cannot copy the table by VACUUM INTO ("10 columns but 11 values").
ALTER TABLE output ADD COLUMN place TEXT NOT NULL DEFAULT 'output';   -- 'output', 'held' or 'rejected'

CREATE TABLE verdict (
    id        INTEGER PRIMARY KEY,
    item      INTEGER NOT NULL,
    reference TEXT NOT NULL,            -- the client_ref of the item: what is judged is what that purchase brought
    at        REAL NOT NULL,
    who       TEXT NOT NULL,
    verdict   TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'undo')),
    reason    TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX verdict_item ON verdict (item, id);
CREATE INDEX item_to_review ON item (rule, id) WHERE review = 'waiting' AND state = 'done';
CREATE INDEX item_verdict_due ON item (due_at, id) WHERE verdict_due = 1 AND state = 'done';
CREATE INDEX item_judged ON item (rule, content_hash, recipe_hash) WHERE review IN ('accepted', 'rejected');

CREATE TRIGGER verdicts_stay BEFORE DELETE ON verdict
BEGIN SELECT RAISE(ABORT, 'a verdict that was given stays on record'); END;
CREATE TRIGGER verdicts_do_not_change BEFORE UPDATE ON verdict
BEGIN SELECT RAISE(ABORT, 'a verdict that was given stays on record'); END;
