-- Schema 24. How sources stand with their rules, and which outputs are a person's; see SQLite's migration of this number.

ALTER TABLE item ADD COLUMN source_state text COLLATE "C" NOT NULL DEFAULT 'kept'
    CHECK (source_state IN ('kept', 'needed', 'released', 'disposed'));
UPDATE item SET source_state = 'disposed'
WHERE state = 'done' AND review IN ('none', 'accepted')
  AND snapshot IN (SELECT id FROM snapshot WHERE text NOT LIKE '%"after": {"folder": "", "kind": "keep"}%');

ALTER TABLE output ADD COLUMN edited bigint NOT NULL DEFAULT 0;
