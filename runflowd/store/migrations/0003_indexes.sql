-- Schema 3. An index for every statement that runs for a row or for a turn, and who reported an incident.

DROP INDEX item_following;
CREATE INDEX item_source ON item (source_item, state) WHERE source_item IS NOT NULL;

CREATE INDEX item_owner ON item (owner) WHERE owner IS NOT NULL;
CREATE INDEX batch_owner ON batch (owner) WHERE owner IS NOT NULL;
CREATE INDEX purchase_open ON purchase (batch) WHERE outcome = 'intended';

DROP INDEX item_ready;
CREATE INDEX item_ready ON item (snapshot, id, rule, size, state) WHERE state = 'ready';

DROP INDEX item_unnoted;
CREATE INDEX item_unnoted ON item (due_at, id)
    WHERE state IN ('failed', 'unknown', 'waiting') AND noted <> 1
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1;

DROP INDEX item_absent;
CREATE INDEX item_absent ON item (rule, state, id) WHERE absent_at IS NOT NULL AND current = 1;

DROP INDEX item_ended;
CREATE INDEX item_ended ON item (ended_at) WHERE ended_at IS NOT NULL;

CREATE INDEX batch_rule ON batch (rule);

ALTER TABLE incident ADD COLUMN owner TEXT NOT NULL DEFAULT '';   -- the session that reported it
