-- Schema 25. Who works on this store: a session is what lives or is dead, and what it had claimed goes with it.

CREATE TABLE host (
    session      TEXT PRIMARY KEY,          -- new with every start
    name         TEXT NOT NULL,             -- of the machine, as people call it
    since        REAL NOT NULL,             -- epoch seconds, as all below
    seen_until   REAL NOT NULL,             -- what it claimed is its own until then; 9e18 while a lock says so
    throttled_until REAL NOT NULL DEFAULT 0,-- the service asked it to wait until then
    facts        TEXT NOT NULL DEFAULT '{}' -- of its rules: the text of each, and which of its folders are there
) STRICT, WITHOUT ROWID;

-- What one host at a time does: the intake of a rule, and sending messages.
CREATE TABLE duty (
    name       TEXT PRIMARY KEY,            -- intake:RULE, or notify
    owner      TEXT,                        -- its session
    generation INTEGER NOT NULL DEFAULT 0,
    text       TEXT NOT NULL DEFAULT ''     -- which text of the rule is in force
) STRICT, WITHOUT ROWID;

-- When what is closed is probed, for the other hosts; epoch seconds.
ALTER TABLE incident ADD COLUMN probe_at REAL NOT NULL DEFAULT 0;

-- A claim lasts as long as its session: how long the work takes says nothing.
ALTER TABLE batch DROP COLUMN lease_until;
ALTER TABLE item DROP COLUMN lease_until;
