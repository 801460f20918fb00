-- Schema 17. Receipts: where that of a file stands, and whether it says what is on record.

ALTER TABLE item ADD COLUMN receipt_state TEXT NOT NULL DEFAULT 'none'
    CHECK (receipt_state IN ('none', 'written', 'outdated'));

CREATE TABLE receipt (
    item         INTEGER PRIMARY KEY,
    root         BLOB,                      -- absolute; NULL with relative and key once a newer content took the name
    relative     BLOB,
    path         BLOB GENERATED ALWAYS AS (CAST(root || '/' || relative AS BLOB)) STORED UNIQUE,
    key          TEXT,                      -- equal for paths that some file system cannot tell apart
    content_hash TEXT NOT NULL,
    earlier      TEXT NOT NULL DEFAULT '',  -- hashes of what we wrote there before, until the new one stands
    outputs      TEXT NOT NULL              -- what was delivered, a JSON list, whatever became of it since
) STRICT;

CREATE INDEX ledger_item ON ledger (item);
CREATE INDEX receipt_key ON receipt (key);
CREATE INDEX item_receipt ON item (due_at, id)
    WHERE receipt_state = 'outdated' AND state IN ('done', 'failed', 'outcome_unknown');
