-- Schema 24. On each item how its source stands with its rule, on each output whether it is a person's by now.

ALTER TABLE item ADD COLUMN source_state TEXT NOT NULL DEFAULT 'kept'
    CHECK (source_state IN ('kept', 'needed', 'released', 'disposed'));
-- A rule that disposes of its sources may have done so with each that nobody had to accept, or that somebody did.
UPDATE item SET source_state = 'disposed'
WHERE state = 'done' AND review IN ('none', 'accepted')
  AND snapshot IN (SELECT id FROM snapshot WHERE text NOT LIKE '%"after": {"folder": "", "kind": "keep"}%');

-- No CHECK, see schema 22. 1: somebody edited it where a verdict would have moved it, so it is theirs.
ALTER TABLE output ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
