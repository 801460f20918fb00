-- name: results_by_snapshot
SELECT snapshot.id AS snapshot, count(*) AS count FROM item JOIN snapshot ON snapshot.number = item.snapshot_number
WHERE item.rule = :rule AND state = 'done' AND current = 1 AND absent_at IS NULL
  AND EXISTS (SELECT 1 FROM output WHERE output.item = item.id)
GROUP BY snapshot.id

-- name: deliver_under
UPDATE item SET snapshot_number = (SELECT number FROM snapshot WHERE id = :snapshot) WHERE id = :id
