-- name: results_by_snapshot
SELECT snapshot, count(*) AS count FROM item
WHERE rule = :rule AND state = 'done' AND current = 1 AND absent_at IS NULL
  AND EXISTS (SELECT 1 FROM output WHERE output.item = item.id)
GROUP BY snapshot

-- name: deliver_under
UPDATE item SET snapshot = :snapshot WHERE id = :id
