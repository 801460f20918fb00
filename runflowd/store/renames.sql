-- name: latest_snapshots
-- The rules that did something, each with the text it had last.
SELECT rule, text FROM snapshot
WHERE number IN (SELECT max(number) FROM snapshot GROUP BY rule)
  AND EXISTS (SELECT 1 FROM item WHERE item.rule = snapshot.rule)
ORDER BY rule

-- name: held_of_rule
-- Of what is held there is little, of a rule there may be much: the empty text keeps the index of rules out of it.
SELECT 1 FROM item WHERE rule || '' = :rule AND owner IS NOT NULL
UNION ALL SELECT 1 FROM batch WHERE rule || '' = :rule AND owner IS NOT NULL
LIMIT 1

-- name: rename_items
UPDATE item SET rule = :after WHERE rule = :before

-- name: rename_batches
UPDATE batch SET rule = :after WHERE rule = :before

-- name: rename_pause
UPDATE pause SET rule = :after
WHERE rule = :before AND NOT EXISTS (SELECT 1 FROM pause AS other WHERE other.rule = :after)

-- name: displace_key
DELETE FROM kv WHERE service = '' AND key = :after
  AND EXISTS (SELECT 1 FROM kv AS kept WHERE kept.service = '' AND kept.key = :before)

-- name: rename_key
UPDATE kv SET key = :after WHERE service = '' AND key = :before
