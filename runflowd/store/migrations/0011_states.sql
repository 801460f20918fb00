-- Schema 11. The states of a file, and what is stored under a key, by the names of the field.

ALTER TABLE fact RENAME TO kv;
ALTER TABLE kv RENAME COLUMN subject TO key;

DROP INDEX item_delivering;
DROP INDEX item_unnoted;

CREATE TEMP TABLE renamed (before TEXT PRIMARY KEY, after TEXT NOT NULL);
INSERT INTO renamed VALUES ('following', 'duplicate'), ('batched', 'queued'), ('delivering', 'downloading'),
    ('unknown', 'outcome_unknown');
UPDATE item SET state = renamed.after FROM renamed WHERE state = renamed.before;
UPDATE history SET state = renamed.after FROM renamed WHERE state = renamed.before;
DROP TABLE renamed;

CREATE INDEX item_downloading ON item (rule, due_at, id) WHERE state = 'downloading';
CREATE INDEX item_unnoted ON item (due_at, id)
    WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND noted <> 1
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1;
