-- Schema 20. What a person has approved of what rules buy, and which files were sealed once and need no new approval.

ALTER TABLE item ADD COLUMN approved INTEGER NOT NULL DEFAULT 0 CHECK (approved IN (0, 1));
UPDATE item SET approved = 1 WHERE batch IS NOT NULL AND state IN ('queued', 'failed', 'outcome_unknown');

DROP INDEX item_ready;
CREATE INDEX item_ready ON item (snapshot, id, rule, size, state, approved)
    WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE';

CREATE TABLE approval (
    rule       TEXT NOT NULL,
    recipe     TEXT NOT NULL,           -- of the rule: hash of its model, input, select and files
    sampled    INTEGER NOT NULL,        -- files that were bought without asking
    approved   INTEGER NOT NULL,        -- files that a person lets pass, and that are not bought yet
    everything INTEGER NOT NULL CHECK (everything IN (0, 1)),
    PRIMARY KEY (rule, recipe)
) STRICT, WITHOUT ROWID;

CREATE TABLE crowd (
    rule   TEXT PRIMARY KEY,
    files  INTEGER NOT NULL,            -- that were there at once
    cost   TEXT,                        -- dollars at most, decimal text; NULL where nobody knew
    passed INTEGER NOT NULL             -- of them since
) STRICT, WITHOUT ROWID;
